"""Tables of results."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.cells import cell_len, set_cell_size
from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from ffcli.cli.text import plain

_GAP = "  "


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

    Where the terminal is too narrow the columns in ``cut`` are shortened, the others never. Rich's own Table
    takes half a millisecond a row, which is too long for some thousand runs.
    """

    def __init__(
        self,
        heads: Sequence[str],
        rows: Iterable[Sequence[Any]],
        right: Iterable[str] = (),
        cut: Iterable[str] = (),
    ) -> None:
        self._rows = [list(map(plain, heads)), *([shown(value) for value in row] for row in rows)]
        self._right = [head in set(right) for head in heads]
        self._cut = [head in set(cut) for head in heads]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        widths = self._widths(options.max_width)
        head, *lines = (self._line(row, widths) for row in self._rows)
        yield Segment(head + "\n", console.get_style("bold"))
        yield Segment("".join(line + "\n" for line in lines))

    def _widths(self, available: int) -> list[int]:
        """Return the width of each column, the widest of those that may be cut shortened first."""
        widths = [max(map(cell_len, column)) for column in zip(*self._rows)]
        least = [cell_len(head) for head in self._rows[0]]
        while sum(widths) + len(_GAP) * (len(widths) - 1) > available:
            spare = [width - low if cut else 0 for width, low, cut in zip(widths, least, self._cut)]
            widest = max(range(len(widths)), key=spare.__getitem__)
            if spare[widest] <= 0:
                break
            widths[widest] -= 1
        return widths

    def _line(self, row: Sequence[str], widths: Sequence[int]) -> str:
        cells = []
        for text, width, right in zip(row, widths, self._right):
            whole = text if cell_len(text) <= width else set_cell_size(text, width - 1) + "…"
            padding = " " * (width - cell_len(whole))
            cells.append(padding + whole if right else whole + padding)
        return _GAP.join(cells).rstrip()


def shown(value: Any) -> str:
    """Return a value as text: lists with commas, a dash for None."""
    if value is None:
        return "–"
    if isinstance(value, (list, tuple)):
        return ",".join(map(shown, value))
    return plain(f"{value:g}" if isinstance(value, float) else value)
