"""The page of ``ffnn report``: the data that it shows, and the self-contained HTML file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ffcli.plotting.confusion import row_fractions
from ffcli.plotting.html import Curve, Document, Parameter, axis, column, curve_data
from ffcli.runs.results import HyperparameterEffect

_SCRIPTS = ("data", "table", "parallel", "figure", "charts", "curves", "live", "report")
_LEVEL = 3  # characters of the longest class name up to which the names above the columns are level


@dataclass(frozen=True)
class Run:
    """A run of the sweep. ``value`` is the sweep's metric, ``accuracy`` that of the time chart.

    ``seconds`` is the duration of the optimisation, ``ended`` the seconds from the start of the sweep to the
    end of the run; None where a run has none yet.
    """

    number: int
    run_id: str
    name: str
    status: str
    values: Mapping[str, Any]
    value: float | None
    accuracy: float | None
    best_epoch: int | None
    seconds: float | None
    ended: float | None
    tags: Sequence[str] = ()
    error: str | None = None


@dataclass(frozen=True)
class Best:
    """The best run: its configuration, the command line that trains it again, its confusion matrix.

    ``matrix`` holds counts, a row for each true class; it is None where ``missing`` says why there is none.
    """

    number: int
    config: Mapping[str, Any]
    command: str
    dataset: str
    labels: Sequence[str] = ()
    matrix: Sequence[Sequence[int]] | None = None
    missing: str = ""


@dataclass(frozen=True)
class Report:
    """All that the page shows. ``runs`` are in the order of their numbers, ``curves`` the best first.

    ``about`` are facts in words, by their subject; ``influence_note`` explains the influences.
    """

    title: str
    description: str
    metric: str
    maximize: bool
    accuracy: str
    about: Mapping[str, str]
    parameters: Sequence[Parameter]
    runs: Sequence[Run]
    best: Best | None = None
    curves: Sequence[Curve] = ()
    influences: Sequence[HyperparameterEffect] = ()
    influence_note: str = ""


def page(report: Report) -> str:
    """Return the self-contained HTML page."""
    return document(report).page()


def document(report: Report) -> Document:
    """Return the content of the page."""
    best = report.best
    values = {
        "report": report,
        "best": next((run for run in report.runs if best and run.number == best.number), None),
        "confusion": None if best is None else _confusion(best),
        "searched": [parameter.name for parameter in report.parameters],
        "importances": any(each.importance is not None for each in report.influences),
    }
    return Document(f"{report.title} · sweep report", "report.html", values, _SCRIPTS, _data(report))


def _data(report: Report) -> dict[str, Any]:
    """Return what the script draws: a list for each column of the runs, and the axes of their values."""
    runs = report.runs
    columns = ("number", "run_id", "name", "status", "value", "accuracy", "best_epoch", "seconds", "ended")
    return {
        "metric": report.metric,
        "maximize": report.maximize,
        "accuracy": report.accuracy,
        "best": None if report.best is None else report.best.number,
        "runs": {
            **{name: column(runs, name) for name in columns},
            "tags": [", ".join(run.tags) for run in runs],
            "error": [run.error for run in runs],
        },
        "axes": [
            axis(each, [run.values.get(each.name) for run in report.runs]) for each in report.parameters
        ],
        "curves": list(map(curve_data, report.curves)),
    }


def _confusion(best: Best) -> dict[str, Any] | None:
    """Return the rows, each cell with its fraction, the accuracy and the most frequent confusions."""
    if best.matrix is None:
        return None
    mistakes = []
    for true, counts in enumerate(best.matrix):
        mistakes += [(count, true, other) for other, count in enumerate(counts) if other != true and count]
    mistakes.sort(key=lambda mistake: (-mistake[0], *mistake[1:]))
    everything = sum(map(sum, best.matrix))
    hits = sum(row[index] for index, row in enumerate(best.matrix))
    return {
        "rows": [list(zip(*both)) for both in zip(best.matrix, row_fractions(best.matrix))],
        "n": everything,
        "accuracy": hits / everything if everything else 0.0,
        "mistakes": [(best.labels[true], best.labels[other], count) for count, true, other in mistakes[:3]],
        "level": max(map(len, best.labels), default=0) <= _LEVEL,
    }
