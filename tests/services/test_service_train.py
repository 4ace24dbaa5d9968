from __future__ import annotations

import errno
import itertools
import json
import math
import os
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from PIL import Image
from small_runs import Place, Watcher, interrupt_after

from ffcli.config import TrainConfig, validate
from ffcli.errors import RequestError
from ffcli.runs.model_file import load_network
from ffcli.runs.record import parse_history
from ffcli.runs.store import CHECKPOINT, CONFIG, HISTORY, MODEL, SUMMARY
from ffcli.services import train as train_service
from ffcli.services.train import plan, train
from ffcli.training.context import Context
from ffcli.training.experiment import Experiment
from ffcli.training.options import RunOptions
from ffcli.util.atomic_files import json_text, json_value

OPTIONS = RunOptions(
    name="my run",
    tags=("a", "b"),
    threads=1,
    wandb="disabled",
    wandb_project="p",
    wandb_entity="e",
    command_line=("ffnn", "train"),
)
DIVERGING = {"optimizer": "sgd", "learning_rate": 1e30, "activation": "relu", "epochs": 5}


def test_the_document_and_the_files_of_a_run(place: Place) -> None:
    config = place.config()
    document = train(place.context, config, OPTIONS, Watcher())
    path = Path(document.path)
    assert path == place.path(document.run_id)
    assert (document.name, document.tags, document.status) == ("my run", ["a", "b"], "finished")
    assert document.config == config.as_dict()
    assert document.wandb == {"mode": "disabled", "project": "p", "entity": "e"}
    assert document.provenance["command_line"] == ["ffnn", "train"]
    assert document.provenance["kernels"].split()[0] in ("numpy", "numba")
    assert document.parameters == 64 * 6 + 6 + 6 * 6 + 6 + 6 * 3 + 3
    assert [epoch.epoch for epoch in document.epochs] == [1, 2, 3, 4]
    assert document.seconds == sum(epoch.seconds for epoch in document.epochs)
    best = max(document.epochs, key=lambda epoch: epoch.val_acc)
    assert (document.best_epoch, document.best_val_acc) == (best.epoch, best.val_acc)
    json_text(document)
    assert sorted(entry.name for entry in path.iterdir()) == sorted([CONFIG, HISTORY, MODEL, SUMMARY])
    assert validate(yaml.safe_load((path / CONFIG).read_text())) == config
    rows = parse_history((path / HISTORY).read_text())
    assert [row.as_dict() for row in rows] == list(map(asdict, document.epochs))
    summary = json.loads((path / SUMMARY).read_text())
    assert {key: json_value(document)[key] for key in summary if key != "best"} == {
        key: value for key, value in summary.items() if key != "best"
    }


def test_the_stored_weights_are_those_of_the_best_epoch(place: Place) -> None:
    best_epochs = set()
    for seed in range(4):
        document = place.train(seed=seed)
        best = document.best_epoch
        best_epochs.add(best)
        network, about = load_network(Path(document.path) / MODEL)
        experiment = Experiment(
            place.config(seed=seed, epochs=best), place.context.dataset(str(place.dataset))
        )
        list(experiment)
        assert network.params.tobytes() == experiment.network.params.tobytes()
        assert about["epoch"] == best
        assert about["config"] == document.config
        assert about["class_names"] == ["0", "1", "2"]
        assert about["image_shape"] == [8, 8]
    assert best_epochs - {4}, "some run's best epoch must not be its last"


def test_the_same_seed_gives_the_same_run_and_another_another(place: Place) -> None:
    runs = [place.train(seed=seed) for seed in (1, 1, 2)]
    models = [(Path(run.path) / MODEL).read_bytes() for run in runs]
    losses = [[epoch.train_loss for epoch in run.epochs] for run in runs]
    assert models[0] == models[1]
    assert losses[0] == losses[1]
    assert losses[0] != losses[2]


def test_the_watcher_is_told_of_every_epoch(place: Place) -> None:
    batches: list[tuple[int, int]] = []
    watcher = Watcher(at_batches=lambda done, total: batches.append((done, total)))
    document = train(place.context, place.config(), RunOptions(), watcher)
    assert watcher.told[0] == ("started", document.run_id, 4, 1, 12)
    assert [told[1] for told in watcher.told if told[0] == "epoch"] == [1, 2, 3, 4]
    assert watcher.told[-1] == ("finished",)
    assert batches[-1] == (12, 12)
    bests = [told[1] for told in watcher.told if told[0] == "epoch" and told[2]]
    assert bests[-1] == document.best_epoch


def test_an_epoch_is_on_disk_when_the_watcher_hears_of_it(place: Place) -> None:
    epochs: list[int] = []

    def look(_: object) -> None:
        (path,) = place.context.runs_dir.iterdir()
        epochs.append(json.loads((path / SUMMARY).read_text())["epochs_done"])
        assert place.context.runs.read(path.name).status == "running"

    train(place.context, place.config(), RunOptions(), Watcher(at_epoch=look))
    assert epochs == [1, 2, 3, 4]


def test_a_diverged_run_keeps_its_record(place: Place) -> None:
    document = place.train(**DIVERGING)
    path = Path(document.path)
    assert document.status == "diverged"
    assert document.error == f"the loss was not finite in epoch {document.epochs_done}"
    last = parse_history((path / HISTORY).read_text())[-1].result
    assert not math.isfinite(last.train_loss)
    summary = json.loads((path / SUMMARY).read_text(), parse_constant=pytest.fail)
    assert summary["status"] == "diverged"
    assert not (path / CHECKPOINT).exists()
    assert place.context.runs.read(path.name).epochs_done == len(document.epochs) < 5


def test_an_interrupted_run_says_so_and_can_go_on(place: Place) -> None:
    watcher = interrupt_after(2)
    with pytest.raises(KeyboardInterrupt):
        train(place.context, place.config(), RunOptions(), watcher)
    (record,) = place.context.runs.records()
    assert (record.status, record.epochs_done, record.error) == ("interrupted", 2, None)
    assert (place.path(record.run_id) / CHECKPOINT).is_file()
    assert watcher.told[-1] == ("finished",)


def test_a_failed_run_says_why(place: Place) -> None:
    def fail(_: object) -> None:
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        train(place.context, place.config(), RunOptions(), Watcher(at_epoch=fail))
    (record,) = place.context.runs.records()
    assert (record.status, record.error) == ("failed", "RuntimeError: no more")
    assert (place.path(record.run_id) / CHECKPOINT).is_file()


def test_threads_that_the_user_may_not_have_are_refused(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    monkeypatch.setattr("ffcli.training.runner.can_start_threads", asked.append)  # it returns None
    train(place.context, place.config(), RunOptions(threads=1), Watcher())
    with pytest.raises(OSError, match="3 threads") as caught:
        train(place.context, place.config(), RunOptions(threads=3), Watcher())
    assert (caught.value.errno, asked) == (errno.EAGAIN, [2])


def test_a_wrong_dataset_leaves_no_run(place: Place) -> None:
    with pytest.raises(RequestError):
        train(place.context, place.config(dataset=str(place.folder / "none.npz")), RunOptions(), Watcher())
    assert not place.context.runs_dir.exists()


def test_a_file_in_place_of_the_store_is_refused(place: Place) -> None:
    place.context.runs_dir.write_text("")
    with pytest.raises(RequestError, match="expected a folder"):
        place.train()


def test_a_disk_that_fills_up_ends_the_run_and_the_store_still_lists(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = place.train()
    fsync, syncs = os.fsync, 0

    def full(descriptor: int) -> None:
        nonlocal syncs
        syncs += 1
        if syncs > 14:
            raise OSError(28, "No space left on device")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        place.train()
    monkeypatch.undo()
    one, other = place.context.runs.records()
    assert (one.run_id, one.status) == (first.run_id, "finished")
    assert other.status == "interrupted"
    assert not [path for path in place.path(other.run_id).iterdir() if path.name.startswith(".")]


def test_a_plan_counts_without_training(place: Place) -> None:
    planned = plan(place.context, place.config(batch_size=100, epochs=3), RunOptions())
    assert planned.train + planned.validation == 400
    assert planned.validation == 40
    assert (planned.steps_per_epoch, planned.steps) == (4, 12)
    assert planned.parameters == 64 * 6 + 6 + 6 * 6 + 6 + 6 * 3 + 3
    assert planned.config == place.config(batch_size=100, epochs=3).as_dict()
    assert np.isfinite(planned.seconds_estimate)
    assert planned.seconds_estimate > 0
    assert not place.context.runs_dir.exists()


def test_an_epoch_is_estimated_by_its_steps_and_its_evaluation(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a clock that goes on by 1 s when it is read: blocks of 5 steps, 18 steps, 40 validation images."""
    clock = itertools.count()
    monkeypatch.setattr("ffcli.core.training._BLOCK", 100)
    monkeypatch.setattr(train_service, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
    monkeypatch.setattr(train_service, "_SOME_IMAGES", 10)
    config = place.config(batch_size=20)
    experiment = Experiment(config, place.context.dataset(config.dataset))
    assert train_service._epoch_seconds(experiment, 2) == pytest.approx(18 * 2 / 10 + 4)


def test_a_plan_for_batches_larger_than_the_dataset(place: Place) -> None:
    planned = plan(place.context, place.config(batch_size=10_000, num_layers=0), RunOptions())
    assert (planned.steps_per_epoch, planned.parameters) == (1, 64 * 3 + 3)


@pytest.mark.parametrize("kind", ["pictures", "csv"])
def test_data_beside_the_data_folder_and_the_store_are_read_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """As of ``cd mydata; ffnn train -d .``, whose data folder and store lie in mydata too."""
    monkeypatch.chdir(tmp_path)
    context = Context(Path("data"), Path("runs"))

    def put(classes: str) -> None:
        if kind == "csv":
            lines = [f"{each},{n},{n + 1}" for each in classes for n in range(10)]
            Path("mine.csv").write_text("\n".join(["label,a,b", *lines]))
            return
        for each in classes:
            Path(each).mkdir(exist_ok=True)
            for n in range(10):
                Image.fromarray(np.full((3, 3), n, np.uint8)).save(Path(each, f"{n}.png"))

    def classes_of_a_training() -> tuple[str, ...]:
        config = TrainConfig(dataset=".", epochs=1, hidden_size=3, num_layers=1)
        result = train(context, config, RunOptions(), Watcher())
        assert result.status == "finished"
        return context.dataset(config.dataset).class_names

    put("ab")
    assert classes_of_a_training() == ("a", "b")
    sweep = Path("runs/sweeps/20260101-000000-000-aaaa")
    sweep.mkdir(parents=True)
    for name in ("study.log", "sweep.yaml"):
        (sweep / name).touch()
    (sweep / "runs.csv").write_text("label,x\n0,1\n1,2\n")
    assert classes_of_a_training() == ("a", "b")
    put("abc")
    assert classes_of_a_training() == ("a", "b", "c")
