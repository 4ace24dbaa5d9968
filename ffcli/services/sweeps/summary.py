"""Reports about a sweep: its progress, its best trials, and the effect of its hyper-parameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ffcli.services.sweeps.best import summary_of
from ffcli.services.sweeps.create import read_sweep
from ffcli.services.sweeps.listing import located
from ffcli.services.sweeps.results import Effects, ListedSweep, SweepReport
from ffcli.sweeping.importance import CORRELATION, IMPORTANCE, effects
from ffcli.sweeping.study.record import Sweep, Trial
from ffcli.sweeping.study.study import Study
from ffcli.training.context import Context


def sweep_report(context: Context, study: Study) -> SweepReport:
    """Return what is known of a sweep of this store."""
    return SweepReport(**vars(_listed(context, study)), mattered=_mattered(study.sweep, study.trials))


def _listed(context: Context, study: Study) -> ListedSweep:
    summary = summary_of(study.sweep, study.trials, planned=study.planned, is_over=study.is_over)
    return located(context, summary)


def show_sweep(context: Context, sweep_id: str) -> SweepReport:
    """Return what is known of one sweep. Raises RequestError where there is none of this id."""
    return sweep_report(context, read_sweep(context, sweep_id))


def progress(context: Context, sweep_id: str) -> ListedSweep:
    """Return how far a sweep is, without what mattered in it. Raises FfnnError."""
    return _listed(context, read_sweep(context, sweep_id))


def wandb_report(context: Context, sweep: Sweep, trials: Sequence[Trial], refused: int) -> SweepReport:
    """Return what this store holds of a sweep of W&B's, whose state W&B knows.

    ``refused`` runs have failed without ever being stored.
    """
    found = located(context, summary_of(sweep, trials))
    counts = replace(found.counts, failed=found.counts.failed + refused)
    found = replace(found, backend="wandb", state=None, counts=counts)
    return SweepReport(**vars(found), mattered=_mattered(sweep, trials))


def _mattered(sweep: Sweep, trials: Sequence[Trial]) -> Effects:
    return Effects(
        importance=IMPORTANCE,
        correlation=CORRELATION,
        trials=sum(trial.value is not None for trial in trials),
        hyperparameters=effects(sweep, trials),
    )
