"""``ffnn runs rm``."""

from __future__ import annotations

from typing import Annotated

import typer

from ffcli.cli.context import context
from ffcli.cli.help import CHOICE, option
from ffcli.cli.output import Output, refuse
from ffcli.cli.params import DryRun, OfSweep, OnDataset, RunIds, Status, Tag, Yes, confirm_removal
from ffcli.cli.text import plain, size
from ffcli.cli.values import age, integer
from ffcli.cli.views.runs import run_table
from ffcli.util.text import counted


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
    removal = remove(place, list(sizes))
    lines = [f"removed {plain(run)}" for run in removal.removed] or [f"{nothing} was removed"]
    out.result(removal, *lines)
