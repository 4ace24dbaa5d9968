"""Sweeps in Python scripts and notebooks: the dict that ``wandb.sweep`` gets. Nothing is run."""

from __future__ import annotations

import ast
import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ffcli.errors import RequestError, SeveralSweepsError
from ffcli.sweeping.spec.document import read_sweep
from ffcli.sweeping.spec.literals import Found, Opaque, Program, plain
from ffcli.util.safe_read import parse_json, shown
from ffcli.util.suggest import compact

SUFFIXES = (".py", ".ipynb")
_MOST_COMPARED = 20  # sweeps whose contents are compared
_MOST_BYTES = (1 << 20, 1 << 25)  # of a script, of a notebook, which holds its figures


def read_script(path: Path, choose: str | None = None) -> dict[str, Any]:
    """Return the sweep of a script or notebook as a mapping.

    It is what a function named sweep gets; without such a call, a dict that has ``method``, ``parameters``.
    ``choose`` is the name of the variable or function, the sweep's own name, or a line number.

    Raises:
        SeveralSweepsError: there are several, and ``choose`` names none or is not given.
        RequestError: there is none, or it is not a literal.
    """
    notebook = path.suffix.lower() == ".ipynb"
    text = read_sweep(path, _MOST_BYTES[notebook])
    program = Program()
    try:
        for where, body in _cells(text) if notebook else [("", _parsed(text))]:
            program.follow(body, where)
        found = _chosen(program, choose, str(path))
        document: dict[str, Any] = plain(_without_computed_texts(found.value))
    except ValueError as error:
        raise RequestError(f"{path}: {error}.", hint=_HINT) from None
    except RecursionError:
        raise RequestError(f"{path}: it is nested too deeply.") from None
    for key in ("entity", "project"):
        given = (found.keywords or {}).get(key)
        if isinstance(given, str):
            document.setdefault(key, given)
    return document


def _without_computed_texts(sweep: dict[Any, Any]) -> dict[Any, Any]:
    """Return a sweep without names and the like that the script computes: nothing depends on them."""
    return {key: value for key, value in sweep.items() if key not in _TEXTS or not isinstance(value, Opaque)}


_TEXTS = ("name", "description", "project", "entity", "program", "command")
_HINT = "A sweep is read without running anything: write its dict out, with numbers, words and lists."


def _cells(text: str) -> Iterator[tuple[str, list[ast.stmt]]]:
    """Yield the statements of each code cell of a notebook. A cell that is no Python is left out."""
    try:
        notebook = parse_json(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"this is not a notebook: {error}") from None
    cells = notebook.get("cells") if isinstance(notebook, dict) else None
    if not isinstance(cells, list):
        raise ValueError("this is not a notebook: it has no cells")
    for number, cell in enumerate(cells, 1):
        if isinstance(cell, dict) and cell.get("cell_type") == "code":
            source = cell.get("source")
            lines = "".join(map(str, source)) if isinstance(source, list) else str(source or "")
            try:
                yield f"cell {number}, ", _parsed(_without_magics(lines))
            except ValueError:  # another language, or unfinished
                continue


def _without_magics(source: str) -> str:
    """Return a cell without the lines that IPython takes for itself; their number stays the same."""
    lines = source.split("\n")
    if lines[0].startswith("%%") and not lines[0].startswith(("%%time", "%%capture", "%%wandb")):
        return ""  # another language
    for index, line in enumerate(lines):
        bare = line.strip()
        if bare.startswith(("%", "!", "?")) or bare.endswith("?"):
            lines[index] = line[: len(line) - len(line.lstrip())] + "pass"
    return "\n".join(lines)


def _parsed(text: str) -> list[ast.stmt]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of escapes in the user's strings
            return ast.parse(text).body
    except SyntaxError as error:
        raise ValueError(f"line {error.lineno}: this is not Python: {error.msg}") from None
    except MemoryError:  # the parser's stack, not the machine's
        raise ValueError("it is nested too deeply") from None


def _chosen(program: Program, choose: str | None, source: str) -> Found:
    called = [call for call in program.calls if isinstance(call.value, dict)]
    handed = {id(call.value) for call in called}
    alike = [found for found in program.assigned if _is_sweep(found.value) and id(found.value) not in handed]
    sweeps = called or alike
    if choose is not None:
        sweeps = [found for found in (*called, *alike) if _is_called(found, choose)]
        if not sweeps and (called or alike):
            raise _several([*called, *alike], f"{source}: '{shown(choose)}' is none of its sweeps")
    distinct = _distinct(sweeps)
    if len(distinct) > 1:
        raise _several(distinct, f"{source}: it holds {len(distinct)} sweeps")
    if distinct:
        return distinct[0]
    if program.calls:
        raise ValueError(f"{program.calls[0].line}: the argument of sweep is not a literal dict")
    raise ValueError("no call of wandb.sweep is found in it, and no dict with method and parameters")


def _distinct(sweeps: list[Found]) -> list[Found]:
    """Return the sweeps without those that are the same dict, or hold the same, as one before them."""
    found = list({id(sweep.value): sweep for sweep in reversed(sweeps)}.values())[::-1]
    if len(found) > _MOST_COMPARED:
        return found
    seen: list[Any] = []
    kept = []
    for sweep in found:
        try:
            content = plain(sweep.value)
        except ValueError:  # it is not a literal, which is said where it is chosen
            content = sweep
        if content not in seen:
            seen.append(content)
            kept.append(sweep)
    return kept


def _is_called(found: Found, choose: str) -> bool:
    own = found.value.get("name")
    names = [found.name, own if isinstance(own, str) else ""]
    line = found.line.rpartition(" ")[2]
    return compact(choose) in map(compact, filter(None, names)) or choose.strip() in (line, found.line)


def _is_sweep(value: Any) -> bool:
    return isinstance(value, dict) and "parameters" in value and "method" in value


def _several(sweeps: list[Found], message: str) -> SeveralSweepsError:
    named = [f"{found.name or 'a dict'} ({found.line})" for found in sweeps]
    return SeveralSweepsError(f"{message}: {', '.join(named)}.")
