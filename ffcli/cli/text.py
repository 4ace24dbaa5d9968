"""Text from files and users made safe to print."""

from __future__ import annotations

import math
from typing import Literal

from ffcli.util.text import plain as plain  # noqa: PLC0414


def plain_lines(text: object) -> str:
    """Return a text of several lines with each as `plain` has it."""
    return "\n".join(map(plain, str(text).split("\n")))


def number(value: float | None, digits: int = 4, *, sign: Literal["-", "+"] = "-") -> str:
    """Return a number with ``digits`` decimals, a dash for None, and no sign of less than one half decimal.

    With ``sign`` "+" a number ≥ 0 has one, too.
    """
    if value is None:
        return "–"
    if abs(value) >= 10**digits and math.isfinite(value):
        return f"{value:{sign}.3e}"
    return f"{round(value, digits) + 0.0 if math.isfinite(value) else value:{sign}.{digits}f}"


def size(n_bytes: int) -> str:
    """Return a number of bytes as ``812 B``, ``4.1 kB``, ``37 MB``: of a thousand each."""
    amount = float(n_bytes)
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if amount < 999.5 or unit == "TB":
            break
        amount /= 1000
    return f"{amount:.1f} {unit}" if amount < 9.95 and unit != "B" else f"{amount:.0f} {unit}"


def roughly(seconds: float) -> str:
    """Return an estimate of two digits at most: ``1.2 s``, ``45 s``, ``8 min``, ``2.5 h``, ``12 days``."""
    for unit, least in (("days", 2 * 86400), ("h", 2 * 3600), ("min", 100)):
        if seconds >= least:
            seconds /= {"days": 86400, "h": 3600, "min": 60}[unit]
            return f"{seconds:.1f} {unit}".replace(".0 ", " ") if seconds < 10 else f"{seconds:.0f} {unit}"
    return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"


def duration(seconds: float | None) -> str:
    """Return seconds as ``9.5 s``, ``3 min 05 s`` or ``2 h 05 min``; a dash for None."""
    if seconds is None or not math.isfinite(seconds):
        return "–"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"
