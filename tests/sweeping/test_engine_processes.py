"""Workers as real processes: together, killed, orphaned, and with a database that goes away."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import chain

import engine_helpers
import pytest
from engine_helpers import complete, ended_numbers, objective, start_worker, sweep_of, take

from ffcli.sweeping.store import TrialStore
from ffcli.sweeping.trials import Counts, Sweep
from ffcli.util.processes import Process, host, this_process

SECONDS = 120  # far more than it takes on a busy machine


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < until, "it never came to that"
        time.sleep(0.02)


@pytest.fixture
def sweep(store: TrialStore) -> Sweep:
    return store.create(sweep_of("grid"))


@pytest.mark.parametrize("method", ["grid", "bayes"])
def test_processes_pulling_at_once_share_a_space_without_gap_or_repeat(store, url, method):
    sweep = store.create(sweep_of(method))
    workers = [start_worker(url, sweep, pause=0.01) for _ in range(4)]
    ended = [ended_numbers(worker) for worker in workers]
    assert sorted(chain.from_iterable(ended)) == list(range(1, 25))
    assert store.counts(sweep) == Counts(finished=24, best=pytest.approx(0.85))
    assert len({trial.key for trial in store.trials(sweep)}) == 24
    assert sum(map(bool, ended)) > 1, "one worker did it all: nothing was tested"


def test_count_is_exact_with_processes_pulling_at_once(store, url):
    sweep = store.create(sweep_of("random"))
    workers = [start_worker(url, sweep, count=7) for _ in range(3)]
    assert sorted(chain.from_iterable(map(ended_numbers, workers))) == list(range(1, 8))
    assert store.counts(sweep).ended == 7


def test_workers_that_are_killed_anywhere_lose_nothing_and_count_nothing_twice(store, url, sweep):
    """Transaction 0 reads the sweep; 1 to 4 are a trial's claim, its two epochs and its end."""
    ended: list[int] = []
    for moment in (4, 5, 7, 8, 10, 11, 13, 14, random.Random(0).randrange(15, 27)):
        ended += ended_numbers(start_worker(url, sweep, count=12, moment=moment), code=-signal.SIGKILL)
        assert store.counts(sweep).running <= 1
    ended += ended_numbers(start_worker(url, sweep, count=12))
    trials = store.trials(sweep)
    counts = store.counts(sweep)
    assert counts.ended == len(trials) == 12
    assert len({trial.key for trial in trials}) == 12
    assert counts.finished > 0 < counts.failed
    assert len(ended) == len(set(ended))
    for trial in trials:
        assert trial.attempts <= 3
        if trial.state == "failed":
            assert trial.attempts == 3
            assert trial.number not in ended
        else:
            assert len(store.epochs(sweep.id, trial.number)) == 2


def test_a_killed_workers_trial_goes_to_one_that_runs(store, url, sweep):
    killed = start_worker(url, sweep, count=3, pause=20)
    wait_for(lambda: store.counts(sweep).running == 1)
    killed.kill()
    killed.communicate()
    assert ended_numbers(start_worker(url, sweep, count=3)) == [1, 2, 3]
    assert [trial.attempts for trial in store.trials(sweep)] == [2, 1, 1]


def test_an_interrupted_worker_gives_its_trial_back_uncounted(store, url, sweep):
    worker = start_worker(url, sweep, count=3, pause=20)
    wait_for(lambda: store.counts(sweep).running == 1)
    worker.send_signal(signal.SIGINT)
    with worker:
        assert worker.wait(SECONDS) != 0
    [trial] = store.trials(sweep)
    assert (trial.state, trial.attempts) == ("waiting", 0)
    complete(store, sweep, 3)
    assert [trial.attempts for trial in store.trials(sweep)] == [1, 1, 1]


STARTER = """
import json, subprocess, sys, time
process = subprocess.Popen(json.loads(sys.argv[1]))
print(process.pid, flush=True)
time.sleep(60)
"""


def test_a_worker_does_not_outlive_its_parent(store, url, sweep):
    task = json.dumps({"hold": 3})
    command = json.dumps([sys.executable, engine_helpers.__file__, url, sweep.id, task])
    with subprocess.Popen(
        [sys.executable, "-c", STARTER, command], stdout=subprocess.PIPE, text=True
    ) as parent:
        pid = int(parent.stdout.readline())
        wait_for(lambda: (store.counts(sweep).finished, store.counts(sweep).running) == (2, 1))
        parent.kill()
        parent.stdout.read()  # to its end: the worker, which has the same pipe, is gone then
    trials = store.trials(sweep)
    assert [trial.state for trial in trials] == ["finished", "finished", "waiting"]
    assert all(trial.worker.endswith(f":{pid}") for trial in trials)
    complete(store, sweep, 4)
    assert [trial.attempts for trial in store.trials(sweep)] == [1, 1, 1, 1]


@pytest.mark.postgres
def test_a_database_that_is_gone_for_ten_seconds_costs_nothing(postgres):
    url = postgres.new_database()
    store = TrialStore(url)
    sweep = store.create(sweep_of("grid"))
    workers = [start_worker(url, sweep, pause=0.05) for _ in range(2)]
    wait_for(lambda: store.counts(sweep).finished >= 4)
    postgres.stop()
    try:
        time.sleep(10)
        assert all(worker.poll() is None for worker in workers)
    finally:
        postgres.start()
    ended = [ended_numbers(worker) for worker in workers]
    assert sorted(chain.from_iterable(ended)) == list(range(1, 25))
    assert store.counts(sweep).finished == 24
    assert {trial.attempts for trial in store.trials(sweep)} == {1}
    assert len(store.epochs(sweep.id)) == 48
    store.close()


def test_after_a_loss_of_power_at_any_moment_the_sweep_goes_on(tmp_path):
    database = tmp_path / "sweep.db"
    store = TrialStore(f"sqlite:///{database}")
    sweep = store.create(sweep_of("random"))
    worker = start_worker(f"sqlite:///{database}", sweep, count=12)
    copies = [tmp_path / str(least) / "sweep.db" for least in (1, 4, 7)]
    for copy in copies:
        copy.parent.mkdir()
        wait_for(lambda copy=copy: store.counts(sweep).ended >= int(copy.parent.name))
        worker.send_signal(signal.SIGSTOP)  # so that the copy is of one moment, as a loss of power is
        os.waitid(os.P_PID, worker.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        # By another process: to close the file in this one would take SQLite's locks from the store.
        subprocess.run(["cp", database, f"{database}-wal", copy.parent], check=True)
        worker.send_signal(signal.SIGCONT)
    ended_numbers(worker)
    whole = store.trials(sweep)
    store.close()
    for copy in copies:
        store = TrialStore(f"sqlite:///{copy}")
        ended = store.counts(sweep).ended
        assert ended >= int(copy.parent.name)
        complete(store, sweep, 12)
        trials = store.trials(sweep)
        assert [(t.number, t.key, t.value) for t in trials] == [(t.number, t.key, t.value) for t in whole]
        assert sum(trial.attempts == 1 for trial in trials) >= ended
        assert len(store.epochs(sweep.id)) == 24
        store.close()
        connection = sqlite3.connect(copy)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        connection.close()


def test_a_full_disk_gives_the_trial_back(sqlite):
    def full(*_):
        raise OSError(28, "No space left on device")

    sweep = sqlite.create(sweep_of())
    with pytest.raises(OSError, match="No space left"):
        complete(sqlite, sweep, objective=full)
    assert sqlite.counts(sweep) == Counts(waiting=1)
    complete(sqlite, sweep, 3, objective=objective)
    assert sqlite.counts(sweep).finished == 3


def test_a_process_is_dead_when_its_number_is_free_or_anothers():
    assert not this_process().is_dead
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        pid = child.pid
        assert Process(host(), pid, "another start").is_dead
    assert Process(host(), pid, "some start").is_dead
    assert not Process("elsewhere", pid, "some start").is_dead
    assert not Process(host(), pid, "").is_dead  # a system that does not tell
    assert str(this_process()).endswith(f":{os.getpid()}")


def test_a_killed_child_that_no_one_has_waited_for_is_dead(store, url, sweep):
    worker = start_worker(url, sweep, pause=20)
    wait_for(lambda: store.counts(sweep).running == 1)
    worker.kill()
    tokens = map(str, range(1000))
    wait_for(lambda: take(store, sweep, next(tokens)).trial.number == 1)  # a zombie until here
    worker.communicate()
