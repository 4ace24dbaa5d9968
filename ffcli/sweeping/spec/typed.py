"""Sweeps typed as words, such as ``lr=1e-3,1e-4 optimizer=adam``: the mapping that a file would hold."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

from ffcli.errors import RequestError
from ffcli.util.safe_read import parse_yaml, shown

_RANGE = re.compile(r"([^\s,:]+)\.\.([^\s,:]+?)(:log)?")
_FORMS = "expected NAME=VALUE,VALUE, NAME=LOW..HIGH or NAME=LOW..HIGH:log"
_MOST_STEPS = 10_000


def typed_sweep(words: Sequence[str], method: str | None = None) -> dict[str, Any]:
    """Return a sweep by val_acc of words NAME=VALUES.

    - ``lr=1e-3,1e-4``: these values, each written as in YAML: ``hidden_size=[128,64],[64]``.
    - ``dropout=0..0.5``: a number in between; whole where both bounds are.
    - ``lr=1e-4..1e-1:log``: the same, uniform in its logarithm. A grid takes powers instead: each value is
      twice the one before where both bounds are whole, else ten times.

    ``method`` is grid where it is None and all are lists of values, else random.

    Raises RequestError, whose parameter is ``set``, for words of another form; names and values are checked
    where the sweep is read.
    """
    given = dict(_pairs(words))
    ranges = {name: _RANGE.fullmatch(text) for name, text in given.items()}
    if method is None:
        method = "random" if any(ranges.values()) else "grid"
    parameters = {
        name: _range(name, found, is_grid=method.lower() == "grid")
        if found
        else {"values": _values(name, given[name])}
        for name, found in ranges.items()
    }
    metric = {"name": "val_acc", "goal": "maximize"}
    return {"method": method, "metric": metric, "parameters": parameters}


def _pairs(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    seen = set()
    for word in words:
        name, equals, text = (part.strip() for part in word.partition("="))
        if not (name and equals and text):
            raise _refusal(f"{_FORMS}, got {shown(word)}")
        if name in seen:
            raise _refusal(f"{shown(name)} is given twice: list its values, as in {name}=1,2")
        seen.add(name)
        yield name, text


def _values(name: str, text: str) -> list[Any]:
    try:
        values = parse_yaml(f"[{text}]")
    except ValueError as error:
        raise _refusal(f"{shown(name)}: {error}") from None
    if not isinstance(values, list) or any(value is None or isinstance(value, dict) for value in values):
        raise _refusal(f"{shown(name)}: {_FORMS}, got {shown(text)}")
    return values


def _range(name: str, found: re.Match[str], *, is_grid: bool) -> dict[str, Any]:
    low, high = (_number(name, text) for text in found.groups()[:2])
    if low >= high:
        raise _refusal(f"{shown(name)}: {low} is not less than {high}")
    is_whole = isinstance(low, int) and isinstance(high, int)
    if not found[3]:
        return {"min": low, "max": high}
    if low <= 0:
        raise _refusal(f"{shown(name)}: a range with :log must begin above 0, got {low}")
    if is_grid:
        return {"values": list(_powers(low, high, 2 if is_whole else 10))}
    return {"distribution": f"{'q_' * is_whole}log_uniform_values", "min": low, "max": high}


def _number(name: str, text: str) -> int | float:
    try:
        value = parse_yaml(text)
    except ValueError:
        value = None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < 1e300:
        raise _refusal(f"{shown(name)}: the bounds of a range must be numbers, got {shown(text)}")
    return value


def _powers(low: int | float, high: int | float, factor: int) -> Iterator[int | float]:
    """Yield low, low·factor, … up to high, in whose last digits single factors may differ."""
    for power in range(_MOST_STEPS):
        value = low * factor**power if isinstance(low, int) else float(Decimal(repr(low)).scaleb(power))
        if value > high * (1 + 1e-9):
            return
        yield value if isinstance(low, int) else float(f"{value:.12g}")


def _refusal(message: str) -> RequestError:
    return RequestError(message, parameter="set")
