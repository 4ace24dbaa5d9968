"""Writes docs/json.md from the results of the services: ``python -m tools.json_reference``.

With ``--check`` it writes nothing and ends with exit code 1 where the page is stale.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import sys
import textwrap
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from ffcli.services.compare_loss.run import compare_loss
from ffcli.services.cross_validation import cross_validate
from ffcli.services.download import download
from ffcli.services.evaluation.confusion import confusion
from ffcli.services.evaluation.ensemble import evaluate_ensemble, list_ensembles, show_ensemble
from ffcli.services.evaluation.evaluate import evaluate
from ffcli.services.evaluation.predict import predict
from ffcli.services.evaluation.visualize import visualize, visualize_mistakes
from ffcli.services.export.export import export
from ffcli.services.recipes import list_recipes
from ffcli.services.report.report import report
from ffcli.services.rerun import rerun
from ffcli.services.runs.compare import compare_runs
from ffcli.services.runs.curves import show_with_curves
from ffcli.services.runs.listing import list_runs
from ffcli.services.runs.remove import remove
from ffcli.services.sweeps.create import describe_space
from ffcli.services.sweeps.listing import list_sweeps
from ffcli.services.sweeps.local import run_sweep
from ffcli.services.sweeps.remove import remove_sweeps
from ffcli.services.sweeps.summary import show_sweep
from ffcli.services.sweeps.wandb_run import run_wandb_sweep
from ffcli.services.sync import sync
from ffcli.services.train import plan, train

PAGE = Path(__file__).parents[1] / "docs" / "json.md"

SERVICES: Mapping[str, Callable[..., Any]] = {
    "download": download,
    "train": train,
    "train --folds": cross_validate,
    "train --dry-run": plan,
    "train --recipe list": list_recipes,
    "evaluate": evaluate,
    "evaluate --ensemble": evaluate_ensemble,
    "ensembles list": list_ensembles,
    "ensembles show": show_ensemble,
    "confusion": confusion,
    "predict": predict,
    "visualize": visualize,
    "visualize --misclassified": visualize_mistakes,
    "rerun": rerun,
    "report": report,
    "export": export,
    "sweep": run_sweep,
    "sweep --backend wandb": run_wandb_sweep,
    "sweep --dry-run": describe_space,
    "sweeps list": list_sweeps,
    "sweeps show": show_sweep,
    "sweeps rm": remove_sweeps,
    "compare-loss": compare_loss,
    "runs list": list_runs,
    "runs show": show_with_curves,
    "runs compare": compare_runs,
    "runs rm": remove,
    "sync": sync,
}

_HEAD = """\
# The JSON of the commands

With `--json` a command prints one JSON document to stdout. This page is generated from the results of the
services by `python -m tools.json_reference`: change the dataclass, not the page.

NaN and infinity become `null`. A later version may add a key; none is renamed or removed. `evaluate` prints
one object for one run and a list for several.
"""

_WORDS = {
    str: "text",
    int: "integer",
    float: "number",
    bool: "true or false",
    Path: "path",
    type(None): "null",
}


def reference() -> str:
    """Return the page."""
    parts = [_HEAD]
    types_: dict[type, None] = {}
    parts.append("| command | prints |\n| --- | --- |")
    rows = []
    for command, service in SERVICES.items():
        returned = typing.get_type_hints(service)["return"]
        rows.append(f"| `{command}` | {_word(_result(returned), types_)} |")
    parts[-1] += "\n" + "\n".join(rows) + "\n"
    done: set[type] = set()
    while waiting := [each for each in types_ if each not in done]:
        for each in waiting:
            parts += _section(each, types_)
            done.add(each)
    return "\n".join(parts)


def _result(hint: Any) -> Any:
    """Return what is printed of the value of a service: the result without its images."""
    arguments = typing.get_args(hint)
    return arguments[0] if getattr(typing.get_origin(hint), "__name__", "") == "Illustrated" else hint


def _section(result: type, types_: dict[type, None]) -> Iterator[str]:
    about = inspect.cleandoc(result.__doc__ or "").split("\n\n")[0].replace("\n", " ")
    texts = _descriptions(result)
    hints = typing.get_type_hints(result)
    rows = [
        f"| `{field.name}` | {_word(hints[field.name], types_)} | {texts.get(field.name, '')} |"
        for field in fields(result)
    ]
    yield "\n".join(
        [f"## {result.__name__}\n", f"{about}\n", "| key | value | |", "| --- | --- | --- |", *rows, ""]
    )


def _descriptions(result: type) -> dict[str, str]:
    """Return the text below each field, those of its base classes too."""
    found: dict[str, str] = {}
    for each in reversed(result.__mro__):
        if not is_dataclass(each):
            continue
        (definition,) = ast.parse(textwrap.dedent(inspect.getsource(each))).body
        assert isinstance(definition, ast.ClassDef)
        for field, text in zip(definition.body, definition.body[1:]):
            if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr):
                assert isinstance(field.target, ast.Name)
                assert isinstance(text.value, ast.Constant)
                found[field.target.id] = " ".join(str(text.value.value).split())
    return found


def _word(hint: Any, types_: dict[type, None]) -> str:
    """Return a type in words; ``types_`` receives the dataclasses in it."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_word(each, types_) for each in arguments)
    if origin in (list, tuple):
        return f"list of {_word(arguments[0], types_)}"
    if origin in (dict, Mapping):
        return "object" if arguments[1] is Any else f"object of {_word(arguments[1], types_)}"
    if origin is typing.Literal:
        return "text"
    if is_dataclass(hint) and isinstance(hint, type):
        types_[hint] = None
        return f"[{hint.__name__}](#{hint.__name__.lower()})"
    return "any value" if hint is Any else _WORDS[hint]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="only say whether the page is up to date")
    if not parser.parse_args().check:
        PAGE.write_text(reference(), "utf-8")
        return 0
    if PAGE.exists() and PAGE.read_text("utf-8") == reference():
        return 0
    print("docs/json.md is stale: run python -m tools.json_reference", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
