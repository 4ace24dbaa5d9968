"""Sweeps and trials, independent of their storage."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from statistics import fmean
from typing import Any, Literal

from ffcli.config import TrainConfig, members, runs_per_trial
from ffcli.core.training import EpochResult
from ffcli.runs.metric import BY_VAL_ACC, Metric, Standing
from ffcli.sweeping.spec.spec import SweepSpec

State = Literal["running", "finished", "pruned", "failed"]
EndState = Literal["finished", "pruned", "failed"]
END_STATES: tuple[EndState, ...] = ("finished", "pruned", "failed")


@dataclass(frozen=True)
class Sweep:
    """A sweep as stored.

    Attributes:
        dataset_digest: of the dataset of any of its configurations (see `has_one_dataset`).
        created: in seconds since 1970.
        paired: the field whose values are compared: each configuration is trained with all of them.
        repeats: with how many seeds a trial is trained.
        folds: on how many folds of the training images; 0: on the configuration's own split.
    """

    id: str
    spec: SweepSpec
    dataset_digest: str
    core_version: int
    seed: int
    created: float
    paired: str | None = None
    repeats: int = 1
    folds: int = 0

    def members(self, config: TrainConfig) -> tuple[TrainConfig, ...]:
        """Return the configurations of the runs of a trial: one for each seed and fold."""
        return members(config, self.repeats, self.folds)

    @property
    def runs_per_trial(self) -> int:
        """How many `members` a trial has."""
        return runs_per_trial(self.repeats, self.folds)

    @property
    def metric(self) -> Metric:
        """The metric of the file; val_acc where it names none."""
        return self.spec.metric or BY_VAL_ACC

    @property
    def has_one_dataset(self) -> bool:
        """Whether all its trials are trained on the dataset that ``dataset_digest`` is of."""
        searched = self.spec.parameters.get("dataset")
        return searched is None or searched.size == 1


@dataclass(frozen=True)
class Trial:
    """One configuration of a sweep and what came of it. It is "running" until it has an end.

    It has a run for each of `Sweep.members`.

    Attributes:
        number: from 1, in the order of the proposals.
        values: the searched values, canonical.
        point: the same as the proposer's coordinates, where it has such.
        starts: how often it was started without being given back.
        run_ids: its runs in the store, in the order of the members, as far as they have begun.
        value: the mean over its runs of the metric at the best epoch of each.
        best_epoch: that epoch, where it has a single run.
        history: the metric after each epoch, where it was finite: its mean over the runs so far.
        retries: the number of the failed trial in whose place it is; that one no longer counts.
        copies: stored runs whose results are taken over where they are those of its own runs.
        reused: the earlier run that the result was taken over from, if all of it was; the first of several.
        started, ended: in seconds since 1970.
    """

    sweep_id: str
    number: int
    state: State
    values: Mapping[str, Any]
    config: TrainConfig
    point: Mapping[str, float] | None = None
    starts: int = 1
    run_ids: tuple[str, ...] = ()
    value: float | None = None
    best_epoch: int | None = None
    error: str | None = None
    reused: str | None = None
    retries: int | None = None
    copies: tuple[str, ...] = ()
    history: Mapping[int, float] = field(default_factory=dict)
    started: float | None = None
    ended: float | None = None

    @property
    def run_id(self) -> str | None:
        """The id of its (first) run."""
        return self.run_ids[0] if self.run_ids else None


def ranked(metric: Metric, trials: Iterable[Trial]) -> list[Trial]:
    """Return the trials that have a value, the best first: the finished before the pruned.

    Ranked by a loss, trials with different losses form one group for each loss.
    """
    return metric.ranked(
        trials, lambda trial: Standing(trial.value, trial.config.loss, trial.state != "finished"), mixed=True
    )


@dataclass(frozen=True)
class Past:
    """What an earlier training came to.

    ``source`` names the run that was taken over, None where the run is the trial's own and only its end was
    not recorded. ``pruned``: it was stopped early.
    """

    run_id: str
    source: str | None
    results: tuple[EpochResult, ...]
    pruned: bool = False


@dataclass(frozen=True)
class Counts:
    """How many trials are in each state, and the best value of those finished or pruned."""

    running: int = 0
    finished: int = 0
    pruned: int = 0
    failed: int = 0
    best: float | None = None

    @property
    def ended(self) -> int:
        """How many trials have an end: what a sweep's count counts."""
        return self.finished + self.pruned + self.failed


def counting(trials: Iterable[Trial]) -> list[Trial]:
    """Return the trials in whose place there is no other."""
    trials = list(trials)
    replaced = {trial.retries for trial in trials}
    return [trial for trial in trials if trial.number not in replaced]


def tally(metric: Metric, trials: Iterable[Trial]) -> Counts:
    """Count trials by state, but for those in whose place another is."""
    trials = counting(trials)
    states: Counter[str] = Counter(trial.state for trial in trials)
    best = metric.best(trial.value for trial in trials if trial.value is not None)
    return Counts(**states, best=best)


def at_target(sweep: Sweep, trials: Iterable[Trial]) -> float | None:
    """Return the best value where it has reached the target of the metric, else None.

    A pruned trial counts with a single run only: of several it has the mean over those that had begun.
    """
    metric, several = sweep.metric, sweep.runs_per_trial > 1
    if metric.target is None:
        return None
    counted = (trial for trial in trials if trial.state == "finished" or not several)
    best = metric.best(trial.value for trial in counted if trial.value is not None)
    return best if best is not None and metric.reached(best) else None


@dataclass(frozen=True)
class Ended:
    """The sweep is over. ``message`` says why, in a sentence."""

    reason: Literal["count", "space", "target", "failures", "time", "lost"]
    message: str


@dataclass(frozen=True)
class Epoch:
    """An epoch of a trial, and when it ended, in seconds since 1970."""

    number: int
    result: EpochResult
    time: float


def mean_result(results: Sequence[EpochResult]) -> EpochResult:
    """Return the mean of several runs after the same epoch; of seconds, the sum."""
    if len(results) == 1:
        return results[0]
    names = [each.name for each in fields(EpochResult) if each.name != "epoch"]
    means = {name: fmean(getattr(result, name) for result in results) for name in names}
    sums = {name: means[name] * len(results) for name in ("seconds", "train_seconds")}
    return EpochResult(results[0].epoch, **{**means, **sums})


def best_epoch(metric: Metric, results: Iterable[EpochResult]) -> tuple[float | None, int | None]:
    """Return the metric at its best epoch, and that epoch: the earlier one on a tie."""
    value: float | None = None
    epoch: int | None = None
    for result in results:
        new = metric.of(result)
        if not result.diverged and math.isfinite(new) and (value is None or metric.better(new, value)):
            value, epoch = new, result.epoch
    return value, epoch
