"""A worker that is killed between the end of a run and the moment at which its sweep hears of it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest
from ffcli.sweeping.claiming import ATTEMPTS, Request
from ffcli.sweeping.store import TrialStore
from ffcli.sweeping.trials import Claimed
from small_runs import Place
from stored_sweeps import Made, put_sweep
from test_sweep_running import Onlooker

from ffcli.runs.record import RunRecord
from ffcli.runs.store import SUMMARY
from ffcli.services.sweeps.create import storage_url, stored_sweep
from ffcli.services.sweeps.local import SweepOptions, run_sweep
from ffcli.util.processes import this_process

# A worker whose first trial is the last thing it does.
WORKER = """
import json, os, signal, sys
from multiprocessing import Pipe
from pathlib import Path
from ffcli.training.options import RunOptions
from ffcli.services.sweep_worker import WorkerTask, main
from ffcli.sweeping.store import TrialStore

def finish(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

TrialStore.finish = finish
url, sweep_id, data_dir, runs_dir = json.loads(sys.argv[1])
task = WorkerTask(url, sweep_id, Path(data_dir), Path(runs_dir), RunOptions(), None, 0, os.getppid())
parent, ours = Pipe()
main(task, ours)
"""

DEAD = 2**22 + 1  # no process has this number

TWO = "learning_rate: {values: [0.001, 0.002]}"
SEARCHES = {
    "finished": TWO,
    "pruned": f"{TWO}\nearly_terminate: {{type: hyperband, min_iter: 1}}",
    "diverged": "learning_rate: {values: [1.0e+30]}\n  optimizer: {value: sgd}",
}


def killed(place: Place, sweep_id: str) -> RunRecord:
    """Run a worker that is killed as said above, and return the run that it leaves."""
    context = place.context
    task = [storage_url(context, sweep_id, None), sweep_id, str(context.data_dir), str(context.runs_dir)]
    done = subprocess.run([sys.executable, "-c", WORKER, json.dumps(task)], capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    (record,) = context.runs.records()
    return record


@pytest.mark.parametrize("status", SEARCHES)
def test_the_run_is_kept_and_not_trained_again(place: Place, status: str) -> None:
    made = [Made([(1.0, 0.1)] * 3)] * (status == "pruned")  # nothing is as good
    sweep_id = put_sweep(place, SEARCHES[status], made)
    record = killed(place, sweep_id)
    assert record.status == status
    before = {path.name: path.read_bytes() for path in place.path(record.run_id).iterdir()}

    count = len(made) + 1
    document = run_sweep(
        place.context, stored_sweep(place.context, sweep_id), SweepOptions(count=count), Onlooker()
    )
    assert [each.run_id for each in place.context.runs.records()] == [record.run_id]
    after = {path.name: path.read_bytes() for path in place.path(record.run_id).iterdir()}
    assert after[SUMMARY] == before[SUMMARY]
    assert after.items() <= before.items()  # the weights of all but the finished are dropped
    state = "failed" if status == "diverged" else status
    assert document["counts"][state] == 1
    store = TrialStore(storage_url(place.context, sweep_id, None))
    trial = store.trials(stored_sweep(place.context, sweep_id))[-1]
    epochs = store.epochs(sweep_id, trial.number)
    store.close()
    rows = place.context.runs.history(record.run_id)
    assert (trial.state, trial.run_id, trial.attempts, trial.reused) == (state, record.run_id, 2, None)
    assert [each.result.epoch for each in epochs] == [row.result.epoch for row in rows]
    if status != "diverged":
        assert trial.value == record.best_val_acc
        assert [each.result for each in epochs] == [row.result for row in rows]


@pytest.mark.parametrize(
    "changed",
    [
        {"status": "interrupted"},
        {"epochs_done": 10**15},
        {"config": {"epochs": 4}},
        {"config": {"epochs": "many"}},
        {"provenance": {"dataset_digest": "another"}},
        {"provenance": {"core": -1}},
        {"provenance": {"begun_for_epochs": 2}},
    ],
    ids=str,
)
def test_a_run_that_is_no_whole_one_of_the_same_is_trained_again(place: Place, changed: Any) -> None:
    sweep_id = put_sweep(place, "learning_rate: {values: [0.001, 0.002]}\n  schedule: {value: cosine}", [])
    record = killed(place, sweep_id)
    path = place.path(record.run_id) / SUMMARY
    about = json.loads(path.read_text())
    for key, value in changed.items():
        about[key] = {**about[key], **value} if isinstance(value, dict) else value
    path.write_text(json.dumps(about))
    run_sweep(place.context, stored_sweep(place.context, sweep_id), SweepOptions(count=1), Onlooker())
    (again,) = place.context.runs.records()
    assert again.run_id != record.run_id
    assert (again.status, again.epochs_done) == ("finished", 3)


def test_a_reused_run_goes_on_saying_so(place: Place) -> None:
    sweep_id = put_sweep(place, TWO, [])
    record = killed(place, sweep_id)
    path = place.path(record.run_id) / SUMMARY
    about = json.loads(path.read_text())
    about["provenance"]["reused_from"] = "an earlier one"
    path.write_text(json.dumps(about))
    document = run_sweep(
        place.context, stored_sweep(place.context, sweep_id), SweepOptions(count=1), Onlooker()
    )
    assert document["reused"] == 1


def lose(place: Place, sweep_id: str, run_id: str, times: int) -> None:
    """Claim the only trial so often for workers that are dead, each of which has trained it as this run."""
    store = TrialStore(storage_url(place.context, sweep_id, None))
    dead = replace(this_process(), pid=DEAD)
    for attempt in range(times):
        held = store.claim(stored_sweep(place.context, sweep_id), Request(f"lost {attempt}", dead))
        assert isinstance(held, Claimed)
        store.set_run(held, run_id)
    store.close()


@pytest.mark.parametrize("status", SEARCHES)
def test_a_run_that_ended_is_kept_though_its_trial_was_lost_three_times(place: Place, status: str) -> None:
    made = [Made([(1.0, 0.1)] * 3)] * (status == "pruned")
    sweep_id = put_sweep(place, SEARCHES[status], made)
    record = killed(place, sweep_id)
    lose(place, sweep_id, record.run_id, ATTEMPTS - 1)
    options = SweepOptions(count=len(made) + 1)
    document = run_sweep(place.context, stored_sweep(place.context, sweep_id), options, Onlooker())
    assert document["counts"]["failed" if status == "diverged" else status] == 1
    assert [each.run_id for each in place.context.runs.records()] == [record.run_id]


@pytest.mark.parametrize("here", [True, False])
def test_what_was_lost_too_often_is_looked_at_once_more_and_not_trained(place: Place, here: bool) -> None:
    """The run of its last attempt was cut short, or is on another machine."""
    sweep_id = put_sweep(place, TWO, [])
    sweep = stored_sweep(place.context, sweep_id)
    run_id = "20260101-000000-000-aaaa"
    if here:
        run_id = place.train().run_id
        path = place.path(run_id) / SUMMARY
        about = json.loads(path.read_text())
        path.write_text(json.dumps({**about, "status": "running", "sweep_id": sweep_id}))
    lose(place, sweep_id, run_id, ATTEMPTS)
    document = run_sweep(place.context, sweep, SweepOptions(count=1), Onlooker())
    assert document["counts"] == {"finished": 0, "pruned": 0, "failed": 1}
    assert place.context.runs.ids() == [run_id] * here, "what it left may tell why"
    store = TrialStore(storage_url(place.context, sweep_id, None))
    (trial,) = store.trials(sweep)
    store.close()
    assert str(trial.error).startswith("its worker died or was not heard of 3 times, the last one was ")
    assert str(trial.error).endswith(f":{DEAD}")
    assert trial.run_id == run_id
