"""Named things and how to find them: the one place where a choice such as an optimizer gets its name."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Generic, TypeVar, cast

T = TypeVar("T")
D = TypeVar("D")


def nearest(word: str, options: Iterable[str]) -> str | None:
    """Return the one option that begins with ``word``, or the most alike; None where nothing comes close."""
    by_key = {_key(option): option for option in options}
    begun = [option for key, option in by_key.items() if len(_key(word)) > 2 and key.startswith(_key(word))]
    if len(begun) == 1:
        return begun[0]
    matches = difflib.get_close_matches(_key(word), by_key, n=1, cutoff=0.6)
    return by_key[matches[0]] if matches else None


def question(*meant: str | None) -> str:
    """Return a question after what may be meant, with a space before it; nothing where nothing may."""
    words = " or ".join(f"'{word}'" for word in meant if word)
    return f" Did you mean {words}?" if words else ""


def unknown(kind: str, word: object, options: Iterable[str], meant: Iterable[str] | None = None) -> str:
    """Say that ``word`` is no ``kind``, what is ``meant`` (else the nearest match), and what is allowed."""
    options = list(options)
    text = str(word)
    did_you_mean = question(*([nearest(text, options)] if meant is None else meant))
    text = " ".join(text.split("\n"))  # a message is one line, whatever a file holds
    text = text if len(text) <= 80 else text[:77] + "..."
    return f"'{text}' is not a known {kind}.{did_you_mean} Choose one of {', '.join(options)}."


def _key(name: str) -> str:
    return name.strip().lower().replace("-", "_")


class Registry(Mapping[str, T], Generic[T]):
    """A mapping from names to things that is filled by a decorator where each thing is defined.

    Look-ups ignore case, take hyphens for underscores, and know aliases. Iteration gives the
    first names only, in the order of definition.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._items: dict[str, T] = {}
        self._names: dict[str, str] = {}

    def register(self, name: str, *aliases: str) -> Callable[[D], D]:
        """Return a decorator that files what it decorates under ``name`` and its ``aliases``."""

        def add(item: D) -> D:
            for key in map(_key, (name, *aliases)):
                if key in self._names:
                    raise ValueError(f"the {self.kind} '{key}' is registered twice")
                self._names[key] = name
            self._items[name] = cast(T, item)
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
        return [alias for alias, first in self._names.items() if first == name and alias != name]

    def __getitem__(self, name: str) -> T:
        return self._items[self.canonical(name)]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and _key(name) in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)
