"""The page of ``ffnn report``: the data that it shows, and the self-contained HTML file.

The page is a Jinja template, which escapes every value; its script draws the charts by plotly.js from the
same data as its table. A content security policy allows only the page's own two scripts, by their hashes, and
no request; a live page may ask the server that it came from for its next document. ``unsafe-eval`` is for the
WebGL library below plotly.js's parallel coordinates, which compiles its drawing commands
(https://github.com/plotly/plotly.js/issues/897).
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from ffcli.runs.results import HyperparameterEffect
from ffcli.util.text import counted

_SCRIPTS = ("data", "table", "parallel", "charts", "live", "main")
_MOST_CHOICES = 12  # numbers with more values than this get a continuous axis
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
class Parameter:
    """A searched hyper-parameter: on a logarithmic scale where ``log``; its ``choices`` where it has them."""

    name: str
    log: bool = False
    choices: Sequence[Any] = ()


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
class Curve:
    """The metrics of a run after each epoch, by their names."""

    number: int
    epochs: Sequence[int]
    metrics: Mapping[str, Sequence[float | None]]


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


def page(report: Report, live: str | None = None) -> str:
    """Return the HTML page; with ``live`` it asks this address, on its own server, for later documents."""
    from markupsafe import Markup
    from plotly.offline import get_plotlyjs

    script = '"use strict";\n(() => {\n' + "".join(map(_source, _names())) + "})();\n"
    plotly = get_plotlyjs()
    return _render(
        "page.html",
        report,
        live=live,
        policy="; ".join(_policy(live is not None, plotly, script)),
        # Inserted as they are: the package's own files, plotly's, and JSON that ends no element.
        style=Markup(_source("page.css")),  # noqa: S704
        plotly=Markup(plotly),  # noqa: S704
        script=Markup(script),  # noqa: S704
        data=Markup(_for_script(_data(report))),  # noqa: S704
    )


def document(report: Report) -> str:
    """Return what a live page asks for: JSON {data, body}, the script's data and the HTML of the parts."""
    return json.dumps({"data": _data(report), "body": _render("body.html", report)}, allow_nan=False)


def _render(template: str, report: Report, **more: Any) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

    environment = Environment(
        loader=PackageLoader("ffcli.plotting", "report_page"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(
        report=report,
        best=next((run for run in report.runs if report.best and run.number == report.best.number), None),
        confusion=None if report.best is None else _confusion(report.best),
        searched=[parameter.name for parameter in report.parameters],
        importances=any(each.importance is not None for each in report.influences),
        shown=_shown,
        counted=counted,
        **more,
    )


def _names() -> list[str]:
    return [f"{name}.js" for name in _SCRIPTS]


def _source(name: str) -> str:
    return (files("ffcli.plotting") / "report_page" / name).read_text("utf-8")


def _policy(live: bool, *scripts: str) -> list[str]:
    hashes = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    allowed = " ".join(f"'sha256-{digest}'" for digest in hashes)
    return [
        "default-src 'none'",
        f"script-src {allowed} 'unsafe-eval'",
        "style-src 'unsafe-inline'",
        "img-src data: blob:",  # for a chart that is saved as a picture
        *(["connect-src 'self'"] if live else []),
        "base-uri 'none'",
        "form-action 'none'",
    ]


def _for_script(document: Any) -> str:
    """Return JSON whose text cannot end its script element, as "</script>" or "<!--" would."""
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _data(report: Report) -> dict[str, Any]:
    """Return what the script draws: a list for each column of the runs, and the axes of their values."""
    columns = ("number", "run_id", "name", "status", "value", "accuracy", "best_epoch", "seconds", "ended")
    return {
        "metric": report.metric,
        "maximize": report.maximize,
        "accuracy": report.accuracy,
        "best": None if report.best is None else report.best.number,
        "runs": {
            **{name: [_short(getattr(run, name)) for run in report.runs] for name in columns},
            "tags": [", ".join(run.tags) for run in report.runs],
            "error": [run.error for run in report.runs],
        },
        "axes": [
            _axis(each, [run.values.get(each.name) for run in report.runs]) for each in report.parameters
        ],
        "curves": [
            {
                "number": curve.number,
                "epochs": curve.epochs,
                "metrics": {name: list(map(_short, values)) for name, values in curve.metrics.items()},
            }
            for curve in report.curves
        ],
    }


def _short(value: Any) -> Any:
    """Return a measured number with the digits that are shown; None for infinities and NaN."""
    if not isinstance(value, float):
        return value
    return float(f"{value:.6g}") if math.isfinite(value) else None


def _axis(parameter: Parameter, values: Sequence[Any]) -> dict[str, Any]:
    """Return {name, log, labels, values}: numbers, or positions among the labels where there are some."""
    every = (_plain(value) for value in (*parameter.choices, *values) if value is not None)
    distinct = list(dict.fromkeys(every))
    numeric = all(isinstance(value, (int, float)) for value in distinct)
    if numeric and len(distinct) > _MOST_CHOICES:
        log = parameter.log and min(distinct) > 0
        return {"name": parameter.name, "log": log, "labels": None, "values": list(values)}
    # Words keep the file's order.
    ordered = sorted(distinct) if numeric else list(distinct)
    position = {value: index for index, value in enumerate(ordered)}
    return {
        "name": parameter.name,
        "log": False,
        "labels": list(map(_shown, ordered)),
        "values": [None if value is None else position[_plain(value)] for value in values],
    }


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _shown(value: Any) -> str:
    """Return a value as text: a list of sizes with commas, a number with at most six digits."""
    if isinstance(value, float):
        return f"{value:g}"
    return ",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def _confusion(best: Best) -> dict[str, Any] | None:
    """Return the rows, each cell with its fraction, the accuracy and the most frequent confusions."""
    if best.matrix is None:
        return None
    rows = []
    mistakes = []
    for true, counts in enumerate(best.matrix):
        total = sum(counts)
        rows.append([(count, count / total if total else 0.0) for count in counts])
        mistakes += [(count, true, other) for other, count in enumerate(counts) if other != true and count]
    mistakes.sort(key=lambda mistake: (-mistake[0], *mistake[1:]))
    everything = sum(map(sum, best.matrix))
    hits = sum(row[index] for index, row in enumerate(best.matrix))
    return {
        "rows": rows,
        "n": everything,
        "accuracy": hits / everything if everything else 0.0,
        "mistakes": [(best.labels[true], best.labels[other], count) for count, true, other in mistakes[:3]],
        "level": max(map(len, best.labels), default=0) <= _LEVEL,
    }
