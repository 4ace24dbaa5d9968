"""``ffnn train --folds K`` and ``--repeats N``: several runs of one configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ffcli.cli.context import context
from ffcli.cli.errors import Interrupted
from ffcli.cli.output import Output
from ffcli.cli.text import number
from ffcli.cli.views.jobs import fail_unless_finished, jobs_watcher, mean_and_se
from ffcli.cli.views.tables import Columns
from ffcli.util.text import counted

if TYPE_CHECKING:
    from ffcli.config import TrainConfig
    from ffcli.execution.open import PoolOptions
    from ffcli.training.options import RunOptions


def cross_validate(
    out: Output,
    settings: TrainConfig,
    options: RunOptions,
    where: PoolOptions,
    *,
    folds: int,
    repeats: int,
) -> None:
    """Train on folds, with several seeds or both, and show the figures over the runs."""
    from ffcli.services.cross_validation import cross_validate as run

    try:
        result = run(context(out), settings, options, where, jobs_watcher(out), folds=folds, repeats=repeats)
    except KeyboardInterrupt:
        raise Interrupted("Run the same command again to resume.") from None
    rows = [
        [
            run.run_id,
            *([run.config["fold"]] if folds else []),
            run.config["seed"],
            run.status,
            "–" if run.best_epoch is None else run.best_epoch,
            number(run.best_val_acc),
        ]
        for run in result.runs
    ]
    heads = ["run", *(["fold"] if folds else []), "seed", "status", "best epoch", "val_acc"]
    over = f"mean ± standard error of {counted(result.finished, 'finished run')}"
    lines = [f"val_acc {mean_and_se(result.val_acc)}, val_loss {mean_and_se(result.val_loss)}: {over}"]
    if result.finished == len(result.runs) > 1:
        evaluate = out.settings.command("evaluate", *result.run_ids, "--ensemble")
        lines.append(f"the mean of their networks on the test images: {evaluate}")
    out.result(result, Columns(heads, rows, right=["seed", "best epoch", "val_acc"]), "", "\n".join(lines))
    fail_unless_finished(out, result.runs)
