"""Tables of results."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import zip_longest
from typing import Any

from rich.cells import cell_len, set_cell_size
from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import Segment
from rich.style import Style
from rich.table import Table
from rich.text import Text

from ffcli.cli.text import plain

_GAP, _INDENT = "  ", "    "
_LEAST = 12  # columns that what is cut or wrapped keeps
_ENOUGH = 40  # columns of a long text for whose sake others are left out


def pairs(values: Mapping[str, Any]) -> Table:
    """Return a table of names and values."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in values.items():
        table.add_row(Text(plain(name)), Text(shown(value)))
    return table


class Columns:
    """A table of rows under bold heads. The columns in ``right`` hold numbers.

    Where the terminal is too narrow for all, the columns in ``spare`` are left out, the last of them first,
    and a line below the table names them and says where they are: in a wider terminal, or ``elsewhere``. Then
    those in ``cut`` lose their ends and those in ``ends`` their beginnings, for an ellipsis. What still does
    not fit goes to further lines of its row, and a text to several: all else stays whole, ids above all.

    Rich's own Table takes half a millisecond a row, which is too long for some thousand runs.
    """

    def __init__(
        self,
        heads: Sequence[str],
        rows: Iterable[Sequence[Any]],
        right: Iterable[str] = (),
        cut: Sequence[str] = (),
        ends: Sequence[str] = (),
        spare: Sequence[str] = (),
        elsewhere: str = "with --json",
    ) -> None:
        self._heads, self._values = heads, rows
        self._right = [head in set(right) for head in heads]
        self._cut = [head in cut or head in ends for head in heads]
        self._ends = [head in ends for head in heads]
        self._spare = [heads.index(head) for head in spare]
        self._elsewhere = elsewhere

    @cached_property
    def _rows(self) -> list[list[str]]:
        """The heads and the rows as text, made when the table is printed: with --json it is not."""
        return [list(map(plain, self._heads)), *([shown(value) for value in row] for row in self._values)]

    @property
    def markdown(self) -> str:
        """The whole table in Markdown."""
        marks = ["--:" if right else "---" for right in self._right]
        head, *rows = ([cell.replace("|", "\\|") for cell in row] for row in self._rows)
        return "\n".join(f"| {' | '.join(row)} |" for row in (head, marks, *rows))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        available = options.max_width
        widths = [max(map(cell_len, column)) for column in zip(*self._rows)]
        kept = self._kept(widths, available)
        self._shorten(widths, kept, available)
        lines = self._lines(widths, kept, available)
        head, *rows = ("".join(self._row(console, row, widths, lines)) for row in self._rows)
        yield Segment(head, console.get_style("bold"))
        yield from map(Segment, rows)
        left_out = [self._rows[0][place] for place in self._spare if place not in kept]
        if left_out:
            note = f"{', '.join(left_out)}: in a wider terminal or {self._elsewhere}"
            for line in _wrapped(console, note, available):
                yield Segment(f"{line}\n", Style(dim=True))

    def _kept(self, widths: Sequence[int], available: int) -> list[int]:
        """Return the columns that are shown: of the spare ones those that there is room for."""
        needed = [min(width, _ENOUGH) if cut else width for width, cut in zip(widths, self._cut)]
        kept = [place for place in range(len(widths)) if place not in self._spare]
        for place in self._spare:
            if _total(needed, [*kept, place]) <= available:
                kept.append(place)
        return sorted(kept)

    def _shorten(self, widths: list[int], kept: Sequence[int], available: int) -> None:
        """Make all fit, where that is possible, by taking away from the widest column that may be cut."""
        least = [
            min(width, max(_LEAST, cell_len(head))) if cut else width
            for width, head, cut in zip(widths, self._rows[0], self._cut)
        ]
        if _total(least, kept) <= available:
            while _total(widths, kept) > available:
                widths[max(kept, key=lambda place: widths[place] - least[place])] -= 1

    def _lines(self, widths: list[int], kept: Sequence[int], available: int) -> list[list[int]]:
        """Return the columns of each line of a row; those that are wrapped there are made narrower."""
        lines: list[list[int]] = [[]]
        for place in kept:
            room = available - (_total(widths, lines[-1]) + len(_GAP) if lines[-1] else 0)
            room -= len(_INDENT) if len(lines) > 1 else 0
            if widths[place] > room and place == kept[-1] and room >= self._least_room(place):
                widths[place] = room
            elif widths[place] > room and lines[-1]:
                lines.append([])
                room = available - len(_INDENT)
            widths[place] = max(1, min(widths[place], room))
            lines[-1].append(place)
        return lines

    def _least_room(self, place: int) -> int:
        """Return how much room a column needs to be wrapped: that of its longest word; numbers never are."""
        if self._right[place]:
            return 1 + max(cell_len(row[place]) for row in self._rows)
        return max(_LEAST, *(cell_len(word) for row in self._rows for word in row[place].split()))

    def _row(
        self, console: Console, row: Sequence[str], widths: Sequence[int], lines: Iterable[Sequence[int]]
    ) -> Iterator[str]:
        for number, places in enumerate(lines):
            cells = [self._cell(console, row[place], widths[place], place) for place in places]
            for texts in zip_longest(*cells, fillvalue=""):
                line = _GAP.join(
                    _padded(text, widths[place], right=self._right[place])
                    for text, place in zip(texts, places)
                ).rstrip()
                if line or not number:
                    yield f"{_INDENT * bool(number)}{line}\n"

    def _cell(self, console: Console, text: str, width: int, place: int) -> list[str]:
        if cell_len(text) <= width:
            return [text]
        if self._ends[place]:
            return ["…" + set_cell_size(text[::-1], width - 1)[::-1]]
        if self._cut[place]:
            return [set_cell_size(text, width - 1) + "…"]
        return _wrapped(console, text, width)


def _total(widths: Sequence[int], places: Sequence[int]) -> int:
    return sum(widths[place] for place in places) + len(_GAP) * (len(places) - 1)


def _padded(text: str, width: int, *, right: bool) -> str:
    padding = " " * (width - cell_len(text))
    return padding + text if right else text + padding


def _wrapped(console: Console, text: str, width: int) -> list[str]:
    """Return a text in lines of at most ``width`` columns, broken between words where that can be."""
    return [line.plain for line in Text(text).wrap(console, width, overflow="fold")]


def shown(value: Any) -> str:
    """Return a value as text: lists with commas, a dash for None."""
    if value is None:
        return "–"
    if isinstance(value, (list, tuple)):
        return ",".join(map(shown, value))
    return plain(f"{value:g}" if isinstance(value, float) else value)
