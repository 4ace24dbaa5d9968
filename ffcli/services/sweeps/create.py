"""``ffnn sweep`` and ``ffnn sweeps``: making and finding sweeps, and what one would search."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from ffcli.config import TrainConfig
from ffcli.core.training import CORE_VERSION
from ffcli.errors import FfnnError, RequestError
from ffcli.runs.layout import DATABASE, RUN_ID, SWEEP_FILE, SWEEPS, sweep_ids
from ffcli.runs.store import new_run_id
from ffcli.services.train import plan
from ffcli.sweeping.spec.document import read_text
from ffcli.sweeping.spec.spec import SweepSpec, load_spec
from ffcli.sweeping.store import TrialStore
from ffcli.sweeping.trials import DamagedSweepError, Sweep
from ffcli.training.context import Context
from ffcli.training.options import RunOptions
from ffcli.util.atomic_files import remove_leftovers, write_atomic
from ffcli.util.safe_read import is_name, read_file, shown

_SEEDS = 2**63  # what a database has room for


def sweep_folder(context: Context, sweep_id: str) -> Path:
    """Return the folder of a sweep's file and database; that of W&B's entity/project/id is three deep.

    Raises RequestError for an id that would lead out of the store: a shared database can hold any.
    """
    parts = sweep_id.split("/")
    if len(parts) not in (1, 3) or not all(map(is_name, parts)):
        raise RequestError(f"'{shown(sweep_id)}' cannot be the id of a sweep.")
    return context.runs_dir.joinpath(SWEEPS, *parts)


def storage_url(context: Context, sweep_id: str, storage: str | None) -> str:
    """Return the database of a sweep: the given one, else a file in its folder."""
    return storage or f"sqlite:///{sweep_folder(context, sweep_id).resolve() / DATABASE}"


def create(
    context: Context,
    file: Path,
    seed: int,
    storage: str | None,
    paired: str | None = None,
    *,
    count: int | None = None,
) -> Sweep:
    """Store a new sweep of a file. Raises RequestError, before anything runs, for what is wrong in it.

    ``paired`` is the field whose values are to be compared, if any (see `Sweep`), and ``count`` how many
    trials are asked for in all.
    """
    if not -_SEEDS <= seed < _SEEDS:
        raise RequestError(f"--seed: {seed} is not allowed; give an integer of 64 bits.")
    spec = load_spec(file)
    for notice in spec.notices:
        context.notify(notice)
    dataset = context.dataset(any_config(spec).dataset)
    _clear_up(context)
    sweep_id = new_run_id(sweep_ids(context.runs_dir))
    sweep = Sweep(sweep_id, spec, {}, dataset.digest, CORE_VERSION, seed, 0.0, paired)
    keep_file(context, sweep)
    store = TrialStore(storage_url(context, sweep.id, storage))
    try:
        return store.create(sweep, count=count)
    finally:
        store.close()


def keep_file(context: Context, sweep: Sweep) -> None:
    """Put the sweep's file into its folder, where it may be missing: the sweep may be another machine's."""
    path = sweep_folder(context, sweep.id) / SWEEP_FILE
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, sweep.spec.text)


def _clear_up(context: Context) -> None:
    """Remove the halves of files that processes killed before a sweep had its file have left."""
    with suppress(OSError):  # there are no sweeps, or they are not to be read
        for folder in (context.runs_dir / SWEEPS).iterdir():
            if RUN_ID.fullmatch(folder.name) and not (folder / SWEEP_FILE).exists():
                remove_leftovers(folder)


def check_same(context: Context, sweep: Sweep) -> None:
    """Raise FfnnError where trials would not come out here as those that the sweep has."""
    if sweep.core_version != CORE_VERSION:
        raise FfnnError(
            f"Sweep {sweep.id} was begun by version {sweep.core_version} of the core, and this is "
            f"{CORE_VERSION}: its trials could not be compared.",
            hint="Begin a new sweep of the file.",
        )
    name = any_config(sweep.spec).dataset
    if sweep.has_one_dataset and context.dataset(name).digest != sweep.dataset_digest:
        raise FfnnError(f"The dataset {name} is not the one that sweep {sweep.id} was begun with.")


def any_config(spec: SweepSpec) -> TrainConfig:
    """Return one of the configurations of a sweep's space."""
    return spec.config(spec.sample(np.random.default_rng(0)))


def stored_sweep(context: Context, sweep_id: str, storage: str | None = None) -> Sweep:
    """Return a sweep. Raises RequestError where there is none of this id."""
    store = TrialStore(storage_url(context, sweep_id, storage))
    try:
        return store.sweep(sweep_id)
    finally:
        store.close()


def of_same_file(
    context: Context, file: Path, paired: str | None = None, storage: str | None = None
) -> str | None:
    """Return the latest sweep of this very text that compares this field, or None.

    It is one of the store, or of the database where ``storage`` is given.
    """
    text = read_text(file)
    if storage is not None:
        return _last_of(context, storage, text, paired)
    for sweep_id in reversed(sweep_ids(context.runs_dir)):
        stored = sweep_folder(context, sweep_id) / SWEEP_FILE
        if not stored.is_file() or not holds(stored, text):
            continue
        try:
            found = _last_of(context, storage_url(context, sweep_id, None), text, paired)
        except FfnnError as error:
            context.notify(f"sweep {sweep_id} is left out: {error}")
            continue
        if found is not None:
            return found
    return None


def holds(path: Path, text: str) -> bool:
    """Whether a file holds this very text."""
    try:
        return read_file(path).decode("utf-8") == text
    except (OSError, ValueError):
        return False


def _last_of(context: Context, url: str, text: str, paired: str | None) -> str | None:
    """Return the latest such sweep of a database, which has none where its first transaction was cut off."""
    damaged: list[DamagedSweepError] = []
    store = TrialStore(url)
    try:
        sweeps = store.sweeps(damaged)
    finally:
        store.close()
    leave_out(context, damaged)
    same = [known.id for known in sweeps if (known.spec.text, known.paired) == (text, paired)]
    return same[-1] if same else None


def leave_out(context: Context, damaged: Iterable[DamagedSweepError]) -> None:
    """Give notice of the sweeps of a database that cannot be read."""
    for error in damaged:
        context.notify(f"left out: {error}")


def describe_space(context: Context, file: Path, count: int | None, workers: int) -> dict[str, Any]:
    """Return what a sweep of a file would search, and how long it may take by some measured steps."""
    spec = load_spec(file)
    for notice in spec.notices:
        context.notify(notice)
    runs = spec.most_trials(count)
    workers = workers if runs is None else min(workers, runs)
    rng = np.random.default_rng(0)
    some = [plan(context, spec.config(spec.sample(rng)), RunOptions()).seconds_estimate for _ in range(8)]
    return {
        "method": spec.method,
        "metric": None if spec.metric is None else {"name": spec.metric.name, "goal": spec.metric.goal},
        "parameters": {name: each.describe() for name, each in spec.parameters.items()},
        "size": spec.size,
        "runs": runs,
        "workers": workers,
        "seconds_a_run": float(np.mean(some)),
        "seconds_estimate": None if runs is None else float(np.mean(some)) * runs / workers,
    }
