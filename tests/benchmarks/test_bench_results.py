"""Medians, ratios and tables on made-up measurements whose results are worked out by hand."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from benchmarks import training
from benchmarks.measure import in_turn
from benchmarks.results import Spread, column_title, microseconds, ratio_table, summarise, table


def measurement(peer: str, number: int, microseconds: float, cores: int = 1) -> dict[str, Any]:
    return {
        "round": number,
        "peer": peer,
        "case": "A",
        "cores": cores,
        "epochs": 3,
        "step_seconds": microseconds * 1e-6,
        "images_per_second": 32 / (microseconds * 1e-6),
        "val_accuracy": 0.85 + number / 100,
        "peak_memory_mb": 200.0 + number,
    }


@pytest.fixture
def measurements() -> list[dict[str, Any]]:
    ours, jax = (100, 200, 400), (150, 100, 1200)
    rounds = range(3)
    taken = [measurement("jax", r, jax[r]) for r in rounds] + [
        measurement("ours", r, ours[r]) for r in rounds
    ]
    return [*taken, measurement("keras", 1, 900), measurement("keras", 0, 500, cores=2)]


def test_spread_of_an_even_number_of_values() -> None:
    assert Spread.of([4.0, 1.0, 3.0, 2.0]) == Spread(2.5, 1.0, 4.0)


def test_rows_come_by_cores_then_in_the_order_of_the_peers(measurements: list[dict[str, Any]]) -> None:
    found = [(row.cores, row.peer, row.rounds) for row in summarise(measurements)]
    assert found == [(1, "ours", 3), (1, "keras", 1), (1, "jax", 3), (2, "keras", 1)]


def test_ratio_is_the_median_of_the_rounds_ratios(measurements: list[dict[str, Any]]) -> None:
    ours, keras, jax, keras_on_two = summarise(measurements)
    # round by round 1.5, 0.5, 3.0; the ratio of the medians would be 150/200 = 0.75
    assert jax.ratio is not None
    assert [jax.ratio.median, jax.ratio.low, jax.ratio.high] == pytest.approx([1.5, 0.5, 3.0])
    assert jax.step_seconds.median == pytest.approx(150e-6)
    assert ours.ratio == Spread(1.0, 1.0, 1.0)
    assert keras.ratio is not None  # its one round is compared with the same round of ours
    assert keras.ratio.median == pytest.approx(4.5)
    assert keras_on_two.ratio is None  # ours was not measured on two cores


def test_accuracy_and_memory_are_medians(measurements: list[dict[str, Any]]) -> None:
    ours = summarise(measurements)[0]
    assert ours.val_accuracy == pytest.approx(0.86)
    assert ours.peak_memory_mb == pytest.approx(201)


def test_table_has_a_line_a_row(measurements: list[dict[str, Any]]) -> None:
    lines = table(summarise(measurements)).splitlines()
    assert len({line.count("|") for line in lines}) == 1
    assert lines[2] == "| A | 1 | ffnn | 200 (100–400) | 160,000 | 1.00 (1.00–1.00) | 0.860 (3) | 201 |"
    assert lines[5] == "| A | 2 | Keras fit | 500 (500–500) | 64,000 | – | 0.850 (3) | 200 |"


def test_ratio_table(measurements: list[dict[str, Any]]) -> None:
    assert ratio_table(summarise(measurements)).splitlines() == [
        "| peer / ffnn | A | A, 2 cores |",
        "| --- | --: | --: |",
        "| Keras fit | 4.50 | – |",
        "| JAX, compiled | 1.50 | – |",
    ]


def test_ratio_table_against_another_of_our_own(measurements: list[dict[str, Any]]) -> None:
    taken = [*measurements, measurement("ours_haswell", 0, 50)]  # 150 / 50 and 100 / 50 in its one round
    assert ratio_table(summarise(taken, "ours_haswell"), "ours_haswell").splitlines()[2:] == [
        "| ffnn | 2.00 | – |",
        "| JAX, compiled | 3.00 | – |",
    ]


def test_ratio_table_is_empty_without_ours(measurements: list[dict[str, Any]]) -> None:
    assert ratio_table(summarise([m for m in measurements if m["peer"] != "ours"])) == ""


@pytest.mark.parametrize(("seconds", "shown"), [(64.25e-6, "64.2"), (371.4e-6, "371"), (0.0152183, "15,218")])
def test_microseconds(seconds: float, shown: str) -> None:
    assert microseconds(seconds) == shown


def test_column_title() -> None:
    assert [column_title("E", 1), column_title("E", 2)] == ["E", "E, 2 cores"]


def test_rounds_are_interleaved() -> None:
    order = list(in_turn(2, [1], ["A", "B"], ["ours", "jax"]))
    assert order == [
        (0, 1, "A", "ours"),
        (0, 1, "A", "jax"),
        (0, 1, "B", "ours"),
        (0, 1, "B", "jax"),
        (1, 1, "A", "jax"),
        (1, 1, "A", "ours"),
        (1, 1, "B", "jax"),
        (1, 1, "B", "ours"),
    ]
    assert all(earlier[0] <= later[0] for earlier, later in pairwise(order))


def test_earlier_results_are_shown_again(
    measurements: list[dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib")
    about = {"cpu": "Some CPU", "cores": 2, "system": "Linux 6", "python": "3.12.0"}
    stored = tmp_path / "training.json"
    stored.write_text(json.dumps({"machine": about, "measurements": measurements, "failures": []}))
    assert training.main([f"--render={stored}", f"--out={tmp_path}"]) == 0
    assert table(summarise(measurements)) in capsys.readouterr().out
    assert (tmp_path / "training.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--cases=A,F"], "'F' is none of A, B"),
        (["--peers=tourch"], "'tourch' is none of ours"),
        (["--cores=0"], "'0' is neither"),
        (["--rounds=0"], "'0' is not a whole number"),
    ],
)
def test_a_bad_option_is_named(arguments: list[str], named: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        training.main(arguments)
    assert stopped.value.code == 2
    assert named in capsys.readouterr().err
