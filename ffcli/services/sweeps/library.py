"""A sweep from a notebook: the dict that ``wandb.sweep`` takes, run here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ffcli.execution.open import PoolOptions
from ffcli.services.report.report import report
from ffcli.services.sweeps.create import SweepSource, create, read_sweep, sweep_folder
from ffcli.services.sweeps.local import SweepOptions, run_sweep
from ffcli.services.sweeps.results import BestTrial, TrialCounts
from ffcli.sweeping.study.record import Trial
from ffcli.training.context import Context
from ffcli.util.folders import data_folder, runs_folder
from ffcli.util.processes import usable_cores

REPORT = "report.html"


@dataclass(frozen=True)
class SweepResult:
    """A sweep that has run.

    Attributes:
        sweep_id: ``ffnn sweeps show`` and ``ffnn sweep`` know the sweep by it.
        path: its directory.
        counts: how many trials have finished, were pruned and have failed.
        best: the best run, None where none has a value.
        runs: a record for each trial, {number, run_id, run_ids, state, value, best_epoch, error} and the
            searched hyper-parameters: ``pandas.DataFrame(result.runs)``.
        report: the page that shows all of it.
    """

    sweep_id: str
    path: Path
    counts: TrialCounts
    best: BestTrial | None
    runs: list[dict[str, Any]]
    report: Path


def sweep(
    config: Mapping[str, Any] | str | Path,
    count: int | None = None,
    workers: int | None = None,
    *,
    seed: int = 0,
    ignore: tuple[str, ...] = (),
    repeats: int = 1,
    folds: int = 0,
    data_dir: str | Path | None = None,
    runs_dir: str | Path | None = None,
    notify: Callable[[str], None] = print,
) -> SweepResult:
    """Run a sweep on this machine and return what came of it.

    ``config`` is the dict that ``wandb.sweep`` takes, or a sweep file. ``count`` limits the number of runs; a
    space without end needs it. ``workers`` is the number of processes (by default that of the usable cores),
    ``seed`` that of the search, ``ignore`` names parameters to leave out. With ``repeats`` or
    ``folds`` a trial is trained with so many seeds, on so many folds; its value is the mean. The directories
    default to FFNN_DATA_DIR and FFNN_RUNS_DIR, else to ``data`` and ``runs``. ``notify`` is told what may
    surprise.

    Raises RequestError for what is wrong in the sweep, FfnnError where it cannot be run.
    """
    context = Context(data_folder(data_dir), runs_folder(runs_dir), notify=notify)
    source = SweepSource(config if isinstance(config, Mapping) else Path(config), ignore=ignore)
    made = create(context, source, seed, count=count, repeats=repeats, folds=folds)
    options = SweepOptions(
        count=count, pool=PoolOptions(workers=workers or usable_cores()), command_line=("ffcli.sweep",)
    )
    outcome = run_sweep(context, made, options, lambda _: None)
    path = sweep_folder(context, made.id)
    trials = read_sweep(context, made.id).trials
    page = report(context, made.id, path / REPORT).html
    return SweepResult(
        made.id, path, outcome.counts, outcome.best, [_record(trial) for trial in trials], page
    )


def _record(trial: Trial) -> dict[str, Any]:
    return {
        "number": trial.number,
        "run_id": trial.run_id,
        "run_ids": list(trial.run_ids),
        "state": trial.state,
        "value": trial.value,
        "best_epoch": trial.best_epoch,
        "error": trial.error,
        **trial.values,
    }
