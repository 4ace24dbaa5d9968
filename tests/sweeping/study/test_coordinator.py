"""What the coordinator makes of a sweep, whatever pool its trials run on."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace

import pytest
from engine_helpers import Engine, epoch, objective, start_of, sweep_of, trial_of
from fake_pool import Fault, Train, WorkerFailed, WorkerInterrupted, WorkerKilled

from ffcli.core.training import EpochResult
from ffcli.errors import FfnnError
from ffcli.execution.pool import Task
from ffcli.sweeping.search.base import Proposal
from ffcli.sweeping.spec.spec import parse_spec
from ffcli.sweeping.study.coordinator import STARTS
from ffcli.sweeping.study.events import EpochDone, Stopping, TrialEnded, TrialLost, TrialStarted
from ffcli.sweeping.study.record import Counts, Ended, Past, Sweep, Trial
from ffcli.util.signals import Terminated

WORKERS = pytest.mark.parametrize("workers", [1, 3])


# How far a sweep goes


@WORKERS
def test_count_is_exact_and_can_be_raised(engine: Engine, workers: int) -> None:
    sweep = engine.create(sweep_of())
    assert engine.complete(sweep, 3, workers=workers) == Ended("count", "3 trials are done.")
    assert engine.complete(sweep, 3, workers=workers) == Ended("count", "3 trials are done.")
    before = engine.drawn(sweep)
    assert len(before) == engine.counts(sweep).ended == 3
    assert engine.complete(sweep, 7, workers=workers) == Ended("count", "7 trials are done.")
    assert engine.counts(sweep).ended == 7
    assert engine.drawn(sweep)[:3] == before


@pytest.mark.parametrize(("deadline", "ended", "reason"), [(0, 0, "time"), (15, 2, "time"), (30, 3, "count")])
def test_no_trial_begins_after_the_deadline(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, deadline: float, ended: int, reason: str
) -> None:
    """Each trial lasts ten seconds of this clock."""
    now = [0.0]
    monkeypatch.setattr("ffcli.sweeping.study.coordinator.time", SimpleNamespace(monotonic=lambda: now[0]))
    sweep = engine.create(sweep_of())

    def watch(event: object) -> None:
        now[0] += 10 * isinstance(event, TrialEnded)

    over = engine.complete(sweep, 3, deadline=deadline, on_event=watch)
    assert over is not None
    assert (over.reason, engine.counts(sweep).ended) == (reason, ended)
    assert engine.complete(sweep, 3) == Ended("count", "3 trials are done.")


def test_the_deadline_ends_a_sweep_that_has_no_worker(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each look at this clock takes a second."""
    clock = SimpleNamespace(monotonic=map(float, range(100)).__next__)
    monkeypatch.setattr("ffcli.sweeping.study.coordinator.time", clock)
    sweep = engine.create(sweep_of())
    over = engine.complete(sweep, 3, workers=0, deadline=5)
    assert over is not None
    assert (over.reason, engine.trials(sweep), clock.monotonic()) == ("time", (), 6)


def test_the_deadline_in_the_last_trial_is_none(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("ffcli.sweeping.study.coordinator.time", SimpleNamespace(monotonic=lambda: now[0]))
    sweep = engine.create(sweep_of())

    def watch(event: object) -> None:
        now[0] += 10 * isinstance(event, EpochDone)

    assert engine.complete(sweep, 1, deadline=15, on_event=watch) == Ended("count", "1 trial is done.")


def test_a_sweep_that_is_over_waits_for_no_worker(engine: Engine) -> None:
    """A cluster may have none: its jobs end with the last trial."""
    sweep = engine.create(sweep_of())
    engine.complete(sweep, 2)
    assert engine.complete(sweep, 2, workers=0) == Ended("count", "2 trials are done.")


def test_run_cap_and_count_both_cap(engine: Engine) -> None:
    sweep = engine.create(sweep_of(top="run_cap: 4"))
    engine.complete(sweep, 2)
    assert engine.counts(sweep).ended == 2
    engine.complete(sweep, 9)
    assert engine.counts(sweep).ended == 4


@WORKERS
@pytest.mark.parametrize("method", ["grid", "random", "bayes"])
def test_a_finite_space_is_used_up_and_nothing_comes_twice(engine: Engine, method: str, workers: int) -> None:
    sweep = engine.create(sweep_of(method))
    ended = engine.complete(sweep, workers=workers)
    assert ended == Ended("space", "The whole space of 24 combinations was tried.")
    assert engine.counts(sweep) == Counts(finished=24, best=pytest.approx(0.85))
    assert len({repr(values) for values in engine.drawn(sweep)}) == 24


def test_the_target_ends_the_sweep(engine: Engine) -> None:
    sweep = engine.create(sweep_of("grid", target="0.8"))
    ended = engine.complete(sweep)
    assert ended is not None
    assert ended.reason == "target"
    values = [trial.value or 0.0 for trial in engine.trials(sweep)]
    assert max(values[:-1]) < 0.8 <= values[-1]
    assert engine.complete(sweep, 24) == ended, "it has ended for good"


def bad(task: Task) -> Iterator[EpochResult]:
    raise ValueError(f"too bad {trial_of(task)}")
    yield


def test_first_three_failures_end_the_sweep_until_it_is_resumed(engine: Engine) -> None:
    sweep = engine.create(sweep_of())
    for failed in (3, 6):  # those of before are forgiven
        ended = engine.complete(sweep, 10, train=bad)
        assert ended is not None
        assert ended.reason == "failures"
        assert [f"ValueError: too bad {number}" in ended.message for number in range(1, failed + 1)][-3:] == [
            True
        ] * 3
        assert engine.counts(sweep) == Counts(failed=failed)
    assert engine.complete(sweep, 10) == Ended("count", "10 trials are done.")
    assert engine.counts(sweep).finished == 4


def test_failures_after_a_success_do_not(engine: Engine) -> None:
    def mostly_bad(task: Task) -> Iterator[EpochResult]:
        return objective(task) if trial_of(task) == 2 else bad(task)

    sweep = engine.create(sweep_of())
    engine.complete(sweep, 9, train=mostly_bad)
    assert (engine.counts(sweep).failed, engine.counts(sweep).ended) == (8, 9)


@pytest.mark.parametrize("method", ["grid", "random", "bayes"])
def test_the_same_seed_and_file_and_one_worker_give_the_same_sweep(engine: Engine, method: str) -> None:
    one, two = (engine.create(sweep_of(method, id=name)) for name in ("one", "two"))
    engine.complete(one, 15)
    for count in range(1, 16):  # resumed after each trial
        engine.complete(two, count)
    assert engine.drawn(one) == engine.drawn(two)
    if method != "grid":
        other = engine.create(sweep_of(method, id="other", seed=1))
        engine.complete(other, 15)
        assert engine.drawn(one) != engine.drawn(other)


def test_a_sweep_without_a_metric_is_ranked_by_val_acc(engine: Engine) -> None:
    spec = parse_spec("method: grid\nparameters: {epochs: {values: [1, 2, 3]}}")
    sweep = engine.create(Sweep("plain", spec, "", 1, 0, 0.0))

    def rising(task: Task) -> Iterator[EpochResult]:
        for number in range(1, task.config.epochs + 1):
            yield epoch(number, number / 10)

    engine.complete(sweep, train=rising)
    assert [trial.value for trial in engine.trials(sweep)] == [0.1, 0.2, 0.3]


# What becomes of one trial


def one(engine: Engine, results: list[EpochResult]) -> Trial:
    """Have one trial come to these epochs, and return it."""
    sweep = engine.create(sweep_of())
    engine.complete(sweep, 1, train=lambda _: iter(results))
    (trial,) = engine.trials(sweep)
    return trial


def test_the_value_is_the_metric_at_its_best_epoch_the_earlier_on_a_tie(engine: Engine) -> None:
    trial = one(engine, [epoch(n, value) for n, value in enumerate([0.1, 0.7, 0.7, 0.3], start=1)])
    assert (trial.state, trial.value, trial.best_epoch, trial.starts) == ("finished", 0.7, 2, 1)
    assert trial.history == {1: 0.1, 2: 0.7, 3: 0.7, 4: 0.3}
    assert trial.run_ids == ("run-1.1",)


def test_a_diverged_run_has_failed_whatever_it_had_reached(engine: Engine) -> None:
    trial = one(engine, [epoch(1, 0.8), epoch(2, 0.1, val_loss=math.nan)])
    assert (trial.state, trial.value, trial.error) == ("failed", None, "the loss was not finite in epoch 2")


def test_a_run_without_a_value_has_failed(engine: Engine) -> None:
    assert one(engine, []).state == "failed"


def test_a_trial_is_recorded_as_running_before_it_is_submitted(engine: Engine) -> None:
    sweep = engine.create(sweep_of())
    seen = []

    def look(task: Task) -> Iterator[EpochResult]:
        (trial,) = engine.trials(sweep)
        seen.append((trial.state, trial.starts, trial.config == task.config, task.dataset_digest))
        yield epoch(1)

    engine.complete(sweep, 1, train=look)
    assert seen == [("running", 1, True, "digest of the data")]


def test_events_tell_all_that_happens(engine: Engine) -> None:
    sweep = engine.create(sweep_of("grid", top="early_terminate: {type: hyperband, min_iter: 1}"))
    events: list[object] = []

    def train(task: Task) -> Iterator[EpochResult]:
        if trial_of(task) == 3:
            raise ValueError("three")
        for number in (1, 2):
            yield epoch(number, 0.5 - 0.1 * trial_of(task))

    engine.complete(sweep, 3, train=train, on_event=events.append)
    ended = [replace(event, seconds=0.0) for event in events if isinstance(event, TrialEnded)]
    assert ended == [
        TrialEnded(1, "finished", 0.4, 1, None, 0.0),
        TrialEnded(2, "pruned", 0.3, 1, None, 0.0),
        TrialEnded(3, "failed", None, None, "ValueError: three", 0.0),
    ]
    configs = [trial.config for trial in engine.trials(sweep)]
    assert [event for event in events if not isinstance(event, TrialEnded)] == [
        TrialStarted(1, 1, configs[0]),
        EpochDone(1, epoch(1, 0.4), False),
        EpochDone(1, epoch(2, 0.4), False),
        TrialStarted(2, 1, configs[1]),
        EpochDone(2, epoch(1, 0.3), True),
        TrialStarted(3, 1, configs[2]),
    ]


def test_progress_that_fails_fails_no_work(engine: Engine) -> None:
    def fail(_: object) -> None:
        raise OSError("the terminal is full")

    sweep = engine.create(sweep_of())
    engine.complete(sweep, 3, on_event=fail)
    assert engine.counts(sweep).finished == 3


def test_pruned_trials_teach_and_failed_ones_do_not(engine: Engine) -> None:
    sweep = engine.create(sweep_of("bayes", top="early_terminate: {type: hyperband, min_iter: 1}"))

    def some_fail(task: Task) -> Iterator[EpochResult]:
        return bad(task) if task.config.activation == "tanh" and trial_of(task) > 3 else objective(task)

    engine.complete(sweep, 24, train=some_fail)
    counts = engine.counts(sweep)
    assert (counts.ended, counts.failed > 3, counts.pruned > 5) == (24, True, True)


@WORKERS
def test_those_with_an_end_are_told_once(engine: Engine, workers: int) -> None:
    sweep = engine.create(sweep_of())
    told: list[Trial] = []
    engine.complete(sweep, 5, workers=workers, ended=told.append)
    assert sorted(trial.number for trial in told) == [1, 2, 3, 4, 5]
    assert {trial.state for trial in told} == {"finished"}


# Workers that are lost


@WORKERS
def test_a_trial_whose_worker_is_lost_is_started_again(engine: Engine, workers: int) -> None:
    sweep = engine.create(sweep_of())
    events: list[object] = []

    def train(task: Task) -> Iterator[EpochResult]:
        yield epoch(1, 0.9)
        if trial_of(task) == 2 and start_of(task) < STARTS:
            raise WorkerKilled
        yield epoch(2, 0.5)

    engine.complete(sweep, 3, train=train, workers=workers, on_event=events.append)
    assert engine.counts(sweep) == Counts(finished=3, best=0.9)
    assert [trial.starts for trial in engine.trials(sweep)] == [1, STARTS, 1]
    lost = [event.number for event in events if isinstance(event, TrialLost)]
    assert lost == [2] * (STARTS - 1)


def test_a_trial_that_was_started_three_times_without_an_end_fails(engine: Engine) -> None:
    sweep = engine.create(sweep_of())

    def train(task: Task) -> Iterator[EpochResult]:
        if trial_of(task) == 1:
            raise WorkerKilled
        yield epoch(1)

    engine.complete(sweep, 2, train=train)
    first, second = engine.trials(sweep)
    assert (first.state, first.starts, second.state) == ("failed", STARTS, "finished")
    assert "3 times" in str(first.error)


def test_a_trial_that_takes_the_coordinator_down_three_times_fails(engine: Engine) -> None:
    sweep = engine.create(sweep_of())
    for start in range(1, STARTS + 1):
        writer = engine.writer(sweep)  # of a coordinator that is killed after this
        if start == 1:
            values = sweep.spec.combination(7)
            writer.begin(Proposal(values, sweep.spec.config(values)))
        else:
            writer.set_starts(writer[1], start)
    engine.complete(sweep, 2)
    first, second = engine.trials(sweep)
    assert (first.state, second.state) == ("failed", "finished")
    assert engine.pool.tasks[0].provenance == {"trial": 2}


def test_what_a_killed_coordinator_left_open_is_trained_again_and_counted_once(engine: Engine) -> None:
    sweep = engine.create(sweep_of("grid"))
    writer = engine.writer(sweep)
    values = sweep.spec.combination(0)
    trial = writer.begin(Proposal(values, sweep.spec.config(values)))
    writer.set_runs(trial, ["half a run"])
    writer.epoch(trial, 1, 0.99)
    del writer
    engine.complete(sweep, 3)
    assert [trial.starts for trial in engine.trials(sweep)] == [2, 1, 1]
    assert engine.trials(sweep)[0].run_ids == ("run-1.2",)
    assert engine.drawn(sweep) == [sweep.spec.combination(index) for index in range(3)]
    assert engine.counts(sweep).ended == 3


def test_an_open_trial_stays_open_where_fewer_are_asked_for(engine: Engine) -> None:
    sweep = engine.create(sweep_of())
    with pytest.raises(FfnnError):
        engine.complete(sweep, 3, train=fault_at(3))
    engine.complete(sweep, 2)
    assert engine.counts(sweep).running == 1
    engine.complete(sweep, 3)
    assert engine.counts(sweep) == Counts(finished=3, best=engine.counts(sweep).best)


# Faults of the machine, and interruptions


def fault_at(number: int) -> Train:
    def train(task: Task) -> Iterator[EpochResult]:
        yield epoch(1, 0.4)
        if trial_of(task) == number:
            raise Fault("no space left")
        yield epoch(2, 0.6)

    return train


@WORKERS
def test_a_fault_of_the_machine_ends_the_sweep_and_is_no_fault_of_the_trial(
    engine: Engine, workers: int
) -> None:
    sweep = engine.create(sweep_of())
    with pytest.raises(FfnnError, match="no space left"):
        engine.complete(sweep, 9, train=fault_at(2), workers=workers)
    counts = engine.counts(sweep)
    assert (counts.failed, counts.running) == (0, 1)
    assert counts.finished == (1 if workers == 1 else 2), "those under way are finished"
    assert engine.trials(sweep)[1].starts == 0
    engine.complete(sweep, 9)
    assert engine.counts(sweep).finished == 9


@pytest.mark.parametrize("how", [WorkerInterrupted, WorkerFailed])
def test_a_worker_that_cannot_help_it_costs_its_trial_nothing(engine: Engine, how: type[Exception]) -> None:
    sweep = engine.create(sweep_of())
    left = iter(range(STARTS + 2))

    def train(_: Task) -> Iterator[EpochResult]:
        yield epoch(1)
        if next(left, None) is not None:
            raise how

    engine.complete(sweep, 1, train=train)
    assert [trial.starts for trial in engine.trials(sweep)] == [1]
    assert engine.counts(sweep).finished == 1


class Pressing:
    """Presses Ctrl-C when a trial comes to an epoch, where a terminal's would arrive: between two steps."""

    def __init__(self, how: type[BaseException], *, epochs: tuple[int, ...], trial: int = 2) -> None:
        self._how, self._epochs, self._trial = how, list(epochs), trial
        self.events: list[object] = []

    def __call__(self, event: object) -> None:
        self.events.append(event)
        if (
            isinstance(event, EpochDone)
            and event.number == self._trial
            and event.result.epoch in self._epochs
        ):
            self._epochs.remove(event.result.epoch)
            raise self._how


def three_epochs(_: Task) -> Iterator[EpochResult]:
    for number in (1, 2, 3):
        yield epoch(number, 0.1 * number)


@WORKERS
def test_ctrl_c_lets_those_under_way_end(engine: Engine, workers: int) -> None:
    sweep = engine.create(sweep_of())
    pressing = Pressing(KeyboardInterrupt, epochs=(1,))
    with pytest.raises(KeyboardInterrupt):
        engine.complete(sweep, 9, train=three_epochs, workers=workers, on_event=pressing)
    assert Stopping() in pressing.events
    assert engine.counts(sweep) == Counts(finished=max(2, workers), best=pytest.approx(0.3))
    assert engine.pool.shut


@pytest.mark.parametrize(("how", "epochs"), [(KeyboardInterrupt, (1, 2)), (Terminated, (1,))])
def test_a_second_ctrl_c_and_sigterm_leave_at_once_and_cost_no_start(
    engine: Engine, how: type[BaseException], epochs: tuple[int, ...]
) -> None:
    sweep = engine.create(sweep_of())
    with pytest.raises(how):
        engine.complete(sweep, 9, train=three_epochs, on_event=Pressing(how, epochs=epochs))
    assert engine.counts(sweep) == Counts(finished=1, running=1, best=pytest.approx(0.3))
    assert [trial.starts for trial in engine.trials(sweep)] == [1, 0]
    for _ in range(STARTS):  # so often as one likes
        with pytest.raises(how):
            engine.complete(sweep, 9, train=three_epochs, on_event=Pressing(how, epochs=epochs))
    engine.complete(sweep, 4, train=three_epochs)
    assert engine.counts(sweep) == Counts(finished=4, best=pytest.approx(0.3))


@WORKERS
@pytest.mark.parametrize("jump", [3600, -3600])
def test_a_clock_that_jumps_changes_nothing(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, jump: int, workers: int
) -> None:
    """As of a machine that was suspended, or whose clock is set: between the epochs of each second trial."""
    clock = time.time
    ahead = 0

    def train(task: Task) -> Iterator[EpochResult]:
        nonlocal ahead
        yield epoch(1, 0.4)
        if trial_of(task) % 2:
            ahead += jump
        if (trial_of(task), start_of(task)) == (2, 1):
            raise WorkerKilled
        yield epoch(2, 0.6)

    monkeypatch.setattr(time, "time", lambda: clock() + ahead)
    sweep = engine.create(sweep_of())
    events: list[object] = []
    engine.complete(sweep, 4, train=train, workers=workers, on_event=events.append)
    engine.complete(sweep, 6, train=train, workers=workers)
    assert engine.counts(sweep) == Counts(finished=6, best=0.6)
    assert [trial.starts for trial in engine.trials(sweep)] == [1, 2, 1, 1, 1, 1]
    assert all(0 <= event.seconds < 600 for event in events if isinstance(event, TrialEnded))


# What stored runs tell


PAST = Past("its run", "an earlier run", (epoch(1, 0.3), epoch(2, 0.8)))


def test_what_an_earlier_run_came_to_is_taken_over(engine: Engine) -> None:
    sweep = engine.create(sweep_of())
    events: list[object] = []
    reusable = {1: PAST}
    engine.complete(sweep, 2, reusable=lambda trial, _: reusable.get(trial.number), on_event=events.append)
    first, second = engine.trials(sweep)
    assert (first.state, first.value, first.best_epoch, first.reused) == (
        "finished",
        0.8,
        2,
        "an earlier run",
    )
    assert (first.run_ids, first.history) == (("its run",), {1: 0.3, 2: 0.8})
    assert second.reused is None
    assert [trial_of(task) for task in engine.pool.tasks] == [2]
    assert [event.reused for event in events if isinstance(event, TrialEnded)] == ["an earlier run", None]


@pytest.mark.parametrize(
    ("past", "state", "value"),
    [
        (replace(PAST, source=None), "finished", 0.8),
        (replace(PAST, source=None, pruned=True), "pruned", 0.8),
        (replace(PAST, source=None, results=(epoch(1, 0.3), epoch(2, val_loss=math.inf))), "failed", None),
    ],
)
@pytest.mark.parametrize("starts", [1, STARTS])
def test_a_run_that_ended_unheard_is_the_trials_own(
    engine: Engine, past: Past, state: str, value: float | None, starts: int
) -> None:
    sweep = engine.create(sweep_of())

    def die(_: Task) -> Iterator[EpochResult]:
        raise WorkerKilled
        yield

    heard: Iterator[dict[int, Past]] = iter([{}] * (starts - 1))
    engine.complete(sweep, 1, train=die, left_over=lambda _: next(heard, {0: past}))
    (trial,) = engine.trials(sweep)
    assert (trial.state, trial.value, trial.reused) == (state, value, None)
    assert (trial.run_ids, trial.starts) == (("its run",), starts)


def test_ctrl_c_is_heeded_between_trials_that_stored_runs_tell(engine: Engine) -> None:
    sweep = engine.create(sweep_of())

    def reusable(trial: Trial, _: object) -> Past:
        if trial.number == 2:
            signal.raise_signal(signal.SIGINT)
        return PAST

    with pytest.raises(KeyboardInterrupt):
        engine.complete(sweep, 5, reusable=reusable)
    assert engine.counts(sweep) == Counts(finished=2, best=0.8)


def test_early_termination_counts_what_was_taken_over(engine: Engine) -> None:
    """Each later trial is worse at the band than the one taken over, which itself is never stopped."""
    sweep = engine.create(sweep_of(top="early_terminate: {type: hyperband, min_iter: 1}"))
    past = {1: replace(PAST, results=(epoch(1, 0.9), epoch(2, 0.95)))}
    engine.complete(sweep, 2, reusable=lambda trial, _: past.get(trial.number))
    assert [trial.state for trial in engine.trials(sweep)] == ["finished", "pruned"]


def test_lists_of_sizes_come_back_as_they_were(engine: Engine) -> None:
    sweep = engine.create(sweep_of("grid", "\n  hidden_size: {values: [[64, 32], [16, 8]]}\n"))
    engine.complete(sweep, 1)
    (trial,) = engine.trials(sweep)
    assert (trial.values, trial.config.hidden_sizes) == ({"hidden_size": (64, 32)}, (64, 32))


def test_two_sweeps_do_not_mix(engine: Engine) -> None:
    one, two = engine.create(sweep_of(id="one")), engine.create(sweep_of(id="two", seed=1))
    engine.complete(one, 3)
    assert engine.counts(two) == Counts()
    engine.complete(two, 2)
    assert engine.drawn(two) != engine.drawn(one)[:2]


# Failed trials again


def _fails_at(*numbers: int) -> Train:
    def train(task: Task) -> Iterator[EpochResult]:
        if trial_of(task) in numbers:
            raise ValueError("the disk was full")
        yield from objective(task)

    return train


@pytest.mark.parametrize("method", ["grid", "random", "bayes"])
def test_failed_trials_are_tried_again_in_their_place(engine: Engine, method: str) -> None:
    sweep = engine.create(sweep_of(method))
    engine.complete(sweep, 6, train=_fails_at(2, 5))
    assert (engine.counts(sweep).finished, engine.counts(sweep).failed) == (4, 2)
    whole = engine.create(sweep_of(method, id="s2"))
    engine.complete(whole, 6)

    engine.writer(sweep).retry_failed()
    assert engine.counts(sweep) == replace(engine.counts(sweep), finished=4, failed=0, running=2)
    assert engine.complete(sweep, 6, train=_fails_at(8)) == Ended("count", "6 trials are done.")
    assert (engine.counts(sweep).finished, engine.counts(sweep).failed) == (5, 1)
    engine.writer(sweep).retry_failed()
    engine.complete(sweep, 24)
    assert (engine.counts(sweep).finished, engine.counts(sweep).failed) == (24, 0)
    again = [(trial.number, trial.retries) for trial in engine.trials(sweep) if trial.retries is not None]
    assert again == [(7, 2), (8, 5), (9, 8)]
    drawn = engine.drawn(sweep)
    assert drawn[6] == drawn[1]
    assert drawn[7] == drawn[8] == drawn[4]
    tried = [tuple(values.values()) for values in drawn]
    assert len(set(tried)) == 24
    if method != "bayes":  # which learns from what it tried
        assert drawn[:6] == engine.drawn(whole)[:6]


def test_where_the_target_is_reached_none_is_tried_again(engine: Engine) -> None:
    sweep = engine.create(sweep_of("grid", target="0.8"))
    engine.complete(sweep, train=_fails_at(1))
    before = engine.counts(sweep)
    assert before.failed == 1
    engine.writer(sweep).retry_failed()
    assert engine.counts(sweep) == before


def test_where_none_has_failed_none_is_tried_again(engine: Engine) -> None:
    sweep = engine.create(sweep_of())
    engine.complete(sweep, 3)
    engine.writer(sweep).retry_failed()
    assert len(engine.trials(sweep)) == 3
