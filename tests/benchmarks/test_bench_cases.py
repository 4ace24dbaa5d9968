"""The table of cases, and the model of the floor, against numbers worked out by hand."""

from __future__ import annotations

import pytest

from benchmarks import limits
from benchmarks.cases import CASES


def test_cases_are_the_agreed_five() -> None:
    agreed = [
        ("A", 3, 128, "relu", "adam", 32),
        ("B", 3, 32, "tanh", "adam", 16),
        ("C", 5, 128, "relu", "adam", 64),
        ("D", 4, 64, "sigmoid", "sgd", 32),
        ("E", 2, 1024, "relu", "adam", 128),
    ]
    found = [
        (name, len(case.hidden), case.hidden[0], case.activation, case.optimizer, case.batch_size)
        for name, case in CASES.items()
    ]
    assert found == agreed
    assert all(len(set(case.hidden)) == 1 for case in CASES.values())


@pytest.mark.parametrize(("name", "steps"), [("A", 1688), ("B", 3375), ("C", 844), ("D", 1688), ("E", 422)])
def test_an_epoch_has_the_short_batch_too(name: str, steps: int) -> None:
    assert CASES[name].steps(54_000) == steps


def test_sizes_run_from_pixels_to_classes() -> None:
    assert CASES["E"].sizes == (784, 1024, 1024, 10)


def test_floor_of_case_a_by_hand() -> None:
    # weights 784·128 + 128·128 + 128·128 + 128·10 = 134,400, of which the first layer has 100,352
    assert limits.flops(CASES["A"]) == 64 * (3 * 134_400 - 100_352)
    assert limits.parameters(CASES["A"]) == 134_400 + 3 * 128 + 10
    assert limits.traffic_bytes(CASES["A"]) == 28 * 134_794
    assert limits.footprint_bytes(CASES["A"]) == 16 * 134_794


def test_floor_of_sgd_moves_three_vectors() -> None:
    # (784 + 1)·64 + 3·(64 + 1)·64 + (64 + 1)·10
    assert limits.traffic_bytes(CASES["D"]) == 12 * (50_240 + 12_480 + 650)


def test_limits_are_measured() -> None:
    assert limits.peak_flops(sizes=(64, 128), budget=0.0) > 1e6
    assert limits.bandwidth(1_000_000, budget=0.0) > 1e6
