"""``ffnn runs rm``."""

from __future__ import annotations

from typing import Annotated

import typer

from ffcli.cli.completion import complete_run
from ffcli.cli.context import context
from ffcli.cli.errors import FAILED
from ffcli.cli.help import CHOICE, argument, option
from ffcli.cli.output import Output, refuse
from ffcli.cli.runs_chosen import DatasetName, Status, SweepName, Tag, table
from ffcli.cli.text import plain, size
from ffcli.cli.values import age, integer
from ffcli.util.text import counted


def rm(
    ctx: typer.Context,
    runs: Annotated[
        list[str] | None,
        argument(
            metavar="RUN", help="Ids of runs, or their unique beginnings or ends.", completes=complete_run
        ),
    ] = None,
    *,
    older_than: Annotated[
        str | None,
        option(
            "--older-than",
            group=CHOICE,
            metavar="TIME",
            help="Those that ended longer ago, such as 30d, 12h or 2w.",
        ),
    ] = None,
    keep_best: Annotated[
        str | None,
        option(
            "--keep-best",
            group=CHOICE,
            metavar="N",
            help="All but the N best finished runs of each sweep, and of each dataset outside of sweeps.",
        ),
    ] = None,
    status: Status = None,
    dataset: DatasetName = None,
    sweep: SweepName = None,
    tag: Tag = None,
    dry_run: Annotated[bool, option("--dry-run", group="Safety", help="Show what would be removed.")] = False,
    yes: Annotated[bool, option("--yes", "-y", group="Safety", help="Do not ask.")] = False,
) -> None:
    """Remove runs from the store, with their networks.

    Give their ids, or options: what all of them say is removed, yet never a run that is being trained.
    """
    from ffcli.services.runs.listing import Filter
    from ffcli.services.runs.remove import Choice, chosen, named, remove

    out = Output.of(ctx)
    place = context(out)
    options = (older_than, keep_best, status, dataset, sweep, tag)
    if runs and any(option is not None for option in options):
        refuse("Give the ids of runs or options that say which, not both.")
    if not runs and all(option is None for option in options):
        refuse("Give the id of a run, or options that say which, such as --older-than 30d.")
    if runs:
        documents = named(place, runs)
    else:
        which = Filter(tag, status, dataset, sweep)
        best = integer("--keep-best", keep_best, least=1)
        documents = chosen(place, Choice(which, age("--older-than", older_than), best))
    sizes = {document["run_id"]: document["size"] for document in documents}
    total = f"{counted(len(documents), 'run')}, {size(sum(sizes.values()))}"
    listed = table(documents, elsewhere="with runs list --json")
    if dry_run:
        document = {"removed": [], "would_remove": list(sizes), "size": sum(sizes.values())}
        shown = [listed, f"would be removed: {total}"] if documents else ["no such runs: nothing to remove"]
        out.result(document, *shown)
        return
    if documents and not yes:
        if not out.can_ask:
            refuse("runs rm asks before it removes, and nobody is here to ask: give --yes.")
        if not runs:
            out.stderr.print(listed)
        if not out.ask(f"Remove {', '.join(sizes) if runs else total}?"):
            out.notice("nothing was removed")
            raise typer.Exit(FAILED)
    removed = remove(place, list(sizes))
    lines = [f"removed {plain(run)}" for run in removed] or ["no such runs: nothing was removed"]
    out.result({"removed": removed}, *lines)
