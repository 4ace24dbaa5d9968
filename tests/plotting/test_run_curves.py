from __future__ import annotations

import numpy as np
from pixels import pixels

from ffcli.plotting.run_curves import RunCurves, run_curves_figure


def test_a_single_epoch_is_visible() -> None:
    """Without a best epoch, whose marker would be visible anyway."""
    one = RunCurves("r", "cross_entropy", [1], [2.0], [1.0], [0.4], [0.6], None)
    none = RunCurves("r", "cross_entropy", [1], [np.nan], [np.nan], [np.nan], [np.nan], None)
    figure, empty = run_curves_figure([one]), run_curves_figure([none])
    for axes, values in zip(figure.axes, ([1.0, 2.0], [0.4, 0.6])):
        low, high = axes.get_ylim()
        assert low < values[0] < values[1] < high
    picture, axes = pixels(figure), figure.axes[0]
    across, up = axes.transData.transform((1, 1.0))
    around = picture[
        len(picture) - 4 - int(up) : len(picture) + 2 - int(up), int(across) - 3 : int(across) + 3
    ]
    assert (around.astype(int).sum(axis=2) < 600).any(), "nothing is drawn at the validation loss"
    assert pixels(empty).shape == picture.shape
