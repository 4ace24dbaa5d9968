"""The confusion matrix: what is right in blue, what is wrong in orange, each by its share of the row."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ffcli.plotting.style import INK, MUTED, label, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RGB = tuple[int, int, int]

# Near the palette's blue and vermillion. On this blue white numbers can be read in most shades; and of this
# orange terminals of 256 colours show shades of one hue.
_RIGHT, _WRONG = "#005A8E", "#F07800"
_WHITE: RGB = (255, 255, 255)
_WRITTEN = 25  # classes up to which the cells hold numbers
_NAMED = 60  # classes up to which the axes hold names


def _rgb(text: str) -> RGB:
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)


def shade(share: float, right: bool, least: float = 0) -> RGB:
    """Return the colour of a cell that holds this share of its row, 0 … 1.

    It goes from white, or from the part ``least`` of the full colour, by the root of the share, so that an
    error of one per cent can be seen beside 90 per cent right, and is the same in every figure.
    """
    full = _rgb(_RIGHT if right else _WRONG)
    weight = least + (1 - least) * math.sqrt(share)
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
    """Return each count's share of its row; a row without any image is all 0."""
    return [[count / max(sum(row), 1) for count in row] for row in matrix]


def percent(share: float) -> str:
    """Return a share as a whole per cent; what is near 0 or 100 without being it as ``<1%`` or ``>99%``."""
    if 0 < share < 0.01:
        return "<1%"
    return ">99%" if 0.99 < share < 1 else f"{share * 100:.0f}%"


def confusion_figure(
    matrix: Sequence[Sequence[int]], names: Sequence[str], title: str, *, normalize: bool
) -> Figure:
    """Draw a confusion matrix of counts: a row for each true class, a column for each predicted one.

    A cell holds its count and, smaller, its share of the row; with ``normalize`` the share alone. From 26
    classes on the cells hold no numbers, from 61 on the axes no names.
    """
    n = len(names)
    shares = row_fractions(matrix)
    pixels = [[shade(share, i == j) for j, share in enumerate(row)] for i, row in enumerate(shares)]
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
            axes.set_xticks(range(n), shown, rotation=40, ha="right", rotation_mode="anchor", fontsize=size)
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
                        weight = "bold" if i == j else "normal"
                        share = percent(shares[i][j])
                        if normalize:
                            axes.text(j, i, share, color=colour, weight=weight, ha="center", va="center")
                            continue
                        axes.text(
                            j, i - 0.03, str(count), color=colour, weight=weight, ha="center", va="bottom"
                        )
                        axes.text(j, i + 0.1, share, color=colour, fontsize=6.5, ha="center", va="top")
        figure.suptitle(title, x=0.01, ha="left")
        figure.supxlabel(
            "blue: right, orange: wrong; the deeper, the larger the share of the row",
            fontsize=7,
            color=MUTED,
            x=0.99,
            ha="right",
        )
    return figure
