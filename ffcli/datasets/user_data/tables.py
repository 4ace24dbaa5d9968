"""Datasets in CSV files: a row for each example, one column of labels, the rest numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Any

import numpy as np

from ffcli.datasets.base import Array, BrokenDataError
from ffcli.datasets.files import File
from ffcli.datasets.user_data.base import (
    LABEL_NAMES,
    MOST_NAME,
    Bench,
    Found,
    Part,
    Rows,
    by_role,
    check_present,
    in_memory,
    is_missing,
    role_of,
    simplified,
)
from ffcli.datasets.user_data.staging import Stage
from ffcli.datasets.user_data.table_layout import (
    LINES,
    TableLayout,
    fields_of,
    is_number,
    layout_of,
    lines_of,
    same_layout,
)
from ffcli.util.text import counted

_MOST_LINES = 1 << 24
_EXACT = 1 << 24  # single precision holds all integers below
_INDEX_NAMES = ("", "unnamed0", "id", "index")


def read_tables(files: Sequence[File], bench: Bench) -> Found:
    """Read CSV files: Kaggle's pair, or one file with or without a header.

    The label's column is the one that is called label, class, target, y …; else the first or the last, by
    what they hold. An index column such as pandas writes is left out. A test file without labels is left out.

    Raises:
        BrokenDataError: a line or a value is not as the others; the message names line and column.
    """
    notices: list[str] = []
    first = min(files, key=lambda file: role_of(file.name) not in ("train", None))
    layout = layout_of(first, bench.label)
    if bench.label is None:
        is_named = layout.header is not None and simplified(layout.header[layout.label]) in LABEL_NAMES
        another = "" if is_named else "; name another as in PATH#label=COLUMN"
        notices.append(f"labels are taken from {layout.column(layout.label)}{another}")
    parts = []
    for file in files:
        role = role_of(file.name)
        own = layout if file is first else same_layout(file, layout)
        if own is None:
            notices.append(f"{file.parts[-1]} has no column of labels and is left out")
            continue
        parts.append((role, _read(file, own, bench, notices)))
    return by_role(parts, notices)


def _read(file: File, layout: TableLayout, bench: Bench, notices: list[str]) -> Part:
    stage, labels, whole = Stage(bench.scratch, np.float32), list[Array](), True
    others = [column for column in range(layout.n_columns) if column != layout.label]
    done = 0
    with lines_of(file) as lines:
        if layout.header is not None:
            next(lines, None)
        while piece := list(islice(lines, LINES)):
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
        notices.append(f"{layout.column(others[0])} counts the rows and is left out")
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
    file: File, layout: TableLayout, lines: list[str], others: Sequence[int], first_line: int
) -> tuple[Array, Array]:
    """Return the values (n, F) and the labels (n,) of some lines."""
    quoted = '"' if any('"' in line for line in lines) else None
    form: dict[str, Any] = {"delimiter": layout.delimiter, "comments": None, "quotechar": quoted}
    try:
        labels = np.loadtxt(lines, dtype=f"U{MOST_NAME + 1}", usecols=[layout.label], ndmin=1, **form)
        with np.errstate(over="ignore"):
            values = np.loadtxt(lines, dtype=np.float64, usecols=others, ndmin=2, **form).astype(np.float32)
    except (ValueError, IndexError):
        raise _explained(file, layout, lines, first_line) from None
    if (
        len(labels) != len(lines)
        or len(values) != len(lines)
        or np.isnan(values).any()
        or _lines_differ(lines, layout)
    ):
        raise _explained(file, layout, lines, first_line)
    check_present(
        labels.tolist(),
        lambda index: f"{file.name}, line {first_line + index}, {layout.column(layout.label)}",
    )
    longest = int(np.char.str_len(labels).max())
    if longest > MOST_NAME:
        line = first_line + int(np.char.str_len(labels).argmax())
        raise BrokenDataError(
            f"{file.name}, line {line}, {layout.column(layout.label)}: expected the name of a class, "
            f"got a text of more than {MOST_NAME} letters"
        )
    return values, labels.astype(f"U{max(1, longest)}")


def _lines_differ(lines: list[str], layout: TableLayout) -> bool:
    """Whether a line has more columns than the first of the file (NumPy tells where one has fewer)."""
    if layout.delimiter is None or any('"' in line for line in lines):
        return any(len(fields_of(line, layout.delimiter)) != layout.n_columns for line in lines)
    return any(line.count(layout.delimiter) != layout.n_columns - 1 for line in lines)


def _explained(file: File, layout: TableLayout, lines: list[str], first_line: int) -> BrokenDataError:
    """Say which line, and which value of it, is not as expected."""
    for number, line in enumerate(lines, start=first_line):
        fields = fields_of(line, layout.delimiter)
        if len(fields) != layout.n_columns:
            return BrokenDataError(
                f"{file.name}, line {number}, has {counted(len(fields), 'column')}: "
                f"expected {layout.n_columns}"
            )
        for column, field in enumerate(fields):
            word = field.strip()
            missing = is_missing(word)
            if column != layout.label and (missing or not is_number(word)):
                what = f"the value is missing ({word or 'empty'})" if missing else f"got {word[:40]!r}"
                do = (
                    "fill it in, or leave out the row or the column"
                    if missing
                    else "turn text into numbers, or leave the column out"
                )
                return BrokenDataError(
                    f"{file.name}, line {number}, {layout.column(column)}: expected a number, {what}; {do}"
                )
    return BrokenDataError(f"{file.name} cannot be read as CSV after line {first_line}")
