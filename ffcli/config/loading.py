"""Merging and validation of settings from flags, files, recipes and sweeps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ffcli.config.explain import expected
from ffcli.config.fields import read_sizes
from ffcli.config.train_config import FIELDS, NAMES, TrainConfig
from ffcli.errors import InvalidValueError


def allowed(name: str) -> str:
    """Say in words what the field takes: "a number > 0", "sgd, momentum, …"."""
    return expected(name, FIELDS)


def merge(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Lay settings over one another, the last on top. Raises RequestError for an unknown name.

    ``num_layers`` follows from a list of sizes in the same layer; a list on top takes the ``num_layers``
    below with it, and a ``num_layers`` on top turns a list of equal sizes below into that size.
    """
    merged: dict[str, Any] = {}
    for layer in map(NAMES.by_field, layers):
        sizes = read_sizes(layer.get("hidden_size"))
        if isinstance(sizes, tuple):
            merged["num_layers"] = len(sizes)
        elif "num_layers" in layer:
            below = read_sizes(merged.get("hidden_size"))
            if isinstance(below, tuple) and len(set(below)) == 1:
                merged["hidden_size"] = below[0]
        merged.update(layer)
    return merged


def validate(values: Mapping[str, Any], label: Callable[[str], str] = str) -> TrainConfig:
    """Return the configuration.

    Raises RequestError for an unknown name, and for the first bad value, whose field it names by ``label``.
    """
    try:
        return TrainConfig(**NAMES.by_field(values))
    except InvalidValueError as error:
        raise error.named(label) from None
