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
    """A run's epochs, from 1, with the losses and the accuracies after each; ``best_epoch`` is marked.

    ``loss`` is the loss function that it was trained with.
    """

    name: str
    loss: str
    epochs: Sequence[int]
    train_loss: Sequence[float]
    val_loss: Sequence[float]
    train_acc: Sequence[float]
    val_acc: Sequence[float]
    best_epoch: int | None


def run_curves_figure(runs: Sequence[RunCurves]) -> Figure:
    """Draw up to `MOST` runs: validation as a line, training dashed, and the best epoch as a marker.

    Each loss function has axes of its own, since values of different losses cannot be compared.
    """
    with styled():
        from matplotlib.lines import Line2D

        losses = list(dict.fromkeys(run.loss for run in runs))
        figure = new_figure(4.5 * (len(losses) + 1), 3.6 + 0.22 * len(runs))
        *loss_axes, accuracy = figure.subplots(1, len(losses) + 1)
        for run, colour, marker in zip(runs, PALETTE, _MARKERS):
            _draw(loss_axes[losses.index(run.loss)], run, (run.train_loss, run.val_loss), colour, marker)
            _draw(accuracy, run, (run.train_acc, run.val_acc), colour, marker)
        for axes, title in zip((*loss_axes, accuracy), (*losses, "accuracy")):
            axes.set_title(label(title), loc="left")
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
    point = "." if len(run.epochs) == 1 else None  # of which a line shows nothing
    axes.plot(
        run.epochs, training, color=colour, linestyle=(0, (4, 2)), linewidth=1, marker=point, mfc="white"
    )
    axes.plot(run.epochs, validation, color=colour, marker=point)
    for epoch, value in zip(run.epochs, validation):
        if epoch == run.best_epoch:
            axes.plot(epoch, value, color=colour, marker=marker, markersize=7)
