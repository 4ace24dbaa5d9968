"""The process that speaks to W&B cannot be started, or does not answer: no run waits or fails for it."""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ffcli.tracking import wandb_tracker
from ffcli.tracking.base import EVALUATED, NO_ANSWER, TrackedRun
from ffcli.tracking.wandb_process import Courier
from ffcli.tracking.wandb_tracker import WandbTracker

RUN = TrackedRun(id="run", started="2026-01-01T00:00:00.000Z")
# Reads nothing and says nothing, as its child, whose number it writes down.
SILENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
open(sys.argv[1], "w").write(str(child.pid))
time.sleep(600)
"""
# Begins each run, and says at its end what it was told to; without that it dies.
ENDING = """
import json, sys
started = {"event": "started", **dict.fromkeys(["id", "project", "entity", "sweep", "url", "folder"])}
for line in sys.stdin:
    is_start = json.loads(line)["op"] == "start"
    if not is_start and len(sys.argv) < 2:
        break
    print(json.dumps(started if is_start else {"event": "problem", "message": sys.argv[1]}), flush=True)
"""


def follow(tracker: WandbTracker, run: TrackedRun = RUN) -> str | None:
    """Track a run without epochs, and return the problem."""
    tracker.start(run)
    return tracker.finish(0, {}).problem


def no_room(*_: Any, **__: Any) -> str:
    raise OSError(28, "No space left on device")


def no_thread(_: object) -> None:
    raise RuntimeError("can't start new thread")


@pytest.mark.parametrize(
    ("of", "name", "fault"),
    [
        (tempfile, "mkdtemp", no_room),
        (wandb_tracker.subprocess, "Popen", no_room),
        (threading.Thread, "start", no_thread),
    ],
    ids=["disk", "process", "thread"],
)
def test_what_cannot_be_started_is_a_problem_and_no_error(
    monkeypatch: pytest.MonkeyPatch, of: object, name: str, fault: Any
) -> None:
    monkeypatch.setattr(of, name, fault)
    tracker = WandbTracker("online")
    problem = follow(tracker)
    assert problem is not None
    assert "does not start" in problem
    assert follow(tracker) == problem
    tracker.close()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no process groups")
def test_what_does_not_answer_is_ended_with_all_it_started_and_not_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = tmp_path / "number"
    launches = []

    def silent(*_: str) -> list[str]:
        launches.append(1)
        return [sys.executable, "-c", SILENT, str(number)]

    def patience(_: object) -> float:
        while not (number.exists() and number.read_text()):
            time.sleep(0.01)
        return 0.1

    monkeypatch.setattr(wandb_tracker, "python_command", silent)
    monkeypatch.setattr(WandbTracker, "_patience", patience)
    tracker = WandbTracker("online")
    problem = follow(tracker)
    assert problem is not None
    child = int(number.read_text())
    deadline = time.monotonic() + 30
    while Path(f"/proc/{child}").exists() and "Z" not in Path(f"/proc/{child}/stat").read_text().split()[2]:
        assert time.monotonic() < deadline, "its child still runs"
        time.sleep(0.01)
    assert follow(tracker) == problem
    assert launches == [1], "no second run waits as long"
    tracker.close()


@pytest.mark.parametrize(
    ("says", "again"), [([NO_ANSWER], False), (["the server refused a part of it"], True), ([], True)]
)
def test_a_server_that_is_lost_is_not_waited_for_by_each_run(
    monkeypatch: pytest.MonkeyPatch, says: list[str], again: bool
) -> None:
    tried = []

    class Counting(WandbTracker):
        def _send(self, operation: str, **about: Any) -> None:
            tried.append(operation)
            super()._send(operation, **about)

    monkeypatch.setattr(wandb_tracker, "python_command", lambda *_: [sys.executable, "-c", ENDING, *says])
    tracker = Counting("online")
    problem = follow(tracker)
    assert problem == (says[0] if says else "its process has died")
    tried.clear()
    assert follow(tracker) == problem
    assert ("start" in tried) is again
    tried.clear()
    assert follow(tracker, replace(RUN, sweep="s1")) == problem
    assert "start" in tried, "the server has just handed it out"
    tracker.close()


def test_a_further_run_of_a_servers_sweep_waits_less_until_one_is_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(wandb_tracker, "python_command", lambda *_: [sys.executable, "-c", ENDING, NO_ANSWER])
    tracker = WandbTracker("online")
    waits = [tracker._patience()]
    follow(tracker)
    waits.append(tracker._patience())
    tracker.close()

    taken = ENDING.replace('{"event": "problem", "message": sys.argv[1]}', '{"event": "finished"}')
    monkeypatch.setattr(wandb_tracker, "python_command", lambda *_: [sys.executable, "-c", taken, "ends"])
    assert follow(tracker, replace(RUN, sweep="s1")) is None
    waits.append(tracker._patience())
    tracker.close()
    assert waits == [55, 15, 55]


def test_an_offline_run_on_a_full_disk_is_not_said_to_be_kept(tmp_path: Path) -> None:
    """The SDK ends it without an error, cut short."""
    told: list[str] = []
    for folder in (tmp_path, tmp_path / "no room"):
        courier = Courier(lambda event, **_: told.append(event), tmp_path)
        courier._run = SimpleNamespace(
            path="e/p/run", summary={}, finish=lambda _: None, settings=SimpleNamespace(sync_dir=str(folder))
        )
        courier.serve({"op": "finish", "exit_code": 0, "summary": {}, "model": None})
    assert told == ["finished", "problem"]


@pytest.mark.parametrize(("there", "epoch", "is_kept"), [(2, 2, True), (2, 3, False), (-1, 1, True)])
def test_the_first_epoch_that_wandb_lacks_takes_back_evaluations(
    tmp_path: Path, there: int, epoch: int, is_kept: bool
) -> None:
    """They are of the network of before, as in the record; W&B has the epochs up to ``there``."""
    rows: list[dict[str, Any]] = []
    figures: dict[str, Any] = dict.fromkeys(EVALUATED, 0.25)
    courier = Courier(lambda *_, **__: pytest.fail("a problem"), tmp_path)
    courier._run = SimpleNamespace(summary=dict(figures), log=rows.append)
    courier._last_epoch, courier._also = there, None
    row = {"epoch": epoch, "val_acc": 0.5, "time": RUN.started}
    courier.serve({"op": "epoch", "row": row})
    left = figures if is_kept else dict.fromkeys(EVALUATED)
    assert courier._run.summary == {**left, "val_acc": 0.5, "best_epoch": epoch}
    assert [row["epoch"] for row in rows] == [epoch] * (epoch > there)
