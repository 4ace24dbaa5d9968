"""The page of a sweep at W&B, with W&B's own charts of it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ffcli.plotting.report import Report
from ffcli.runs.record import RunRecord
from ffcli.tracking.base import Additions, Bars, Lines, Rows
from ffcli.training.attaching import log_about
from ffcli.training.context import Context
from ffcli.training.options import RunOptions
from ffcli.util.atomic_files import joined


def log(
    context: Context,
    options: RunOptions,
    records: Iterable[RunRecord],
    *,
    sweep_id: str,
    html: Path,
    report: Report,
) -> None:
    """Make a W&B run of a page, where ``options`` and its runs' ``records`` say so (see `log_about`)."""
    best = report.best
    matrix = None
    if best is not None and best.matrix is not None:
        matrix = (best.matrix, best.labels)
    log_about(
        context,
        options,
        records,
        name=f"report {sweep_id}",
        job_type="report",
        additions=Additions(pages={"report": html}, confusion=matrix, charts=native_charts(report)),
    )


def native_charts(report: Report) -> list[Bars | Lines | Rows]:
    """Return the importances as bars, the best so far as a line, the correlations and all runs as tables."""
    importances = {each.name: each.importance for each in report.influences if each.importance is not None}
    charts: list[Bars | Lines | Rows] = []
    if importances:
        charts.append(Bars("importance", "Importance", "hyper-parameter", "importance", importances))
    if report.influences:
        charts.append(Rows("correlation", ["hyper-parameter", "value", "correlation"], _correlations(report)))
    so_far = _best_so_far(report)
    if so_far:
        lines = {f"best {report.metric} so far": so_far}
        charts.append(Lines("best_so_far", f"{report.metric} over the sweep", "run", lines))
    charts.append(_runs(report))
    return charts


def _correlations(report: Report) -> list[list[Any]]:
    rows: list[list[Any]] = []
    for each in report.influences:
        if each.by_value is None:
            rows.append([each.name, None, each.correlation])
        else:
            rows += [[each.name, value, correlation] for value, correlation in each.by_value.items()]
    return rows


def _best_so_far(report: Report) -> list[float]:
    """Return the best value after each run that has one, in the order of their numbers."""
    pick = max if report.maximize else min
    found: list[float] = []
    for run in report.runs:
        if run.value is not None:
            found.append(pick(run.value, found[-1]) if found else run.value)
    return found


def _runs(report: Report) -> Rows:
    names = [parameter.name for parameter in report.parameters]
    rows = [
        [run.number, run.run_id, run.name, run.status, run.value, run.best_epoch, run.seconds]
        + [joined(run.values.get(name)) for name in names]
        for run in report.runs
    ]
    heads = ["run", "id", "name", "status", report.metric, "best_epoch", "training_seconds"]
    return Rows("runs", [*heads, *(f"parameters.{name}" for name in names)], rows)
