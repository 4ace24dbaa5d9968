"""Named things and how to find them: the one place where a choice such as an optimizer gets its name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Generic, TypeVar, cast

from ffcli.util.suggest import unknown

T = TypeVar("T")
D = TypeVar("D")


def _key(name: str) -> str:
    """Return a name in the form in which names are compared."""
    return "".join(letter for letter in name.lower() if letter not in "-_" and not letter.isspace())


class Registry(Mapping[str, T], Generic[T]):
    """A mapping from names to things that is filled by a decorator where each thing is defined.

    Look-ups ignore case, hyphens, underscores and spaces, and know aliases. Iteration gives the first names
    only, in the order of definition.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._items: dict[str, T] = {}
        self._names: dict[str, str] = {}
        self._aliases: dict[str, list[str]] = {}

    def register(self, name: str, *aliases: str) -> Callable[[D], D]:
        """Return a decorator that files what it decorates under ``name`` and its ``aliases``."""

        def add(item: D) -> D:
            for key in map(_key, (name, *aliases)):
                if key in self._names:
                    raise ValueError(f"the {self.kind} '{key}' is registered twice")
                self._names[key] = name
            self._items[name] = cast(T, item)
            self._aliases[name] = list(aliases)
            return item

        return add

    def canonical(self, name: str) -> str:
        """Return the first name of ``name``. Raises ValueError where there is none."""
        try:
            return self._names[_key(name)]
        except KeyError:
            raise ValueError(unknown(self.kind, name, self)) from None

    def aliases(self, name: str) -> list[str]:
        """Return the other names of ``name``."""
        return list(self._aliases[name])

    def __getitem__(self, name: str) -> T:
        return self._items[self.canonical(name)]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and _key(name) in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)
