"""``ffnn runs compare``: stored runs side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ffcli.errors import RequestError
from ffcli.plotting.run_curves import MOST, run_curves_figure
from ffcli.plotting.style import as_png, save_figure
from ffcli.runs.metric import METRICS, is_loss
from ffcli.runs.results import EpochRow, RunResult
from ffcli.services.outputs import check_figure, check_output
from ffcli.services.runs.curves import run_curves
from ffcli.services.runs.listing import show_run
from ffcli.tracking.base import Additions, Lines, Rows
from ffcli.training.attaching import log_about
from ffcli.training.context import Context
from ffcli.training.options import RunOptions
from ffcli.util.atomic_files import joined

_LEAST_SHORT = 4  # characters of an id's end


@dataclass(frozen=True)
class ComparedRun(RunResult):
    """A stored run beside others."""

    short: str
    """The end of the id that distinguishes it from the others."""
    at_best: EpochRow | None
    """The row of the best epoch."""
    different: dict[str, Any]
    """Its values of the hyper-parameters in which the runs differ."""
    png: Path | None
    """The learning curves of all; null where no run has an epoch."""


def compare_runs(
    context: Context, runs: Sequence[str], out: Path | None = None, dpi: int | None = None
) -> list[ComparedRun]:
    """Return the runs side by side, and draw their learning curves into one figure.

    Raises RequestError unless there are two to `MOST` different runs.
    """
    target = check_figure(context, out, dpi) or check_output(context, "out", Path("runs-compare.png"))
    ids = list(dict.fromkeys(context.runs.find(run).name for run in runs))
    if not 2 <= len(ids) <= MOST:
        raise RequestError(f"runs compare: expected 2 to {MOST} different runs, got {len(ids)}.")
    results = [show_run(context, run_id) for run_id in ids]
    names = dict.fromkeys(name for result in results for name in result.config)
    different = [
        name
        for name in names
        if any(result.config.get(name) != results[0].config.get(name) for result in results)
    ]
    shorts = _shorts(ids)
    drawn = any(result.epochs for result in results)
    if drawn:
        curves = [run_curves(result, f"{short}  {result.name}") for result, short in zip(results, shorts)]
        save_figure(run_curves_figure(curves), target, dpi)
    return [
        ComparedRun(
            **vars(result),
            short=short,
            at_best=next((row for row in result.epochs if row.epoch == result.best_epoch), None),
            different={name: result.config.get(name) for name in different},
            png=target if drawn else None,
        )
        for result, short in zip(results, shorts)
    ]


def comparable(runs: Sequence[ComparedRun], metric: str) -> dict[str, list[ComparedRun]]:
    """Return the runs whose values of a metric can be compared, by the label of the metric.

    All runs share one label, but a loss has one for each loss function that the runs were trained with.
    """
    losses = list(dict.fromkeys(str(run.config.get("loss")) for run in runs))
    if not is_loss(metric) or len(losses) == 1:
        return {metric: list(runs)}
    return {
        f"{metric} ({loss})": [run for run in runs if str(run.config.get("loss")) == loss] for loss in losses
    }


def log(context: Context, runs: Sequence[ComparedRun], options: RunOptions) -> None:
    """Make a W&B run of a comparison: the figure, and W&B's own charts of the same, where tracking is on."""
    png = runs[0].png
    if png is None:
        return
    shorts = [run.short for run in runs]
    lines = [
        Lines(
            title,
            title,
            "epoch",
            {f"{run.short} {run.name}": [getattr(row, metric) for row in run.epochs] for run in group},
        )
        for metric in METRICS
        for title, group in comparable(runs, metric).items()
    ]
    values = [[name, *(joined(run.different[name]) for run in runs)] for name in runs[0].different]
    with as_png(
        png, lambda: run_curves_figure([run_curves(run, f"{run.short}  {run.name}") for run in runs])
    ) as picture:
        log_about(
            context,
            options,
            [context.runs.read(run.run_id) for run in runs],
            name=f"compare {' '.join(shorts)}",
            job_type="compare-runs",
            additions=Additions(
                images={"learning curves": picture},
                charts=[*lines, Rows("differences", ["hyper-parameter", *shorts], values)],
            ),
        )


def _shorts(ids: Sequence[str]) -> list[str]:
    """Return the shortest ends of the ids, all of one length if they are long enough, that differ."""
    for length in range(_LEAST_SHORT, max(map(len, ids))):
        ends = [run_id[-length:] for run_id in ids]
        if len(set(ends)) == len(ids):
            return ends
    return list(ids)
