"""The confusion matrix as a table: coloured on a terminal, plain elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size
from rich.color import Color
from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import Segment
from rich.style import Style
from rich.text import Text

from ffcli.cli.text import plain
from ffcli.cli.views.drawing import draws, has_colours
from ffcli.cli.views.tables import Columns
from ffcli.plotting.confusion import percent, row_fractions, shade, text_on

_LEAST_NAME = 6  # columns that a row's name keeps on a narrow terminal
_COLOURED = 0.01  # fraction of a row from which a cell is coloured
_LEAST_COLOUR = 0.35  # paler cells would dazzle on a dark background


class Matrix:
    """A matrix of counts, or of ``fractions`` of its rows, with a row for each true class.

    On a terminal correct predictions are blue and wrong ones orange, darker for a larger fraction of the row;
    a dot means zero. The heads alternate between two lines, so that a name may be twice as wide as its
    column.
    """

    def __init__(self, matrix: Sequence[Sequence[float]], names: Sequence[str], *, fractions: bool) -> None:
        self._matrix, self._names, self._normalized = matrix, list(map(plain, names)), fractions

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if not draws(console):
            yield self._plain()
            return
        cells = [
            [percent(value) if self._normalized else str(value) for value in row] for row in self._matrix
        ]
        width = max(len(cell) for row in cells for cell in row) + 2
        longest = max(width - 1, *map(cell_len, self._names))
        for_heads = longest // 2 + 1, (options.max_width - longest - 1) // len(cells)
        width = max(width, min(for_heads))
        names = min(longest, options.max_width - width * len(cells) - 1)
        if names < min(_LEAST_NAME, longest):
            yield Text(f"The matrix of {len(cells)} classes is too wide for this terminal: see the figure.")
            return
        yield Text("rows: true class, columns: predicted class", style="dim")
        for line in self._heads(width):
            yield Text(" " * (names + 1 - width) + line, style="bold", no_wrap=True)
        fractions = self._matrix if self._normalized else row_fractions(self._matrix)
        for i, (name, row) in enumerate(zip(self._names, cells)):
            yield Segment(_fit(name, names) + " ", Style(bold=True))
            for j, cell in enumerate(row):
                style = _style(fractions[i][j], i == j, has_colours(console))
                yield Segment((cell if fractions[i][j] else "·").rjust(width - 1) + " ", style)
            yield Segment.line()

    def _plain(self) -> Columns:
        rows = [
            [name, *(f"{value:.4f}" if self._normalized else value for value in row)]
            for name, row in zip(self._names, self._matrix)
        ]
        return Columns(["true \\ predicted", *self._names], rows, right=self._names)

    def _heads(self, width: int) -> list[str]:
        """Return the lines of the heads, each one column of the matrix wider to the left."""
        if all(cell_len(name) < width for name in self._names):
            return [" " * width + "".join(_right(name, width - 1) + " " for name in self._names)]
        lines = []
        for first in (0, 1):
            heads = [_right(name, 2 * width - 1) + " " for name in self._names[first::2]]
            lines.append(" " * (width * first) + "".join(heads))
        return lines


def _style(fraction: float, right: bool, coloured: bool) -> Style:
    if fraction < _COLOURED or not coloured:
        return Style(bold=right and fraction > 0, dim=not fraction)
    background = shade(fraction, right, _LEAST_COLOUR)
    text = Color.from_rgb(*text_on(background))
    return Style(color=text, bgcolor=Color.from_rgb(*background), bold=right)


def _fit(name: str, width: int) -> str:
    """Return a name in exactly ``width`` columns."""
    return set_cell_size(name if cell_len(name) <= width else set_cell_size(name, width - 1) + "…", width)


def _right(name: str, width: int) -> str:
    fitted = _fit(name, min(cell_len(name), width))
    return " " * (width - cell_len(fitted)) + fitted
