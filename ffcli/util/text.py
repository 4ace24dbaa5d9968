"""Counts and percentages as text."""

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
