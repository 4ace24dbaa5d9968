"""Reading a figure back as the picture that a user sees."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from ffcli.plotting.style import figure_bytes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def pixels(figure: Figure) -> np.ndarray:
    """Return the PNG of a figure, (height, width, 3) uint8."""
    return np.asarray(Image.open(io.BytesIO(figure_bytes(figure))).convert("RGB"))


def colour_at(picture: np.ndarray, axes: Axes, x: float, y: float) -> tuple[int, ...]:
    """Return the colour of a picture at the point (x, y) of the data of ``axes``."""
    across, up = axes.transData.transform((x, y))
    return tuple(int(part) for part in picture[len(picture) - 1 - int(up), int(across)])


def shown_ticks(axes: Axes) -> list[float]:
    """Return where the x axis has ticks, as far as it reaches."""
    low, high = axes.get_xlim()
    return [float(tick) for tick in axes.get_xticks() if low <= tick <= high]
