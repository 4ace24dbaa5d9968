"""The parameters of a sweep file and the fields that they stand for, groups flattened."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ffcli.config import FIELDS, NAMES
from ffcli.errors import RequestError, UnknownNameError, UnknownParameterError
from ffcli.sweeping.spec.document import Section

_DEEPEST = 20  # groups within groups
_NAMING = ("name", "type", "kind", "method")  # leaves of a group that stand for the group itself


@dataclass(frozen=True)
class Leaf:
    """A parameter of the file: its ``path`` below parameters, such as optimizer.lr, and its section."""

    path: str
    section: Section


@dataclass(frozen=True)
class Leaves:
    """The parameters by the fields that they stand for, and the paths of those that are ``left_out``."""

    by_field: Mapping[str, Leaf]
    left_out: tuple[str, ...]

    def translated(self) -> dict[str, str]:
        """Return the fields of the parameters that have another name in the file."""
        return {leaf.path: field for field, leaf in self.by_field.items() if leaf.path != field}


def read_leaves(section: Section) -> Leaves:
    """Return the parameters of a sweep file.

    A constant outside groups that no hyper-parameter resembles is left out. Raises RequestError for every
    other name that is not known, and for a field that is given twice.
    """
    leaves = {leaf.path: leaf for leaf in _flattened(section, "", 0)}
    try:
        fields = NAMES.resolve([_name(path) for path in leaves])
    except RequestError as error:
        raise RequestError(f"{section.place()}: {error}") from None
    by_field: dict[str, Leaf] = {}
    strange: list[Leaf] = []
    for path, leaf in leaves.items():
        field = fields[_name(path)]
        if field is None:
            strange.append(leaf)
            continue
        field = "hidden_size" if field == "num_layers" and _is_of_lists(leaf.section) else field
        if field in by_field:
            section.refuse(f"{field} is given twice, as {by_field[field].path} and as {path}; leave one out")
        by_field[field] = leaf
    left_out = [leaf for leaf in strange if "." not in leaf.path and _means_nothing(leaf)]
    if unknown := [leaf for leaf in strange if leaf not in left_out]:
        raise _unknown(unknown)
    return Leaves(by_field, tuple(leaf.path for leaf in left_out))


def _flattened(section: Section, group: str, depth: int) -> Iterator[Leaf]:
    for key in section.names():
        path = f"{group}.{key}" if group else key
        if not isinstance(section.values[key], dict):
            section.wrong(key, "a mapping such as {value: …}, {values: […]} or {min: …, max: …}")
        inner = section.section(key)
        if "parameters" not in inner:
            yield Leaf(path, inner)
        elif depth >= _DEEPEST:
            section.refuse("its groups are nested too deeply", key)
        else:
            yield from _flattened(inner.section("parameters"), path, depth + 1)


def _name(path: str) -> str:
    """Return the name by which a leaf is looked up.

    That of a group is its own (lr), with the group's (hidden.size) or, for optimizer.name, the group's alone.
    """
    *groups, own = path.split(".")
    if not groups or path in FIELDS:
        return path
    candidates = [f"{groups[-1]}_{own}", groups[-1] if own.lower() in _NAMING else own]
    return next((name for name in candidates if NAMES.field(name) is not None), candidates[-1])


def _is_of_lists(section: Section) -> bool:
    """Whether the values are lists of sizes, as in hidden_layers: {values: [[64, 64], [32]]}."""
    values = section.values.get("values", [section.values.get("value")])
    return isinstance(values, list) and any(_is_list(value) for value in values)


def _is_list(value: Any) -> bool:
    return isinstance(value, list) or (isinstance(value, str) and ("," in value or value.lstrip()[:1] == "["))


def _means_nothing(leaf: Leaf) -> bool:
    """Whether a parameter that is not known is a constant whose name resembles none that is."""
    given = leaf.section.values
    values = given.get("values", [given["value"]] if "value" in given else None)
    is_constant = isinstance(values, list) and len(values) > 0 and all(value == values[0] for value in values)
    return is_constant and not NAMES.meant(leaf.path)


def _unknown(leaves: list[Leaf]) -> UnknownNameError:
    first = leaves[0]
    return NAMES.unknown([leaf.path for leaf in leaves], f"{first.section.place()}: ", UnknownParameterError)
