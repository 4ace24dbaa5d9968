"""The table of cases, and the model of the floor, against numbers worked out by hand."""

from __future__ import annotations

import pytest

from benchmarks import calls, limits
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


@pytest.mark.parametrize("name", CASES)
def test_the_products_are_those_of_the_model(name: str) -> None:
    multiplied = 0
    for a, b, a_is_turned, b_is_turned in calls.shapes(CASES[name]):
        (rows, inner), (other, columns) = (a[::-1] if a_is_turned else a), (b[::-1] if b_is_turned else b)
        assert inner == other
        multiplied += 2 * rows * inner * columns
    assert multiplied == limits.flops(CASES[name])


def test_the_calls_of_every_case_are_measured(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "pin", lambda _: [0])  # the tests after this one may use all cores
    assert calls.main(["--seconds", "0"]) == 0
    rows = [line.split(" | ") for line in capsys.readouterr().out.splitlines() if line.startswith("| A: ")]
    assert rows[0][0] == "| A: 3×128 relu adam batch 32"
    products, passes, both = (float(cell.strip(" |").replace(",", "")) for cell in rows[0][1:])
    assert both == pytest.approx(products + passes, abs=1.1)
