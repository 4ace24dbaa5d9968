"""Run records, checkpoints and models that somebody else wrote: taken, or refused with a message."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_helpers import Cli
from hostile_helpers import ANYTHING, Trained, damaged, few_or_many, fuzz, refusal, spoiled
from hypothesis import strategies as st
from safetensors.numpy import save_file

from ffcli.config import validate
from ffcli.datasets import load_dataset
from ffcli.errors import FfnnError
from ffcli.runs.model_file import load_arrays, load_network
from ffcli.runs.record import RunRecord
from ffcli.runs.recorder import RunRecorder
from ffcli.runs.store import CHECKPOINT, CONFIG, HISTORY, MODEL, SUMMARY, DamagedRunError, RunStore
from ffcli.training.experiment import Experiment
from ffcli.training.recording import restore


@few_or_many
def test_a_summary(trained: Trained, tmp_path: Path, examples: int) -> None:
    store = RunStore(tmp_path)
    (tmp_path / "run").mkdir()
    sound = json.loads((trained.folder / "runs" / trained.finished / SUMMARY).read_text())

    def check(document: Any) -> None:
        (tmp_path / "run" / SUMMARY).write_text(json.dumps(document))
        try:
            record = store.read("run")
        except DamagedRunError:
            return
        assert record.run_id == "run"
        numbers = [record.seconds, *record.best.values(), record.best_val_acc or 0]
        assert np.isfinite(numbers).all()
        assert record.threads >= 1
        assert record.epochs_done >= 0

    fuzz(examples, spoiled(sound), check)


@few_or_many
def test_a_spoiled_store_is_listed_shown_and_gone_on_with(copied: Trained, cli: Cli, examples: int) -> None:
    """Whatever stands in a record, each command that reads it ends with a result or one message."""
    path = copied.folder / "runs" / copied.interrupted
    sound = json.loads((path / SUMMARY).read_text())

    def check(document: Any) -> None:
        (path / SUMMARY).write_text(json.dumps(document))
        assert cli("runs", "list", "--json").code == 0
        cli("runs", "list", "--sort", "val_acc")
        cli("runs", "show", copied.interrupted)
        cli("evaluate", "--best", "--dataset", "tiny.npz", "--json")

    fuzz(examples // 4, spoiled(sound), check)


@few_or_many
def test_a_history_and_a_configuration(trained: Trained, tmp_path: Path, examples: int) -> None:
    store = RunStore(tmp_path)
    run = shutil.copytree(trained.folder / "runs" / trained.finished, tmp_path / "run")
    history, config = (run / HISTORY).read_bytes(), (run / CONFIG).read_bytes()

    def check(contents: tuple[bytes, bytes]) -> None:
        (run / HISTORY).write_bytes(contents[0])
        (run / CONFIG).write_bytes(contents[1])
        for read in (store.history, store.config):
            said = refusal(DamagedRunError, lambda read=read: read("run"))
            assert said is None or "\n" not in said.strip()

    fuzz(examples, st.tuples(damaged(history), damaged(config)), check)


@pytest.mark.parametrize(
    "row", ["1,1,1,1,1,1,1,now", "1,1,1,1,1,1,1,", "x,1,1,1,1,1,1,2026-01-01T00:00:00Z", "1," * 50, "\0" * 99]
)
def test_a_row_that_no_epoch_has_left(tmp_path: Path, row: str) -> None:
    (tmp_path / "run").mkdir()
    head = "epoch,train_loss,train_acc,val_loss,val_acc,seconds,train_seconds,time"
    (tmp_path / "run" / HISTORY).write_text(f"{head}\n{row}\n")
    with pytest.raises(DamagedRunError, match="The history of run run is damaged"):
        RunStore(tmp_path).history("run")


@pytest.mark.parametrize(
    "values",
    [
        {"best_val_acc": float("nan")},
        {"best": {"val_acc": float("inf")}},
        {"seconds": float("nan")},
        {"threads": 0},
        {"threads": 10**9},
        {"epochs_done": -1},
        {"parameters": 10**400},
    ],
    ids=str,
)
def test_numbers_that_no_run_has(values: dict[str, Any]) -> None:
    sound = {
        "run_id": "a",
        "name": "a",
        "status": "finished",
        "dataset": "mnist",
        "config": {},
        "started": "",
    }
    RunRecord.from_dict(sound)
    with pytest.raises(ValueError, match=next(iter(values))):
        RunRecord.from_dict({**sound, **values})


def test_a_pipe_in_place_of_a_file_is_not_waited_for(copied: Trained, cli: Cli) -> None:
    run = copied.folder / "runs" / copied.finished
    for name in (HISTORY, CONFIG, MODEL):
        (run / name).unlink()
        os.mkfifo(run / name)
    assert cli("runs", "show", copied.finished).code == 1
    assert cli("evaluate", copied.finished).code == 1
    assert cli("train", "--resume", copied.finished, "-e", 9).code == 1


class Resumable:
    """The interrupted run in memory, to be restored from one checkpoint after another."""

    def __init__(self, trained: Trained, folder: Path) -> None:
        self.run = shutil.copytree(trained.folder / "runs" / trained.interrupted, folder / "run")
        self.store = RunStore(folder)
        self.record = self.store.read("run")
        self.rows = self.store.history("run")
        self.dataset = load_dataset(self.record.dataset, trained.folder / "data")
        self.arrays, self.scalars = load_arrays(self.run / CHECKPOINT)

    def restore(self) -> None:
        experiment = Experiment(validate(self.record.config), self.dataset)
        restore(RunRecorder(self.run, self.record, self.rows), experiment)
        assert experiment.epoch == 2
        next(iter(experiment))


@few_or_many
def test_the_scalars_of_a_checkpoint(trained: Trained, tmp_path: Path, examples: int) -> None:
    place = Resumable(trained, tmp_path)
    place.restore()

    def check(scalars: Any) -> None:
        save_file(place.arrays, place.run / CHECKPOINT, metadata={"ffnn": json.dumps(scalars)})
        said = refusal(FfnnError, place.restore)
        assert said is None or CHECKPOINT in said or MODEL in said

    with np.errstate(all="ignore"):
        fuzz(examples, spoiled(place.scalars), check)


@pytest.mark.parametrize(
    "scalars",
    [
        {"epoch": 0},
        {"epoch": 1},
        {"epoch": 10**12},
        {"epoch": "2"},
        {"epoch": 2.0},
        {"optimizer": {"steps": "many", "momentum_product": 1.0}},
        {"optimizer": {"steps": 10**400, "momentum_product": 1.0}},
        {"optimizer": {"steps": 1}},
        {"optimizer": [1]},
        {"schedule": {"current": None, "lowest": 1.0, "waited": 0}},
        {"generator": {"bit_generator": "PCG64", "state": {"state": -1, "inc": 10**99}}},
        {"generator": "x"},
    ],
    ids=str,
)
def test_a_checkpoint_that_no_training_left(trained: Trained, tmp_path: Path, scalars: Any) -> None:
    place = Resumable(trained, tmp_path)
    about = json.dumps({**place.scalars, **scalars})
    save_file(place.arrays, place.run / CHECKPOINT, metadata={"ffnn": about})
    with pytest.raises(FfnnError, match="does not fit the run"):
        place.restore()


def test_arrays_that_hold_no_weights(trained: Trained, tmp_path: Path) -> None:
    place = Resumable(trained, tmp_path)
    complex_ones = {name: array.astype(np.complex64) for name, array in place.arrays.items()}
    save_file(complex_ones, place.run / CHECKPOINT, metadata={"ffnn": json.dumps(place.scalars)})
    with pytest.raises(FfnnError, match="does not fit the run"):
        place.restore()
    path = trained.folder / "runs" / trained.finished / MODEL
    arrays, about = load_arrays(path)
    for name, spoil in {"NaN or infinite": np.full_like, "int32": None}.items():
        first = next(iter(arrays))
        bad = arrays[first].astype(np.int32) if spoil is None else spoil(arrays[first], np.nan)
        save_file({**arrays, first: bad}, tmp_path / "m", metadata={"ffnn": json.dumps(about)})
        with pytest.raises(FfnnError, match=name):
            load_network(tmp_path / "m")


@few_or_many
def test_a_model(trained: Trained, tmp_path: Path, examples: int) -> None:
    path = trained.folder / "runs" / trained.finished / MODEL
    arrays, about = load_arrays(path)
    content = path.read_bytes()

    def check(spoiled_model: Any) -> None:
        if isinstance(spoiled_model, bytes):
            (tmp_path / "m").write_bytes(spoiled_model)
        else:
            save_file(arrays, tmp_path / "m", metadata={"ffnn": json.dumps(spoiled_model)})
        said = refusal(FfnnError, lambda: load_network(tmp_path / "m"))
        if said is None:
            network, _ = load_network(tmp_path / "m")
            assert all(np.isfinite(W).all() for W in network.weights)
        else:
            assert str(tmp_path / "m") in said

    forged = ANYTHING.map(lambda value: {"architecture": value})
    fuzz(examples, spoiled(about) | damaged(content) | forged, check)


@few_or_many
def test_an_ensemble(copied: Trained, cli: Cli, examples: int) -> None:
    done = cli("evaluate", copied.finished, copied.interrupted, "--ensemble", "--json")
    assert done.code == 0, done.err
    sound = json.loads(done.out)
    path = Path(sound["path"])

    def check(document: Any) -> None:
        path.write_text(json.dumps(document))
        assert cli("ensembles", "list", "--json").code == 0
        cli("ensembles", "list")
        cli("ensembles", "show", sound["ensemble_id"])

    fuzz(examples, spoiled(sound), check)
