"""The learning curves of a comparison, as the figure and W&B draw them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ffcli.plotting.learning_curves import Band, comparison_figure
from ffcli.services.compare_loss.results import ComparedPair
from ffcli.services.compare_loss.statistics import LEAST_PAIRS, LOSSES, paired_difference
from ffcli.services.compare_loss.table import table
from ffcli.tracking.base import Lines, Rows

if TYPE_CHECKING:
    from matplotlib.figure import Figure


_TITLE = "Median and interquartile range of the configurations"
_DIFFERENCE = "Difference within the pairs: mean and 95 % interval"
_NAMES = dict(zip(LOSSES, ("cross-entropy", "squared error")))


def draw(pairs: Sequence[ComparedPair]) -> Figure:
    """Draw pairs that are whole, of which there is one at least."""
    by_epoch = _by_epoch(pairs)
    return comparison_figure(
        _curves(by_epoch),
        differences(by_epoch),
        [len(first) for first, _ in by_epoch],
        _TITLE,
        _difference_title(len(pairs)),
    )


def native_charts(pairs: Sequence[ComparedPair]) -> list[Lines | Rows]:
    """Return the same curves, and the table of the pairs, for W&B to draw: it has lines, but no bands."""
    whole = [pair for pair in pairs if pair.left_out is None]
    by_epoch = _by_epoch(whole)
    quartiles = ("lower quartile", "upper quartile")
    accuracies = [_lines(name, band, quartiles) for name, band in _curves(by_epoch).items()]
    difference = _lines("difference", differences(by_epoch), ("low", "high"))
    return [
        Lines("accuracies", f"val_acc: {_TITLE.lower()}", "epoch", accuracies[0] | accuracies[1]),
        Lines("difference", f"val_acc: {_difference_title(len(whole)).lower()}", "epoch", difference),
        table(pairs),
    ]


def _difference_title(pairs: int) -> str:
    if pairs >= LEAST_PAIRS:
        return _DIFFERENCE
    return f"Difference within too few pairs ({pairs}): mean and interval"


def _lines(name: str, band: Band, ends: tuple[str, str]) -> dict[str, Sequence[float]]:
    return {name: band.middle, f"{name}, {ends[0]}": band.low, f"{name}, {ends[1]}": band.high}


def _by_epoch(pairs: Sequence[ComparedPair]) -> list[list[list[float]]]:
    """Return the accuracies after each epoch, with each loss, of the pairs that were trained so far."""
    networks = [(pair.cross_entropy, pair.squared_error) for pair in pairs]
    curves = [[each.val_acc_by_epoch for each in both if each is not None] for both in networks]
    longest = max(len(curve) for both in curves for curve in both)
    going = [[both for both in curves if min(map(len, both)) > index] for index in range(longest)]
    return [
        [[both[turn][index] for both in some] for turn in range(len(LOSSES))]
        for index, some in enumerate(going)
    ]


def _curves(by_epoch: Sequence[Sequence[Sequence[float]]]) -> dict[str, Band]:
    return {_NAMES[loss]: spread([both[turn] for both in by_epoch]) for turn, loss in enumerate(LOSSES)}


def spread(by_epoch: Sequence[Sequence[float]]) -> Band:
    """Return the median and the quartiles of the values of each epoch (NumPy's linear quantiles)."""
    low, middle, high = ([float(np.quantile(values, at)) for values in by_epoch] for at in (0.25, 0.5, 0.75))
    return Band(middle, low, high)


def differences(by_epoch: Sequence[Sequence[Sequence[float]]]) -> Band:
    """Return the mean paired difference of each epoch with its interval; of one pair the bare difference."""
    found = [each for each in (paired_difference(*both) for both in by_epoch) if each is not None]
    return Band(
        [each.mean for each in found],
        [each.mean if each.low is None else each.low for each in found],
        [each.mean if each.high is None else each.high for each in found],
    )
