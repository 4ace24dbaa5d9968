from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from small_runs import Place, Watcher

from ffcli.config import TrainConfig
from ffcli.errors import RequestError
from ffcli.plotting.run_curves import RunCurves, run_curves_figure
from ffcli.runs.metric import METRICS
from ffcli.services.runs.compare import compare_runs
from ffcli.services.train import train
from ffcli.training.options import RunOptions
from ffcli.util.atomic_files import json_text, json_value

pytestmark = pytest.mark.usefixtures("here")


def put(place: Place, run_id: str, **values: Any) -> None:
    place.put(run_id, config=TrainConfig.model_validate(values).as_dict())


def test_where_runs_differ_in_the_order_of_the_configuration(place: Place) -> None:
    put(place, "r1", learning_rate=0.1, hidden_size=[64, 32], seed=1)
    put(place, "r2", learning_rate=0.1, hidden_size=[64, 32], seed=2)
    put(place, "r3", learning_rate=0.2, hidden_size=64, num_layers=2, seed=1)
    found = compare_runs(place.context, ["r1", "r2", "r3"])
    assert [document.different for document in found] == [
        {"hidden_size": [64, 32], "learning_rate": 0.1, "seed": 1},
        {"hidden_size": [64, 32], "learning_rate": 0.1, "seed": 2},
        {"hidden_size": 64, "learning_rate": 0.2, "seed": 1},
    ]
    assert list(found[0].different) == ["hidden_size", "learning_rate", "seed"]
    first_two = compare_runs(place.context, ["r2", "r1"])
    assert [document.different for document in first_two] == [{"seed": 2}, {"seed": 1}]


def test_what_one_record_does_not_know_is_a_difference(place: Place) -> None:
    place.put("r1", config={"epochs": 3})
    place.put("r2", config={"epochs": 3, "later_field": 7})
    assert [document.different for document in compare_runs(place.context, ["r1", "r2"])] == [
        {"later_field": None},
        {"later_field": 7},
    ]


@pytest.mark.parametrize(
    ("ids", "shorts"),
    [
        (["20260101-abcd", "20260102-efgh"], ["abcd", "efgh"]),
        (["20260101-1abcd", "20260102-2abcd"], ["1abcd", "2abcd"]),
        (["a", "b"], ["a", "b"]),
        (["xabcd", "abcd"], ["xabcd", "abcd"]),
    ],
)
def test_runs_are_told_apart_by_the_ends_of_their_ids(
    place: Place, ids: list[str], shorts: list[str]
) -> None:
    for run_id in ids:
        put(place, run_id)
    assert [document.short for document in compare_runs(place.context, ids)] == shorts


def test_each_is_its_document_with_its_best_epoch(place: Place) -> None:
    runs = [place.train(learning_rate=rate, epochs=3) for rate in (0.05, 0.001)]
    diverged = place.train(optimizer="sgd", learning_rate=1e30)
    found = compare_runs(place.context, [run.run_id for run in (*runs, diverged)], Path("mine.png"))
    for document, run in zip(found, (*runs, diverged)):
        assert json_value(document).items() >= json_value(run).items()
        assert document.png == Path("mine.png")
    for document in found[:2]:
        best = max(document.epochs, key=lambda row: (row.val_acc, -row.epoch))
        assert document.at_best == best
    assert found[2].at_best is None
    with Image.open("mine.png") as image:
        assert image.format == "PNG"
        assert image.width > 1000
        colours = {tuple(pixel) for pixel in np.asarray(image.convert("RGB")).reshape(-1, 3)}
    assert colours >= {(0x00, 0x72, 0xB2), (0xD5, 0x5E, 0x00)}, "the first two of the palette"


def test_runs_without_an_epoch_have_no_curves(place: Place) -> None:
    put(place, "r1")
    put(place, "r2")
    assert {document.png for document in compare_runs(place.context, ["r1", "r2"])} == {None}
    assert not Path("runs-compare.png").exists()


def test_the_figure_shows_the_very_numbers() -> None:
    curves = [
        RunCurves(
            "one", "cross_entropy", [1, 2, 3], [3, 2, 1], [4, 3, 5], [0.1, 0.2, 0.3], [0.2, 0.4, 0.3], 2
        ),
        RunCurves("$two$", "cross_entropy", [1], [float("nan")], [float("inf")], [0.1], [0.1], None),
    ]
    figure = run_curves_figure(curves)
    loss, accuracy = figure.axes
    drawn = [(list(line.get_xdata()), list(line.get_ydata())) for line in loss.get_lines()[:3]]
    assert drawn == [([1, 2, 3], [3, 2, 1]), ([1, 2, 3], [4, 3, 5]), ([2], [3])]
    assert list(accuracy.get_lines()[2].get_ydata()) == [0.4]
    texts = [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    assert texts == ["one", "$two$", "validation", "training", "best epoch by val_acc"]


@pytest.mark.parametrize("n_epochs", [1, 2, 3, 30])
def test_the_axis_of_the_epochs_has_whole_ones_only(n_epochs: int) -> None:
    epochs = range(1, n_epochs + 1)
    figure = run_curves_figure(
        [RunCurves("one", "cross_entropy", epochs, *[[0.5] * n_epochs] * 4, best_epoch=1)]
    )
    for axes in figure.axes:
        low, high = axes.get_xlim()
        ticks = [tick for tick in axes.get_xticks() if low <= tick <= high]
        assert ticks
        assert set(ticks) <= {0, *epochs}


@pytest.mark.parametrize(
    ("runs", "message"),
    [
        (["r1"], "2 to 6 .*got 1"),
        (["r1", "r1"], "got 1"),
        ([f"r{number}" for number in range(1, 8)], "got 7"),
        (["r1", "r9"], "no run 'r9'"),
    ],
)
def test_wrong_runs_are_refused(place: Place, runs: list[str], message: str) -> None:
    for number in range(1, 8):
        put(place, f"r{number}")
    with pytest.raises(RequestError, match=message):
        compare_runs(place.context, runs)


def test_the_target_is_checked_first(place: Place) -> None:
    with pytest.raises(RequestError, match="out"):
        compare_runs(place.context, ["r1"], Path("no/such/folder.png"))


def test_the_document_is_json_and_holds_the_metrics(place: Place) -> None:
    options = RunOptions(name="[bold]x\x1b[31m")
    runs = [train(place.context, place.config(seed=seed, epochs=1), options, Watcher()) for seed in (1, 2)]
    found = compare_runs(place.context, [run.run_id for run in runs])
    again = json.loads(json_text(found))
    assert set(METRICS) <= set(again[0]["at_best"])
