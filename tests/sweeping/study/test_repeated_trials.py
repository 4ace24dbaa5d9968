"""Trials of several runs: seeds, folds or both, whatever becomes of each run."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from engine_helpers import Engine, epoch, sweep_of, trial_of
from fake_pool import Fault, Train, WorkerInterrupted, WorkerKilled

from ffcli.config import TrainConfig
from ffcli.core.training import EpochResult
from ffcli.errors import FfnnError
from ffcli.execution.pool import Task
from ffcli.sweeping.search.base import Proposal
from ffcli.sweeping.study.coordinator import STARTS
from ffcli.sweeping.study.events import EpochDone, TrialEnded, TrialLost, TrialStarted
from ffcli.sweeping.study.record import Counts, Past, Sweep, Trial, mean_result
from ffcli.util.signals import Terminated

WORKERS = pytest.mark.parametrize("workers", [1, 2, 5])


def repeated(method: str = "random", *, repeats: int = 3, folds: int = 0, **about: str) -> Sweep:
    return replace(sweep_of(method, **about), repeats=repeats, folds=folds)


def by_seed(task: Task) -> Iterator[EpochResult]:
    """Trials with the seeds 0, 1, 2 come to 0.5, 0.6, 0.8 in epoch 2, and to less in epoch 1."""
    best = [0.5, 0.6, 0.8][task.config.seed]
    yield epoch(1, best / 2)
    yield epoch(2, best)


@WORKERS
def test_the_value_is_the_mean_of_the_runs_and_a_trial_counts_once(engine: Engine, workers: int) -> None:
    sweep = engine.create(repeated())
    engine.complete(sweep, 2, train=by_seed, workers=workers)
    assert engine.counts(sweep) == Counts(finished=2, best=pytest.approx(1.9 / 3))
    assert len(engine.pool.tasks) == 6
    for trial in engine.trials(sweep):
        assert trial.value == pytest.approx(1.9 / 3)
        assert trial.best_epoch is None
        assert trial.run_ids == tuple(f"run-{trial.number}.1.{run}" for run in (1, 2, 3))
        assert trial.history == {1: pytest.approx(1.9 / 6), 2: pytest.approx(1.9 / 3)}


def test_each_run_counts_with_its_own_best_epoch(engine: Engine) -> None:
    sweep = engine.create(repeated(repeats=2))
    values = {0: (0.5, 0.1), 1: (0.2, 0.4)}

    def train(task: Task) -> Iterator[EpochResult]:
        yield from (epoch(n, value) for n, value in enumerate(values[task.config.seed], 1))

    engine.complete(sweep, 1, train=train)
    assert engine.trials(sweep)[0].value == pytest.approx((0.5 + 0.4) / 2)


def test_seeds_and_folds_make_the_runs(engine: Engine) -> None:
    sweep = engine.create(repeated(repeats=2, folds=2))
    engine.complete(sweep, 1)
    (trial,) = engine.trials(sweep)
    assert (trial.config.seed, trial.config.fold) == (0, "none")
    assert [(task.config.seed, task.config.fold) for task in engine.pool.tasks] == [
        (0, "1/2"),
        (0, "2/2"),
        (1, "1/2"),
        (1, "2/2"),
    ]
    assert {trial_of(task) for task in engine.pool.tasks} == {1}


def test_the_runs_of_a_trial_come_before_the_next_trial(engine: Engine) -> None:
    sweep = engine.create(repeated(repeats=3))
    events: list[object] = []
    engine.complete(sweep, 2, workers=2, on_event=events.append)
    assert [trial_of(task) for task in engine.pool.tasks] == [1, 1, 1, 2, 2, 2]
    assert [event.runs for event in events if isinstance(event, TrialStarted)] == [3, 3]
    assert {event.run for event in events if isinstance(event, EpochDone)} == {1, 2, 3}
    assert len([event for event in events if isinstance(event, TrialEnded)]) == 2


def failing(how: Callable[[], BaseException], *, seed: int = 1, trial: int = 1, times: int = 99) -> Train:
    left = iter(range(times))

    def train(task: Task) -> Iterator[EpochResult]:
        yield epoch(1, 0.4)
        if (task.config.seed, trial_of(task)) == (seed, trial) and next(left, None) is not None:
            raise how()
        yield epoch(2, 0.6)

    return train


@WORKERS
def test_a_run_that_fails_fails_its_trial_and_no_further_one_begins(engine: Engine, workers: int) -> None:
    sweep = engine.create(repeated())
    engine.complete(sweep, 2, train=failing(lambda: ValueError("too bad")), workers=workers)
    first, second = engine.trials(sweep)
    assert (first.state, first.value, first.error) == ("failed", None, "seed 1: ValueError: too bad")
    assert (second.state, second.value) == ("finished", 0.6)
    begun = [task for task in engine.pool.tasks if trial_of(task) == 1]
    assert len(begun) == (3 if workers == 5 else 2)


def test_a_diverged_run_fails_its_trial(engine: Engine) -> None:
    sweep = engine.create(repeated(folds=2, repeats=1))

    def train(task: Task) -> Iterator[EpochResult]:
        yield epoch(1, 0.9, math.nan if task.config.fold == "2/2" else 1.0)

    engine.complete(sweep, 1, train=train)
    (trial,) = engine.trials(sweep)
    assert (trial.state, trial.value) == ("failed", None)
    assert trial.error == "seed 0, fold 2/2: the loss was not finite in epoch 1"


# Early termination


@WORKERS
def test_a_trial_is_pruned_by_the_mean_of_its_runs(engine: Engine, workers: int) -> None:
    sweep = engine.create(repeated("grid", repeats=2, top="early_terminate: {type: hyperband, min_iter: 1}"))

    def train(task: Task) -> Iterator[EpochResult]:
        for number in (1, 2, 3):
            yield epoch(number, (0.9, 0.5, 0.3)[trial_of(task) - 1] + 0.01 * number)

    engine.complete(sweep, 3, train=train, workers=workers)
    trials = engine.trials(sweep)
    assert trials[0].state == "finished"
    assert trials[2].state == "pruned"
    assert trials[2].value == pytest.approx(0.31)
    if workers == 1:  # its second run was not begun
        assert [trial_of(task) for task in engine.pool.tasks].count(3) == 1


@pytest.mark.parametrize(("repeats", "reason"), [(1, "target"), (2, "space")])
def test_a_pruned_trial_of_several_runs_reaches_no_target(engine: Engine, repeats: int, reason: str) -> None:
    """The second trial's first run has the target in epoch 1, and is stopped in epoch 2.

    In epoch 2, the band, trials have 0.5 and 0.3: with strict, what was before it does not count.
    """
    top = "early_terminate: {type: hyperband, min_iter: 2, strict: true}"
    sizes = "\n  epochs: {value: 3}\n  batch_size: {values: [16, 32, 64]}"
    sweep = engine.create(
        replace(sweep_of("grid", sizes, top=top, target="0.9"), repeats=repeats, folds=0),
    )

    def train(task: Task) -> Iterator[EpochResult]:
        if trial_of(task) == 2:
            yield from (epoch(1, 0.95), epoch(2, 0.3), epoch(3, 0.3))
        yield from (epoch(1, 0.4), epoch(2, 0.5), epoch(3, 0.6))

    ended = engine.complete(sweep, train=train)
    assert ended is not None
    assert ended.reason == reason
    states = [trial.state for trial in engine.trials(sweep)]
    assert states == (["finished", "pruned"] if repeats == 1 else ["finished", "pruned", "finished"])
    assert engine.trials(sweep)[1].value == 0.95
    assert engine.writer(sweep).study.is_over


# Workers that are lost, coordinators that are killed


@WORKERS
def test_a_lost_run_is_trained_again_and_those_that_ended_are_taken_over(
    engine: Engine, workers: int
) -> None:
    sweep = engine.create(repeated())
    ended: dict[int, Past] = {}
    heard = []

    def left_over(trial: Trial) -> dict[int, Past]:
        heard.append(trial.number)
        return {run: past for run, past in ended.items() if run != 1}

    def train(task: Task) -> Iterator[EpochResult]:
        yield from by_seed(task)
        results = tuple(by_seed(task))
        ended[task.config.seed] = Past(f"run-{task.key}", None, results)
        if task.config.seed == 1 and task.key.split(".")[1] == "1":
            raise WorkerKilled

    engine.complete(sweep, 1, train=train, workers=workers, left_over=left_over)
    (trial,) = engine.trials(sweep)
    assert (trial.state, trial.starts) == ("finished", 2)
    assert trial.value == pytest.approx(1.9 / 3)
    seeds = [task.config.seed for task in engine.pool.tasks]
    assert sorted(seeds) == [0, 1, 1, 2], "only the lost one is trained again"
    assert trial.run_ids == ("run-1.1.1", "run-1.2.2", f"run-1.{2 if workers == 1 else 1}.3")
    assert heard == [1]


def test_a_trial_whose_run_is_lost_three_times_fails(engine: Engine) -> None:
    sweep = engine.create(repeated(repeats=2))
    engine.complete(sweep, 2, train=failing(WorkerKilled))
    first, second = engine.trials(sweep)
    assert (first.state, first.starts, second.state) == ("failed", STARTS, "finished")


def test_a_node_that_takes_all_runs_down_costs_one_start(engine: Engine) -> None:
    sweep = engine.create(repeated())
    down = iter([True] * 3)

    def train(_: Task) -> Iterator[EpochResult]:
        yield epoch(1, 0.5)
        if next(down, False):
            raise WorkerKilled

    engine.complete(sweep, 1, train=train, workers=3)
    (trial,) = engine.trials(sweep)
    assert (trial.state, trial.starts) == ("finished", 2)


def test_a_run_that_was_told_to_end_costs_its_trial_nothing(engine: Engine) -> None:
    sweep = engine.create(repeated())
    engine.complete(sweep, 1, train=failing(WorkerInterrupted, times=STARTS + 2))
    (trial,) = engine.trials(sweep)
    assert (trial.state, trial.starts, trial.value) == ("finished", 1, 0.6)


@pytest.mark.parametrize("workers", [1, 3])
def test_a_fault_of_the_machine_leaves_the_trial_open(engine: Engine, workers: int) -> None:
    sweep = engine.create(repeated())
    with pytest.raises(FfnnError, match="no space left"):
        engine.complete(sweep, 2, train=failing(lambda: Fault("no space left")), workers=workers)
    (trial,) = engine.trials(sweep)
    assert (trial.state, trial.starts) == ("running", 0)
    engine.complete(sweep, 2)
    assert engine.counts(sweep).finished == 2


def test_a_start_that_a_lost_worker_has_cost_is_not_given_back(engine: Engine) -> None:
    """The sweep is terminated while the other runs of the trial are trained."""
    sweep = engine.create(repeated())

    def watch(event: object) -> None:
        if isinstance(event, TrialLost):
            raise Terminated

    with pytest.raises(Terminated):
        engine.complete(sweep, 1, train=failing(WorkerKilled), workers=3, on_event=watch)
    (trial,) = engine.trials(sweep)
    assert (trial.state, trial.starts) == ("running", 1)


class Press:
    """Raises when the first run of a trial has come to an epoch."""

    def __init__(self, how: type[BaseException]) -> None:
        self._how: type[BaseException] | None = how

    def __call__(self, event: object) -> None:
        if self._how is not None and isinstance(event, EpochDone) and event.number == 1:
            how, self._how = self._how, None
            raise how


@pytest.mark.parametrize("how", [KeyboardInterrupt, Terminated])
def test_an_interrupted_trial_is_resumed_with_what_has_ended(
    engine: Engine, how: type[BaseException]
) -> None:
    """Ctrl-C lets the run under way end, not the others of its trial."""
    sweep = engine.create(repeated())
    with pytest.raises(how):
        engine.complete(sweep, 2, train=by_seed, on_event=Press(how))
    (trial,) = engine.trials(sweep)
    assert (trial.state, trial.starts, len(engine.pool.tasks)) == ("running", 0, 1)
    done = {0: Past("run-1.1.1", None, tuple(by_seed(engine.pool.tasks[0])))}
    engine.complete(sweep, 1, train=by_seed, left_over=lambda _: done if how is KeyboardInterrupt else {})
    (trial,) = engine.trials(sweep)
    assert (trial.state, trial.starts, trial.value) == ("finished", 1, pytest.approx(1.9 / 3))
    assert len(engine.pool.tasks) == (2 if how is KeyboardInterrupt else 3)


def test_a_killed_coordinators_trial_ends_by_what_its_runs_came_to(engine: Engine) -> None:
    sweep = engine.create(repeated(repeats=2))
    writer = engine.writer(sweep)
    values = sweep.spec.combination(0)
    writer.begin(Proposal(values, sweep.spec.config(values)))
    del writer
    done = {
        0: Past("a", None, (epoch(1, 0.2), epoch(2, 0.5))),
        1: Past("b", None, (epoch(1, 0.4),), pruned=True),
    }
    engine.complete(sweep, 1, left_over=lambda _: done)
    (trial,) = engine.trials(sweep)
    assert (trial.state, trial.value, trial.run_ids) == ("pruned", pytest.approx(0.45), ("a", "b"))
    assert trial.history == {1: pytest.approx(0.3), 2: 0.5}
    assert not engine.pool.tasks


# What stored runs tell


def test_known_runs_are_reused_one_by_one(engine: Engine) -> None:
    sweep = engine.create(repeated())

    def reusable(trial: Trial, config: TrainConfig) -> Past | None:
        known = config.seed != 1 if trial.number == 1 else True
        return Past(f"copy {config.seed}", f"run {config.seed}", (epoch(1, 0.9),)) if known else None

    engine.complete(sweep, 2, train=by_seed, reusable=reusable)
    first, second = engine.trials(sweep)
    assert [task.config.seed for task in engine.pool.tasks] == [1]
    assert (first.value, first.reused) == (pytest.approx((0.9 + 0.6 + 0.9) / 3), None)
    assert first.run_ids == ("copy 0", "run-1.1.2", "copy 2")
    assert (second.value, second.reused) == (pytest.approx(0.9), "run 0")


def test_the_mean_of_results() -> None:
    one = EpochResult(3, 1.0, 0.5, 2.0, 0.25, 10.0, 8.0, 0.5)
    two = EpochResult(3, 3.0, 0.75, 1.0, 0.75, 20.0, 10.0, 0.25)
    assert mean_result([one, two]) == EpochResult(3, 2.0, 0.625, 1.5, 0.5, 30.0, 18.0, 0.375)
    assert mean_result([one]) is one
