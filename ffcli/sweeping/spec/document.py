"""A sweep file as plain data: read, bounded in size, and taken apart with the path of everything in it."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from ffcli.datasets.base import BrokenDataError
from ffcli.datasets.files import file_at, head
from ffcli.datasets.kinds import JSON, TABLES, TEXT, kind_of
from ffcli.errors import RequestError, UnknownNameError
from ffcli.util.safe_read import YAML_BYTES, mapping, parse_yaml, read_text, shown

_LARGEST = 1 << 63  # beyond it an integer fits neither a database nor exact arithmetic in floats


def read_sweep(path: Path, most: int = YAML_BYTES) -> str:
    """Return the text of a sweep file. Raises RequestError where there is none of at most so many bytes."""
    _refuse_data(path.expanduser())
    try:
        return read_text(path, "sweep file", most)
    except ValueError as error:
        raise RequestError(f"{path}: {error}.") from None


def _refuse_data(path: Path) -> None:
    """Refuse a file that is no sweep but data, a picture or a page; what cannot be read is left to others."""
    try:
        kind = kind_of(head(file_at(path)))
    except (OSError, BrokenDataError):
        return
    what = "a table of data" if kind is TEXT and path.name.lower().endswith(TABLES) else kind.what
    if what not in (TEXT.what, JSON.what) and (kind.name or kind.advice):
        raise RequestError(
            f"{path}: expected a sweep (YAML, JSON, a script or a notebook), got {what}.",
            hint="A sweep names its data as a parameter, as in dataset: {value: data.csv}.",
        )


def parse(text: str, source: str) -> dict[Any, Any]:
    """Return the mapping that a text in YAML or JSON holds; ``source`` names the text in errors.

    Raises RequestError for what is no mapping, and for what `parse_yaml` refuses.
    """
    try:
        values = _json(text) if text.lstrip().startswith("{") else parse_yaml(text)
        return mapping(values, "method: random")
    except ValueError as error:
        raise RequestError(f"{source}: {error}.") from None


def _json(text: str) -> Any:
    """Return what a text in JSON holds, or else in the similar form of YAML, which takes no tabs."""
    try:
        return json.loads(text, object_pairs_hook=_once)
    except (json.JSONDecodeError, RecursionError):
        return parse_yaml(text)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, value in pairs:
        if name in values:
            raise ValueError(f"{shown(name)}: this key is given twice")
        values[name] = value
    return values


@dataclass(frozen=True)
class Section:
    """A mapping in a sweep file with its path there, such as ``parameters.epochs`` (empty at the top).

    What it returns is checked; all it raises is RequestError, which names the file, the path and the value.
    """

    values: Mapping[Any, Any]
    path: str
    source: str

    def __contains__(self, key: str) -> bool:
        return key in self.values

    def names(self) -> Iterator[str]:
        """Return the keys, which must be words."""
        for key in self.values:
            if not isinstance(key, str):
                self.refuse(f"the key {shown(key)} is not a word")
            yield key

    def place(self, key: str = "") -> str:
        """Return ``FILE: path.key``."""
        path = ".".join(filter(None, (self.path, key)))
        return f"{self.source}: {shown(path)}" if path else self.source

    def refuse(self, reason: str, key: str = "", hint: str | None = None) -> NoReturn:
        """Raise RequestError: where, why, a full stop."""
        raise RequestError(f"{self.place(key)}: {reason}.", hint=hint)

    def wrong(self, key: str, expected: str) -> NoReturn:
        """Refuse the value of a key by saying what is expected."""
        got = shown(self.values[key])
        raise RequestError(f"{self.place(key)} must be {expected}, got {got or 'nothing'}.")

    def only(self, keys: Collection[str], kind: str) -> None:
        """Refuse any other key; ``kind`` says in words of what these are the keys."""
        for key in self.names():
            if key not in keys:
                self._unknown(f"key of {kind}", key, key, keys)

    def _unknown(self, kind: str, key: str, name: str, choices: Collection[str]) -> NoReturn:
        raise UnknownNameError(kind, shown(name), list(choices), place=f"{self.place(key)}: ")

    def need(self, key: str, why: str) -> None:
        """Refuse the lack of a key."""
        if key not in self.values:
            self.refuse(f"{key} is missing: {why}")

    def section(self, key: str) -> Section:
        """Return the mapping under a key."""
        value = self.values[key]
        if not isinstance(value, dict):
            self.wrong(key, "a mapping, that is, indented lines 'key: value'")
        return Section(value, f"{self.path}.{key}" if self.path else key, self.source)

    def items(self, key: str) -> list[Any]:
        """Return the list under a key, which holds at least one thing."""
        value = self.values[key]
        if not isinstance(value, list) or not value:
            self.wrong(key, "a list such as [1, 2], of one value at least")
        return value

    def text(self, key: str) -> str | None:
        """Return the text under a key, or None without it."""
        value = self.values.get(key)
        if key in self.values and not (isinstance(value, str) and value.strip()):
            self.wrong(key, "text (a number or a date in quotes)")
        return value

    def one_of(
        self,
        key: str,
        options: Collection[str],
        default: str | None = None,
        *,
        spelled: Mapping[str, str] | None = None,
    ) -> str:
        """Return the word under a key, which must be one of the options, in any case.

        ``spelled`` holds other spellings, each with the option that it stands for.
        """
        if default is not None and key not in self.values:
            return default
        word = self.values[key]
        if not isinstance(word, str):
            self.wrong(key, f"one of {', '.join(options)}")
        known = (spelled or {}).get(word.lower(), word.lower())
        if known not in options:
            self._unknown(key, key, word, options)
        return known

    def number(
        self, key: str, default: float | None = None, *, above: float = -math.inf, least: float = -math.inf
    ) -> float:
        """Return the finite number under a key, an integer as such; it is > ``above`` and ≥ ``least``."""
        if default is not None and key not in self.values:
            return default
        value = self.values[key]
        bound = f" > {above:g}" if above > -math.inf else f" ≥ {least:g}" if least > -math.inf else ""
        if (
            isinstance(value, bool)
            or not isinstance(value, (int, float))
            or not abs(value) < (_LARGEST if isinstance(value, int) else math.inf)
            or not (value > above and value >= least)
        ):
            self.wrong(key, f"a number{bound}")
        return value

    def numbers(self, key: str, *, least: float, most: float) -> list[float]:
        """Return the list of numbers under a key, each of them from ``least`` to ``most``."""
        by_path = {f"{key}[{index}]": item for index, item in enumerate(self.items(key))}
        listed = Section(by_path, self.path, self.source)
        numbers = [listed.number(path, least=least) for path in by_path]
        for path, number in zip(by_path, numbers):
            if number > most:
                listed.wrong(path, f"a number in [{least:g}, {most:g}]")
        return numbers

    def integer(self, key: str, *, least: int | None = None, most: int = _LARGEST - 1) -> int:
        """Return the integer under a key."""
        value = self.values[key]
        bad = isinstance(value, bool) or not isinstance(value, int) or not -_LARGEST < value <= most
        if bad or (least is not None and value < least):
            bounds = (
                "" if least is None else f" ≥ {least}" if most >= _LARGEST - 1 else f" in [{least}, {most}]"
            )
            self.wrong(key, f"an integer{bounds}")
        return int(value)

    def flag(self, key: str, default: bool) -> bool:
        """Return the truth value under a key."""
        value = self.values.get(key, default)
        if not isinstance(value, bool):
            self.wrong(key, "true or false")
        return value
