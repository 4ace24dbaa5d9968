"""Registries: mappings from names and aliases to choices such as optimizers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Generic, TypeVar, cast

from ffcli.util.suggest import closest, compact, unknown

T = TypeVar("T")
D = TypeVar("D")


class Registry(Mapping[str, T], Generic[T]):
    """A mapping from names to things that is filled by a decorator where each thing is defined.

    Look-ups ignore case, spaces, hyphens and underscores, and know aliases. Iteration gives the first names
    only, in the order of definition.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._items: dict[str, T] = {}
        self._names: dict[str, str] = {}
        self._spelled: dict[str, str] = {}

    def register(self, name: str, *aliases: str) -> Callable[[D], D]:
        """Return a decorator that files what it decorates under ``name`` and its ``aliases``."""

        def add(item: D) -> D:
            for spelling in (name, *aliases):
                if compact(spelling) in self._names:
                    raise ValueError(f"the {self.kind} '{spelling}' is registered twice")
                self._names[compact(spelling)] = name
                self._spelled[spelling] = name
            self._items[name] = cast(T, item)
            return item

        return add

    def canonical(self, name: str) -> str:
        """Return the first name of ``name``. Raises ValueError where there is none."""
        try:
            return self._names[compact(name)]
        except KeyError:
            raise ValueError(unknown(self.kind, name, self, closest(name, self._spelled))) from None

    def aliases(self, name: str) -> list[str]:
        """Return the other names of ``name``."""
        return [alias for alias, first in self._spelled.items() if first == name and alias != name]

    def __getitem__(self, name: str) -> T:
        return self._items[self.canonical(name)]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and compact(name) in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)
