"""Tables of results."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from ffcli.cli.text import plain


def pairs(values: Mapping[str, Any]) -> Table:
    """Return a table of names and values."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in values.items():
        table.add_row(name, Text(shown(value)))
    return table


def columns(
    heads: Sequence[str], rows: Iterable[Sequence[Any]], right: Iterable[str] = (), cut: Iterable[str] = ()
) -> Table:
    """Return a table of rows. The columns in ``right`` hold numbers.

    Where the terminal is too narrow the columns in ``cut`` are shortened, the others never.
    """
    texts = [[shown(value) for value in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(heads, *texts)]
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    right, cut = set(right), set(cut)
    for head, width in zip(heads, widths):
        table.add_column(
            head,
            justify="right" if head in right else "left",
            no_wrap=True,
            min_width=None if head in cut else width,
        )
    for row in texts:
        table.add_row(*map(Text, row))
    return table


def shown(value: Any) -> str:
    """Return a value as text: lists with commas, a dash for None."""
    if value is None:
        return "–"
    if isinstance(value, (list, tuple)):
        return ",".join(map(shown, value))
    return plain(f"{value:g}" if isinstance(value, float) else value)
