"""The best trials of a sweep, and its summary."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ffcli.services.sweeps.results import BestTrial, RankedBy, SweepSummary, TrialCounts, TrialSummary
from ffcli.sweeping.study.record import END_STATES, Sweep, Trial, ranked, tally

if TYPE_CHECKING:
    from ffcli.sweeping.study.study import Study

TOP = 5  # trials of a summary


def summary_of_study(study: Study) -> SweepSummary:
    """Return the summary of a sweep of this store."""
    return summary_of(study.sweep, study.trials, planned=study.planned, is_over=study.is_over)


def summary_of(
    sweep: Sweep, trials: Sequence[Trial], *, planned: int | None = None, is_over: bool = False
) -> SweepSummary:
    """Return the summary of a sweep; ``planned`` and ``is_over`` say how far it is to go."""
    order, counts = ranked(sweep.metric, trials), tally(sweep.metric, trials)
    return SweepSummary(
        sweep_id=sweep.id,
        name=sweep.spec.name,
        method=sweep.spec.method,
        metric=RankedBy(sweep.metric.name, sweep.metric.goal),
        paired=sweep.paired,
        repeats=sweep.repeats,
        folds=sweep.folds,
        counts=TrialCounts(counts.finished, counts.pruned, counts.failed),
        reused=sum(trial.reused is not None for trial in trials if trial.state in END_STATES),
        best=_best(sweep, order[0]) if order else None,
        top=[summary_of_trial(trial) for trial in order[:TOP]],
        planned=planned,
        is_over=is_over,
    )


def best_trial(sweep: Sweep, trials: Sequence[Trial]) -> Trial | None:
    """Return the finished trial (or, where none has finished, the pruned one) with the best value."""
    return next(iter(ranked(sweep.metric, trials)), None)


def _best(sweep: Sweep, trial: Trial) -> BestTrial:
    assert trial.value is not None
    return BestTrial(
        trial.run_id, list(trial.run_ids), trial.config.as_dict(), sweep.metric.name, trial.value
    )


def summary_of_trial(trial: Trial) -> TrialSummary:
    """Return a trial that has a value as the summary of its sweep holds it."""
    assert trial.value is not None
    return TrialSummary(
        number=trial.number,
        run_id=trial.run_id,
        run_ids=list(trial.run_ids),
        state=trial.state,
        value=trial.value,
        best_epoch=trial.best_epoch,
        reused=trial.reused,
        values={name: list(each) if isinstance(each, tuple) else each for name, each in trial.values.items()},
        config=trial.config.as_dict(),
    )
