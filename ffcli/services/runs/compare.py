"""``ffnn runs compare``: stored runs side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ffcli.errors import RequestError
from ffcli.plotting.run_curves import MOST, RunCurves, run_curves_figure
from ffcli.plotting.style import check_target, save_png
from ffcli.runs.record import METRICS
from ffcli.services.runs.listing import show_run
from ffcli.tracking.base import Additions, Lines, Rows
from ffcli.training.context import Context
from ffcli.training.options import RunOptions
from ffcli.training.tracking import log_about


def compare_runs(context: Context, runs: Sequence[str], out: Path | None = None) -> list[dict[str, Any]]:
    """Return train's document of each run, and draw their learning curves into one PNG.

    Each has also {short, at_best, different, png}: ``short`` is the end of its id that tells it from the
    others, ``at_best`` the row of its best epoch or None, ``different`` its values of the hyper-parameters in
    which not all of the runs agree, and ``png`` the figure's path, None where no run has an epoch.
    """
    target = check_target("--out", out or Path("runs-compare.png"), ".png")
    ids = list(dict.fromkeys(context.runs.find(run).name for run in runs))
    if not 2 <= len(ids) <= MOST:
        raise RequestError(f"runs compare takes 2 to {MOST} different runs, not {len(ids)}.")
    documents = [show_run(context, run_id) for run_id in ids]
    names = dict.fromkeys(name for document in documents for name in document["config"])
    different = [
        name
        for name in names
        if any(document["config"].get(name) != documents[0]["config"].get(name) for document in documents)
    ]
    shorts = _shorts(ids)
    drawn = any(document["epochs"] for document in documents)
    if drawn:
        curves = [_curves(document, short) for document, short in zip(documents, shorts)]
        save_png(run_curves_figure(curves), target)
    return [
        {
            **document,
            "short": short,
            "at_best": next(
                (row for row in document["epochs"] if row["epoch"] == document["best_epoch"]), None
            ),
            "different": {name: document["config"].get(name) for name in different},
            "png": str(target) if drawn else None,
        }
        for document, short in zip(documents, shorts)
    ]


def log(context: Context, documents: Sequence[dict[str, Any]], options: RunOptions) -> None:
    """Make a W&B run of a comparison: the figure, and W&B's own charts of the same, where tracking is on."""
    png = documents[0]["png"]
    if png is None:
        return
    shorts = [document["short"] for document in documents]
    lines = [
        Lines(
            metric,
            metric,
            "epoch",
            {
                f"{document['short']} {document['name']}": [row[metric] for row in document["epochs"]]
                for document in documents
            },
        )
        for metric in METRICS
    ]
    values = [
        [name, *(_cell(document["different"][name]) for document in documents)]
        for name in documents[0]["different"]
    ]
    log_about(
        context,
        options,
        [context.runs.read(document["run_id"]) for document in documents],
        name=f"compare {' '.join(shorts)}",
        job_type="compare-runs",
        additions=Additions(
            images={"learning curves": Path(png)},
            charts=[*lines, Rows("differences", ["hyper-parameter", *shorts], values)],
        ),
    )


def _cell(value: Any) -> Any:
    return ",".join(map(str, value)) if isinstance(value, list) else value


def _shorts(ids: Sequence[str], least: int = 4) -> list[str]:
    """Return the shortest ends of the ids, all of one length if they are long enough, that differ."""
    for length in range(least, max(map(len, ids))):
        ends = [run_id[-length:] for run_id in ids]
        if len(set(ends)) == len(ids):
            return ends
    return list(ids)


def _curves(document: dict[str, Any], short: str) -> RunCurves:
    rows = document["epochs"]
    return RunCurves(
        name=f"{short}  {document['name']}",
        epochs=[row["epoch"] for row in rows],
        best_epoch=document["best_epoch"],
        **{name: [row[name] for row in rows] for name in ("train_loss", "val_loss", "train_acc", "val_acc")},
    )
