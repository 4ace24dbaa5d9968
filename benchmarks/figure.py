"""The two figures, for a light page of README width."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.cases import CASES
from benchmarks.peers import OURS, PEERS
from benchmarks.results import Row, microseconds

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito's palette, which stays distinct under the common colour-vision deficiencies.
BLUE, ORANGE, SKY, GREY = "#0072B2", "#E69F00", "#56B4E9", "#B8BCC2"
INK = "#24292F"
STYLE: dict[Any, Any] = {
    "font.size": 8,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": GREY,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "savefig.dpi": 200,
    "savefig.facecolor": "white",
}


def training(rows: Sequence[Row], path: Path) -> None:
    """Draw the time of a step as bars, a panel a case (and number of cores), and write a PNG."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    panels: dict[tuple[int, str], list[Row]] = {}
    for row in rows:
        panels.setdefault((row.cores, row.case), []).append(row)
    with mpl.rc_context(STYLE):
        columns = min(3, len(panels))
        lines = -(-len(panels) // columns)
        figure = Figure(figsize=(1.0 + 3.0 * columns, 0.5 + 2.0 * lines), layout="constrained")
        axes = figure.subplots(lines, columns, squeeze=False, sharey=True).ravel()
        peers = [peer for peer in PEERS if any(row.peer == peer for row in rows)]
        axes[0].set_yticks(range(len(peers)), [PEERS[peer].label for peer in peers])
        axes[0].set_ylim(len(peers) - 0.5, -0.5)
        for axis, ((cores, case), shown) in zip(axes, panels.items(), strict=False):
            _bars(axis, shown, peers)
            on = "1 core" if cores == 1 else f"{cores} cores"
            axis.set_title(f"{case}: {CASES[case].title}, {on}", fontsize=8, fontweight="bold", loc="left")
        for axis in axes[len(panels) :]:
            axis.remove()
        figure.suptitle(
            "Time of a training step in µs, and how many times ours (shorter is better; line: all rounds)",
            fontsize=9,
        )
        figure.savefig(path)


def _bars(axis: Axes, rows: Sequence[Row], peers: list[str]) -> None:
    longest = max(row.step_seconds.high for row in rows)
    for row in rows:
        place, time = peers.index(row.peer), row.step_seconds
        axis.barh(place, time.median, height=0.72, color=BLUE if row.peer == OURS else GREY)
        axis.plot([time.low, time.high], [place, place], color=INK, linewidth=1)
        text = microseconds(time.median)
        if row.ratio and row.peer != OURS:
            text += f"  ({row.ratio.median:.2f}×)"
        axis.text(time.high + 0.02 * longest, place, text, va="center", fontsize=7)
    axis.tick_params(axis="y", length=0)
    axis.set_xlim(0, 1.5 * longest)  # room for the longest bar's text
    axis.set_xticks([])
    axis.spines["bottom"].set_visible(False)


def scaling(series: dict[str, list[dict[str, Any]]], caption: str, path: Path) -> None:
    """Draw a panel a series: the step's time above the floor of arithmetic and of memory traffic."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(10, 3.4), layout="constrained")
        for axis, (name, points) in zip(
            figure.subplots(1, len(series), squeeze=False, sharey=True)[0], series.items(), strict=True
        ):
            x = [point[name] for point in points]
            arithmetic = [point["gemm_floor_seconds"] * 1e6 for point in points]
            floor = [point["floor_seconds"] * 1e6 for point in points]
            measured = [point["step_seconds"] * 1e6 for point in points]
            axis.plot(x, measured, color=BLUE, marker="o", markersize=4, label="measured step")
            axis.plot(x, floor, color=ORANGE, linestyle="--", label="floor: products + optimizer's traffic")
            axis.plot(x, arithmetic, color=SKY, linestyle=":", label="floor: products alone")
            axis.set_xscale("log", base=2)
            axis.set_yscale("log")
            axis.set_xlim(x[0] / 1.5, x[-1] * 1.15)
            axis.set_xticks(x, [str(value) for value in x])
            axis.minorticks_off()
            axis.set_xlabel(name)
            axis.grid(color="#E6E8EB", linewidth=0.6)
            axis.set_axisbelow(True)
            for place, time, least in zip(x, measured, floor, strict=True):
                axis.annotate(
                    f"{time / least:.1f}×", (place, time), (-2, 5), textcoords="offset points", ha="right"
                )
        figure.axes[0].set_ylabel("µs a step (the figure: times the floor)")
        figure.axes[0].legend(frameon=False, fontsize=7)
        figure.suptitle(caption, fontsize=9)
        figure.savefig(path)
