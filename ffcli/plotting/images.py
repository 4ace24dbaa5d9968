"""Images in a grid, and an image beside the class probabilities that a network gives it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from typing import TYPE_CHECKING, Any

from ffcli.plotting.style import BLUE, GRID, INK, MUTED, label, new_figure, styled
from ffcli.util.text import percentage

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

GRID_LIMIT = 100
"""The most images that one grid holds."""

_SIDE, _TEXT = 1.5, 0.35  # inches: a column's width, and the height of title and caption
_BARS = 20  # classes with a bar in one chart


def columns_for(n: int) -> int:
    """Return how many of ``n`` images are in a row."""
    return min(n, 5 if n <= 25 else 10)


def grid_figure(images: Sequence[Any], titles: Sequence[str], captions: Sequence[str]) -> Figure:
    """Draw images, uint8 of shape (H, W) or (H, W, 3), in rows of five (of ten from 26 on).

    The title above an image has one line or two, the caption below it one.
    """
    columns = columns_for(len(images))
    rows = ceil(len(images) / columns)
    lines = 0.15 * max(title.count("\n") for title in titles)
    tall = _SIDE * min(max(images[0].shape[0] / images[0].shape[1], 0.2), 3)
    with styled():
        figure = new_figure(_SIDE * columns, (tall + _TEXT + lines) * rows)
        for position, (image, title, caption) in enumerate(zip(images, titles, captions), start=1):
            axes = figure.add_subplot(rows, columns, position)
            _show(axes, image)
            axes.set_title("\n".join(label(line, 24) for line in title.split("\n")), fontsize=9, pad=4)
            axes.set_xlabel(caption, fontsize=7, color=MUTED, labelpad=3)
    return figure


def prediction_figure(image: Any, title: str, probabilities: Mapping[str, float], true: str | None) -> Figure:
    """Draw an image beside the probabilities of the classes, the most probable first.

    The most probable class is highlighted by colour, the ``true`` one by words. Of more than 20 classes the
    first 20 are drawn. Without an ``image`` the chart is alone.
    """
    ranked = sorted(probabilities.items(), key=lambda item: -item[1])[:_BARS]
    with styled():
        figure = new_figure(7.5 if image is not None else 5, max(3.0, 0.24 * len(ranked) + 0.9))
        if image is not None:
            left, axes = figure.subplots(1, 2, width_ratios=(1, 1.6))
            _show(left, image)
        else:
            axes = figure.add_subplot()
        values = [value for _, value in ranked]
        bars = axes.barh(range(len(ranked)), values, color=[BLUE] + [GRID] * (len(ranked) - 1), height=0.72)
        texts = [percentage(value, 1) + (" · true class" if name == true else "") for name, value in ranked]
        axes.bar_label(bars, texts, padding=4, fontsize=8, color=INK)
        axes.set_yticks(range(len(ranked)), [label(name, 24) for name, _ in ranked])
        axes.invert_yaxis()
        axes.set_xlim(0, 1.4)  # room for the words behind the longest bar
        axes.tick_params(axis="y", length=0)
        axes.xaxis.set_visible(False)
        axes.spines["bottom"].set_visible(False)
        figure.suptitle(title, x=0.01, ha="left")
    return figure


def _show(axes: Axes, image: Any) -> None:
    """Draw the pixels as they are, sharp, without ticks."""
    colours = image if image.ndim == 3 else image[..., None].repeat(3, axis=2)  # a colour map would round
    axes.imshow(colours, interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
