"""``ffnn runs``: list, show, compare, rm."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ffcli.cli.completion import complete_run, names_in
from ffcli.cli.context import context
from ffcli.cli.help import CHOICE, OUTPUT, argument, option
from ffcli.cli.listing import ColumnNames, Format, Where, show_list, table_format
from ffcli.cli.output import Output, refuse
from ffcli.cli.params import (
    Dpi,
    DryRun,
    OfSweep,
    OnDataset,
    RunId,
    RunIds,
    Status,
    Tag,
    WandbEntity,
    WandbMode,
    WandbProject,
    Yes,
    confirm_removal,
    figure_file,
    tracking,
)
from ffcli.cli.parsing import Command, Group
from ffcli.cli.text import plain, size
from ffcli.cli.values import age, integer
from ffcli.cli.views.runs import all_columns, comparison_parts, run_parts, run_table, run_value
from ffcli.util.text import counted

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


@app.command(cls=Command)
def rm(
    ctx: typer.Context,
    runs: RunIds = None,
    *,
    older_than: Annotated[
        str | None,
        option(
            "--older-than TIME", CHOICE, "Only runs that ended longer ago than this, such as 30d, 12h or 2w."
        ),
    ] = None,
    keep_best: Annotated[
        str | None,
        option(
            "--keep-best N",
            CHOICE,
            "Keep the N best finished runs of each sweep, and of each dataset outside of sweeps.",
        ),
    ] = None,
    status: Status = None,
    dataset: OnDataset = None,
    sweep: OfSweep = None,
    tag: Tag = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Remove runs from the store, with their networks.

    Name the runs, or select those that match all of the given options. A run that is being trained is never
    removed.
    """
    from ffcli.services.runs.listing import Filter
    from ffcli.services.runs.remove import Removal, Selection, named, remove, selected

    out = Output.of(ctx)
    place = context(out)
    options = (older_than, keep_best, status, dataset, sweep, tag)
    if runs and any(option is not None for option in options):
        refuse("Expected either the ids of runs or options that select them, got both.")
    if not runs and all(option is None for option in options):
        refuse("Expected the id of a run, or options that select runs, such as --older-than 30d.")
    if runs:
        found = named(place, runs)
    else:
        best = integer("--keep-best", keep_best, least=1)
        which = Filter(tag, status, dataset, sweep)
        found = selected(place, Selection(which, age("--older-than", older_than), best))
    sizes = {run.run_id: run.size for run in found}
    total = f"{counted(len(found), 'run')}, {size(sum(sizes.values()))}"
    nothing = "no such runs: nothing"
    if older_than is not None:
        others = " and is selected by the other options" if any(options[1:]) else ""
        nothing = f"no run ended longer ago than {older_than}{others}: nothing"
    listed = run_table(found, elsewhere="with runs list --json")
    if dry_run:
        shown = [listed, f"would be removed: {total}"] if found else [f"{nothing} to remove"]
        out.result(Removal([], list(sizes), sum(sizes.values())), *shown)
        return
    if found and not yes:
        question = f"Remove {', '.join(sizes) if runs else total}?"
        confirm_removal(out, "runs rm", question, None if runs else listed)
    removal = remove(place, found)
    lines = [f"removed {plain(run)}" for run in removal.removed] or [f"{nothing} was removed"]
    out.result(removal, *lines)
