"""Counts in words: one run, two runs."""

from __future__ import annotations


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """Return "1 worker" or "2 workers"; ``plural`` is what more than one are called, by default with an s."""
    return f"{number} {noun if number == 1 else plural or f'{noun}s'}"


def are(number: int) -> str:
    """Return the verb for so many things."""
    return "is" if number == 1 else "are"
