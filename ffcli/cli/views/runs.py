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


_HEADS = {  # of the columns that have another head than their name
    "run_id": "run",
    "best_val_acc": "val_acc",
    "best_epoch": "best epoch",
    "seconds": "time",
    "sweep_id": "sweep",
    "test_acc_tta": "test, --tta",
}
_DEFAULT = ("run_id", "status", "best_val_acc", "best_epoch", "seconds", "size", "dataset", "name", "tags")
_SPARE = ("dataset", "test_acc", "best_epoch", "tags", "seconds", "size", "test_acc_tta", "sweep_id")
_FIELDS = ("started", "epochs_done", "best_epoch", "seconds", "parameters", "size")


def default_columns(runs: Sequence[ListedRun], sorted_by: str | None = None) -> list[str]:
    """Return the names of the columns of a list of runs, with those that only some lists have."""
    names = list(_DEFAULT)
    for name in ("test_acc_tta", "test_acc"):
        if any(getattr(run, name) is not None for run in runs):
            names.insert(3, name)
    if any(run.sweep_id is not None for run in runs):
        names.insert(names.index("name"), "sweep_id")
    if sorted_by is not None and sorted_by not in (*names, "val_acc", "started"):
        names.insert(2, sorted_by)
    return names


def all_columns(runs: Sequence[ListedRun]) -> list[str]:
    """Return the names of all columns: fields, metrics, hyper-parameters."""
    first = ("run_id", "name", "status", "dataset", "sweep_id", "recipe", "tags")
    config = dict.fromkeys(name for run in runs for name in run.config if name != "dataset")
    return [*first, *METRICS, "test_acc", "test_acc_tta", *_FIELDS, *config]


def run_value(run: ListedRun, name: str) -> Any:
    """Return the value of a column, None where the run has none."""
    if name in METRICS:
        return run.best.get(name)
    return getattr(run, name) if hasattr(run, name) else run.config.get(name)


def run_table(
    runs: Sequence[ListedRun],
    columns: Sequence[str] | None = None,
    *,
    sorted_by: str | None = None,
    elsewhere: str = "with --json",
) -> Columns:
    """Return the list of runs with these columns: all of them, where they are given.

    Else ``elsewhere`` says where those are that do not fit the terminal; the sorted one does.
    """
    names = default_columns(runs, sorted_by) if columns is None else columns
    spare = [name for name in _SPARE if name in names and name != sorted_by and columns is None]
    if len({run.dataset for run in runs}) > 1 and "dataset" in spare:
        spare.remove("dataset")  # accuracies on several datasets say nothing without it
    heads = {name: _HEADS.get(name, name) for name in names}
    return Columns(
        list(heads.values()),
        ([_cell(name, run_value(run, name), run) for name in names] for run in runs),
        right=[heads[name] for name in names if _is_numeric(runs, name)],
        ends=["name"],  # in which most names differ: that of a run begins with run_hl-
        spare=[heads[name] for name in spare],
        elsewhere=elsewhere,
    )


def _is_numeric(runs: Sequence[ListedRun], name: str) -> bool:
    return all(isinstance(run_value(run, name), (int, float, type(None))) for run in runs)


def _cell(name: str, value: Any, run: ListedRun | None = None) -> Any:
    """Return a value as it is shown."""
    if value is None:
        return None
    if name == "best_epoch" and run is not None:
        return f"{value}/{run.config.get('epochs', '?')}"
    if name in METRICS or name in ("best_val_acc", "test_acc", "test_acc_tta"):
        return number(value)
    if name == "seconds":
        return duration(value)
    if name == "size":
        return size(value)
    return Path(value).name if name == "dataset" else value


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
        "test_acc": _cell("test_acc", run.test_acc),
        "test_acc, --tta": _cell("test_acc", run.test_acc_tta),
        "sweep": run.sweep_id,
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
