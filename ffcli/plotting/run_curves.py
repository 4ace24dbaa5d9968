"""The learning curves of several runs in one figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ffcli.plotting.style import GRID, INK, PALETTE, epochs_axis, label, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST = len(PALETTE)  # curves that can be told apart
_MARKERS = "osD^vP"


@dataclass(frozen=True)
class RunCurves:
    """A run's epochs, from 1, with the losses and the accuracies after each; ``best_epoch`` is marked."""

    name: str
    epochs: Sequence[int]
    train_loss: Sequence[float]
    val_loss: Sequence[float]
    train_acc: Sequence[float]
    val_acc: Sequence[float]
    best_epoch: int | None


def run_curves_figure(runs: Sequence[RunCurves]) -> Figure:
    """Draw up to `MOST` runs: validation as a line, training dashed, and the best epoch as a marker."""
    with styled():
        from matplotlib.lines import Line2D

        figure = new_figure(9, 3.6 + 0.22 * len(runs))
        loss, accuracy = figure.subplots(1, 2)
        for run, colour, marker in zip(runs, PALETTE, _MARKERS):
            _draw(loss, run, (run.train_loss, run.val_loss), colour, marker)
            _draw(accuracy, run, (run.train_acc, run.val_acc), colour, marker)
        for axes, title in ((loss, "loss"), (accuracy, "accuracy")):
            axes.set_title(title, loc="left")
            epochs_axis(axes)
            axes.grid(axis="y", color=GRID)
        handles = [
            Line2D([], [], color=colour, marker=marker, label=label(run.name))
            for run, colour, marker in zip(runs, PALETTE, _MARKERS)
        ]
        styles = [
            Line2D([], [], color=INK, label="validation"),
            Line2D([], [], color=INK, linestyle=(0, (4, 2)), linewidth=1, label="training"),
            Line2D([], [], color=INK, linestyle="", marker="o", label="best epoch by val_acc"),
        ]
        figure.legend(handles=handles, loc="outside lower left")
        figure.legend(handles=styles, loc="outside lower right")
    return figure


def _draw(
    axes: Axes, run: RunCurves, curves: tuple[Sequence[float], Sequence[float]], colour: str, marker: str
) -> None:
    training, validation = curves
    axes.plot(run.epochs, training, color=colour, linestyle=(0, (4, 2)), linewidth=1)
    axes.plot(run.epochs, validation, color=colour)
    for epoch, value in zip(run.epochs, validation):
        if epoch == run.best_epoch:
            axes.plot(epoch, value, color=colour, marker=marker, markersize=7)
