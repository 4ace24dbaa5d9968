"""A coordinator that is killed at any moment: what its trials came to is kept, and nothing is left behind."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from small_runs import Place
from stored_sweeps import Made, put_sweep

from ffcli.runs.record import RunRecord
from ffcli.runs.store import SUMMARY
from ffcli.services.past_runs import own_past
from ffcli.services.sweeps.create import read_sweep
from ffcli.services.sweeps.local import SweepOptions, run_sweep
from ffcli.services.sweeps.results import SweepOutcome, TrialCounts
from ffcli.sweeping.study.coordinator import STARTS
from ffcli.sweeping.study.record import Trial

# Runs a sweep and kills itself at the n-th call of a method of `StudyWriter`, before or after it.
KILLED = """
import json, os, signal, sys
from pathlib import Path
from ffcli.services.sweeps.create import read_sweep
from ffcli.services.sweeps.local import SweepOptions, run_sweep
from ffcli.sweeping.study.writer import StudyWriter
from ffcli.training.context import Context

data_dir, runs_dir, sweep_id, name, calls, when = json.loads(sys.argv[1])
method = getattr(StudyWriter, name)

def killing(*args, **kwargs):
    global calls
    calls -= 1
    if calls == 0 and when == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    done = method(*args, **kwargs)
    if calls == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return done

setattr(StudyWriter, name, killing)
context = Context(Path(data_dir), Path(runs_dir))
run_sweep(context, read_sweep(context, sweep_id).sweep, SweepOptions(), lambda _: None)
"""

TWO = "learning_rate: {values: [0.001, 0.002]}"
SEARCHES = {
    "finished": TWO,
    "pruned": f"{TWO}\nearly_terminate: {{type: hyperband, min_iter: 1}}",
    "diverged": "learning_rate: {values: [1.0e+30]}\n  optimizer: {value: sgd}",
}


def kill(place: Place, sweep_id: str, method: str, calls: int = 1, when: str = "before") -> None:
    """Run a coordinator that is killed as said above, and wait for its workers to notice."""
    context = place.context
    words = [str(context.data_dir), str(context.runs_dir), sweep_id, method, calls, when]
    command = [sys.executable, "-c", KILLED, json.dumps(words)]
    with subprocess.Popen(command, start_new_session=True, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        said = process.stderr.read()  # to its end: the workers, which have the same pipe, are gone then
    assert process.returncode == -signal.SIGKILL, said


def killed_at_the_end(place: Place, sweep_id: str) -> RunRecord:
    """Let a coordinator be killed when the run of its first trial has ended, and return this run."""
    kill(place, sweep_id, "end")
    (record,) = context_runs(place)
    return record


def context_runs(place: Place) -> list[RunRecord]:
    return list(place.context.runs.records())


def resume(place: Place, sweep_id: str, count: int | None = None) -> SweepOutcome:
    sweep = read_sweep(place.context, sweep_id).sweep
    return run_sweep(place.context, sweep, SweepOptions(count=count), lambda _: None)


def trials(place: Place, sweep_id: str) -> tuple[Trial, ...]:
    return read_sweep(place.context, sweep_id).trials


@pytest.mark.parametrize(
    ("status", "heard"), [("finished", True), ("pruned", True), ("diverged", True), ("finished", False)]
)
def test_the_run_is_kept_and_not_trained_again(place: Place, status: str, heard: bool) -> None:
    made = [Made([(1.0, 0.1)] * 3)] * (status == "pruned")  # nothing is as good
    sweep_id = put_sweep(place, SEARCHES[status], made)
    record = killed_at_the_end(place, sweep_id)
    assert record.status == status
    before = {path.name: path.read_bytes() for path in place.path(record.run_id).iterdir()}
    if not heard:
        forget_run(place, sweep_id, record.run_id)

    count = len(made) + 1
    document = resume(place, sweep_id, count)
    assert [each.run_id for each in context_runs(place)] == [record.run_id]
    after = {path.name: path.read_bytes() for path in place.path(record.run_id).iterdir()}
    assert after[SUMMARY] == before[SUMMARY]
    assert after.items() <= before.items()  # the weights of all but the finished are dropped
    state = "failed" if status == "diverged" else status
    assert getattr(document.counts, state) == 1
    trial = trials(place, sweep_id)[-1]
    rows = place.context.runs.history(record.run_id)
    assert (trial.state, trial.run_ids, trial.reused) == (state, (record.run_id,), None)
    if status != "diverged":
        assert trial.value == record.best_val_acc
        assert trial.history == {row.result.epoch: row.result.val_acc for row in rows}


def forget_run(place: Place, sweep_id: str, run_id: str) -> None:
    """As where the coordinator was killed before it had heard of the run."""
    path = place.context.runs_dir / "sweeps" / sweep_id / "study.log"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(line for line in lines if f'"run_ids":["{run_id}"]' not in line))


@pytest.mark.parametrize(
    "changed",
    [
        {"status": "interrupted"},
        {"epochs_done": 10**15},
        {"config": {"epochs": 5}},
        {"config": {"epochs": "many"}},
        {"provenance": {"dataset_digest": "another"}},
        {"provenance": {"core": -1}},
        {"provenance": {"begun_for_epochs": 2}},
    ],
    ids=str,
)
def test_a_run_that_is_no_whole_one_of_the_same_is_not_taken(place: Place, changed: Any) -> None:
    config = place.config(schedule="cosine")
    result = place.train(schedule="cosine")
    past = own_past(place.context, result.run_id, config, place.context.dataset(config.dataset).digest)
    assert past is not None
    assert (past.run_id, past.source, past.pruned) == (result.run_id, None, False)
    assert [each.val_acc for each in past.results] == [row.val_acc for row in result.epochs]
    path = place.path(result.run_id) / SUMMARY
    about = json.loads(path.read_text())
    for key, value in changed.items():
        about[key] = {**about[key], **value} if isinstance(value, dict) else value
    path.write_text(json.dumps(about))
    digest = place.context.dataset(config.dataset).digest
    assert own_past(place.context, result.run_id, config, digest) is None


def test_a_reused_run_stays_marked_as_such(place: Place) -> None:
    sweep_id = put_sweep(place, TWO, [])
    record = killed_at_the_end(place, sweep_id)
    path = place.path(record.run_id) / SUMMARY
    about = json.loads(path.read_text())
    about["provenance"]["reused_from"] = "an earlier one"
    path.write_text(json.dumps(about))
    assert resume(place, sweep_id, 1).reused == 1


@pytest.mark.parametrize("status", ["pruned", "diverged"])
def test_a_run_that_ended_is_kept_though_its_trial_was_started_three_times(place: Place, status: str) -> None:
    made = [Made([(1.0, 0.1)] * 3)] * (status == "pruned")
    sweep_id = put_sweep(place, SEARCHES[status], made)
    start_in_vain(place, sweep_id, STARTS - 1)
    record = killed_at_the_end(place, sweep_id)
    assert trials(place, sweep_id)[-1].starts == STARTS
    document = resume(place, sweep_id, len(made) + 1)
    assert getattr(document.counts, "failed" if status == "diverged" else status) == 1
    assert [each.run_id for each in context_runs(place)] == [record.run_id]


def test_a_trial_that_takes_the_coordinator_down_three_times_fails(place: Place) -> None:
    sweep_id = put_sweep(place, TWO, [])
    start_in_vain(place, sweep_id, STARTS)
    assert [(trial.state, trial.starts) for trial in trials(place, sweep_id)] == [("running", STARTS)]
    assert resume(place, sweep_id).counts == TrialCounts(1, 0, 1)
    assert len(context_runs(place)) == 1


def start_in_vain(place: Place, sweep_id: str, times: int) -> None:
    """Kill the coordinator so often when it has recorded the start of a trial."""
    for start in range(times):
        kill(place, sweep_id, "set_starts" if start else "begin", when="after")


@pytest.mark.parametrize(
    ("method", "calls", "when"),
    [("begin", 2, "after"), ("set_runs", 1, "before"), ("epoch", 3, "after"), ("end", 2, "after")],
)
def test_wherever_it_is_killed_the_sweep_comes_out_the_same(
    place: Place, method: str, calls: int, when: str
) -> None:
    sweep_id = put_sweep(place, TWO, [])
    kill(place, sweep_id, method, calls, when)
    document = resume(place, sweep_id)
    assert document.counts == TrialCounts(2, 0, 0)
    both = trials(place, sweep_id)
    assert [dict(trial.values)["learning_rate"] for trial in both] == [0.001, 0.002]
    assert sorted(str(trial.run_id) for trial in both) == place.context.runs.ids()
    for record in context_runs(place):
        assert (record.status, record.epochs_done) == ("finished", 3)
    folder = place.context.runs_dir / "sweeps" / sweep_id
    names = ["lock", "runs.csv", "study.log", "summary.json", "sweep.yaml"]
    assert sorted(path.name for path in folder.iterdir()) == names


HOLD = """
import fcntl, os, sys
fcntl.flock(os.open(sys.argv[1], os.O_RDONLY), fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def held(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Hold a run within the block, as a worker that has not noticed that its coordinator was killed."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holding:
        assert holding.stdout is not None
        assert holding.stdout.readline() == "held\n"
        yield holding
        holding.kill()


def test_a_run_that_a_worker_still_holds_is_removed_in_the_end(place: Place) -> None:
    sweep_id = put_sweep(place, TWO, [])
    kill(place, sweep_id, "epoch")
    (left,) = context_runs(place)
    with held(place.path(left.run_id)) as holding:

        def let_go(_: object) -> None:
            holding.kill()
            holding.wait()

        sweep = read_sweep(place.context, sweep_id).sweep
        assert run_sweep(place.context, sweep, SweepOptions(), let_go).counts.finished == 2
    assert left.run_id not in place.context.runs.ids()


def test_a_run_that_is_held_beyond_a_second_kill_is_removed_in_the_end(place: Place) -> None:
    sweep_id = put_sweep(place, TWO, [])
    kill(place, sweep_id, "epoch")
    (left,) = context_runs(place)
    with held(place.path(left.run_id)):
        kill(place, sweep_id, "end", when="after")
        assert resume(place, sweep_id).counts == TrialCounts(2, 0, 0)
        assert len(context_runs(place)) == 3
    assert resume(place, sweep_id).counts == TrialCounts(2, 0, 0)
    kept = [str(trial.run_id) for trial in trials(place, sweep_id)]
    assert place.context.runs.ids() == sorted(kept)
    assert left.run_id not in kept
