"""What is told of a sweep: how far it is, its best trials, and which hyper-parameters mattered."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ffcli.errors import FfnnError
from ffcli.runs.folders import sweep_ids
from ffcli.services.context import Context
from ffcli.services.sweep import storage_url, sweep_folder
from ffcli.sweeping.importance import CORRELATION, IMPORTANCE, effects
from ffcli.sweeping.store import TrialStore
from ffcli.sweeping.trials import END_STATES, Sweep, Trial


def sweep_document(context: Context, store: TrialStore, sweep: Sweep) -> dict[str, Any]:
    """Return {sweep_id, name, path, storage, method, metric, counts, reused, best, top, mattered, …}."""
    trials = store.trials(sweep)
    return {**_summary(context, store, sweep, trials), "mattered": _mattered(sweep, trials)}


def _summary(context: Context, store: TrialStore, sweep: Sweep, trials: list[Trial]) -> dict[str, Any]:
    path = str(sweep_folder(context, sweep.id))
    return _head(sweep, trials, backend="local", path=path, storage=store.database.name)


def describe(sweep: Sweep, trials: list[Trial], *, backend: str, path: str, storage: str) -> dict[str, Any]:
    """Return `sweep_document`'s document of a sweep with these trials."""
    head = _head(sweep, trials, backend=backend, path=path, storage=storage)
    return {**head, "mattered": _mattered(sweep, trials)}


def _head(sweep: Sweep, trials: list[Trial], *, backend: str, path: str, storage: str) -> dict[str, Any]:
    best = best_trial(sweep, trials)
    counts = {state: sum(trial.state == state for trial in trials) for state in END_STATES}
    return {
        "sweep_id": sweep.id,
        "name": sweep.spec.name,
        "backend": backend,
        "path": path,
        "storage": storage,
        "method": sweep.spec.method,
        "metric": {"name": sweep.metric.name, "goal": sweep.metric.goal},
        "counts": counts,
        "reused": sum(trial.reused is not None for trial in trials if trial.state in END_STATES),
        "best": None
        if best is None
        else {
            "run_id": best.run_id,
            "config": best.config.as_dict(),
            "metric": sweep.metric.name,
            "value": best.value,
        },
        "top": [_trial_document(trial) for trial in _ranked(sweep, trials)[:5]],
    }


def _ranked(sweep: Sweep, trials: list[Trial]) -> list[Trial]:
    """Return the trials that have a value, the best first: the finished before the pruned."""
    sign = -1 if sweep.metric.goal == "maximize" else 1
    valued = [
        ((trial.state != "finished", sign * trial.value, trial.number), trial)
        for trial in trials
        if trial.value is not None
    ]
    return [trial for _, trial in sorted(valued, key=lambda item: item[0])]


def best_trial(sweep: Sweep, trials: list[Trial]) -> Trial | None:
    """Return the finished trial (or, where none has finished, the pruned one) with the best value."""
    return next(iter(_ranked(sweep, trials)), None)


def _mattered(sweep: Sweep, trials: list[Trial]) -> dict[str, Any]:
    """Return {importance, correlation, trials, hyperparameters}; the first two name the methods."""
    return {
        "importance": IMPORTANCE,
        "correlation": CORRELATION,
        "trials": sum(trial.value is not None for trial in trials),
        "hyperparameters": [asdict(effect) for effect in effects(sweep, trials)],
    }


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


def list_sweeps(context: Context, storage: str | None) -> list[dict[str, Any]]:
    """Return a document of each sweep of the store, or of a database, the latest first.

    It is that of `show_sweep` without what mattered.
    """
    if storage is not None:
        return _summaries(context, storage)
    found = []
    for sweep_id in reversed(sweep_ids(context.runs_dir)):
        try:
            found += _summaries(context, storage_url(context, sweep_id, None))
        except FfnnError as error:
            context.notify(f"sweep {sweep_id} is left out: {error}")
    return found


def _summaries(context: Context, url: str) -> list[dict[str, Any]]:
    store = TrialStore(url)
    try:
        return [_summary(context, store, sweep, store.trials(sweep)) for sweep in reversed(store.sweeps())]
    finally:
        store.close()


def show_sweep(context: Context, sweep_id: str, storage: str | None) -> dict[str, Any]:
    """Return the document of one sweep. Raises RequestError where there is none of this id."""
    store = TrialStore(storage_url(context, sweep_id, storage))
    try:
        return sweep_document(context, store, store.sweep(sweep_id))
    finally:
        store.close()
