"""Counts, percentages and what may be printed as text."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """Return "1 run" or "2,000 runs"; ``plural`` is what more than one are called, by default with an s."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


def are(number: int) -> str:
    """Return the verb for so many things."""
    return "is" if number == 1 else "are"


def percentage(fraction: float, digits: int = 0) -> str:
    """Return a fraction as a percentage, rounded half up as people do: 0.125 is 13%, 0.145 is 15%."""
    exact = Decimal(repr(float(fraction))) * 100
    return f"{exact.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)}%"


def value_text(value: object) -> str:
    """Return a value as text: a list of sizes with commas, a number with at most six digits."""
    if isinstance(value, float):
        return f"{value:g}"
    return ",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def plain(text: object) -> str:
    """Return ``text`` with every character that is not printable written as an escape.

    A terminal then obeys nothing that a run's name or a file's path may hold.
    """
    text = str(text)
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text
    )
