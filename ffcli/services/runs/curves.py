"""``ffnn runs show``: a stored run, and on request a figure of its learning curves."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ffcli.plotting.run_curves import RunCurves, run_curves_figure
from ffcli.plotting.style import save_figure
from ffcli.runs.results import RunResult
from ffcli.services.outputs import check_figure
from ffcli.services.runs.listing import show_run
from ffcli.training.context import Context


@dataclass(frozen=True)
class ShownRun(RunResult):
    """A stored run with the figure of its learning curves."""

    png: Path | None
    """The learning curves; null where no figure was asked for, or the run has no epoch."""


def show_with_curves(context: Context, run: str, out: Path | None, dpi: int | None = None) -> ShownRun:
    """Return a stored run and draw its learning curves to ``out``, if given and if it has an epoch.

    Raises RequestError for an unknown run or a wrong ``out`` or ``dpi``, FfnnError where the run is
    damaged or the figure cannot be written.
    """
    target = check_figure(context, out, dpi)
    result = show_run(context, run)
    if target is not None and result.epochs:
        save_figure(run_curves_figure([run_curves(result, result.name)]), target, dpi)
    else:
        target = None
    return ShownRun(**vars(result), png=target)


def run_curves(result: RunResult, name: str) -> RunCurves:
    """Return what the figure draws of a run, under this name."""
    drawn = ("train_loss", "val_loss", "train_acc", "val_acc")
    return RunCurves(
        name=name,
        loss=str(result.config.get("loss")),
        epochs=[row.epoch for row in result.epochs],
        best_epoch=result.best_epoch,
        **{metric: [getattr(row, metric) for row in result.epochs] for metric in drawn},
    )
