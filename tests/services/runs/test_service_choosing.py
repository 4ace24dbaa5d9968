from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from small_runs import Place, Watcher, interrupt_after

import ffcli
from ffcli.config import TrainConfig, validate
from ffcli.errors import FfnnError, RequestError
from ffcli.runs.metric import BY_VAL_ACC, Metric
from ffcli.runs.model_file import load_network
from ffcli.runs.provenance import Provenance
from ffcli.runs.store import MODEL, SUMMARY
from ffcli.services.runs.select import best_run, load_run
from ffcli.services.train import train
from ffcli.training.options import RunOptions

METRICS = ("train_loss", "train_acc", "val_loss", "val_acc", "val_f1")


def values(**given: float) -> dict[str, float]:
    return {"train_loss": 1.0, "train_acc": 0.5, "val_loss": 1.0, "val_acc": 0.5, **given}


@pytest.fixture
def place(place: Place) -> Place:
    """A store in which each metric has another best run, with ties, and better runs that do not count."""
    place.put("1-plain", best=values())
    place.put("2-val-acc", best=values(val_acc=0.9))
    place.put("3-val-acc-again", best=values(val_acc=0.9))
    place.put("4-val-loss", best=values(val_loss=0.1))
    place.put("5-val-loss-again", best=values(val_loss=0.1))
    place.put("6-train", best=values(train_loss=0.2, train_acc=0.95))
    for status in ("running", "diverged", "pruned", "failed", "interrupted"):
        perfect = {name: 0.0 if "loss" in name else 1.0 for name in METRICS}
        place.put(f"0-{status}", status=status, best=perfect)
    place.put("0-no-epoch", best={})
    place.put("7-mnist", dataset="mnist", best=values(val_acc=0.99))
    place.path("8-damaged").mkdir()
    (place.path("8-damaged") / "summary.json").write_text("{")
    return place


@pytest.mark.parametrize(
    ("metric", "run_id"),
    [
        ("val_acc", "2-val-acc"),
        ("val_loss", "4-val-loss"),
        ("train_acc", "6-train"),
        ("train_loss", "6-train"),
        ("VAL-ACC", "2-val-acc"),
    ],
)
def test_the_best_finished_run_by_each_metric_the_earlier_on_a_tie(
    place: Place, metric: str, run_id: str
) -> None:
    assert best_run(place.context, Metric.named(metric), None).run_id == run_id


@pytest.mark.parametrize("dataset", ["mnist", "MNIST"])
def test_only_runs_of_the_dataset_count(place: Place, dataset: str) -> None:
    assert best_run(place.context, BY_VAL_ACC, dataset).run_id == "7-mnist"
    assert best_run(place.context, BY_VAL_ACC, "fashion-mnist").run_id == "2-val-acc"


def test_no_finished_run_is_a_failure_with_a_hint(place: Place) -> None:
    with pytest.raises(FfnnError, match=r"no finished run on .*mine\.npz") as caught:
        best_run(place.context, BY_VAL_ACC, str(place.dataset))
    assert caught.value.exit_code == 1
    assert caught.value.hint is not None


def test_losses_of_different_kinds_are_never_compared(place: Place) -> None:
    def put(run_id: str, loss: str, val_loss: float) -> None:
        config = TrainConfig().as_dict() | {"dataset": "mnist", "loss": loss}
        place.put(
            run_id, dataset="mnist", config=config, best={"val_loss": val_loss, "val_acc": 2 - val_loss}
        )

    put("8-ce", "cross_entropy", 0.3)
    put("9-se", "squared_error", 0.01)
    with pytest.raises(RequestError) as caught:
        best_run(place.context, Metric.named("val_loss"), "mnist")
    assert caught.value.exit_code == 2
    assert best_run(place.context, BY_VAL_ACC, "mnist").run_id == "9-se"


def test_notice_is_given_where_the_dataset_has_changed_between_runs(place: Place) -> None:
    def put(run_id: str, val_acc: float, digest: str) -> None:
        of = Provenance(dataset_digest=digest)
        place.put(run_id, dataset="mnist", best={"val_acc": val_acc}, provenance=of)

    put("7-mnist", 0.99, "one")
    put("8-more", 0.98, "one")
    assert best_run(place.context, BY_VAL_ACC, "mnist").run_id == "7-mnist"
    assert place.notices == []
    put("9-other", 0.5, "two")
    assert best_run(place.context, BY_VAL_ACC, "mnist").run_id == "7-mnist"
    assert len(place.notices) == 1


def test_an_unknown_dataset_is_refused(place: Place) -> None:
    with pytest.raises(RequestError, match="Did you mean 'mnist'"):
        best_run(place.context, BY_VAL_ACC, "mnits")


def test_a_run_without_weights_cannot_be_loaded(place: Place) -> None:
    with pytest.raises(FfnnError, match=r"Run 0-diverged \(diverged\) has no stored weights") as caught:
        load_run("0-diverged", place.context.runs_dir)
    assert caught.value.hint is None
    with pytest.raises(FfnnError) as caught:
        load_run("0-interrupted", place.context.runs_dir)
    assert "ffnn train --resume 0-interrupted" in str(caught.value.hint)


def test_of_a_run_whose_sweep_has_dropped_its_weights_it_says_how_to_get_them(place: Place) -> None:
    document = place.train()
    path = Path(document.path)
    about = json.loads((path / SUMMARY).read_text())
    (path / SUMMARY).write_text(json.dumps({**about, "sweep_id": "s"}))
    before, _ = load_network(path / MODEL)
    (path / MODEL).unlink()
    with pytest.raises(FfnnError, match="no stored weights") as caught:
        load_run(path.name, place.context.runs_dir)
    told, _, command = str(caught.value.hint).partition(": ffnn train --config ")
    assert "keeps the networks of its best runs only" in told
    config = validate(yaml.safe_load(Path(command).read_text()))
    again = train(place.context, config, RunOptions(), Watcher())
    network, _ = load_network(Path(again.path) / MODEL)
    assert network.params.tobytes() == before.params.tobytes()


def test_a_run_is_loaded_by_a_library_user(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    document = place.train()
    run = ffcli.load_run(document.run_id[-4:], place.context.runs_dir)
    assert run.record.run_id == document.run_id
    assert run.path == document.path
    assert run.about["epoch"] == document.best_epoch
    dataset = place.context.dataset(str(place.dataset))
    experiment = ffcli.train(place.config(), dataset)
    list(experiment)
    images = dataset.x_test
    np.testing.assert_array_equal(
        run.network.logits(images), experiment.restore_best_weights().logits(images)
    )
    monkeypatch.chdir(place.folder)
    assert ffcli.load_run(document.run_id).path == Path("runs") / document.run_id


def test_the_best_epoch_of_an_interrupted_run_can_be_loaded(place: Place) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(place.context, place.config(), RunOptions(), interrupt_after(2))
    (run_id,) = [run_id for run_id in place.context.runs.ids() if run_id.startswith("20")]
    run = load_run(run_id, place.context.runs_dir)
    assert (run.record.status, run.about["epoch"]) == ("interrupted", run.record.best_epoch)


def test_a_damaged_model_is_one_message(place: Place) -> None:
    (place.path("1-plain") / MODEL).write_bytes(b"x" * 100)
    with pytest.raises(FfnnError, match="cannot be read as a model"):
        load_run("1-plain", place.context.runs_dir)
