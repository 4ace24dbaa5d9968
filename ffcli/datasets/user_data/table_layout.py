"""How the lines of a CSV file are to be read: what divides them, their header, and the column of labels."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice

from ffcli.datasets.base import BrokenDataError
from ffcli.datasets.files import HEAD, File, opened
from ffcli.datasets.kinds import text_encoding
from ffcli.datasets.user_data.base import LABEL_NAMES, MOST_FEATURES, is_missing, simplified
from ffcli.util.text import counted

LINES = 1000
"""How many lines are looked at, or parsed, at a time."""

_LONGEST_LINE = 1 << 26


@dataclass(frozen=True)
class TableLayout:
    """How the lines of a file are to be read; ``header`` holds the columns' names, if there are any."""

    delimiter: str | None
    header: tuple[str, ...] | None
    label: int
    n_columns: int

    def column(self, index: int) -> str:
        """Return what messages call a column."""
        name = f" ({self.header[index]})" if self.header and self.header[index] else ""
        return f"column {index + 1}{name}"


@contextmanager
def lines_of(file: File) -> Iterator[Iterator[str]]:
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


def layout_of(file: File, column_named: str | None) -> TableLayout:
    with lines_of(file) as lines:
        sample = list(islice(lines, LINES))
    if not sample:
        raise BrokenDataError(f"{file.name} has no line")
    delimiter = _delimiter(sample[0])
    rows = [fields_of(line, delimiter) for line in (sample[0], *sample[1:2])]
    header = tuple(field.strip() for field in rows[0]) if _is_header(rows[0]) else None
    n_columns = len(rows[0])
    if n_columns < 2:
        raise BrokenDataError(f"{file.name} has one column: expected labels and numbers, as in label,1,2,3")
    if n_columns > MOST_FEATURES:
        raise BrokenDataError(f"{file.name} has {n_columns} columns: expected at most {MOST_FEATURES}")
    body = sample[1:] if header else sample
    if not body:
        raise BrokenDataError(f"{file.name} has a header and no rows")
    label = _label(file, header, n_columns, column_named)
    if label is None:
        label = _likely_label(file, [fields_of(line, delimiter) for line in body], n_columns)
    return TableLayout(delimiter, header, label, n_columns)


def same_layout(file: File, layout: TableLayout) -> TableLayout | None:
    """Return how another file of the same dataset is read, None where it has no labels."""
    with lines_of(file) as lines:
        line = next(lines, "")
    fields = fields_of(line, layout.delimiter)
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
    return TableLayout(layout.delimiter, header, layout.label, layout.n_columns)


def _delimiter(line: str) -> str | None:
    """Return what divides the columns; None stands for blanks."""
    counts = {mark: line.count(mark) for mark in (",", "\t", ";", "|")}
    mark = max(counts, key=lambda each: counts[each])
    return mark if counts[mark] else None


def fields_of(line: str, delimiter: str | None) -> list[str]:
    if delimiter is None:
        return line.split()
    if '"' not in line:
        return line.rstrip("\r\n").split(delimiter)
    try:
        return next(csv.reader([line.rstrip("\r\n")], delimiter=delimiter), [])
    except csv.Error as error:
        raise BrokenDataError(f"a line cannot be read as CSV ({error})") from error


def is_number(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def _is_header(fields: Sequence[str]) -> bool:
    names = [field.strip() for field in fields]
    if any(simplified(name) in LABEL_NAMES for name in names) or names == [*map(str, range(len(names)))]:
        return len(names) > 1
    # A value may be missing from a first row; a header may lack the name of the first column, as of an index.
    values = [
        name for index, name in enumerate(names) if is_number(name) or (is_missing(name) and (name or index))
    ]
    return 2 * len(values) < len(names)


def _label(
    file: File, header: tuple[str, ...] | None, n_columns: int, column_named: str | None
) -> int | None:
    """Return the column that the user or the header names; None where neither does."""
    names = header or ()
    if column_named is not None:
        found = [index for index, name in enumerate(names) if name == column_named] or [
            index for index, name in enumerate(names) if simplified(name) == simplified(column_named)
        ]
        places = {"first": 0, "last": n_columns - 1}
        if re.fullmatch(r"-?\d{1,9}", column_named):
            number = int(column_named)
            places[column_named] = number - 1 if number > 0 else n_columns + number
        column = found[0] if found else places.get(column_named.lower(), -1)
        if not 0 <= column < n_columns:
            has = f"columns such as {', '.join(names[:4])}" if names else f"columns 1 to {n_columns}"
            raise BrokenDataError(f"{file.name} has no column {column_named!r}: it has {has}")
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
        cells = [row[column].strip() for row in rows if len(row) == n_columns]
        values = [cell for cell in cells if not is_missing(cell)]
        text = any(not is_number(value) for value in values)
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
