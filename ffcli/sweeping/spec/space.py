"""The searched hyper-parameters of a sweep file: their distributions, checked against the fields they set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ffcli.config import allowed, validate
from ffcli.datasets import KNOWN
from ffcli.errors import RequestError
from ffcli.sweeping.spec.distributions import Categorical, Distribution
from ffcli.sweeping.spec.document import Section
from ffcli.sweeping.spec.leaves import Leaf
from ffcli.sweeping.spec.parameters import read_distribution
from ffcli.util.text import counted


@dataclass(frozen=True)
class Parameter:
    """A searched hyper-parameter.

    ``key`` is its path in the file, ``document`` the parameter as W&B takes it with canonical values, and
    ``repeated`` says that some value is listed more than once.
    """

    key: str
    distribution: Distribution
    document: Mapping[str, Any] = field(default_factory=dict)
    repeated: bool = False


def read_space(section: Section, leaves: Mapping[str, Leaf], *, grid: bool) -> dict[str, Parameter]:
    """Return the parameters by field, in the file's order.

    Raises RequestError for a value that its field refuses, layers that contradict each other, and for what
    W&B's ``grid`` cannot walk through.
    """
    space = {name: _parameter(leaf, name, grid) for name, leaf in leaves.items()}
    if not space:
        section.refuse("there is no parameter to search")
    _same_layers(section, space)
    return space


def _parameter(leaf: Leaf, name: str, grid: bool) -> Parameter:
    section = leaf.section
    distribution = read_distribution(section)
    if grid:
        walk = distribution.on_grid()
        if walk is None:
            section.refuse(
                f"method grid cannot walk through {distribution.kind}",
                hint="As at W&B, it takes value, values (without probabilities), int_uniform and q_uniform.",
            )
        distribution = walk
    if _is_integer(name):
        distribution = distribution.in_integers()
    checked = [_check(section, name, path, value, distribution) for path, value in distribution.probes()]
    if isinstance(distribution, Categorical):
        return _choices(leaf, name, distribution, checked, grid)
    # Of very large or finely quantized numbers the probes may be integers and others not.
    if _is_integer(name) and not distribution.is_whole:
        section.refuse(
            f"not all that {distribution.kind} gives is {allowed(name)}", hint=_hint(distribution, name)
        )
    return Parameter(leaf.path, distribution, dict(section.values))


def _choices(leaf: Leaf, name: str, listed: Categorical, values: list[Any], grid: bool) -> Parameter:
    """Return a parameter of choices. One that is listed twice counts double, in a grid once."""
    shares = listed.probabilities or (1 / len(values),) * len(values)
    weights: dict[Any, float] = {}
    for value, share in zip(values, shares):
        weights[value] = weights.get(value, 0.0) + share
    repeated = len(weights) < len(values)
    possible = {value: weight for value, weight in weights.items() if weight}
    weighted = len(possible) > 1 and (bool(listed.probabilities) or (repeated and not grid))
    document = dict(leaf.section.values)
    written = {value: _registered(name, value, given) for value, given in zip(values, listed.choices)}
    if "values" in document:
        document["values"] = [written[value] for value in (possible if grid else values)]
    elif "value" in document:
        document["value"] = written[values[0]]
    distribution = replace(
        listed, choices=tuple(possible), probabilities=tuple(possible.values()) if weighted else ()
    )
    return Parameter(leaf.path, distribution, document, repeated)


def _registered(name: str, value: Any, given: Any) -> Any:
    """Return a canonical value as W&B gets it.

    The path of a user's own dataset stays as the file has it: another machine that joins the sweep resolves
    it there, and the folders of this one stay private.
    """
    if name == "dataset" and value not in KNOWN:
        return str(given)
    return list(value) if isinstance(value, tuple) else value


def _check(section: Section, name: str, path: str, value: Any, distribution: Distribution) -> Any:
    """Return the canonical form of a value of the field."""
    place = section.place(path)
    try:
        return getattr(validate({name: value}, lambda _: place), name)
    except RequestError as error:
        raise RequestError(str(error), hint=_hint(distribution, name)) from None


def _hint(distribution: Distribution, name: str) -> str | None:
    if isinstance(distribution, Categorical):
        return None
    hint = f"{distribution.kind} gives {distribution.describe()} here."
    if "log_uniform" in distribution.kind and not distribution.kind.endswith("_values"):
        hint += f" It takes natural logarithms; {distribution.kind}_values takes the numbers themselves."
    elif _is_integer(name) and not distribution.is_whole:
        hint += " int_uniform and the q_ distributions with an integer q give integers."
    return hint


def _is_integer(name: str) -> bool:
    return "integer" in allowed(name)


def _same_layers(section: Section, space: Mapping[str, Parameter]) -> None:
    """Refuse numbers of layers that some list of sizes does not have, for any two values can meet."""
    if "num_layers" not in space or "hidden_size" not in space:
        return
    lists = [size for size in space["hidden_size"].distribution.choices if isinstance(size, tuple)]
    layers = space["num_layers"].distribution
    for sizes in lists:
        if layers.size != 1 or layers.value(0) != len(sizes):
            listed = ",".join(map(str, sizes))
            section.refuse(
                f"hidden_size {listed} makes {counted(len(sizes), 'hidden layer')} and "
                f"contradicts {layers.describe()}; leave one of the two out",
                space["num_layers"].key,
            )
