"""Settings from wherever they come: laid over one another, checked, or refused in one line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from ffcli.config.fields import Choice, Option, PrecisionError, read_sizes
from ffcli.config.train_config import FIELDS, TrainConfig, metadata
from ffcli.core.optimizers import OPTIMIZERS, hyperparameters
from ffcli.errors import RequestError
from ffcli.util.safe_read import shown
from ffcli.util.suggest import guesses, unknown

K = TypeVar("K")

_MOST_NAMED = 5  # names at once that are unknown beside the first


def field_name(name: str) -> str | None:
    """Return the field that ``name`` stands for: any case, hyphens or underscores, old names; else None."""
    key = name.strip().lower().replace("-", "_")
    for field, info in FIELDS.items():
        if key == field or key in metadata(info, Option).other_names:
            return field
    return None


def fields_of(names: Iterable[K], place: Callable[[K], str] = lambda _: "") -> dict[K, str]:
    """Return the field that each name stands for.

    Raises RequestError that says of every name that stands for none which field it may mean, and which there
    are; it begins with the ``place`` of the first.
    """
    found = {name: field_name(shown(name)) for name in names}
    strange = [name for name, field in found.items() if field is None]
    if strange:
        first, *more = map(shown, strange)
        message = place(strange[0]) + unknown("hyper-parameter", first, FIELDS, _meant(first))
        also = ", ".join(map(_with_guess, more[:_MOST_NAMED])) + " …" * (len(more) > _MOST_NAMED)
        raise RequestError(f"{message} Not known either: {also}." if more else message)
    return {name: field for name, field in found.items() if field is not None}


def _with_guess(name: str) -> str:
    meant = " or ".join(_meant(name))
    return f"'{name}' ({meant}?)" if meant else f"'{name}'"


def _meant(name: str) -> list[str]:
    """Return the fields that may be meant by a name that is none."""
    flags = [field for field, info in FIELDS.items() if f"-{name}" in metadata(info, Option).flags]
    meant = flags or guesses(name, [field.replace("_", "-") for field in FIELDS])
    return [each.replace("-", "_") for each in meant]


def allowed(name: str) -> str:
    """Say in words what the field takes: "a number > 0", "sgd, momentum, …"."""
    info = FIELDS[name]
    choice = metadata(info, Choice)
    if choice is not None:
        return ", ".join(choice.registry)
    if name == "hidden_size":
        return "one integer ≥ 1 or a list of them such as 128,64"
    if name == "dataset":
        return info.description or ""
    if name == "augment":
        return str(info.description).partition(": ")[2]
    if info.annotation is bool:
        return "true or false"
    return _allowed_numbers(info)


def _allowed_numbers(info: FieldInfo) -> str:
    noun = "a number" if "float" in str(info.annotation) else "an integer"
    bound = {type(item).__name__: item for item in info.metadata}
    low = getattr(bound.get("Gt"), "gt", None), getattr(bound.get("Ge"), "ge", None)
    high = getattr(bound.get("Lt"), "lt", None)
    if high is not None:
        return f"{noun} in {'(' if low[0] is not None else '['}{low[0] or low[1] or 0}, {high})"
    if low[0] is not None:
        return f"{noun} > {low[0]}"
    return noun if low[1] is None else f"{noun} ≥ {low[1]}"


def used_by(name: str) -> list[str]:
    """Return the optimizers that use the field, or an empty list where it is none of theirs."""
    return [optimizer for optimizer in OPTIMIZERS if name in hyperparameters(optimizer)]


def unused(config: TrainConfig, given: Iterable[str]) -> list[str]:
    """Return a notice for each of the ``given`` fields that has no effect under this configuration."""
    notices = []
    for name in given:
        users = used_by(name)
        if users and config.optimizer not in users:
            notices.append(f"{name} is not used by {config.optimizer} (only by {', '.join(users)})")
        elif config.num_layers == 0 and name in ("hidden_size", "activation"):
            notices.append(f"{name} is not used by a network without hidden layers")
    return notices


def merge(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Lay settings over one another, the last on top. Raises RequestError for an unknown key.

    ``num_layers`` follows from a list of sizes in the same layer; a list on top takes the ``num_layers``
    below with it, and a ``num_layers`` on top turns a list of equal sizes below into that size.
    """
    merged: dict[str, Any] = {}
    for layer in map(_by_field, layers):
        sizes = read_sizes(layer.get("hidden_size"))
        if isinstance(sizes, tuple):
            merged["num_layers"] = len(sizes)
        elif "num_layers" in layer:
            below = read_sizes(merged.get("hidden_size"))
            if isinstance(below, tuple) and len(set(below)) == 1:
                merged["hidden_size"] = below[0]
        merged.update(layer)
    return merged


def _by_field(values: Mapping[str, Any], label: Callable[[str], str] = str) -> dict[str, Any]:
    """Return the settings under the fields' own names."""
    known: dict[str, Any] = {}
    fields = fields_of(values)
    for key, value in values.items():
        name = fields[key]
        if name in known:
            raise RequestError(f"{label(name)} is given twice, as {name} and under another name.")
        known[name] = value
    return known


def validate(values: Mapping[str, Any], label: Callable[[str], str] = str) -> TrainConfig:
    """Return the configuration. Raises RequestError that names the first bad key by ``label(key)``."""
    known = _by_field(values, label)
    try:
        return TrainConfig.model_validate(known)
    except ValidationError as invalid:
        raise RequestError(_explain(invalid, known, label)) from None


def _explain(invalid: ValidationError, values: Mapping[str, Any], label: Callable[[str], str]) -> str:
    error = invalid.errors()[0]
    if not error["loc"]:  # of the model as a whole: num_layers against hidden_size
        text = str(error["ctx"]["error"])
        return text.replace("num_layers", label("num_layers")).replace("hidden_size", label("hidden_size"))
    name = str(error["loc"][0])
    value = values[name]
    reason = error.get("ctx", {}).get("error")
    if isinstance(reason, PrecisionError):
        return f"{label(name)}: {shown(value)} is not allowed: {reason}; give {allowed(name)}."
    if reason and (metadata(FIELDS[name], Choice) or name == "dataset"):
        return f"{label(name)}: {reason}"
    return f"{label(name)}: {shown(value)} is not allowed; give {allowed(name)}."
