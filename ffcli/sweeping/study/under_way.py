"""A trial that is under way: which of its runs are trained, and what they have come to."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ffcli.config import TrainConfig
from ffcli.core.training import EpochResult
from ffcli.runs.metric import Metric
from ffcli.sweeping.study.record import Past, Sweep, Trial, best_epoch, mean_result


@dataclass
class UnderWay:
    """A trial that has begun and has no end. Its runs are known by their indices in ``configs``.

    Attributes:
        configs: the configuration of each run (see `Sweep.members`).
        waiting: the runs to begin, in this order.
        tasks: the tasks of the runs that are trained now, by run.
        results: the epochs of each run that has begun, by number.
        run_ids: the ids of those that are stored.
        sources: the earlier runs of those that were taken over.
        pruned: whether early termination has ended the trial.
        error: why a run, and with it the trial, has failed.
        lost: whether the worker of a run is gone; given_back: whether one was stopped. Either way the trial
            is started again.
        began: when its first run was submitted, by the monotonic clock.
    """

    trial: Trial
    configs: Sequence[TrainConfig]
    waiting: list[int] = field(default_factory=list)
    tasks: dict[int, str] = field(default_factory=dict)
    results: dict[int, dict[int, EpochResult]] = field(default_factory=dict)
    run_ids: dict[int, str] = field(default_factory=dict)
    sources: dict[int, str] = field(default_factory=dict)
    pruned: bool = False
    error: str | None = None
    lost: bool = False
    given_back: bool = False
    began: float | None = None

    @classmethod
    def of(cls, trial: Trial, sweep: Sweep, left: Mapping[int, Past]) -> UnderWay:
        """Return a trial with what the runs of an earlier start have come to; the others wait."""
        opened = cls(trial, sweep.members(trial.config))
        opened.waiting = [run for run in range(len(opened.configs)) if run not in left]
        for run, past in left.items():
            opened.take_over(run, past)
        return opened

    @property
    def begins_no_more(self) -> bool:
        """Whether none of its runs is to begin, though some may be waiting."""
        return self.pruned or self.lost or self.given_back or self.error is not None

    @property
    def seconds(self) -> float:
        """The time since its first run was submitted, 0 where none was."""
        return 0.0 if self.began is None else time.monotonic() - self.began

    @property
    def stored(self) -> list[str]:
        """The ids of its runs, in the runs' order."""
        return [self.run_ids[run] for run in sorted(self.run_ids)]

    @property
    def reused(self) -> str | None:
        """The earlier run that its result was taken over from (the first of several), if all of it was."""
        return self.sources[0] if len(self.sources) == len(self.configs) else None

    def take_over(self, run: int, past: Past) -> None:
        """Let a run have come to what a stored one came to."""
        self.results[run] = {result.epoch: result for result in past.results}
        self.run_ids[run] = past.run_id
        if past.source is not None:
            self.sources[run] = past.source
        self.pruned |= past.pruned
        if (last := past.results[-1]).diverged:
            self.fail(run, f"the loss was not finite in epoch {last.epoch}")

    def add(self, run: int, result: EpochResult) -> None:
        """Let a run have come to an epoch."""
        self.results.setdefault(run, {})[result.epoch] = result

    def fail(self, run: int, error: str) -> None:
        """Let the trial fail by one of its runs."""
        one = self.configs[run]
        which = f"seed {one.seed}" if one.fold == "none" else f"seed {one.seed}, fold {one.fold}"
        self.error = self.error or (error if len(self.configs) == 1 else f"{which}: {error}")

    def after(self, epoch: int) -> EpochResult:
        """Return the mean after an epoch over the runs that have come so far: at least one."""
        return mean_result([results[epoch] for results in self.results.values() if epoch in results])

    def epochs(self) -> list[int]:
        """Return the epochs that a run has come to, in order."""
        return sorted(set().union(*self.results.values()))

    def value(self, metric: Metric) -> tuple[float | None, int | None]:
        """Return the mean over the runs of the metric at its best epoch, and the epoch of a single run.

        None where one of them has no finite value.
        """
        best = [best_epoch(metric, results.values()) for results in self.results.values()]
        values = [value for value, _ in best if value is not None]
        if not best or len(values) < len(best):
            return None, None
        return statistics.fmean(values), best[0][1] if len(self.configs) == 1 else None
