"""Retention of weights: only the best runs of a sweep keep theirs."""

from __future__ import annotations

from collections.abc import Iterable

from ffcli.runs.store import MODEL
from ffcli.sweeping.study.record import END_STATES, Sweep, Trial, ranked
from ffcli.training.context import Context

KEPT = 5  # so many of the best trials keep their weights


class BestWeights:
    """Lets only the ``KEPT`` best finished trials keep their weights; all that are finished where paired.

    ``trials`` are those that the sweep has already; each that has an end is then told to `ended`.
    """

    def __init__(self, context: Context, sweep: Sweep, trials: Iterable[Trial]) -> None:
        self._context = context
        self._sweep = sweep
        self._most = KEPT if sweep.paired is None else None
        self._best: list[Trial] = []
        for trial in trials:
            if trial.state in END_STATES:
                self.ended(trial)

    def ended(self, trial: Trial) -> None:
        """Drop the weights of this trial, or of the one that it replaces among the best."""
        trials = [*self._best, trial]
        finished = sorted((each for each in trials if each.state == "finished"), key=lambda each: each.number)
        self._best = ranked(self._sweep.metric, finished)[: self._most]
        for each in trials:
            if each not in self._best:
                self._drop(each)

    def _drop(self, trial: Trial) -> None:
        for run_id in trial.run_ids:
            path = self._context.runs.of_sweep(run_id, self._sweep.id)
            if path is not None:
                (path / MODEL).unlink(missing_ok=True)
