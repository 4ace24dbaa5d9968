"""The confusion matrix: correct predictions in blue, wrong ones in orange, by their fraction of the row."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ffcli.plotting.style import INK, MUTED, label, new_figure, styled
from ffcli.util.text import percentage

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

RGB = tuple[int, int, int]

# Near the palette's blue and vermillion. White numbers are readable on most shades of this blue, and
# terminals of 256 colours show the shades of this orange in one hue.
_RIGHT, _WRONG = "#005A8E", "#F07800"
_WHITE: RGB = (255, 255, 255)
_WRITTEN = 25  # classes up to which the cells hold numbers
_NAMED = 60  # classes up to which the axes hold names
_LEVEL = 3  # characters of the longest name up to which the names below the columns are not tilted


def _rgb(text: str) -> RGB:
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)


def shade(fraction: float, right: bool, least: float = 0) -> RGB:
    """Return the colour of a cell with this fraction of its row, 0 … 1.

    It starts from white, or from the part ``least`` of the full colour, and grows with the root of the
    fraction, so that an error of 1% is visible beside 90% correct, and is the same in every figure.
    """
    full = _rgb(_RIGHT if right else _WRONG)
    weight = least + (1 - least) * math.sqrt(fraction)
    red, green, blue = (round(white + weight * (tone - white)) for white, tone in zip(_WHITE, full))
    return red, green, blue


def text_on(colour: RGB) -> RGB:
    """Return the text colour, white or dark, that has the higher contrast on ``colour`` (WCAG 2.2)."""
    dark = _rgb(INK)
    return max((_WHITE, dark), key=lambda text: _contrast(text, colour))


def _contrast(one: RGB, other: RGB) -> float:
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: RGB) -> float:
    """Return the relative luminance, https://www.w3.org/TR/WCAG22/#dfn-relative-luminance."""
    linear = [
        part / 255 / 12.92 if part / 255 <= 0.04045 else ((part / 255 + 0.055) / 1.055) ** 2.4
        for part in colour
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def row_fractions(matrix: Sequence[Sequence[float]]) -> list[list[float]]:
    """Return each count as a fraction of its row; a row without any image is all 0."""
    return [[count / max(sum(row), 1) for count in row] for row in matrix]


def percent(fraction: float) -> str:
    """Return a fraction as an integer percentage, but ``<1%`` and ``>99%`` near 0 and 1."""
    if 0 < fraction < 0.01:
        return "<1%"
    return ">99%" if 0.99 < fraction < 1 else percentage(fraction)


def confusion_figure(
    matrix: Sequence[Sequence[int]], names: Sequence[str], title: str, *, normalize: bool
) -> Figure:
    """Draw a confusion matrix of counts: a row for each true class, a column for each predicted one.

    A cell holds its count and, smaller, its percentage of the row; with ``normalize`` the percentage alone.
    From 26 classes on the cells hold no numbers, from 61 on the axes no names.
    """
    n = len(names)
    fractions = row_fractions(matrix)
    pixels = [[shade(each, i == j) for j, each in enumerate(row)] for i, row in enumerate(fractions)]
    side = min(0.58 * n, 14) if n <= _WRITTEN else 10
    with styled():
        figure = new_figure(max(side + 1.5, 4), max(side + 1.4, 3.8))
        axes = figure.add_subplot()
        axes.imshow(pixels, interpolation="nearest")
        axes.set_xlabel("predicted class")
        axes.set_ylabel("true class")
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0)
        if n <= _NAMED:
            size = 9 if n <= _WRITTEN else 6
            shown = [label(name, 20) for name in names]
            axes.set_xticks(range(n), shown, fontsize=size)
            if max(map(len, shown)) > _LEVEL:
                axes.tick_params(axis="x", labelrotation=40)
                for text in axes.get_xticklabels():
                    text.set(ha="right", rotation_mode="anchor")
            axes.set_yticks(range(n), shown, fontsize=size)
        if n <= _WRITTEN:
            axes.set_xticks([edge - 0.5 for edge in range(1, n)], minor=True)
            axes.set_yticks([edge - 0.5 for edge in range(1, n)], minor=True)
            axes.grid(which="minor", linewidth=0.6)
            axes.tick_params(which="minor", length=0)
            for i, row in enumerate(matrix):
                for j, count in enumerate(row):
                    if count:
                        colour = tuple(part / 255 for part in text_on(pixels[i][j]))
                        texts = (
                            (percent(fractions[i][j]),)
                            if normalize
                            else (str(count), percent(fractions[i][j]))
                        )
                        _write(axes, i, j, texts, colour)
        figure.suptitle(title, x=0.01, ha="left")
        figure.supxlabel(
            "blue: correct, orange: wrong; darker: a larger fraction of the row",
            fontsize=7,
            color=MUTED,
            x=0.99,
            ha="right",
        )
    return figure


def _write(axes: Axes, i: int, j: int, texts: tuple[str, ...], colour: tuple[float, ...]) -> None:
    """Write the one text of a cell, or the first with the second, smaller, below it."""
    weight = "bold" if i == j else "normal"
    if len(texts) == 1:
        axes.text(j, i, texts[0], color=colour, weight=weight, ha="center", va="center")
        return
    axes.text(j, i - 0.03, texts[0], color=colour, weight=weight, ha="center", va="bottom")
    axes.text(j, i + 0.1, texts[1], color=colour, fontsize=6.5, ha="center", va="top")
