"""Parsing of the values of options that are not hyper-parameters."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from datetime import timedelta

from ffcli.cli.output import refuse
from ffcli.util.suggest import unknown


def integer(label: str, text: str | None, least: int | None = None, most: int | None = None) -> int | None:
    """Return ``text`` as an integer, None for None. Raises RequestError that names ``label``."""
    if text is None:
        return None
    try:
        value = int(text)
    except ValueError:
        value = None
    if value is None or (least is not None and value < least) or (most is not None and value > most):
        bounds = [f" ≥ {least}"] * (least is not None) + [f" ≤ {most}"] * (most is not None)
        refuse(f"{label} must be an integer{' and'.join(bounds)}, got {text}.")
    return value


_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def age(label: str, text: str | None) -> timedelta | None:
    """Return ``30d`` and the like as a span, None for None. Raises RequestError that names ``label``."""
    if text is None:
        return None
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smhdw])\s*", text, re.ASCII | re.IGNORECASE)
    span = None
    with suppress(OverflowError):
        span = match and timedelta(**{_UNITS[match[2].lower()]: float(match[1])})
    if span is None:
        refuse(f"{label} must be a time such as 30d (s, m, h, d, w: seconds to weeks), got {text}.")
    return span


def one_of(label: str, word: str, options: Iterable[str]) -> str:
    """Return the option that ``word`` names in any case. Raises RequestError that names ``label``."""
    options = list(options)
    if word.lower() not in options:
        refuse(f"{label}: {unknown('value', word, options)}")
    return word.lower()
