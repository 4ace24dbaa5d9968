"""Runs in processes of their own that are interrupted or killed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from small_runs import Place, Watcher
from test_service_resume import assert_same_run

from ffcli.errors import FfnnError
from ffcli.runs.store import CHECKPOINT
from ffcli.services.runs.listing import list_runs, show_run
from ffcli.services.runs.remove import named, remove
from ffcli.training.resuming import resume_run

# Trains; stops to read its stdin within the epoch after the one to hold at, or kills itself at its n-th call
# of fsync, of which each file takes two.
TRAIN = """
import json, os, signal, sys
from pathlib import Path
from ffcli.config import validate
from ffcli.training.context import Context
from ffcli.training.events import EpochEnded, StepsDone, TrainingStarted
from ffcli.training.options import RunOptions
from ffcli.services.train import train
from ffcli.training.resuming import resume_run

folder, task = Path(sys.argv[1]), json.loads(sys.argv[2])

epochs = 0
def observe(event):
    global epochs
    if isinstance(event, TrainingStarted):
        print(event.run_id, flush=True)
    elif isinstance(event, StepsDone) and epochs == task["hold_at"]:
        print("holding", flush=True)
        sys.stdin.read()
    elif isinstance(event, EpochEnded):
        epochs += 1

true_fsync, calls = os.fsync, 0
def fsync(descriptor):
    global calls
    calls += 1
    if calls == task["die_at"]:
        os.kill(os.getpid(), signal.SIGKILL)
    true_fsync(descriptor)
os.fsync = fsync

context = Context(folder / "data", folder / "runs")
try:
    if task["resume"]:
        resume_run(context, task["resume"], observe)
    else:
        train(context, validate(task["config"]), RunOptions(), observe)
except KeyboardInterrupt:
    sys.exit(130)
"""


CONFIG = {"batch_size": 300}  # two batches an epoch, each told of by itself


class Processes:
    """Trainings of one place in other processes, ended with the test."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.started: list[subprocess.Popen[str]] = []

    def train(self, *, hold_at: int = -1, die_at: int = 0, resume: str = "") -> subprocess.Popen[str]:
        config = self.place.config(**CONFIG).as_dict()
        task = {"config": config, "hold_at": hold_at, "die_at": die_at, "resume": resume}
        command = [sys.executable, "-c", TRAIN, str(self.place.folder), json.dumps(task)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.started.append(process)
        return process

    def end(self) -> None:
        for process in self.started:
            process.kill()
            process.wait()
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.close()
            process.stdout.close()


@pytest.fixture
def processes(place: Place) -> Iterator[Processes]:
    place.context.dataset(str(place.dataset))  # unpacked before, so that no process calls fsync for it
    processes = Processes(place)
    yield processes
    processes.end()


def wait_for_hold(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if line.strip() == "holding":
            return
    pytest.fail("the process ended before it held")


def only_run(place: Place) -> Path:
    (run_id,) = place.context.runs.ids()
    return place.path(run_id)


def test_a_running_run_is_left_alone_and_interrupted_by_ctrl_c(place: Place, processes: Processes) -> None:
    process = processes.train(hold_at=2)
    wait_for_hold(process)
    path = only_run(place)
    assert [run.status for run in list_runs(place.context)] == ["running"]
    with pytest.raises(FfnnError, match="still running"):
        remove(place.context, named(place.context, [path.name]))
    with pytest.raises(FfnnError, match="still running"):
        resume_run(place.context, path.name, Watcher(), epochs=9)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 130
    record = place.context.runs.read(path.name)
    assert record.status == "interrupted"
    assert json.loads((path / "summary.json").read_text())["status"] == "interrupted"
    assert record.epochs_done == 2
    assert (path / CHECKPOINT).is_file()
    resume_run(place.context, path.name, Watcher())
    assert_same_run(path, place.train(**CONFIG))


def test_a_killed_run_was_interrupted_and_goes_on(place: Place, processes: Processes) -> None:
    process = processes.train(hold_at=2)
    wait_for_hold(process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    path = only_run(place)
    assert json.loads((path / "summary.json").read_text())["status"] == "running"
    assert show_run(place.context, path.name).status == "interrupted"
    resume_run(place.context, path.name, Watcher())
    assert_same_run(path, place.train(**CONFIG))


def test_a_killed_run_can_be_removed(place: Place, processes: Processes) -> None:
    process = processes.train(die_at=10)
    assert process.wait(20) == -signal.SIGKILL
    path = only_run(place)
    assert remove(place.context, named(place.context, [path.name])).removed == [path.name]
    assert list(place.context.runs_dir.iterdir()) == []


def test_a_run_killed_at_any_moment_goes_on_to_the_same_end(place: Place, processes: Processes) -> None:
    reference = place.train(**CONFIG)
    place.path(reference.run_id).rename(place.folder / "reference")
    reference = replace(reference, path=place.folder / "reference")
    moments = (6, 7, 8, 9, 10, 17)
    for moment, process in [(moment, processes.train(die_at=moment)) for moment in moments]:
        assert process.wait(30) == -signal.SIGKILL, moment
    ids = place.context.runs.ids()
    assert len(ids) == len(moments)
    leftovers = [left for run_id in ids for left in place.path(run_id).glob(".*")]
    assert leftovers, "some processes must have died before a rename"
    for run_id in ids:
        assert place.context.runs.read(run_id).status == "interrupted"
        resume_run(place.context, run_id, Watcher())
        assert_same_run(place.path(run_id), reference)


def test_a_run_killed_within_its_first_record_has_never_been(place: Place, processes: Processes) -> None:
    for moment, process in [(moment, processes.train(die_at=moment)) for moment in (1, 2, 3, 4)]:
        assert process.wait(30) == -signal.SIGKILL, moment
        assert place.context.runs.ids() == []
    assert list(place.context.runs_dir.iterdir()) != [], "what the last one has left"
    assert list_runs(place.context) == []
    assert list(place.context.runs_dir.iterdir()) == []
    last = processes.train(die_at=5)  # it has its name, which is not yet sure to be on disk
    assert last.wait(30) == -signal.SIGKILL
    assert [run.status for run in list_runs(place.context)] == ["interrupted"]


def test_of_two_that_resume_a_run_one_is_refused(place: Place, processes: Processes) -> None:
    first = processes.train(die_at=16)
    assert first.wait(20) == -signal.SIGKILL
    path = only_run(place)
    second = processes.train(hold_at=0, resume=path.name)
    wait_for_hold(second)
    with pytest.raises(FfnnError, match="still running"):
        resume_run(place.context, path.name, Watcher())
    assert second.stdin is not None
    second.stdin.close()
    assert second.wait(30) == 0
    assert_same_run(path, place.train(**CONFIG))
