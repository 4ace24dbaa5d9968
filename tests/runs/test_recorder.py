from __future__ import annotations

import json
import math
import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from stored_runs import record, tiny_experiment

from ffcli.errors import FfnnError
from ffcli.runs.model_file import load_arrays, load_network, save_arrays
from ffcli.runs.record import parse_history
from ffcli.runs.recorder import RunRecorder
from ffcli.runs.store import CHECKPOINT, CONFIG, HISTORY, MODEL, SUMMARY, RunStore
from ffcli.training.experiment import Experiment
from ffcli.training.recording import record_epoch, restore
from ffcli.util.atomic_files import json_text, lock_folder, unlock


def run_epochs(path: Path, experiment: Experiment, n: int) -> RunRecorder:
    """Record the first ``n`` epochs of a run."""
    recorder = RunRecorder(path, record(path.name, status="running"))
    recorder.begin(experiment.config)
    results = experiment.run()
    for _ in range(n):
        record_epoch(recorder, experiment, next(results))
    return recorder


def test_what_is_on_disk_after_each_epoch(tmp_path: Path) -> None:
    experiment = tiny_experiment()
    recorder = RunRecorder(tmp_path, record(tmp_path.name))
    recorder.begin(experiment.config)
    summary = json.loads((tmp_path / SUMMARY).read_text())
    assert summary["status"] == "running"
    assert yaml.safe_load((tmp_path / CONFIG).read_text()) == experiment.config.as_dict()
    for result in experiment:
        record_epoch(recorder, experiment, result)
        rows = parse_history((tmp_path / HISTORY).read_text())
        summary = json.loads((tmp_path / SUMMARY).read_text())
        arrays, scalars = load_arrays(tmp_path / CHECKPOINT)
        model, about = load_network(tmp_path / MODEL)
        assert rows[-1].result == result
        assert summary["epochs_done"] == scalars["epoch"] == len(rows) == result.epoch
        assert arrays["params"].tobytes() == experiment.network.params.tobytes()
        assert experiment.best is not None
        assert about["epoch"] == summary["best_epoch"] == experiment.best.epoch
        assert model.params.tobytes() == experiment.best_state.tobytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        [CONFIG, SUMMARY, HISTORY, CHECKPOINT, MODEL]
    )


@pytest.mark.parametrize(
    ("status", "kept"),
    [("finished", False), ("diverged", False), ("pruned", False), ("interrupted", True), ("failed", True)],
)
def test_a_run_that_can_go_on_keeps_its_checkpoint(tmp_path: Path, status: str, kept: bool) -> None:
    recorder = run_epochs(tmp_path, tiny_experiment(), 1)
    recorder.end(status, "why")  # type: ignore[arg-type]
    assert (tmp_path / CHECKPOINT).exists() == kept
    stored = RunStore(tmp_path.parent).read(tmp_path.name)
    assert (stored.status, stored.error) == (status, "why")
    assert stored.ended is not None


def test_the_summary_speaks_of_the_end_before_the_checkpoint_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = run_epochs(tmp_path, tiny_experiment(), 1)

    def full(*_: object) -> None:
        raise OSError("full")

    monkeypatch.setattr("ffcli.runs.recorder.write_atomic", full)
    recorder.end_if_possible("finished")
    assert (tmp_path / CHECKPOINT).exists()
    with pytest.raises(OSError, match="full"):
        recorder.end("finished")


def test_a_diverged_epoch_is_recorded_without_weights(tmp_path: Path) -> None:
    experiment = tiny_experiment()
    recorder = run_epochs(tmp_path, experiment, 1)
    before = {name: (tmp_path / name).read_bytes() for name in (CHECKPOINT, MODEL)}
    assert experiment.best is not None
    lost = replace(experiment.best, epoch=2, train_loss=math.nan, val_loss=math.inf, val_acc=1.0)
    experiment.network.params[...] = math.nan
    record_epoch(recorder, experiment, lost)
    assert {name: (tmp_path / name).read_bytes() for name in before} == before
    last = (tmp_path / HISTORY).read_text().splitlines()[-1].split(",")
    assert (last[1], last[3]) == ("nan", "inf")
    summary = json.loads((tmp_path / SUMMARY).read_text(), parse_constant=pytest.fail)
    assert (summary["epochs_done"], summary["best_epoch"]) == (2, 1)


def test_the_run_is_held_while_it_is_recorded(tmp_path: Path) -> None:
    with RunRecorder(tmp_path, record()) as recorder:
        recorder.begin(tiny_experiment().config)
        with pytest.raises(BlockingIOError):
            lock_folder(tmp_path)
        with (
            pytest.raises(FfnnError, match="still running in another process"),
            RunRecorder(tmp_path, record()),
        ):
            pytest.fail("two hold the run")
    unlock(lock_folder(tmp_path))


def test_a_run_that_was_stopped_before_its_first_record_leaves_nothing(tmp_path: Path) -> None:
    new = RunStore(tmp_path / "runs").create()
    with RunRecorder(new.path, record(new.path.name, status="running"), new=new) as recorder:
        recorder.save()
        recorder.end_if_possible("interrupted")
    assert list((tmp_path / "runs").iterdir()) == []


def test_a_new_run_is_there_with_its_first_record_and_held_from_then_on(tmp_path: Path) -> None:
    store = RunStore(tmp_path / "runs")
    new = store.create()
    with RunRecorder(new.path, record(new.path.name, status="running"), new=new) as recorder:
        assert store.ids() == []
        recorder.begin(tiny_experiment().config)
        assert store.read(new.path.name).status == "running"
        assert set(store.files(new.path.name)) == {CONFIG, SUMMARY}
    assert store.read(new.path.name).status == "interrupted"


def test_an_earlier_run_is_not_removed_whatever_becomes_of_its_record(tmp_path: Path) -> None:
    (tmp_path / SUMMARY).write_text(json.dumps(record(tmp_path.name).as_dict()))
    with RunRecorder(tmp_path, record(tmp_path.name)):
        (tmp_path / SUMMARY).unlink()
    assert tmp_path.exists()


def test_a_ctrl_c_after_the_end_changes_nothing(tmp_path: Path) -> None:
    recorder = run_epochs(tmp_path, tiny_experiment(), 1)
    recorder.end("finished")
    recorder.end_if_possible("interrupted")
    assert json.loads((tmp_path / SUMMARY).read_text())["status"] == "finished"


def test_a_run_whose_folder_was_removed_says_so(tmp_path: Path) -> None:
    path = tmp_path / "run"
    path.mkdir()
    experiment = tiny_experiment()
    recorder = run_epochs(path, experiment, 1)
    shutil.rmtree(path)
    for write in (
        lambda: record_epoch(recorder, experiment, next(experiment.run())),
        lambda: recorder.end("finished"),
        lambda: recorder.begin(experiment.config),
    ):
        with pytest.raises(FfnnError, match="The folder of run run is gone: it was removed"):
            write()
    recorder.end_if_possible("failed")
    assert not path.exists()


def restored(path: Path, experiment: Experiment) -> RunRecorder:
    """Take a run up again from what is on disk."""
    store = RunStore(path.parent)
    recorder = RunRecorder(path, store.read(path.name), store.history(path.name))
    restore(recorder, experiment)
    return recorder


def test_restoring_gives_the_state_after_the_checkpoint(tmp_path: Path) -> None:
    before = tiny_experiment()
    run_epochs(tmp_path, before, 3)
    after = tiny_experiment()
    recorder = restored(tmp_path, after)
    assert after.state_dict()[1] == before.state_dict()[1]
    for name, array in before.state_dict()[0].items():
        assert after.state_dict()[0][name].tobytes() == array.tobytes()
    assert after.best == before.best
    assert after.best_state.tobytes() == before.best_state.tobytes()
    assert recorder.record.epochs_done == 3
    assert recorder.record.seconds == sum(row.result.seconds for row in recorder.rows)


def test_restoring_drops_the_epochs_after_the_checkpoint(tmp_path: Path) -> None:
    experiment = tiny_experiment()
    run_epochs(tmp_path, experiment, 2)
    checkpoint = (tmp_path / CHECKPOINT).read_bytes()
    run_epochs(tmp_path, tiny_experiment(), 3)
    (tmp_path / CHECKPOINT).write_bytes(checkpoint)
    recorder = restored(tmp_path, tiny_experiment())
    assert [row.result.epoch for row in recorder.rows] == [1, 2]
    assert recorder.record.epochs_done == 2
    assert recorder.record.best_epoch in (1, 2)
    assert set(recorder.record.best.values()) <= {
        value for row in recorder.rows for value in row.as_dict().values()
    }


def test_without_a_checkpoint_the_run_begins_again(tmp_path: Path) -> None:
    run_epochs(tmp_path, tiny_experiment(), 2)
    (tmp_path / CHECKPOINT).unlink()
    experiment = tiny_experiment()
    recorder = restored(tmp_path, experiment)
    assert (experiment.epoch, recorder.rows, recorder.record.epochs_done) == (0, [], 0)
    assert (recorder.record.best_epoch, recorder.record.best, recorder.record.seconds) == (None, {}, 0.0)


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def _no_params(path: Path) -> None:
    arrays, scalars = load_arrays(path)
    del arrays["params"]
    save_arrays(path, arrays, scalars)


def _no_moments(path: Path) -> None:
    arrays, scalars = load_arrays(path)
    save_arrays(path, {"params": arrays["params"]}, scalars)


def _no_epoch(path: Path) -> None:
    arrays, scalars = load_arrays(path)
    del scalars["epoch"]
    save_arrays(path, arrays, scalars)


def _no_generator(path: Path) -> None:
    arrays, scalars = load_arrays(path)
    save_arrays(path, arrays, {**scalars, "generator": {"bit_generator": "PCG64"}})


def _other_generator(path: Path) -> None:
    arrays, scalars = load_arrays(path)
    save_arrays(path, arrays, {**scalars, "generator": {"bit_generator": "MT19937", "state": {}}})


def _history_lost(path: Path) -> None:
    path.with_name(HISTORY).unlink()


def _history_short(path: Path) -> None:
    history = path.with_name(HISTORY)
    history.write_text("".join(history.read_text().splitlines(keepends=True)[:-1]))


def _history_doubled(path: Path) -> None:
    history = path.with_name(HISTORY)
    lines = history.read_text().splitlines(keepends=True)
    history.write_text("".join([*lines[:-1], lines[-2]]))


@pytest.mark.parametrize(
    "damage",
    [
        _cut,
        _no_params,
        _no_moments,
        _no_epoch,
        _no_generator,
        _other_generator,
        _history_lost,
        _history_short,
        _history_doubled,
    ],
)
def test_a_damaged_checkpoint_is_refused(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    run_epochs(tmp_path, tiny_experiment(), 3)
    damage(tmp_path / CHECKPOINT)
    with pytest.raises(FfnnError, match=CHECKPOINT):
        restored(tmp_path, tiny_experiment())


def test_a_checkpoint_of_another_network_is_refused(tmp_path: Path) -> None:
    run_epochs(tmp_path, tiny_experiment(), 2)
    with pytest.raises(FfnnError, match="does not fit the run"):
        restored(tmp_path, tiny_experiment(hidden_size=50))


def test_json_has_no_numbers_that_are_not_finite() -> None:
    values = {
        "a": [math.nan, 1.5, (math.inf, -math.inf)],
        "b": {"c": math.nan},
        "d": "nan",
        "e": 3,
        "f": None,
    }
    assert json.loads(json_text(values)) == {
        "a": [None, 1.5, [None, None]],
        "b": {"c": None},
        "d": "nan",
        "e": 3,
        "f": None,
    }


def test_a_summary_has_null_for_what_is_not_finite(tmp_path: Path) -> None:
    recorder = RunRecorder(tmp_path, record(best={"val_loss": math.nan}))
    recorder.end("diverged")
    summary = json.loads((tmp_path / SUMMARY).read_text(), parse_constant=pytest.fail)
    assert summary["best"] == {"val_loss": None}


def test_a_record_says_nothing_of_an_epoch_whose_files_could_not_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = tiny_experiment(epochs=9)
    recorder = run_epochs(tmp_path, experiment, 1)
    first = recorder.record.best_val_acc

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("ffcli.runs.recorder.save_arrays", full)
    with pytest.raises(OSError, match="No space left"):
        record_epoch(recorder, experiment, next(experiment.run()))
    recorder.end("failed", "full")
    summary = json.loads((tmp_path / SUMMARY).read_text())
    assert (summary["epochs_done"], summary["best_epoch"], summary["best_val_acc"]) == (1, 1, first)
    assert len(recorder.rows) == 1
    assert load_network(tmp_path / MODEL)[1]["epoch"] == 1


def test_a_ctrl_c_within_the_writes_of_an_epoch_comes_after_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = tiny_experiment()

    def press_and_save(*arguments: Any) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        save_arrays(*arguments)

    monkeypatch.setattr("ffcli.runs.recorder.save_arrays", press_and_save)
    with pytest.raises(KeyboardInterrupt):
        run_epochs(tmp_path, experiment, 1)
    summary = json.loads((tmp_path / SUMMARY).read_text())
    assert summary["epochs_done"] == 1
    assert load_network(tmp_path / MODEL)[1]["epoch"] == 1


def test_noted_epochs_are_written_with_the_next_or_the_end(tmp_path: Path) -> None:
    experiment = tiny_experiment()
    recorder = RunRecorder(tmp_path, record(tmp_path.name, status="running"))
    recorder.begin(experiment.config)
    one, two, three, four = list(experiment)
    recorder.epoch(one, one)
    recorder.note_epoch(two, two)
    assert len(parse_history((tmp_path / HISTORY).read_text())) == 1
    recorder.epoch(three, three)
    assert [row.result for row in parse_history((tmp_path / HISTORY).read_text())] == [one, two, three]
    recorder.note_epoch(four, four)
    recorder.end("finished")
    assert [row.result for row in parse_history((tmp_path / HISTORY).read_text())] == [one, two, three, four]
    stored = json.loads((tmp_path / SUMMARY).read_text())
    assert (stored["epochs_done"], stored["best_epoch"]) == (4, 4)
