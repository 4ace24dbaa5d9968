"""Descriptions of the values that a field takes, and errors for values that it refuses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from ffcli.config.fields import MOST_UNITS, Choice, PrecisionError, metadata
from ffcli.config.names import Fields
from ffcli.errors import InvalidValueError
from ffcli.util.safe_read import shown

_BOUNDS = ("gt", "ge", "lt", "le")


def expected(name: str, fields: Fields) -> str:
    """Say in words what a field takes: "a number > 0", "one of sgd, momentum, …"."""
    info = fields[name]
    choice = metadata(info, Choice)
    if choice is not None:
        return ", ".join(choice.registry)
    if name == "hidden_size":
        return f"an integer in [1, {MOST_UNITS}] or a list of them such as 128,64"
    if name in ("dataset", "augment", "fold"):
        return str(info.description).partition(": ")[2]
    if info.annotation is bool:
        return "true or false"
    return _number(info)


def _number(info: FieldInfo) -> str:
    noun = "a number" if "float" in str(info.annotation) else "an integer"
    bounds = {name: getattr(item, name) for item in info.metadata for name in _BOUNDS if hasattr(item, name)}
    low = next((f"{sign}{bounds[name]}" for name, sign in (("gt", "("), ("ge", "[")) if name in bounds), None)
    high = next(
        (f"{bounds[name]}{sign}" for name, sign in (("lt", ")"), ("le", "]")) if name in bounds), None
    )
    if low is not None and high is not None:
        return f"{noun} in {low}, {high}"
    return noun if low is None else f"{noun} {'>' if 'gt' in bounds else '≥'} {low[1:]}"


def explained(invalid: ValidationError, values: Mapping[str, Any], fields: Fields) -> InvalidValueError:
    """Return the first of the mistakes that pydantic has found in ``values`` as an error of one line."""
    error = invalid.errors()[0]
    reason = error.get("ctx", {}).get("error")
    if not error["loc"]:  # of the model as a whole: num_layers against hidden_size
        assert isinstance(reason, ValueError)
        return InvalidValueError(*reason.args)
    name = str(error["loc"][0])
    if (
        reason
        and not isinstance(reason, PrecisionError)
        and (metadata(fields[name], Choice) or name == "dataset")
    ):
        return InvalidValueError("", name, f": {reason}")
    because = f": {reason}" if isinstance(reason, PrecisionError) else ""
    return InvalidValueError(
        "", name, f" must be {expected(name, fields)}, got {shown(values[name]) or 'nothing'}{because}."
    )
