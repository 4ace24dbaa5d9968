"""``ffnn rerun``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import RenderableType

from ffcli.cli.completion import complete_metric, complete_sweep
from ffcli.cli.context import context
from ffcli.cli.errors import Interrupted
from ffcli.cli.help import CHOICE, REPETITION, TRAINING, option
from ffcli.cli.output import Output, refuse
from ffcli.cli.params import WandbEntity, WandbMode, WandbProject, dataset_option, tracking
from ffcli.cli.parsing import Command
from ffcli.cli.pool import Cluster, Jobs, Workers, pool_options, refuse_within_agent
from ffcli.cli.repetition import Folds, number_of
from ffcli.cli.text import number, plain
from ffcli.cli.values import integer
from ffcli.cli.views.jobs import fail_unless_finished, jobs_watcher, mean_and_se, short_name
from ffcli.cli.views.tables import Columns

if TYPE_CHECKING:
    from ffcli.services.rerun import RerunResult

app = typer.Typer(add_completion=False)


@app.command(cls=Command)
def rerun(
    ctx: typer.Context,
    *,
    sweep: Annotated[
        str,
        option(
            "--sweep SWEEP",
            CHOICE,
            "The id or name of a sweep; entity/project/id at W&B.",
            completes=complete_sweep,
        ),
    ],
    top: Annotated[str | None, option("--top K", CHOICE, "Number of best configurations.", default=3)] = None,
    dataset: Annotated[
        str | None, dataset_option(TRAINING, "Train on this dataset.", "the sweep's own")
    ] = None,
    repeats: Annotated[
        str | None,
        option(
            "--repeats --seeds N",
            REPETITION,
            "Train with N seeds, those after its own; the figures are means over the runs.",
            default="once, with its own seed",
        ),
    ] = None,
    folds: Folds = None,
    metric: Annotated[
        str | None,
        option(
            "--metric NAME",
            CHOICE,
            "Metric that ranks the runs.",
            default="the sweep's own",
            completes=complete_metric,
        ),
    ] = None,
    workers: Workers = None,
    cluster: Cluster = None,
    jobs: Jobs = None,
    wandb: WandbMode = None,
    wandb_project: WandbProject = None,
    wandb_entity: WandbEntity = None,
) -> None:
    """Train a sweep's best again, on other data, seeds or folds.

    The result is the test accuracy beside the original figures. After an interruption, run the same command
    again to resume.

    --repeats N takes the N seeds after the configuration's own, which is left out because the configuration
    was chosen with it.
    """
    from ffcli.services.rerun import RerunOptions
    from ffcli.services.rerun import rerun as run

    out = Output.of(ctx)
    options = RerunOptions(
        top=integer("--top", top, least=1) or 3,
        dataset=dataset,
        seeds=number_of("--repeats", repeats, least=1),
        folds=number_of("--folds", folds, least=2) or 0,
        metric=metric,
        pool=pool_options(workers, cluster, jobs, wandb=wandb),
        run=tracking(
            wandb,
            wandb_project,
            wandb_entity,
            default="disabled" if cluster else "auto",
            command_line=out.settings.command_line,
        ),
    )
    if dataset is None and repeats is None and folds is None:
        refuse("Expected --dataset, --repeats or --folds: without one, each run would only be repeated.")
    refuse_within_agent(options.run.wandb)
    try:
        results = run(context(out), sweep, options, jobs_watcher(out))
    except KeyboardInterrupt:
        raise Interrupted("Run the same command again to resume.") from None
    out.result(results, *_report(results, out))
    fail_unless_finished(out, results)


# What is shown of the result


def _report(results: Sequence[RerunResult], out: Output) -> list[RenderableType]:
    """Return a table of the configurations, before and after."""
    ranks = [list(runs) for _, runs in groupby(results, key=attrgetter("rank"))]
    firsts = [runs[0] for runs in ranks]
    original, n_runs = firsts[0].original, len(ranks[0])
    before = _names(first.original.dataset for first in firsts)
    after = _names(first.dataset for first in firsts)
    each = "seeds" if firsts[0].config["fold"] == "none" else "runs"
    spread = f", mean ± standard error of {n_runs} {each}" if n_runs > 1 else ""
    rows = [
        [
            first.rank,
            short_name(first.config),
            number(first.original.value),
            number(first.original.test_acc),
            mean_and_se(first.over_runs.val_acc),
            mean_and_se(first.over_runs.test_acc),
        ]
        for first in firsts
    ]
    heads = ["#", "configuration", "was", "test was", "val_acc", "test_acc"]
    return [
        f"the best of sweep {plain(original.sweep_id)}\n"
        f"was: {original.metric} and test accuracy on {before}\n"
        f"val_acc, test_acc: on {after}{spread}",
        "",
        Columns(heads, rows, right=heads[2:]),
        "",
        f"the runs: {out.settings.command('runs', 'list', '--tag', 'rerun')}",
    ]


def _names(datasets: Iterable[str]) -> str:
    return plain(", ".join(sorted({Path(dataset).name for dataset in datasets})))
