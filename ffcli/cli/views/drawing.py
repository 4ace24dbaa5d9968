"""Images and bars drawn with characters on a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from rich.color import Color
from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.measure import Measurement
from rich.segment import Segment
from rich.style import Style
from rich.table import Table
from rich.text import Text

from ffcli.cli.text import plain

if TYPE_CHECKING:
    import numpy as np

_GAP = 2  # columns between two images
_LEAST, _MOST = 24, 56  # pixels: smaller images are drawn larger, larger ones smaller
_SHADES = " .:-=+*#%@"  # from dark to light, where there is no colour


def draws(console: Console) -> bool:
    """Whether somebody may look at a drawing."""
    return console.is_terminal and not console.is_dumb_terminal


def has_colours(console: Console) -> bool:
    """Whether colours and block characters can be shown."""
    return console.color_system is not None and not console.no_color and not console.options.ascii_only


class Picture:
    """An image, uint8 of shape (H, W) or (H, W, 3), of at most ``width`` columns and 56 pixels.

    A character shows two pixels, one above the other; where there are no colours, their mean brightness.
    """

    def __init__(self, image: np.ndarray, width: int = _MOST) -> None:
        self._pixels = _scaled(image, min(width, _MOST))
        self.width: int = self._pixels.shape[1]

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(self.width, self.width)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        line = _coloured if has_colours(console) else _shaded
        rows = self._pixels.tolist()
        for upper, lower in zip(rows[::2], rows[1::2]):
            yield from line(upper, lower)
            yield Segment.line()


def _scaled(image: np.ndarray, most: int) -> np.ndarray:
    """Return the image as RGB in a size that suits, its height made even with a black row."""
    import numpy as np
    from PIL import Image

    height, width = image.shape[:2]
    longest = max(height, width)
    factor: float = most / longest if longest > most else max(1, min(_LEAST, most) // longest)
    size = max(1, round(width * factor)), max(1, round(height * factor))
    if factor < 1:
        size = size[0], size[1] + size[1] % 2  # whole characters
    kind = Image.Resampling.NEAREST if factor >= 1 else Image.Resampling.BOX
    pixels = np.asarray(Image.fromarray(np.ascontiguousarray(image)).resize(size, kind).convert("RGB"))
    return np.pad(pixels, ((0, len(pixels) % 2), (0, 0), (0, 0)))


def _coloured(upper: Sequence[Any], lower: Sequence[Any]) -> Iterable[Segment]:
    for (top, bottom), run in groupby(zip(upper, lower)):
        style = Style(color=Color.from_rgb(*top), bgcolor=Color.from_rgb(*bottom))
        yield Segment("▀" * len(list(run)), style)


def _shaded(upper: Sequence[Any], lower: Sequence[Any]) -> Iterable[Segment]:
    means = [(sum(top) + sum(bottom)) / 6 for top, bottom in zip(upper, lower)]
    yield Segment("".join(_SHADES[round(mean / 255 * (len(_SHADES) - 1))] for mean in means))


class Gallery:
    """Images in rows, each with some lines of text below it; as wide as the terminal lets them be."""

    def __init__(self, images: Sequence[np.ndarray], texts: Sequence[Sequence[str]], columns: int) -> None:
        self._images, self._texts, self._columns = images, texts, columns

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        columns = self._columns
        while columns > 1 and self._width(columns, options.max_width) < 12:
            columns -= 1
        width = self._width(columns, options.max_width)
        grid = Table.grid(padding=(0, _GAP, 0, 0))
        for start in range(0, len(self._images), columns):
            part = slice(start, start + columns)
            cells = []
            for image, lines in zip(self._images[part], self._texts[part]):
                shown = [Text(plain(line), no_wrap=True, overflow="ellipsis") for line in lines]
                for text in shown:
                    text.truncate(width, overflow="ellipsis")
                cells.append(Group(Picture(image, width), *shown, ""))
            grid.add_row(*cells)
        yield grid

    def _width(self, columns: int, available: int) -> int:
        return (available - _GAP * (columns - 1)) // columns


def bar(fraction: float, width: int) -> str:
    """Return a bar for a fraction, to an eighth of a column; at least an eighth from 0.0005 on."""
    eighths = max(round(fraction * width * 8), 1 if fraction > 0.0005 else 0)
    whole, rest = divmod(eighths, 8)
    return "█" * whole + " ▏▎▍▌▋▊▉"[rest].strip()
