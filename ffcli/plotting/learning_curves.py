"""Learning curves of two groups of runs with bands, and the difference within their pairs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ffcli.plotting.style import BLUE, GREEN, INK, MUTED, VERMILLION, epochs_axis, label, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_STYLES = ((BLUE, "-", "o"), (VERMILLION, "--", "s"))  # distinguishable in gray, too
_LEAST_SCALE = 5.0  # percentage points


@dataclass(frozen=True)
class Band:
    """A curve over the epochs from 1, with the ends of an interval at each."""

    middle: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]


def comparison_figure(
    curves: Mapping[str, Band], difference: Band, pairs: Sequence[int], title: str, difference_title: str
) -> Figure:
    """Draw two curves of accuracies beside their difference, the first minus the second.

    All values are accuracies in [0, 1], drawn in percent. ``pairs`` counts the pairs that were trained up to
    each epoch. Where some of them end the curves are interrupted and the figure says so, since the values
    that follow are of fewer pairs. The scale of the difference follows the curve: the wide intervals of few
    pairs leave the axes, and the figure says so.
    """
    names = [label(name) for name in curves]
    with styled():
        figure = new_figure(9.5, 4.2)
        left, right = figure.subplots(1, 2)
        for name, band, (color, line, marker) in zip(names, curves.values(), _STYLES):
            _draw(left, band, pairs, (color, line, marker), name)
        left.set_ylabel("validation accuracy, %")
        left.legend(loc="lower right")
        _draw(right, difference, pairs, (GREEN, "-", "D"), None)
        right.axhline(0, color=INK, linewidth=0.8)
        right.set_ylabel(f"{names[0]} minus {names[1]}, points")
        for axes, text in ((left, title), (right, difference_title)):
            axes.set_title(text, loc="left")
            epochs_axis(axes)
            axes.set_xlim(0.7, len(pairs) + 0.3)
            axes.grid(axis="y")
            _mark_ends(axes, pairs)
        _scale(right, difference)
    return figure


def _scale(axes: Axes, band: Band) -> None:
    """Limit the y axis to twice the extent of the curve on either side of it and of zero."""
    middle, low, high = ([100 * each for each in row] for row in (band.middle, band.low, band.high))
    bottom, top = min(0.0, *middle), max(0.0, *middle)
    margin = max(2 * (top - bottom), _LEAST_SCALE)
    ends = max(bottom - margin, 1.05 * min(bottom, *low)), min(top + margin, 1.05 * max(top, *high))
    if ends[0] < ends[1]:
        axes.set_ylim(*ends)
    if min(low) < ends[0] or max(high) > ends[1]:
        axes.annotate(
            "the interval extends beyond the axes",
            (0.01, 0.01),
            xycoords="axes fraction",
            fontsize=8,
            color=MUTED,
        )


def _stretches(pairs: Sequence[int]) -> Iterator[slice]:
    """Yield the stretches of epochs over which the pairs are the same."""
    start = 0
    for stop in range(1, len(pairs) + 1):
        if stop == len(pairs) or pairs[stop] != pairs[start]:
            yield slice(start, stop)
            start = stop


def _draw(
    axes: Axes, band: Band, pairs: Sequence[int], style: tuple[str, str, str], name: str | None
) -> None:
    color, line, marker = style
    for part in _stretches(pairs):
        epochs = range(part.start + 1, part.stop + 1)
        middle, low, high = ([100 * each for each in row[part]] for row in (band.middle, band.low, band.high))
        if len(epochs) == 1:  # which has no width to fill
            axes.vlines(epochs, low, high, color=color, alpha=0.35, linewidth=6)
        axes.fill_between(epochs, low, high, color=color, alpha=0.18, linewidth=0)
        axes.plot(
            epochs,
            middle,
            color=color,
            linestyle=line,
            marker=marker,
            markersize=4,
            label=name if part.start == 0 else None,
        )


def _mark_ends(axes: Axes, pairs: Sequence[int]) -> None:
    for part in _stretches(pairs):
        if part.start == 0:
            continue
        axes.axvline(part.start + 0.5, color=MUTED, linewidth=0.8, linestyle=":")
        axes.annotate(
            f"{pairs[part.start]} of {pairs[0]} pairs",
            (part.start + 0.5, 1),
            xycoords=("data", "axes fraction"),
            xytext=(3, -2),
            textcoords="offset points",
            va="top",
            fontsize=8,
            color=MUTED,
        )
