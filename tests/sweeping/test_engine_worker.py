"""The loop of one worker: what it makes of an objective, and what it tells."""

from __future__ import annotations

import math
import os
import threading

import pytest
from engine_helpers import claim, complete, epoch, objective, sweep_of
from sqlalchemy import update

from ffcli.sweeping import worker
from ffcli.sweeping.database import TRIALS, DatabaseError
from ffcli.sweeping.events import EpochDone, TrialEnded, TrialLost, TrialStarted, Waiting
from ffcli.sweeping.trials import Counts, Ended
from ffcli.sweeping.worker import work


def one(sqlite, objective):
    """Have an objective try one trial, and return the trial."""
    sweep = sqlite.create(sweep_of())
    complete(sqlite, sweep, 1, objective=objective)
    [trial] = sqlite.trials(sweep)
    return trial


def test_the_value_is_the_metric_at_its_best_epoch_the_earlier_on_a_tie(sqlite):
    def train(_, trial):
        for number, value in enumerate([0.1, 0.7, 0.7, 0.3], start=1):
            trial.report(epoch(number, value))

    trial = one(sqlite, train)
    assert (trial.state, trial.value, trial.best_epoch) == ("finished", 0.7, 2)


def test_a_diverged_run_has_failed_whatever_it_had_reached(sqlite):
    def train(_, trial):
        trial.report(epoch(1, 0.8))
        trial.report(epoch(2, 0.1, val_loss=math.nan))

    trial = one(sqlite, train)
    assert (trial.state, trial.value, trial.error) == ("failed", None, "the loss was not finite in epoch 2")


def test_an_exception_is_recorded_with_its_type(sqlite):
    def train(_, trial):
        trial.report(epoch(1))
        raise MemoryError("too large")

    trial = one(sqlite, train)
    assert (trial.state, trial.error) == ("failed", "MemoryError: too large")


def test_an_objective_that_reports_nothing_has_failed(sqlite):
    assert one(sqlite, lambda *_: None).error == "not one epoch was reported"


def test_events_tell_all_that_happens(sqlite):
    sweep = sqlite.create(sweep_of("grid", top="early_terminate: {type: hyperband, min_iter: 1}"))
    events = []

    def train(_, trial):
        if trial.number == 3:
            raise ValueError("three")
        for number in (1, 2):
            if trial.report(epoch(number, 0.5 - 0.1 * trial.number)):
                return

    complete(sqlite, sweep, 3, objective=train, on_event=events.append)
    ended = [event for event in events if isinstance(event, TrialEnded)]
    assert [(e.number, e.state, e.value, e.best_epoch, e.error) for e in ended] == [
        (1, "finished", 0.4, 1, None),
        (2, "pruned", 0.3, 1, None),
        (3, "failed", None, None, "ValueError: three"),
    ]
    rest = [event for event in events if not isinstance(event, TrialEnded)]
    configs = [trial.config for trial in sqlite.trials(sweep)]
    assert rest == [
        TrialStarted(1, 1, configs[0]),
        EpochDone(1, epoch(1, 0.4), False),
        EpochDone(1, epoch(2, 0.4), False),
        TrialStarted(2, 1, configs[1]),
        EpochDone(2, epoch(1, 0.3), True),
        TrialStarted(3, 1, configs[2]),
    ]


def test_a_trial_that_was_given_away_is_dropped(sqlite):
    sweep = sqlite.create(sweep_of())
    events = []

    def train(config, trial):
        if trial.number == 1 and trial.claimed.trial.attempts == 1:
            late = update(TRIALS).values(lease=0.0)
            sqlite.database.run(lambda connection: connection.execute(late))
            claim(sqlite, sweep, "another")
            try:
                trial.report(epoch(1))
            finally:
                sqlite.release("another")
        objective(config, trial)

    complete(sqlite, sweep, 2, objective=train, on_event=events.append)
    assert TrialLost(1) in events
    assert sqlite.counts(sweep).finished == 2


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit, DatabaseError("gone")])
def test_what_is_no_fault_of_the_trial_gives_it_back(sqlite, stop):
    def train(_, trial):
        trial.set_run("half")
        trial.report(epoch(1))
        raise stop

    sweep = sqlite.create(sweep_of())
    with pytest.raises(stop if isinstance(stop, type) else type(stop)):
        complete(sqlite, sweep, 2, objective=train)
    assert sqlite.counts(sweep) == Counts(waiting=1)
    seen = []

    def again(config, trial):
        seen.append((trial.claimed.trial.attempts, trial.earlier_run))
        objective(config, trial)

    complete(sqlite, sweep, 2, objective=again)
    assert seen == [(1, "half"), (1, None)]


def test_a_worker_can_be_told_to_stop_between_trials(sqlite):
    sweep = sqlite.create(sweep_of())
    may = iter([True, True, False])
    assert work(sqlite, sweep, objective, go_on=lambda: next(may)) is None
    assert sqlite.counts(sweep) == Counts(finished=2, best=sqlite.counts(sweep).best)


def test_a_worker_stops_when_its_parent_is_another(sqlite, monkeypatch):
    sweep = sqlite.create(sweep_of())
    assert work(sqlite, sweep, objective, parent=os.getppid() + 1) is None
    assert sqlite.counts(sweep) == Counts()
    parents = iter([7, 7, 1])
    monkeypatch.setattr(os, "getppid", lambda: next(parents))
    assert work(sqlite, sweep, objective, parent=7) is None
    assert sqlite.counts(sweep).waiting == 1  # stopped within the trial


def test_a_worker_waits_for_the_last_trials_of_others(sqlite, monkeypatch):
    monkeypatch.setattr(worker, "_POLL", 0.01)
    sweep = sqlite.create(sweep_of())
    held = claim(sqlite, sweep, "another", count=1)
    events = []

    def tell(event):
        events.append(event)
        if events == [Waiting(1)] * 3:
            sqlite.finish(held, "finished", value=0.5, best_epoch=1)

    assert work(sqlite, sweep, objective, count=1, on_event=tell) == Ended("count", "1 trial is done.")
    assert events == [Waiting(1)] * 3


def test_signs_of_life_come_while_a_trial_takes_long(sqlite, monkeypatch):
    monkeypatch.setattr(worker, "BEAT", 0.01)
    beaten = threading.Event()
    heartbeat = sqlite.heartbeat

    def counted(claimed):
        alive = heartbeat(claimed)
        if alive:
            beaten.set()
        return alive

    monkeypatch.setattr(sqlite, "heartbeat", counted)

    def train(_, trial):
        assert beaten.wait(10)
        trial.report(epoch(1))

    assert one(sqlite, train).state == "finished"
