"""What every figure shares: its colours, its sizes, its text, and how it becomes a PNG.

matplotlib is imported when the first figure is made, and never its pyplot: no window, no state of a session.
"""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ffcli.errors import FfnnError, RequestError
from ffcli.util.atomic_files import write_atomic

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 150

# Okabe and Ito 2008, https://jfly.uni-koeln.de/color/: told apart with every kind of colour blindness.
# Their black is left to the text and their yellow, too pale on white, out.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
BLUE, VERMILLION, GREEN = PALETTE[:3]
INK, MUTED, GRID = "#1F2328", "#59636E", "#D8DEE4"
SEQUENTIAL = "Blues"  # a colour map of one hue, from light to dark: it also reads in gray

_RC: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # matplotlib brings it along
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.labelsize": 9,
    "figure.titlesize": 11,
    "text.color": INK,
    "text.parse_math": False,  # a dollar sign in a name is a dollar sign
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "lines.linewidth": 1.6,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "figure.constrained_layout.h_pad": 0.07,  # inches
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
}


@contextmanager
def styled() -> Iterator[None]:
    """Draw in the house's style, whatever the user's own matplotlibrc says, and without warnings.

    A character that the font lacks is drawn as a box.
    """
    # Before its caches are made matplotlib speaks of them, and of a home that cannot be written to.
    logger = logging.getLogger("matplotlib")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        import matplotlib as mpl
        import matplotlib.font_manager  # it finds the fonts when it is imported

        with mpl.rc_context(), warnings.catch_warnings():
            mpl.rcdefaults()
            mpl.rcParams.update(_RC)
            warnings.filterwarnings("ignore", r"Glyph .* missing from font")
            yield
    finally:
        logger.setLevel(level)


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of this size in inches, whose parts make room for one another.

    It is drawn within `styled` and saved by `save_png`.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def epochs_axis(axes: Axes) -> None:
    """Let the x axis be that of the epochs, with ticks at whole ones only, even where there is just one."""
    from matplotlib.ticker import MaxNLocator

    axes.set_xlabel("epoch")
    # By default there are two ticks at least, for which a single epoch is divided.
    axes.xaxis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 5, 10], integer=True, min_n_ticks=1))


def label(text: object, longest: int = 60) -> str:
    """Return a name for a figure: on one line, what cannot be printed as an escape, the end cut off."""
    line = "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in str(text)
    )
    return line if len(line) <= longest else line[: longest - 1] + "…"


def png(figure: Figure) -> bytes:
    """Return a figure as a PNG of 150 dpi."""
    content = io.BytesIO()
    with styled():
        figure.savefig(content, format="png", dpi=DPI)
    return content.getvalue()


def save_png(figure: Figure, path: Path) -> None:
    """Write a figure as a PNG of 150 dpi, whole or not at all. Raises FfnnError where that cannot be."""
    save_file(path, png(figure))


def save_file(path: Path, content: bytes | str) -> None:
    """Write a file, whole or not at all. Raises FfnnError where that cannot be.

    A link, a device or a pipe such as /dev/stdout is written to: a file in its place would take it away from
    all. Links stay links even where a file is behind them, as behind a redirected /dev/stdout.
    """
    try:
        if path.is_symlink() or (path.exists() and not path.is_file()):
            path.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
        else:
            write_atomic(path, content)
    except OSError as error:
        raise FfnnError(f"{path} cannot be written: {error.strerror or error}.") from error


def check_target(parameter: str, path: Path, suffix: str | None = None) -> Path:
    """Return the path of a file to write with ``~`` resolved; called before any long work starts.

    Raises RequestError that names ``parameter`` where its directory does not exist, where it is itself a
    directory, or where it does not end in ``suffix``.
    """
    try:
        target = path.expanduser()
    except RuntimeError as error:  # ~somebody who is not there
        raise RequestError(f"{path}: {error}", parameter=parameter) from None
    if target.is_dir():
        raise RequestError(f"expected a file, got the directory {path}", parameter=parameter)
    if suffix is not None and target.suffix.lower() != suffix:
        raise RequestError(f"must end in {suffix}, got {path}", parameter=parameter)
    if not target.parent.is_dir():
        raise RequestError(f"{path}: there is no directory {target.parent}", parameter=parameter)
    return target
