"""Creating and reading sweeps, and describing their search space."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ffcli.config import TrainConfig, members, runs_per_trial, validation_split
from ffcli.core.rules import numpy_kernels, would_compile
from ffcli.core.training import CORE_VERSION
from ffcli.errors import FfnnError, RequestError
from ffcli.runs.ids import new_run_id
from ffcli.runs.layout import LOCK, RUN_ID, STUDY, SWEEP_FILE, SWEEPS, sweep_ids
from ffcli.services.sweeps.find import text_of
from ffcli.services.sweeps.results import RankedBy, SearchSpace
from ffcli.services.sweeps.shipped import name_of
from ffcli.services.train import seconds_of
from ffcli.sweeping.spec.spec import SweepSpec, load_spec, sweep_text
from ffcli.sweeping.study import study
from ffcli.sweeping.study.lock import SweepLock, holder
from ffcli.sweeping.study.record import Sweep
from ffcli.sweeping.study.study import NewTrial, Study
from ffcli.training.context import Context
from ffcli.training.experiment import check_before_loading
from ffcli.util.atomic_files import write_atomic
from ffcli.util.safe_read import is_name, shown

# An estimate measures so many configurations, for so many seconds each.
_SAMPLE, _BUDGET = 12, 0.025
_COMPILED = 0.72  # seconds that compiled kernels take for one of NumPy's
# Seconds until workers that start together train, most of them for imports, and for that of Numba.
_WORKERS_START, _NUMBAS_START = 1.2, 1.0

_TO_LOCK = 60.0  # seconds that a process may take from making a sweep's folder to its lock


def sweep_folder(context: Context, sweep_id: str) -> Path:
    """Return the folder of a sweep's file and study; that of W&B's entity/project/id is three deep.

    Raises RequestError for an id that would lead out of the store: the record of a run can hold any.
    """
    parts = sweep_id.split("/")
    if len(parts) not in (1, 3) or not all(map(is_name, parts)):
        raise RequestError(f"'{shown(sweep_id)}' is not a valid sweep id.")
    return context.runs_dir.joinpath(SWEEPS, *parts)


@dataclass(frozen=True)
class SweepSource:
    """A sweep to read: a file, or the mapping that ``wandb.sweep`` takes; see `load_spec` for the rest."""

    of: Path | Mapping[str, Any]
    choose: str | None = None
    ignore: tuple[str, ...] = ()

    @property
    def called(self) -> str:
        """What messages call it."""
        return "the sweep" if isinstance(self.of, Mapping) else name_of(self.of)

    @property
    def exists(self) -> bool:
        """Whether there is something to read."""
        return isinstance(self.of, Mapping) or self.of.exists()

    def read(self) -> SweepSpec:
        """Return the sweep. Raises RequestError for what is wrong in it."""
        return load_spec(self.of, choose=self.choose, ignore=self.ignore, called=self.called)

    @property
    def text(self) -> str:
        """The text by which the sweep is known again. Raises RequestError where there is none."""
        return sweep_text(self.of, choose=self.choose, ignore=self.ignore)


Source = SweepSource | Path


def load_source(context: Context, source: Source) -> SweepSpec:
    """Return a sweep and give its notices. Raises RequestError for what is wrong in it."""
    spec = (source if isinstance(source, SweepSource) else SweepSource(source)).read()
    for notice in spec.notices:
        context.notify(notice)
    return spec


def create(
    context: Context,
    source: Source,
    seed: int,
    paired: str | None = None,
    *,
    count: int | None = None,
    repeats: int = 1,
    folds: int = 0,
    first: Sequence[NewTrial] = (),
    reuse: bool = False,
) -> Sweep:
    """Store a new sweep. Raises RequestError, before anything runs, for what is wrong in its file.

    ``paired`` is the field whose values are to be compared, if any, ``repeats`` and ``folds`` make the runs
    of a trial (see `Sweep`), ``count`` is how many trials are asked for in all, ``first`` are the trials
    that it begins with, and ``reuse`` tells whether results of identical runs are taken over. Whoever resumes
    the sweep finds all of it, however soon this process was killed.
    """
    spec = load_source(context, source)
    _check_members(spec, repeats, folds)
    config = any_config(spec)
    dataset = context.dataset(config.dataset)
    validation_split(members(config, repeats, folds)[0], dataset.y_train, "folds" if folds else "fold")
    _clear_up(context)
    sweep_id = new_run_id(sweep_ids(context.runs_dir))
    sweep = Sweep(sweep_id, spec, dataset.digest, CORE_VERSION, seed, time.time(), paired, repeats, folds)
    folder = sweep_folder(context, sweep_id)
    folder.mkdir(parents=True)
    with SweepLock(folder):  # so that nobody clears it up before it is whole
        study.create(folder, sweep, count, first, reuse=reuse)
        keep_file(context, sweep)
    return sweep


def _check_members(spec: SweepSpec, repeats: int, folds: int) -> None:
    """Raise RequestError where trials would have runs in common, or a fold of their own."""
    seed = spec.parameters.get("seed")
    if repeats > 1 and seed is not None and seed.size != 1:
        raise RequestError(
            f"expected no searched seed in a sweep whose trials are trained with {repeats} seeds each",
            hint="Leave one of the two out.",
            parameter="repeats",
        )
    if folds and "fold" in spec.parameters:
        raise RequestError(
            f"expected no fold in a sweep file that is run on all {folds}",
            hint="Leave one of the two out.",
            parameter="folds",
        )


def keep_file(context: Context, sweep: Sweep) -> None:
    """Put the sweep's file into its folder, where it is missing."""
    path = sweep_folder(context, sweep.id) / SWEEP_FILE
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, sweep.spec.text)


def _clear_up(context: Context) -> None:
    """Remove what processes that were killed before their sweep was whole have left."""
    whole = (STUDY, SWEEP_FILE)
    with suppress(OSError):  # there are no sweeps, or they cannot be read
        for folder in (context.runs_dir / SWEEPS).iterdir():
            is_whole = any((folder / name).exists() for name in whole)
            is_new = not (folder / LOCK).exists() and time.time() - folder.stat().st_mtime < _TO_LOCK
            if RUN_ID.fullmatch(folder.name) and not (is_whole or is_new) and holder(folder) is None:
                shutil.rmtree(folder, ignore_errors=True)


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


def read_sweep(context: Context, sweep_id: str) -> Study:
    """Return what is stored of a sweep. Raises RequestError where there is none, FfnnError."""
    return study.read(sweep_folder(context, sweep_id))


def of_same_file(
    context: Context,
    source: Source,
    paired: str | None = None,
    *,
    repeats: int | None = None,
    folds: int | None = None,
) -> str | None:
    """Return the latest sweep of the store of this very text that compares this field, or None.

    Where ``repeats`` or ``folds`` are given, it is the latest with these.
    """
    text = (source if isinstance(source, SweepSource) else SweepSource(source)).text
    for sweep_id in reversed(sweep_ids(context.runs_dir)):
        stored = sweep_folder(context, sweep_id) / SWEEP_FILE
        if text_of(stored) != text:
            continue
        try:
            sweep = read_sweep(context, sweep_id).sweep
        except FfnnError as error:
            context.notify(f"sweep {sweep_id} is left out: {error}")
            continue
        same_runs = repeats in (None, sweep.repeats) and folds in (None, sweep.folds)
        if (sweep.spec.text, sweep.paired) == (text, paired) and same_runs:
            return sweep_id
    return None


def _seconds_of(context: Context, config: TrainConfig) -> float:
    """Estimate the seconds of a run in much less than one, in which Numba could not even be imported."""
    check_before_loading(config)
    with numpy_kernels():
        seconds = seconds_of(config, context.dataset(config.dataset), budget=_BUDGET)
    return seconds * (_COMPILED if would_compile() else 1)


def describe_space(
    context: Context,
    source: Source,
    count: int | None,
    workers: int,
    *,
    repeats: int = 1,
    folds: int = 0,
    first: Sequence[NewTrial] = (),
) -> SearchSpace:
    """Return what a sweep would search, and how long it may take by some measured steps.

    ``first`` are the trials that it would begin with.
    """
    spec = load_source(context, source)
    _check_members(spec, repeats, folds)
    runs, each_trial = spec.most_trials(count), runs_per_trial(repeats, folds)
    copied = sum(bool(trial.copies) for trial in first)
    to_train = None if runs is None else max(0, runs - copied)
    workers = workers if runs is None else min(workers, runs * each_trial)
    rng = np.random.default_rng(0)
    start = _WORKERS_START + (_NUMBAS_START if would_compile() else 0)
    configs = [members(spec.config(spec.sample(rng)), 1, folds)[0] for _ in range(_SAMPLE)]
    each = float(np.mean([_seconds_of(context, config) for config in configs]))
    return SearchSpace(
        method=spec.method,
        metric=None if spec.metric is None else RankedBy(spec.metric.name, spec.metric.goal),
        parameters={name: parameter.describe() for name, parameter in spec.parameters.items()},
        combinations=spec.distinct.combinations,
        size=spec.size,
        runs=runs,
        runs_a_trial=each_trial,
        workers=workers,
        copied=copied,
        start_from=[
            {name: trial.proposal.values[name] for name, each in spec.parameters.items() if each.size != 1}
            for trial in first
            if not trial.copies
        ],
        seconds_a_run=each,
        seconds_estimate=None if to_train is None else start + each * to_train * each_trial / workers,
    )
