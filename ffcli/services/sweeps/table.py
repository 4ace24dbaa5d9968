"""The list of a sweep's runs as a CSV file."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ffcli.services.sweeps.create import sweep_folder
from ffcli.sweeping.study.record import Sweep, Trial
from ffcli.training.context import Context
from ffcli.util.atomic_files import csv_text, write_atomic

TABLE = "runs.csv"
_COLUMNS = ("trial", "run", "state", "value", "best_epoch", "reused", "error")


def write_table(context: Context, sweep: Sweep, trials: Iterable[Trial]) -> None:
    """Write ``runs.csv`` into the sweep's folder: a row for each trial, with its runs and searched values."""
    rows: list[list[Any]] = [[*_COLUMNS, *sweep.spec.space]]
    for trial in trials:
        about = [trial.number, " ".join(trial.run_ids) or None, trial.state, trial.value]
        about += [trial.best_epoch, trial.reused, trial.error]
        rows.append([*about, *(trial.values[name] for name in sweep.spec.space)])
    # A name that came from the command line may hold bytes that are no text.
    content = csv_text(rows).encode("utf-8", "backslashreplace")
    write_atomic(sweep_folder(context, sweep.id) / TABLE, content)
