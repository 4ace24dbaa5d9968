"""``ffnn sweep`` and ``ffnn sweeps``: making, finding and describing sweeps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ffcli.config import TrainConfig
from ffcli.core.training import CORE_VERSION
from ffcli.errors import RequestError
from ffcli.files import write_atomic
from ffcli.runs.store import new_run_id
from ffcli.services.context import Context
from ffcli.services.running import RunOptions
from ffcli.services.train import plan
from ffcli.sweeping.document import read_text
from ffcli.sweeping.spec import SweepSpec, load_spec
from ffcli.sweeping.store import TrialStore
from ffcli.sweeping.trials import END_STATES, Sweep, Trial

FILE, DATABASE = "sweep.yaml", "study.db"


def sweep_folder(context: Context, sweep_id: str) -> Path:
    """Return the folder of a sweep's file and database."""
    return context.runs_dir / "sweeps" / sweep_id


def storage_url(context: Context, sweep_id: str, storage: str | None) -> str:
    """Return the database of a sweep: the given one, else a file in its folder."""
    return storage or f"sqlite:///{sweep_folder(context, sweep_id).resolve() / DATABASE}"


def create(context: Context, file: Path, seed: int, storage: str | None) -> Sweep:
    """Store a new sweep of a file. Raises RequestError, before anything runs, for what is wrong in it."""
    spec = load_spec(file)
    for notice in spec.notices:
        context.notify(notice)
    dataset = context.dataset(_any_config(spec).dataset)
    sweep_id = new_run_id()
    folder = sweep_folder(context, sweep_id)
    folder.mkdir(parents=True)
    write_atomic(folder / FILE, spec.text)
    store = TrialStore(storage_url(context, sweep_id, storage))
    try:
        return store.create(Sweep(sweep_id, spec, {}, dataset.digest, CORE_VERSION, seed, 0.0))
    finally:
        store.close()


def _any_config(spec: SweepSpec) -> TrainConfig:
    return spec.config(spec.sample(np.random.default_rng(0)))


def of_same_file(context: Context, file: Path) -> str | None:
    """Return the latest sweep of the store that is of this very text, or None."""
    text = read_text(file)
    for sweep_id in reversed(_local_ids(context)):
        stored = sweep_folder(context, sweep_id) / FILE
        if stored.is_file() and stored.read_text("utf-8") == text:
            return sweep_id
    return None


def find(context: Context, word: str) -> str:
    """Return the id of the sweep in the store that is called so, or starts or ends so."""
    ids = _local_ids(context)
    matches = [known for known in ids if word and (known.startswith(word) or known.endswith(word))]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise RequestError(f"'{word}' stands for {len(matches)} sweeps: {', '.join(matches[-3:])}.")
    known = f" The latest are {', '.join(ids[-3:])}." if ids else ""
    raise RequestError(
        f"There is no sweep file and no sweep '{word}' in {context.runs_dir / 'sweeps'}.{known}"
    )


def describe_space(context: Context, file: Path, count: int | None, workers: int) -> dict[str, Any]:
    """Return what a sweep of a file would search, and how long it may take by some measured steps."""
    spec = load_spec(file)
    for notice in spec.notices:
        context.notify(notice)
    limits = [limit for limit in (count, spec.run_cap, spec.size) if limit is not None]
    runs = min(limits) if limits else None
    rng = np.random.default_rng(0)
    some = [plan(context, spec.config(spec.sample(rng)), RunOptions())["seconds_estimate"] for _ in range(8)]
    return {
        "method": spec.method,
        "metric": None if spec.metric is None else {"name": spec.metric.name, "goal": spec.metric.goal},
        "parameters": {name: each.describe() for name, each in spec.parameters.items()},
        "size": spec.size,
        "runs": runs,
        "workers": workers,
        "seconds_estimate": None if runs is None else float(np.mean(some)) * runs / workers,
    }


def best_trial(sweep: Sweep, trials: list[Trial]) -> Trial | None:
    """Return the finished trial (or, where none has finished, the pruned one) with the best value."""
    best: Trial | None = None
    for state in ("finished", "pruned"):
        for trial in trials:
            if trial.state != state or trial.value is None:
                continue
            if best is None or best.value is None or sweep.metric.better(trial.value, best.value):
                best = trial
        if best is not None:
            break
    return best


def sweep_document(context: Context, store: TrialStore, sweep: Sweep) -> dict[str, Any]:
    """Return {sweep_id, name, backend, path, storage, method, metric, counts, best, created}."""
    trials = store.trials(sweep)
    best = best_trial(sweep, trials)
    counts = {state: sum(trial.state == state for trial in trials) for state in END_STATES}
    return {
        "sweep_id": sweep.id,
        "name": sweep.spec.name,
        "backend": "local",
        "path": str(sweep_folder(context, sweep.id)),
        "storage": store.database.name,
        "method": sweep.spec.method,
        "metric": {"name": sweep.metric.name, "goal": sweep.metric.goal},
        "counts": counts,
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
    """Return the trials that have a value, the best first and the earlier first on a tie."""
    sign = -1 if sweep.metric.goal == "maximize" else 1
    valued = [(sign * trial.value, trial.number, trial) for trial in trials if trial.value is not None]
    return [trial for _, _, trial in sorted(valued, key=lambda item: item[:2])]


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
        "values": values,
    }


def list_sweeps(context: Context, storage: str | None) -> list[dict[str, Any]]:
    """Return the document of each sweep of the store, or of a database, the latest first."""
    if storage is not None:
        store = TrialStore(storage)
        try:
            return [sweep_document(context, store, sweep) for sweep in reversed(store.sweeps())]
        finally:
            store.close()
    return [show_sweep(context, sweep_id, None) for sweep_id in reversed(_local_ids(context))]


def _local_ids(context: Context) -> list[str]:
    """Return the ids of the sweeps whose databases lie in the store, the oldest first."""
    folder = context.runs_dir / "sweeps"
    if not folder.is_dir():
        return []
    return sorted(entry.name for entry in folder.iterdir() if (entry / DATABASE).is_file())


def show_sweep(context: Context, sweep_id: str, storage: str | None) -> dict[str, Any]:
    """Return the document of one sweep. Raises RequestError where there is none of this id."""
    store = TrialStore(storage_url(context, sweep_id, storage))
    try:
        return sweep_document(context, store, store.sweep(sweep_id))
    finally:
        store.close()
