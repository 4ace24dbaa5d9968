"""Colours, sizes and text that all figures share, and the writing of their files.

matplotlib is imported when the first figure is made, and never its pyplot: no window and no global state.
"""

from __future__ import annotations

import io
import logging
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ffcli.errors import FfnnError
from ffcli.util.atomic_files import write_atomic
from ffcli.util.text import plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = (".png", ".svg", ".pdf")
"""The endings of a figure's file."""

DPI = 150

# Okabe and Ito 2008, https://jfly.uni-koeln.de/color/: told apart with every kind of colour blindness.
# Their black is left to the text and their yellow, too pale on white, out.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
BLUE, VERMILLION, GREEN = PALETTE[:3]
INK, MUTED, GRID = "#1F2328", "#59636E", "#D8DEE4"

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
    "svg.hashsalt": "ffnn",  # with it, and without dates, the same figure gives the same file
    "pdf.fonttype": 42,  # TrueType: journals refuse the default, Type 3
}


@contextmanager
def styled() -> Iterator[None]:
    """Draw in one style, whatever the user's own matplotlibrc says, and without warnings.

    A character that the font lacks is drawn as a box.
    """
    # matplotlib warns while it makes its caches, and of a home directory that cannot be written to.
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
    """Return an empty figure of this size in inches with a constrained layout.

    It is drawn within `styled` and saved by `save_figure`.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def epochs_axis(axes: Axes) -> None:
    """Make the x axis that of the epochs, with ticks at integers only, even where there is one epoch."""
    from matplotlib.ticker import MaxNLocator

    axes.set_xlabel("epoch")
    # By default there are two ticks at least, for which a single epoch is divided.
    axes.xaxis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 5, 10], integer=True, min_n_ticks=1))


def label(text: object, longest: int = 60) -> str:
    """Return a name for a figure: on one line, what cannot be printed as an escape, the end cut off."""
    line = plain(text)
    return line if len(line) <= longest else line[: longest - 1] + "…"


def figure_bytes(figure: Figure, ending: str = ".png", dpi: int = DPI) -> bytes:
    """Return a figure as a file of the format with this ending; the same figure gives the same bytes."""
    content = io.BytesIO()
    dates: dict[str, dict[str, Any]] = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
    with styled():
        figure.savefig(content, format=ending[1:], dpi=dpi, metadata=dates.get(ending))
    return content.getvalue()


def save_figure(figure: Figure, path: Path, dpi: int | None = None) -> None:
    """Write a figure, whole or not at all, as PNG, SVG or PDF by the ending of ``path``.

    ``dpi`` are the dots per inch of a PNG and of the images within an SVG or PDF, by default `DPI`. A path
    without an ending is a device and gets a PNG. Raises FfnnError where the file
    cannot be written.
    """
    save_file(path, figure_bytes(figure, path.suffix.lower() or ".png", dpi or DPI))


@contextmanager
def as_png(path: Path, draw: Callable[[], Figure]) -> Iterator[Path]:
    """Yield the PNG of the figure that was written to ``path``: that file, or a temporary one that is drawn.

    For readers of pixels only, such as W&B.
    """
    if path.suffix.lower() == ".png":
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        picture = Path(folder) / f"{path.stem}.png"
        picture.write_bytes(figure_bytes(draw()))
        yield picture


def save_file(path: Path, content: bytes | str) -> None:
    """Write a file, whole or not at all. Raises FfnnError where it cannot be written.

    A link, a device or a pipe such as /dev/stdout is written through instead of being replaced, also where a
    regular file is behind the link, as behind a redirected /dev/stdout.
    """
    try:
        if is_written_through(path):
            path.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
        else:
            write_atomic(path, content)
    except OSError as error:
        raise FfnnError(f"{path} cannot be written: {error.strerror or error}.") from error


def is_written_through(path: Path) -> bool:
    """Whether a path is a link, a device or a pipe, which stays what it is when it is written to."""
    return path.is_symlink() or (path.exists() and not path.is_file())
