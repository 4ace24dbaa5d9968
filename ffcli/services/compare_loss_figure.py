"""The learning curves of a comparison, as the figure draws them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ffcli.plotting.learning_curves import Band, comparison_figure
from ffcli.services.compare_loss_pairs import Pair
from ffcli.services.compare_loss_statistics import LOSSES, paired_difference

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw(pairs: Sequence[Pair]) -> Figure:
    """Draw pairs that are whole, of which there is one at least."""
    going = [
        [pair for pair in pairs if min(len(pair.curves[loss]) for loss in LOSSES) >= epoch]
        for epoch in range(1, 1 + max(len(pair.curves[loss]) for pair in pairs for loss in LOSSES))
    ]
    by_epoch = [
        [[pair.curves[loss][index] for pair in some] for loss in LOSSES] for index, some in enumerate(going)
    ]
    curves = {
        loss.replace("_", "-" if loss == "cross_entropy" else " "): spread([both[turn] for both in by_epoch])
        for turn, loss in enumerate(LOSSES)
    }
    return comparison_figure(
        curves,
        differences(by_epoch),
        [len(some) for some in going],
        "Median and interquartile range of the configurations",
        "Difference within the pairs: mean and 95 % interval",
    )


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
