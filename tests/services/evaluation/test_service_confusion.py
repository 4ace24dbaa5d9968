from __future__ import annotations

import csv
import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from small_runs import Place, Watcher, put_other_test_labels, write_dataset
from stored_sweeps import Made, put_sweep

from ffcli.config import TrainConfig
from ffcli.core.network import Network
from ffcli.errors import FfnnError, RequestError
from ffcli.runs.model_file import network_bytes
from ffcli.runs.record import RunRecord
from ffcli.runs.store import MODEL
from ffcli.services.evaluation import confusion as confusing
from ffcli.services.evaluation.best import RunChoice
from ffcli.services.evaluation.confusion import confusion, matrix_csv
from ffcli.services.evaluation.evaluate import evaluate
from ffcli.services.evaluation.results import ConfusionMatrix
from ffcli.tracking.base import Additions
from ffcli.util.atomic_files import json_text

TRUE = [0, 0, 0, 1, 1, 2, 0]
PREDICTED = [0, 0, 1, 1, 0, 1, 1]  # class 2 is never predicted, class 3 neither there nor predicted
MATRIX = [[2, 2, 0, 0], [1, 1, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]]


pytestmark = pytest.mark.usefixtures("here")


def shown(place: Place, run: str | None = None, **options: Any) -> ConfusionMatrix:
    chosen = {field.name: options.pop(field.name) for field in fields(RunChoice) if field.name in options}
    defaults: dict[str, Any] = {"out": None, "csv_file": None, "normalize": False}
    return confusion(place.context, RunChoice(run, **chosen), **{**defaults, **options})


@pytest.fixture
def identity(place: Place) -> str:
    """A run whose network predicts the class at which its four features are 1."""
    path = place.folder / "one hot.npz"
    x_train, y_train = np.tile(np.eye(4, dtype=np.float32), (10, 1)), np.tile(np.arange(4), 10)
    np.savez(path, x_train=x_train, y_train=y_train, x_test=np.eye(4)[PREDICTED], y_test=np.array(TRUE))
    config = TrainConfig.model_validate({"dataset": str(path), "num_layers": 0})
    place.put("identity", dataset=str(path), config=config.as_dict(), best={"val_acc": 1.0}, sweep_id="s")
    network = Network([4, 4])
    network.weights[0][...] = np.eye(4)
    (place.path("identity") / MODEL).write_bytes(network_bytes(network, {}))
    return "identity"


def test_the_matrix_is_the_one_counted_by_hand(place: Place, identity: str) -> None:
    document = shown(place, identity)
    assert document.matrix == MATRIX
    assert document.labels == ["0", "1", "2", "3"]
    assert (document.run_id, document.n, document.normalized) == ("identity", 7, False)
    assert document.accuracy == pytest.approx(3 / 7)
    assert [(pair.true.label, pair.predicted.label, pair.count) for pair in document.confusions] == [
        (0, 1, 2),
        (1, 0, 1),
        (2, 1, 1),
    ]
    json_text(document)


def test_it_agrees_with_evaluate(place: Place) -> None:
    run = place.train().run_id
    document = shown(place, run)
    assert place.context.runs.read(run).test_acc == document.accuracy
    (evaluation,) = evaluate(place.context, [RunChoice(run)])
    for key in ("run_id", "name", "dataset", "n", "accuracy", "per_class"):
        assert getattr(document, key) == getattr(evaluation, key)
    assert [sum(row) for row in document.matrix] == [row.support for row in evaluation.per_class]


def test_wandb_gets_what_the_record_gets(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    added: list[tuple[RunRecord, Additions]] = []
    monkeypatch.setattr(confusing, "attach", lambda _, found: added.extend(found))
    run = place.train(epochs=1).run_id
    own = shown(place, run)
    assert (
        shown(place, run, dataset=str(write_dataset(place.folder / "other.npz", seed=1))).accuracy
        != own.accuracy
    )
    put_other_test_labels(place)
    assert shown(place, run).accuracy != own.accuracy
    assert [(record.run_id, dict(about.values), list(about.images)) for record, about in added] == [
        (run, {"test_acc": own.accuracy}, ["confusion matrix"]),
        (run, {}, ["confusion matrix on other"]),
    ]
    assert [about.confusion is None for _, about in added] == [False, True]
    assert added[0][0].test_acc == place.context.runs.read(run).test_acc == own.accuracy


def test_normalized_the_rows_are_shares(place: Place, identity: str) -> None:
    document = shown(place, identity, normalize=True, csv_file=Path("x.csv"))
    expected = [[0.5, 0.5, 0, 0], [0.5, 0.5, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]]
    assert document.matrix == expected
    assert document.normalized is True
    rows = list(csv.reader(Path("x.csv").read_text().splitlines()))
    assert [list(map(float, row[1:])) for row in rows[1:]] == expected


def test_the_files(place: Place, identity: str) -> None:
    assert shown(place, identity).png == Path("confusion-identity.png")
    assert shown(place, identity).csv is None
    document = shown(place, identity, out=Path("x.png"), csv_file=Path("x.csv"))
    assert (document.png, document.csv) == (Path("x.png"), Path("x.csv"))
    rows = list(csv.reader(Path("x.csv").read_text().splitlines()))
    assert rows == [
        ["true \\ predicted", "0", "1", "2", "3"],
        *([str(label), *map(str, row)] for label, row in enumerate(MATRIX)),
    ]
    with Image.open("x.png") as picture, Image.open("confusion-identity.png") as again:
        assert [round(dpi) for dpi in picture.info["dpi"]] == [150, 150]
        colours = {colour for _, colour in picture.convert("RGB").getcolors(1 << 20)}
        assert picture.tobytes() == again.tobytes()
    # the root of 1/2 of blue and of orange, and the full orange: class 2 is always wrong
    assert {(75, 138, 175), (244, 160, 75), (240, 120, 0)} <= colours


@pytest.mark.usefixtures("identity")
def test_the_best_run_is_taken_without_a_name(place: Place) -> None:
    dataset = str(place.folder / "one hot.npz")
    sweep_id = put_sweep(place, "seed: {values: [1, 2]}", [Made([(0.5, 1.0)], run_id="identity")])
    for options in ({"dataset": dataset}, {"dataset": dataset, "best": True}, {"sweep_id": sweep_id}):
        assert shown(place, **options).run_id == "identity"
    with pytest.raises(FfnnError, match="has no finished run yet"):
        shown(place, sweep_id=put_sweep(place, "seed: {values: [1, 2]}", []))


def test_a_sweeps_own_metric_says_which_is_the_best_and_dropped_weights_are_trained_again(
    place: Place,
) -> None:
    most, least = (place.train(seed=seed) for seed in (1, 2))
    (place.path(least.run_id) / MODEL).unlink()
    made = [
        Made([(0.9, 2.0)], run_id=most.run_id),
        Made([(0.1, 1.0)], run_id=least.run_id),
    ]
    values = {name: {"value": value} for name, value in place.config().as_dict().items()}
    values["seed"] = {"values": [1, 2]}
    search = "\n  ".join(f"{name}: {json.dumps(value)}" for name, value in values.items())
    sweep_id = put_sweep(place, search, made, "val_loss")
    watcher = Watcher()
    document = shown(place, sweep_id=sweep_id, on_event=watcher)
    assert document.run_id not in (most.run_id, least.run_id)
    assert place.context.runs.read(document.run_id).config["seed"] == 2
    assert watcher.told[0][:2] == ("started", document.run_id)
    assert shown(place, sweep_id=sweep_id, metric="val_acc").run_id == most.run_id


@pytest.mark.parametrize(
    "options",
    [
        {"best": True},
        {"sweep_id": "s"},
        {"out": Path("x.txt")},
        {"out": Path("nowhere/x.png")},
        {"csv_file": Path("nowhere/x.csv")},
        {"csv_file": Path()},
    ],
)
def test_a_wrong_request_writes_nothing(place: Place, identity: str, options: dict[str, Any]) -> None:
    before = set(place.folder.rglob("*"))
    with pytest.raises(RequestError):
        shown(place, identity, **options)
    assert set(place.folder.rglob("*")) == before


def test_the_csv_is_not_written_over_the_figure(place: Place, identity: str) -> None:
    link = Path("link")
    link.symlink_to("x.svg")
    for table, figure in ((Path(f"confusion-{identity}.png"), None), (link, Path("x.svg"))):
        with pytest.raises(RequestError) as caught:
            shown(place, identity, csv_file=table, out=figure)
        assert caught.value.parameter == "csv"
    assert not Path("x.svg").exists()


def test_a_network_without_mistakes_has_no_confusions(place: Place, identity: str) -> None:
    path = place.folder / "one hot.npz"
    with np.load(path) as arrays:
        right = {**arrays, "y_test": np.array(PREDICTED)}
    np.savez(path, **right)
    document = shown(place, identity)
    assert (document.accuracy, document.confusions) == (1.0, [])


def test_no_name_is_run_as_a_formula() -> None:
    names = ["=1+1", "+x", "-x", "@x", "\tx", "a,b", 'say "x"', "plain"]
    rows = list(csv.reader(matrix_csv([[0] * 8] * 8, names).splitlines()))
    shown = ["'=1+1", "'+x", "'-x", "'@x", "'\tx", "a,b", 'say "x"', "plain"]
    assert rows[0][1:] == shown
    assert [row[0] for row in rows[1:]] == shown
