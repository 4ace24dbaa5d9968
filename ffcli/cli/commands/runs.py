"""``ffnn runs``: list, show, compare, rm."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ffcli.cli.commands.runs_rm import rm
from ffcli.cli.completion import complete_run, names_in
from ffcli.cli.context import context
from ffcli.cli.help import CHOICE, OUTPUT, argument, option
from ffcli.cli.listing import ColumnNames, Format, Where, show_list, table_format
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
from ffcli.cli.views.runs import all_columns, comparison_parts, run_parts, run_table, run_value

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
    where: Where = None,
    columns: ColumnNames = None,
    format: Format = None,
) -> None:
    """List the stored runs.

    A column is a metric, a field of --json or a hyper-parameter. --format csv prints all of them unless
    --columns says which.
    """
    from ffcli.services.runs.listing import list_runs, run_columns

    out = Output.of(ctx)
    place = context(out)
    kind = table_format(out, format, columns)
    by = None if sort is None else run_columns(place, [sort], "sort")[0].name
    chosen = None if columns is None else [each.name for each in run_columns(place, columns.split(","))]
    runs = list_runs(
        place,
        where=where or (),
        sort=sort,
        limit=integer("--limit", limit, least=1),
        tag=tag,
        status=status,
        dataset=dataset,
        sweep=sweep,
    )
    if not runs and not out.settings.json and kind == "table":
        out.notice(f"no such runs in {out.settings.runs_dir}")
        return
    heads = chosen or all_columns(runs)
    rows = ([run_value(run, name) for name in heads] for run in runs)
    show_list(out, kind, runs, run_table(runs, chosen, sorted_by=by, elsewhere="with --columns"), heads, rows)


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
        bool, option("--all", OUTPUT, "Also show the hyper-parameters that all runs share.")
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
