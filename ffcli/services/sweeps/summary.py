"""What is told of a sweep: how far it is, its best trials, and which hyper-parameters mattered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ffcli.services.sweeps.best import summary_of
from ffcli.services.sweeps.create import read_sweep, sweep_folder
from ffcli.services.sweeps.listing import located
from ffcli.services.sweeps.results import Effects, HyperparameterEffect, SweepProgress, SweepReport
from ffcli.sweeping.importance import CORRELATION, IMPORTANCE, effects
from ffcli.sweeping.study.lock import holder
from ffcli.sweeping.study.record import Sweep, Trial
from ffcli.sweeping.study.study import Study
from ffcli.training.context import Context


def sweep_report(context: Context, study: Study) -> SweepReport:
    """Return what is known of a sweep of this store."""
    summary = summary_of(study.sweep, study.trials, planned=study.planned, is_over=study.is_over)
    return SweepReport(**vars(located(context, summary)), mattered=_mattered(study.sweep, study.trials))


def show_sweep(context: Context, sweep_id: str) -> SweepReport:
    """Return what is known of one sweep. Raises RequestError where there is none of this id."""
    return sweep_report(context, read_sweep(context, sweep_id))


def progress(context: Context, sweep_id: str) -> SweepProgress:
    """Return how far a sweep is. Raises FfnnError."""
    study = read_sweep(context, sweep_id)
    running = holder(sweep_folder(context, sweep_id)) is not None
    return SweepProgress(
        state="running" if running else "ended" if study.is_over else "open",
        planned=study.planned,
        ended=study.counts.ended,
        metric=study.sweep.metric.name,
        best=study.counts.best,
    )


def wandb_report(context: Context, sweep: Sweep, trials: Sequence[Trial], refused: int) -> SweepReport:
    """Return what this store holds of a sweep of W&B's, whose state W&B knows.

    ``refused`` runs have failed without ever being stored.
    """
    found = located(context, summary_of(sweep, trials))
    counts = replace(found.counts, failed=(found.counts.failed or 0) + refused)
    found = replace(found, backend="wandb", state=None, counts=counts)
    return SweepReport(**vars(found), mattered=_mattered(sweep, trials))


def _mattered(sweep: Sweep, trials: Sequence[Trial]) -> Effects:
    return Effects(
        importance=IMPORTANCE,
        correlation=CORRELATION,
        trials=sum(trial.value is not None for trial in trials),
        hyperparameters=[HyperparameterEffect(**vars(effect)) for effect in effects(sweep, trials)],
    )
