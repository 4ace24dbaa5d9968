"""The best trials of a sweep, and what a listing shows of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ffcli.sweeping.study.record import END_STATES, Sweep, Trial, ranked
from ffcli.sweeping.study.study import Study

_TOP = 5


def summary(study: Study) -> dict[str, Any]:
    """Return what a listing shows of a sweep, without what depends on where it lies and who runs it."""
    return {**summary_of(study.sweep, study.trials), "planned": study.planned, "is_over": study.is_over}


def summary_of(sweep: Sweep, trials: Sequence[Trial]) -> dict[str, Any]:
    """Return the same but for how far the sweep is to go."""
    best = best_trial(sweep, trials)
    return {
        "sweep_id": sweep.id,
        "name": sweep.spec.name,
        "method": sweep.spec.method,
        "metric": {"name": sweep.metric.name, "goal": sweep.metric.goal},
        "paired": sweep.paired,
        "counts": {state: sum(trial.state == state for trial in trials) for state in END_STATES},
        "reused": sum(trial.reused is not None for trial in trials if trial.state in END_STATES),
        "best": None
        if best is None
        else {
            "run_id": best.run_id,
            "config": best.config.as_dict(),
            "metric": sweep.metric.name,
            "value": best.value,
        },
        "top": [_trial_document(trial) for trial in ranked(sweep.metric, trials)[:_TOP]],
    }


def best_trial(sweep: Sweep, trials: Sequence[Trial]) -> Trial | None:
    """Return the finished trial (or, where none has finished, the pruned one) with the best value."""
    return next(iter(ranked(sweep.metric, trials)), None)


def _trial_document(trial: Trial) -> dict[str, Any]:
    values = {
        name: list(value) if isinstance(value, tuple) else value for name, value in trial.values.items()
    }
    return {
        "number": trial.number,
        "run_id": trial.run_id,
        "state": trial.state,
        "value": trial.value,
        "best_epoch": trial.best_epoch,
        "reused": trial.reused,
        "values": values,
    }
