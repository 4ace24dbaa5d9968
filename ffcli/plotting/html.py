"""Self-contained HTML pages with charts, and what they hold.

A page is a Jinja template, which escapes every value; its script draws the charts by plotly.js from the same
data as its table. A content security policy allows only the page's own two scripts, by their hashes, and no
request; a live page may ask the server that it came from for its next document. ``unsafe-eval`` is for the
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

from ffcli.util.text import counted, value_text

_MOST_CHOICES = 12  # numbers with more values than this get a continuous axis


@dataclass(frozen=True)
class Parameter:
    """A searched hyper-parameter: on a logarithmic scale where ``log``; its ``choices`` where it has them."""

    name: str
    log: bool = False
    choices: Sequence[Any] = ()


@dataclass(frozen=True)
class Curve:
    """The metrics of a run after each epoch, by their names."""

    number: int
    epochs: Sequence[int]
    metrics: Mapping[str, Sequence[float | None]]


@dataclass(frozen=True)
class Document:
    """The content of a page: the template of its body with the values in it, its scripts and their data."""

    title: str
    template: str
    values: Mapping[str, Any]
    scripts: Sequence[str]
    data: Mapping[str, Any]

    def page(self, live: str | None = None, home: str | None = None) -> str:
        """Return the HTML page.

        With ``live`` it asks this address, on its own server, for later documents; ``home`` is the address of
        the page that it belongs to.
        """
        from markupsafe import Markup
        from plotly.offline import get_plotlyjs

        script = (
            '"use strict";\n(() => {\n' + "".join(_source(f"{name}.js") for name in self.scripts) + "})();\n"
        )
        plotly = get_plotlyjs()
        return self._render(
            "page.html",
            title=self.title,
            body=self.template,
            live=live,
            home=home,
            policy="; ".join(_policy(live is not None, plotly, script)),
            # Inserted as they are: the package's own files, plotly's, and JSON that ends no element.
            style=Markup(_source("page.css")),  # noqa: S704
            plotly=Markup(plotly),  # noqa: S704
            script=Markup(script),  # noqa: S704
            data=Markup(_for_script(self.data)),  # noqa: S704
        )

    def later(self) -> str:
        """Return what a live page asks for: JSON {data, body}, the script's data and the parts' HTML."""
        return json.dumps({"data": self.data, "body": self._render(self.template)}, allow_nan=False)

    def _render(self, template: str, **more: Any) -> str:
        from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

        environment = Environment(
            loader=PackageLoader("ffcli.plotting", "report_page"),
            autoescape=select_autoescape(default=True),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        return environment.get_template(template).render(
            **self.values, shown=value_text, counted=counted, **more
        )


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


def column(objects: Sequence[Any], name: str) -> list[Any]:
    """Return an attribute of all objects as the script draws it."""
    return [rounded(getattr(each, name)) for each in objects]


def curve_data(curve: Curve) -> dict[str, Any]:
    """Return a curve as the script draws it."""
    metrics = {name: list(map(rounded, values)) for name, values in curve.metrics.items()}
    return {"number": curve.number, "epochs": curve.epochs, "metrics": metrics}


def rounded(value: Any) -> Any:
    """Return a measured number with the digits that are shown; None for infinities and NaN."""
    if not isinstance(value, float):
        return value
    return float(f"{value:.6g}") if math.isfinite(value) else None


def axis(parameter: Parameter, values: Sequence[Any]) -> dict[str, Any]:
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
        "labels": list(map(value_text, ordered)),
        "values": [None if value is None else position[_plain(value)] for value in values],
    }


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
