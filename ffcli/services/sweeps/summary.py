"""What is told of a sweep: how far it is, its best trials, and which hyper-parameters mattered."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from ffcli.errors import FfnnError
from ffcli.runs.layout import SUMMARY, sweep_ids
from ffcli.runs.metric import Standing
from ffcli.services.sweeps.create import leave_out, storage_url, sweep_folder
from ffcli.sweeping.importance import CORRELATION, IMPORTANCE, effects
from ffcli.sweeping.progress import goal, under_way
from ffcli.sweeping.store import TrialStore
from ffcli.sweeping.trials import END_STATES, DamagedSweepError, Sweep, Trial
from ffcli.training.context import Context
from ffcli.util.processes import host


def sweep_document(context: Context, store: TrialStore, sweep: Sweep, *, shared: bool) -> dict[str, Any]:
    """Return {sweep_id, name, path, storage, method, metric, paired, counts, reused, best, top, mattered, …}.

    ``state`` is "running" where somebody is at it, "ended" where nothing is left of the ``planned`` trials
    (the most that were asked for, within the file's run_cap and its space; None without an end), else "open".
    ``paired`` is the field whose values it compares, if any. ``shared``: the database is not the store's own
    (see `_record`).
    """
    summary, trials = _summary(context, store, sweep, shared=shared)
    return {**summary, "mattered": _mattered(sweep, trials)}


def _summary(
    context: Context, store: TrialStore, sweep: Sweep, *, shared: bool
) -> tuple[dict[str, Any], list[Trial]]:
    """Return a sweep's document without what mattered, and its trials."""
    how_far = _progress(store, sweep)
    trials = store.trials(sweep)
    head = _head(context, sweep, trials, backend="local", storage=store.database.name, shared=shared)
    return {**head, "state": how_far["state"], "planned": how_far["planned"]}, trials


def _progress(store: TrialStore, sweep: Sweep) -> dict[str, Any]:
    running = under_way(store.database, sweep)  # first: a trial that ends meanwhile leaves nothing open
    counts = store.counts(sweep)
    planned = sweep.spec.most_trials(goal(store.database, sweep))
    reached = counts.best is not None and sweep.metric.reached(counts.best)
    is_over = reached or (planned is not None and counts.ended >= planned)
    return {
        "state": "running" if running else "ended" if is_over else "open",
        "planned": None if planned is None else max(planned, counts.ended),
        "ended": counts.ended,
        "metric": sweep.metric.name,
        "best": counts.best,
    }


def progress(context: Context, sweep_id: str, storage: str | None) -> dict[str, Any]:
    """Return {state, planned, ended, metric, best} of a sweep, the first two as in `sweep_document`.

    ``ended`` counts trials, ``best`` is the best value of the metric. Raises FfnnError.
    """
    store = TrialStore(storage_url(context, sweep_id, storage))
    try:
        return _progress(store, store.sweep(sweep_id))
    finally:
        store.close()


def describe(
    context: Context, sweep: Sweep, trials: list[Trial], *, backend: str, storage: str
) -> dict[str, Any]:
    """Return `sweep_document`'s document of a sweep with these trials, whose runs may be on any machine.

    Its state is None: the server knows it.
    """
    head = _head(context, sweep, trials, backend=backend, storage=storage, shared=True)
    return {**head, "mattered": _mattered(sweep, trials)}


def _head(
    context: Context, sweep: Sweep, trials: list[Trial], *, backend: str, storage: str, shared: bool
) -> dict[str, Any]:
    best = best_trial(sweep, trials)
    counts = {state: sum(trial.state == state for trial in trials) for state in END_STATES}
    return {
        "sweep_id": sweep.id,
        "name": sweep.spec.name,
        "backend": backend,
        "path": str(sweep_folder(context, sweep.id)),
        "storage": storage,
        "method": sweep.spec.method,
        "metric": {"name": sweep.metric.name, "goal": sweep.metric.goal},
        "paired": sweep.paired,
        "state": None,
        "planned": None,
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
        "top": [
            {**_trial_document(trial), "record": _record(context, trial, shared=shared)}
            for trial in ranked(sweep, trials)[:5]
        ],
    }


def ranked(sweep: Sweep, trials: Iterable[Trial]) -> list[Trial]:
    """Return the trials that have a value, the best first: the finished before the pruned.

    Of a sweep that tries several losses and is ranked by a loss, each loss has a group of its own.
    """
    return sweep.metric.ranked(
        trials,
        lambda trial: Standing(trial.value, trial.config.loss, trial.state != "finished"),
        mixed=True,
    )


def best_trial(sweep: Sweep, trials: list[Trial]) -> Trial | None:
    """Return the finished trial (or, where none has finished, the pruned one) with the best value."""
    return next(iter(ranked(sweep, trials)), None)


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


def _record(context: Context, trial: Trial, *, shared: bool) -> str | None:
    """Return whether the record of a trial's run is "here", "removed" or just "not here"; None of no run.

    It was removed where this machine trained it for a database in this very store. Of a shared database it
    may lie on another machine, or in another --runs-dir of this one.
    """
    if trial.run_id is None:
        return None
    if (context.runs_dir / trial.run_id / SUMMARY).is_file():
        return "here"
    was_here = trial.worker.startswith(f"{host().partition('/')[0]}:")
    return "removed" if was_here and not shared else "not here"


def list_sweeps(context: Context, storage: str | None) -> list[dict[str, Any]]:
    """Return a document of each sweep of the store, or of a database, the latest first.

    It is that of `show_sweep` without what mattered.
    """
    if storage is not None:
        return _summaries(context, storage, shared=True)
    found = []
    for sweep_id in reversed(sweep_ids(context.runs_dir)):
        try:
            found += _summaries(context, storage_url(context, sweep_id, None), shared=False)
        except FfnnError as error:
            context.notify(f"sweep {sweep_id} is left out: {error}")
    return found


def _summaries(context: Context, url: str, *, shared: bool) -> list[dict[str, Any]]:
    damaged: list[DamagedSweepError] = []
    store = TrialStore(url)
    try:
        found = []
        for sweep in reversed(store.sweeps(damaged)):
            try:
                found.append(_summary(context, store, sweep, shared=shared)[0])
            except DamagedSweepError as error:  # others share the database
                damaged.append(error)
    finally:
        store.close()
    if damaged and not found:
        raise damaged[0]
    leave_out(context, damaged)
    return found


def show_sweep(context: Context, sweep_id: str, storage: str | None) -> dict[str, Any]:
    """Return the document of one sweep. Raises RequestError where there is none of this id."""
    store = TrialStore(storage_url(context, sweep_id, storage))
    try:
        return sweep_document(context, store, store.sweep(sweep_id), shared=storage is not None)
    finally:
        store.close()
