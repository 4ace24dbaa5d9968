"""Tables of stored runs: the list, one run, and several side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import RenderableType

from ffcli.cli.text import duration, number, plain, size
from ffcli.cli.views.tables import Columns, pairs
from ffcli.runs.metric import METRICS
from ffcli.util.text import counted

if TYPE_CHECKING:
    from ffcli.runs.results import RunResult
    from ffcli.services.runs.compare import ComparedRun
    from ffcli.services.runs.listing import ListedRun


def run_table(runs: Sequence[ListedRun], elsewhere: str = "with --json") -> Columns:
    """Return the list of runs; ``elsewhere`` says where the columns are that do not fit the terminal."""
    return Columns(
        ["run", "status", "val_acc", "best epoch", "time", "size", "dataset", "name", "tags"],
        map(_row, runs),
        right=["val_acc", "best epoch", "time", "size"],
        ends=["name"],  # in which most names differ: that of a run begins with run_hl-
        spare=["dataset", "best epoch", "tags", "time", "size"],
        elsewhere=elsewhere,
    )


def _row(run: ListedRun) -> list[Any]:
    return [
        run.run_id,
        run.status,
        number(run.best_val_acc),
        "–" if run.best_epoch is None else f"{run.best_epoch}/{run.config.get('epochs', '?')}",
        duration(run.seconds),
        size(run.size),
        run.dataset and Path(run.dataset).name,
        run.name,
        run.tags,
    ]


def run_parts(run: RunResult) -> list[RenderableType]:
    """Return what is shown of one run: its record, its configuration and its epochs."""
    about = {
        "run": run.run_id,
        "name": run.name,
        "status": run.status,
        "error": run.error,
        "tags": run.tags,
        "recipe": run.recipe,
        "started": run.started,
        "time": duration(run.seconds),
        "best epoch": run.best_epoch,
        "best val_acc": number(run.best_val_acc),
        "parameters": run.parameters,
        "path": run.path,
    }
    rows = [
        [row.epoch, *(number(getattr(row, metric)) for metric in METRICS), duration(row.seconds)]
        for row in run.epochs
    ]
    heads = ["epoch", *METRICS, "time"]
    return [
        pairs({name: value for name, value in about.items() if value not in (None, [])}),
        "",
        pairs(run.config),
        "",
        Columns(heads, rows, right=heads),
    ]


def comparison_parts(runs: Sequence[ComparedRun], everything: bool) -> list[RenderableType]:
    """Return what is shown of several runs; ``everything``: also the values that they share."""
    from ffcli.services.runs.compare import comparable

    shorts = [run.short for run in runs]
    different = list(runs[0].different)
    same = [name for name in runs[0].config if name not in different]
    rows: list[list[Any]] = [["≠", name, *_values(runs, name)] for name in different]
    if everything:
        rows += [["", name, *_values(runs, name)] for name in same]
    figures: list[list[Any]] = [["best epoch", *(run.best_epoch for run in runs)]]
    for metric in METRICS:
        for title, group in comparable(runs, metric).items():
            at_best = [run.at_best if run in group else None for run in runs]
            figures.append([title, *(number(getattr(row, metric, None)) for row in at_best)])
    figures.append(["time", *(duration(run.seconds) for run in runs)])
    legend = [[run.short, run.run_id, run.status, run.name] for run in runs]
    parts: list[RenderableType] = [Columns(["", "run", "status", "name"], legend), ""]
    if rows:
        parts += [Columns(["", "", *shorts], rows, right=shorts), ""]
    else:
        parts += ["the configurations are the same", ""]
    parts.append(Columns(["", *shorts], figures, right=shorts))
    if not everything:
        parts += ["", f"the same in all: {counted(len(same), 'other hyper-parameter')} (--all shows them)"]
    if runs[0].png:
        parts += ["", f"learning curves: {plain(runs[0].png)}"]
    return parts


def _values(runs: Sequence[ComparedRun], name: str) -> list[Any]:
    values = [run.config.get(name) for run in runs]
    if name == "dataset":  # without its directory, unless that is the difference
        short = [Path(str(value)).name for value in values]
        return short if len(set(short)) == len(set(map(str, values))) else values
    return values
