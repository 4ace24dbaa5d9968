"""``ffnn runs``: list, show, compare, rm."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ffcli.cli.commands.runs_rm import rm
from ffcli.cli.completion import complete_run, names_in
from ffcli.cli.context import context
from ffcli.cli.help import CHOICE, OUTPUT, argument, option
from ffcli.cli.output import Output
from ffcli.cli.params import (
    Dpi,
    OfSweep,
    OnDataset,
    RunId,
    Status,
    Tag,
    WandbEntity,
    WandbMode,
    WandbProject,
    figure_file,
    tracking,
)
from ffcli.cli.parsing import Command, Group
from ffcli.cli.text import plain
from ffcli.cli.values import integer
from ffcli.cli.views.runs import comparison_parts, run_parts, run_table

app = typer.Typer(cls=Group, add_completion=False, subcommand_metavar="COMMAND …")


@app.callback()
def _runs() -> None:
    """List, show, compare and remove stored runs."""


@app.command("list", cls=Command)
def list_(
    ctx: typer.Context,
    *,
    sort: Annotated[
        str | None,
        option(
            "--sort FIELD",
            CHOICE,
            "A metric (the best first), started (the latest first), or another field.",
            default="started",
            completes=names_in("ffcli.runs.metric", "METRICS", "started"),
        ),
    ] = None,
    limit: Annotated[str | None, option("--limit N", CHOICE, "Show at most N runs.", default="all")] = None,
    tag: Tag = None,
    status: Status = None,
    dataset: OnDataset = None,
    sweep: OfSweep = None,
) -> None:
    """List the stored runs."""
    from ffcli.services.runs.listing import list_runs

    out = Output.of(ctx)
    runs = list_runs(
        context(out),
        sort=sort,
        limit=integer("--limit", limit, least=1),
        tag=tag,
        status=status,
        dataset=dataset,
        sweep=sweep,
    )
    if not runs and not out.settings.json:
        out.notice(f"no such runs in {out.settings.runs_dir}")
        return
    out.result(runs, run_table(runs))


@app.command(cls=Command)
def show(
    ctx: typer.Context, run: RunId, *, file: Annotated[Path | None, figure_file()] = None, dpi: Dpi = None
) -> None:
    """Show one run with its configuration and its epochs, and draw its learning curves with --out."""
    from ffcli.services.runs.curves import show_with_curves

    out = Output.of(ctx)
    result = show_with_curves(context(out), run, file, integer("--dpi", dpi))
    if file is not None and result.png is None:
        out.notice(f"run {result.run_id} has no epoch: there are no learning curves to draw")
    drawn = [] if result.png is None else ["", f"learning curves: {plain(result.png)}"]
    out.result(result, *run_parts(result), *drawn)


@app.command(cls=Command)
def compare(
    ctx: typer.Context,
    runs: Annotated[list[str], argument("RUN RUN", "Two to six runs.", completes=complete_run)],
    *,
    everything: Annotated[
        bool, option("--all", OUTPUT, "Show the hyper-parameters that all runs share as well.")
    ] = False,
    png: Annotated[Path | None, figure_file("runs-compare.png")] = None,
    dpi: Dpi = None,
    wandb: WandbMode = None,
    wandb_project: WandbProject = None,
    wandb_entity: WandbEntity = None,
) -> None:
    """Compare runs: their differences, their best epochs, and a figure of their learning curves."""
    from ffcli.services.runs.compare import compare_runs, log

    out = Output.of(ctx)
    place = context(out)
    options = tracking(wandb, wandb_project, wandb_entity)
    compared = compare_runs(place, runs, png, integer("--dpi", dpi))
    log(place, compared, options)
    out.result(compared, *comparison_parts(compared, everything))


app.command(cls=Command)(rm)
