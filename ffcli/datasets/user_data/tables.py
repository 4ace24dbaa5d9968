"""Datasets in CSV files: a row for each example, one column of labels, the rest numbers."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from ffcli.datasets.base import Array, BrokenDataError
from ffcli.datasets.files import HEAD, File, opened
from ffcli.datasets.kinds import text_encoding
from ffcli.datasets.user_data.base import (
    LABEL_NAMES,
    MOST_FEATURES,
    Bench,
    Found,
    Part,
    Rows,
    by_role,
    in_memory,
    role_of,
    simplified,
)
from ffcli.datasets.user_data.staging import Stage
from ffcli.util.text import counted

_LINES = 1000  # that are parsed at a time
_LONGEST_LINE = 1 << 26
_MOST_LINES = 1 << 24
_EXACT = 1 << 24  # single precision holds all integers below
_INDEX_NAMES = ("", "unnamed0", "id", "index")


@dataclass(frozen=True)
class _Layout:
    """How the lines of a file are to be read; ``header`` holds the columns' names, if there are any."""

    delimiter: str | None
    header: tuple[str, ...] | None
    label: int
    n_columns: int

    def column(self, index: int) -> str:
        """Return what messages call a column."""
        name = f" ({self.header[index]})" if self.header and self.header[index] else ""
        return f"column {index + 1}{name}"


def read_tables(files: Sequence[File], bench: Bench) -> Found:
    """Read CSV files: Kaggle's pair, or one file with or without a header.

    The label's column is the one that is called label, class, target, y …; else the first or the last, by
    what they hold. An index column such as pandas writes is left out. A test file without labels is left out.

    Raises:
        BrokenDataError: a line or a value is not as the others; the message names line and column.
    """
    notices: list[str] = []
    first = min(files, key=lambda file: role_of(file.name) not in ("train", None))
    layout = _layout(first, bench.options.label)
    how = f"labels are taken from {layout.column(layout.label)}"
    if layout.header is None or simplified(layout.header[layout.label]) not in LABEL_NAMES:
        notices.append(f"{how}; name another as in PATH#label=COLUMN")
    parts = []
    for file in files:
        role = role_of(file.name)
        own = layout if file is first else _same_layout(file, layout)
        if own is None:
            notices.append(f"{file.parts[-1]} has no column of labels and is left out")
            continue
        parts.append((role, _read(file, own, bench, notices)))
    return by_role(parts, notices)


@contextmanager
def _lines(file: File) -> Iterator[Iterator[str]]:
    """Open a text and yield its lines, blank ones left out."""
    with opened(file) as stream:
        encoding = text_encoding(stream.peek(HEAD)[:HEAD])
        text = io.TextIOWrapper(stream, encoding)

        def read() -> Iterator[str]:
            while True:
                try:
                    line = text.readline(_LONGEST_LINE)
                except UnicodeDecodeError as error:
                    raise BrokenDataError(f"{file.name} is not a text in UTF-8 ({error.reason})") from error
                if not line:
                    return
                if len(line) == _LONGEST_LINE:
                    raise BrokenDataError(f"{file.name} has a line of more than {_LONGEST_LINE} letters")
                if line.strip():
                    yield line

        try:
            yield read()
        finally:
            text.detach()


def _layout(file: File, wanted: str | None) -> _Layout:
    with _lines(file) as lines:
        sample = [line for line, _ in zip(lines, range(_LINES))]
    if not sample:
        raise BrokenDataError(f"{file.name} has no line")
    delimiter = _delimiter(sample[0])
    rows = [_fields(line, delimiter) for line in (sample[0], *sample[1:2])]
    header = tuple(field.strip() for field in rows[0]) if _is_header(rows[0]) else None
    n_columns = len(rows[0])
    if n_columns < 2:
        raise BrokenDataError(f"{file.name} has one column: expected labels and numbers, as in label,1,2,3")
    if n_columns > MOST_FEATURES:
        raise BrokenDataError(f"{file.name} has {n_columns} columns: expected at most {MOST_FEATURES}")
    body = sample[1:] if header else sample
    if not body:
        raise BrokenDataError(f"{file.name} has a header and no rows")
    label = _label(file, header, n_columns, wanted)
    if label is None:
        label = _likely_label(file, [_fields(line, delimiter) for line in body], n_columns)
    return _Layout(delimiter, header, label, n_columns)


def _same_layout(file: File, layout: _Layout) -> _Layout | None:
    """Return how another file of the same dataset is read, None where it has no labels."""
    with _lines(file) as lines:
        line = next(lines, "")
    fields = _fields(line, layout.delimiter)
    header = tuple(field.strip() for field in fields) if _is_header(fields) else None
    if len(fields) == layout.n_columns - 1 and (header is None or layout.header is not None):
        names = layout.header
        if header is None or names is None or set(header) == set(names) - {names[layout.label]}:
            return None
    if len(fields) != layout.n_columns:
        raise BrokenDataError(
            f"{file.name} has {counted(len(fields), 'column')} where the training file has {layout.n_columns}"
        )
    if header is not None and layout.header is not None and header != layout.header:
        raise BrokenDataError(f"{file.name} has other columns than the training file, or in another order")
    return _Layout(layout.delimiter, header, layout.label, layout.n_columns)


def _delimiter(line: str) -> str | None:
    """Return what divides the columns; None stands for blanks."""
    counts = {mark: line.count(mark) for mark in (",", "\t", ";", "|")}
    mark = max(counts, key=lambda each: counts[each])
    return mark if counts[mark] else None


def _fields(line: str, delimiter: str | None) -> list[str]:
    if delimiter is None:
        return line.split()
    if '"' not in line:
        return line.rstrip("\r\n").split(delimiter)
    try:
        return next(csv.reader([line.rstrip("\r\n")], delimiter=delimiter), [])
    except csv.Error as error:
        raise BrokenDataError(f"a line cannot be read as CSV ({error})") from error


def _is_number(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def _is_header(fields: Sequence[str]) -> bool:
    names = [field.strip() for field in fields]
    if any(simplified(name) in LABEL_NAMES for name in names) or names == [*map(str, range(len(names)))]:
        return len(names) > 1
    return 2 * sum(map(_is_number, names)) < len(names)


def _label(file: File, header: tuple[str, ...] | None, n_columns: int, wanted: str | None) -> int | None:
    """Return the column that the user or the header names; None where neither does."""
    names = header or ()
    if wanted is not None:
        found = [index for index, name in enumerate(names) if name == wanted] or [
            index for index, name in enumerate(names) if simplified(name) == simplified(wanted)
        ]
        places = {"first": 0, "last": n_columns - 1}
        if re.fullmatch(r"-?\d{1,9}", wanted):
            number = int(wanted)
            places[wanted] = number - 1 if number > 0 else n_columns + number
        column = found[0] if found else places.get(wanted.lower(), -1)
        if not 0 <= column < n_columns:
            has = f"columns such as {', '.join(names[:4])}" if names else f"columns 1 to {n_columns}"
            raise BrokenDataError(f"{file.name} has no column {wanted!r}: it has {has}")
        return column
    for known in LABEL_NAMES:
        for index, name in enumerate(names):
            if simplified(name) == known:
                return index
    return None


def _likely_label(file: File, rows: Sequence[Sequence[str]], n_columns: int) -> int:
    """Return the first or the last column, whichever looks more like labels: text, or few whole numbers."""
    scores = {}
    for column in (0, n_columns - 1):
        values = [row[column].strip() for row in rows if len(row) == n_columns]
        text = any(not _is_number(value) for value in values)
        whole = text or all(float(value).is_integer() for value in values)
        distinct = len(set(values))
        repeats = distinct <= max(2, len(values) // 2)
        scores[column] = (whole and (repeats or len(values) < 4), text, distinct > 1, -distinct)
    column = max(scores, key=lambda each: (scores[each], each == 0))
    if not scores[column][0]:
        raise BrokenDataError(
            f"{file.name}: neither its first nor its last column looks like labels: "
            "name the column as in PATH#label=COLUMN"
        )
    return column


def _read(file: File, layout: _Layout, bench: Bench, notices: list[str]) -> Part:
    stage, labels, whole = Stage(bench.scratch, np.float32), list[Array](), True
    others = [column for column in range(layout.n_columns) if column != layout.label]
    done = 0
    with _lines(file) as lines:
        if layout.header is not None:
            next(lines, None)
        while piece := [line for line, _ in zip(lines, range(_LINES))]:
            first_line = done + (layout.header is not None) + 1
            values, own = _parse(file, layout, piece, others, first_line)
            stage.extend([values])
            whole = whole and bool((values == np.rint(values)).all())
            labels.append(own)
            done += len(piece)
            if done > _MOST_LINES:
                raise BrokenDataError(f"{file.name} has more than {_MOST_LINES} lines")
    if not done:
        raise BrokenDataError(f"{file.name} has a header and no rows")
    values = stage.mapped((len(others),))
    name = file.parts[-1]
    if layout.header and len(others) > 1 and _is_index(layout.header[others[0]], values[:, 0]):
        notices.append(f"{name}: {layout.column(others[0])} counts the rows and is left out")
        values = values[:, 1:]
    rows = in_memory(name, values)
    if whole and abs(values).max() < _EXACT:
        rows = replace(rows, dtype=np.dtype(np.int32), blocks=partial(_as_integers, rows))
    return Part(rows, np.concatenate(labels), f"{name}: {layout.column(layout.label)}")


def _as_integers(rows: Rows) -> Iterator[Array]:
    for block in rows.blocks():
        yield block.astype(np.int32)


def _is_index(name: str, values: Array) -> bool:
    if simplified(name) not in _INDEX_NAMES:
        return False
    return bool((values == values[0] + np.arange(len(values))).all()) or simplified(name) in ("", "unnamed0")


def _parse(
    file: File, layout: _Layout, lines: list[str], others: Sequence[int], first_line: int
) -> tuple[Array, Array]:
    """Return the values (n, F) and the labels (n,) of some lines."""
    quoted = '"' if any('"' in line for line in lines) else None
    form: dict[str, Any] = {"delimiter": layout.delimiter, "comments": None, "quotechar": quoted}
    try:
        labels = np.loadtxt(lines, dtype=str, usecols=[layout.label], ndmin=1, **form)
        with np.errstate(over="ignore"):
            values = np.loadtxt(lines, dtype=np.float64, usecols=others, ndmin=2, **form).astype(np.float32)
    except (ValueError, IndexError):
        raise _explained(file, layout, lines, first_line) from None
    if len(labels) != len(lines) or len(values) != len(lines) or _lines_differ(lines, layout):
        raise _explained(file, layout, lines, first_line)
    return values, labels


def _lines_differ(lines: list[str], layout: _Layout) -> bool:
    """Whether a line has more columns than the first of the file (NumPy tells where one has fewer)."""
    if layout.delimiter is None or any('"' in line for line in lines):
        return any(len(_fields(line, layout.delimiter)) != layout.n_columns for line in lines)
    return any(line.count(layout.delimiter) != layout.n_columns - 1 for line in lines)


def _explained(file: File, layout: _Layout, lines: list[str], first_line: int) -> BrokenDataError:
    """Say which line, and which value of it, is not as expected."""
    for number, line in enumerate(lines, start=first_line):
        fields = _fields(line, layout.delimiter)
        if len(fields) != layout.n_columns:
            return BrokenDataError(
                f"{file.name}, line {number}, has {counted(len(fields), 'column')}: "
                f"expected {layout.n_columns}"
            )
        for column, field in enumerate(fields):
            if column != layout.label and not _is_number(field):
                shown = field.strip()[:40]
                return BrokenDataError(
                    f"{file.name}, line {number}, {layout.column(column)}: expected a number, got {shown!r}"
                )
    return BrokenDataError(f"{file.name} cannot be read as CSV after line {first_line}")
