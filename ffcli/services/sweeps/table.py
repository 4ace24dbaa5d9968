"""The list of a sweep's runs as a table that every spreadsheet reads."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

from ffcli.services.sweeps.create import sweep_folder
from ffcli.sweeping.study.record import Sweep, Trial
from ffcli.training.context import Context
from ffcli.util.atomic_files import cell, write_atomic

TABLE = "runs.csv"
_COLUMNS = ("trial", "run", "state", "value", "best_epoch", "reused", "error")


def write_table(context: Context, sweep: Sweep, trials: Iterable[Trial]) -> None:
    """Write ``runs.csv`` into the sweep's folder: a row for each trial, with its runs and searched values."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*_COLUMNS, *sweep.spec.space])
    for trial in trials:
        about = (
            trial.number,
            " ".join(trial.run_ids) or None,
            trial.state,
            trial.value,
            trial.best_epoch,
            trial.reused,
            trial.error,
        )
        values = (trial.values[name] for name in sweep.spec.space)
        plain = (",".join(map(str, each)) if isinstance(each, tuple) else each for each in values)
        writer.writerow(map(cell, (*about, *plain)))
    # A name that came from the command line may hold bytes that are no text.
    content = text.getvalue().encode("utf-8", "backslashreplace")
    write_atomic(sweep_folder(context, sweep.id) / TABLE, content)
