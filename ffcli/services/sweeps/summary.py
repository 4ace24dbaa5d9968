"""What is told of a sweep: how far it is, its best trials, and which hyper-parameters mattered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from ffcli.services.sweeps.best import summary, summary_of
from ffcli.services.sweeps.create import read_sweep, sweep_folder
from ffcli.services.sweeps.listing import located
from ffcli.sweeping.importance import CORRELATION, IMPORTANCE, effects
from ffcli.sweeping.study.lock import holder
from ffcli.sweeping.study.record import Sweep, Trial
from ffcli.sweeping.study.study import Study
from ffcli.training.context import Context


def sweep_document(context: Context, study: Study) -> dict[str, Any]:
    """Return {sweep_id, name, backend, path, method, metric, paired, state, planned, counts, reused, best}.

    ``state`` is "running" where a process owns it, "ended" where nothing is left of the ``planned`` trials
    (the most that were asked for, within the file's run_cap and its space; None without an end), else "open".
    ``paired`` is the field whose values it compares, if any.
    """
    document = located(context, summary(study))
    return {**document, "mattered": _mattered(study.sweep, study.trials)}


def show_sweep(context: Context, sweep_id: str) -> dict[str, Any]:
    """Return the document of one sweep. Raises RequestError where there is none of this id."""
    return sweep_document(context, read_sweep(context, sweep_id))


def progress(context: Context, sweep_id: str) -> dict[str, Any]:
    """Return {state, planned, ended, metric, best} of a sweep, the first two as in `sweep_document`.

    ``ended`` counts trials, ``best`` is the best value of the metric. Raises FfnnError.
    """
    study = read_sweep(context, sweep_id)
    running = holder(sweep_folder(context, sweep_id)) is not None
    return {
        "state": "running" if running else "ended" if study.is_over else "open",
        "planned": study.planned,
        "ended": study.counts.ended,
        "metric": study.sweep.metric.name,
        "best": study.counts.best,
    }


def describe(context: Context, sweep: Sweep, trials: Sequence[Trial]) -> dict[str, Any]:
    """Return `sweep_document`'s document of a sweep of W&B's with these trials, whose state W&B knows."""
    document = located(context, {**summary_of(sweep, trials), "planned": None, "is_over": False})
    return {**document, "backend": "wandb", "state": None, "mattered": _mattered(sweep, trials)}


def _mattered(sweep: Sweep, trials: Sequence[Trial]) -> dict[str, Any]:
    """Return {importance, correlation, trials, hyperparameters}; the first two name the methods."""
    return {
        "importance": IMPORTANCE,
        "correlation": CORRELATION,
        "trials": sum(trial.value is not None for trial in trials),
        "hyperparameters": [asdict(effect) for effect in effects(sweep, trials)],
    }
