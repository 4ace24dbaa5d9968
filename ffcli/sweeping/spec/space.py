"""The space of a sweep: its parameters under the fields' names, each value checked against TrainConfig."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ffcli.config import allowed, fields_of, validate
from ffcli.errors import RequestError
from ffcli.sweeping.spec.distributions import Categorical, Distribution
from ffcli.sweeping.spec.document import Section
from ffcli.sweeping.spec.parameters import read_distribution
from ffcli.util.safe_read import shown
from ffcli.util.text import counted


@dataclass(frozen=True)
class Parameter:
    """A searched hyper-parameter: its distribution, and what the file itself calls it and its values."""

    key: str
    distribution: Distribution
    given: tuple[Any, ...] = ()  # the choices as the file has them, in the same order

    def as_given(self, value: Any) -> Any:
        """Return the file's own word for a canonical value."""
        choices = self.distribution.choices
        return self.given[choices.index(value)] if value in choices else value


def read_space(section: Section, *, grid: bool) -> dict[str, Parameter]:
    """Return the parameters by field, in the file's order.

    Raises RequestError for an unknown name, a name given twice, a value that its field refuses, values that
    mean the same, layers that contradict each other, and for what W&B's ``grid`` cannot walk through.
    """
    space: dict[str, Parameter] = {}
    for key, field in fields_of(section.names(), lambda key: f"{section.place(key)}: ").items():
        if field in space:
            section.refuse(f"{field} is given twice, also as {space[field].key}", key)
        if not isinstance(section.values[key], dict):
            section.wrong(key, "a mapping such as {value: …}, {values: […]} or {min: …, max: …}")
        space[field] = _parameter(section.section(key), key, field, grid)
    if not space:
        section.refuse("there is no parameter to search")
    _same_layers(section, space)
    return space


def _parameter(section: Section, key: str, field: str, grid: bool) -> Parameter:
    distribution = read_distribution(section)
    if grid:
        walk = distribution.on_grid()
        if walk is None:
            section.refuse(
                f"method grid cannot walk through {distribution.kind}",
                hint="As at W&B, it takes value, values (without probabilities), int_uniform and q_uniform.",
            )
        distribution = walk
    if _is_integer(field):
        distribution = distribution.in_integers()
    checked = [_check(section, field, place, value, distribution) for place, value in distribution.probes()]
    if not isinstance(distribution, Categorical):
        # Of very large or finely quantized numbers the probes may be integers and others not.
        if _is_integer(field) and not distribution.is_whole:
            section.refuse(
                f"not all that {distribution.kind} gives is allowed; give {allowed(field)}",
                hint=_hint(distribution, field),
            )
        return Parameter(key, distribution)
    for index, value in enumerate(checked):
        if value in checked[:index]:
            first = checked.index(value)
            one, other = (shown(distribution.choices[at]) for at in (index, first))
            section.refuse(
                f"{one} is the same as {other} in values[{first}]; leave one out",
                f"values[{index}]",
                hint="To have a value drawn more often than others, give probabilities.",
            )
    possible = [
        index
        for index in range(len(checked))
        if not distribution.probabilities or distribution.probabilities[index]
    ]
    return Parameter(
        key,
        replace(
            distribution,
            choices=tuple(checked[index] for index in possible),
            probabilities=tuple(
                distribution.probabilities[index] for index in possible if distribution.probabilities
            ),
        ),
        given=tuple(distribution.choices[index] for index in possible),
    )


def _check(section: Section, field: str, place: str, value: Any, distribution: Distribution) -> Any:
    """Return the canonical form of a value of the field."""
    name = section.place(place)
    try:
        return getattr(validate({field: value}, lambda _: name), field)
    except RequestError as error:
        raise RequestError(str(error), hint=_hint(distribution, field)) from None
    except OSError as error:  # a dataset's path that the system cannot even look up
        raise RequestError(f"{name}: {shown(value)} is not allowed: {error.strerror}.") from None


def _hint(distribution: Distribution, field: str) -> str | None:
    if isinstance(distribution, Categorical):
        return None
    hint = f"{distribution.kind} gives {distribution.describe()} here."
    if "log_uniform" in distribution.kind and not distribution.kind.endswith("_values"):
        hint += f" It takes natural logarithms; {distribution.kind}_values takes the numbers themselves."
    elif _is_integer(field) and not distribution.is_whole:
        hint += " int_uniform and the q_ distributions with an integer q give integers."
    return hint


def _is_integer(field: str) -> bool:
    return "integer" in allowed(field)


def _same_layers(section: Section, space: Mapping[str, Parameter]) -> None:
    """Refuse numbers of layers that some list of sizes does not have, for any two values can meet."""
    if "num_layers" not in space or "hidden_size" not in space:
        return
    lists = [size for size in space["hidden_size"].distribution.choices if isinstance(size, tuple)]
    layers = space["num_layers"].distribution
    for sizes in lists:
        if layers.size != 1 or next(layers.values()) != len(sizes):
            listed = ",".join(map(str, sizes))
            section.refuse(
                f"hidden_size {listed} makes {counted(len(sizes), 'hidden layer')} and "
                f"contradicts {layers.describe()}; leave one of the two out",
                space["num_layers"].key,
            )
