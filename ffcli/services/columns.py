"""Columns of lists of runs and trials: what a word stands for, conditions on the values, and their order."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ffcli.errors import InvalidValueError, RequestError
from ffcli.util.atomic_files import joined
from ffcli.util.suggest import nearest, question

Kind = Literal["metric", "field", "hyper-parameter"]
_OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "!=": operator.ne,
    "==": operator.eq,
    "<": operator.lt,
    ">": operator.gt,
    "=": operator.eq,
}
_EQUALITY = ("=", "==", "!=")
_ORDERED_TEXTS = ("started", "ended", "run_id", "name")
_OTHER_TEXTS = ("status", "state", "dataset", "sweep_id", "recipe", "tags", "reused")  # equal or not


@dataclass(frozen=True)
class Column:
    """A column: its name, and its value of a row, None where that has none."""

    name: str
    kind: Kind
    value: Callable[[Any], Any]


def hyperparameter(word: str, config: Callable[[Any], Mapping[str, Any]]) -> Column | None:
    """Return the column of the hyper-parameter that a word stands for, or None; ``config`` is a row's."""
    # Imported only where it is needed: building the model takes longer than reading a thousand runs.
    from ffcli.config import NAMES

    name = NAMES.field(word)
    return None if name is None else Column(name, "hyper-parameter", lambda row: config(row).get(name))


def find_columns(
    words: Iterable[str], find: Callable[[str], Column | None], known: Sequence[str], parameter: str
) -> list[Column]:
    """Return the columns that words stand for. Raises RequestError for one that stands for none."""
    columns = []
    for word in words:
        column = find(word.strip().lower().replace("-", "_"))
        if column is None:
            from ffcli.config import FIELDS

            raise RequestError(
                f"expected one of {', '.join(known)} or a hyper-parameter, got '{word.strip()}'."
                f"{question(nearest(word, [*known, *FIELDS]))}",
                parameter=parameter,
            )
        columns.append(column)
    return columns


@dataclass(frozen=True)
class Condition:
    """A condition on the rows of a list, such as learning_rate<0.01."""

    column: Column
    sign: str
    wanted: Any

    @classmethod
    def parse(cls, text: str, find: Callable[[str], Column]) -> Condition:
        """Read NAME=VALUE, or with one of < <= > >= !=. Raises RequestError."""
        match = re.fullmatch(r"\s*([^<>=!]+?)\s*(<=|>=|!=|==|<|>|=)\s*(.*?)\s*", text, re.DOTALL)
        if match is None or not match[3]:
            raise RequestError(
                f"expected NAME=VALUE, or with one of < <= > >= !=, got '{text}'",
                hint="For example learning_rate<0.01 (in quotes) or optimizer=adam.",
                parameter="where",
            )
        column, sign = find(match[1]), match[2]
        return cls(column, sign, _wanted(column, sign, match[3]))

    def holds(self, row: Any) -> bool:
        """Whether a row meets it; one without a value meets only !=."""
        value = self.column.value(row)
        if value is None:
            return self.sign == "!="
        if self.sign not in _EQUALITY:
            numeric = isinstance(value, (int, float)) == isinstance(self.wanted, float)
            return numeric and _OPERATORS[self.sign](value, self.wanted)
        return self._is_wanted(value) == (self.sign != "!=")

    def _is_wanted(self, value: Any) -> bool:
        if value == self.wanted:
            return True
        if isinstance(value, list) and self.column.kind == "field":  # of tags
            return any(str(each).lower() == str(self.wanted).lower() for each in value)
        return str(joined(value)).lower() == str(joined(self.wanted)).lower()


def _wanted(column: Column, sign: str, text: str) -> Any:
    """Return the value that a condition compares with: a number but for texts. Raises RequestError."""
    if column.kind == "hyper-parameter" and sign in _EQUALITY:
        from ffcli.config import validate

        try:
            return validate({column.name: text}).as_dict()[column.name]
        except InvalidValueError as error:
            raise RequestError(str(error), parameter="where") from None
    texts = _ORDERED_TEXTS if sign not in _EQUALITY else (*_ORDERED_TEXTS, *_OTHER_TEXTS)
    if column.kind == "field" and column.name in texts:
        return _dataset(text) if column.name == "dataset" else text
    try:
        return float(text)
    except ValueError:
        raise RequestError(
            f"expected a number after {column.name}{sign}, got '{text}'", parameter="where"
        ) from None


def _dataset(text: str) -> str:
    from ffcli.datasets import canonical_name  # it loads NumPy

    return canonical_name(text)


def in_order(rows: Sequence[Any], column: Column, *, descending: bool) -> list[Any]:
    """Return the rows by a column, those without a value last."""
    known = [(value, row) for row in rows if (value := _sortable(column.value(row))) is not None]
    found = [row for _, row in sorted(known, key=lambda pair: pair[0], reverse=descending)]
    return found + [row for row in rows if column.value(row) is None]


def _sortable(value: Any) -> Any:
    """Make values of one column comparable, whatever a record holds: numbers before words."""
    if value is None:
        return None
    items = value if isinstance(value, (list, tuple)) else [value]
    return [(0, item, "") if isinstance(item, (int, float)) else (1, 0, str(item)) for item in items]
