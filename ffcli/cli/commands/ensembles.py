"""``ffnn ensembles``, and how an ensemble is shown."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import RenderableType

from ffcli.cli.completion import complete_ensemble
from ffcli.cli.context import context
from ffcli.cli.help import argument
from ffcli.cli.output import Output
from ffcli.cli.parsing import Command, Group
from ffcli.cli.text import number, plain
from ffcli.cli.views.evaluation import judged_on, judgement, per_class
from ffcli.cli.views.tables import Columns
from ffcli.util.text import counted

app = typer.Typer(cls=Group, add_completion=False, subcommand_metavar="COMMAND …")


@app.callback()
def _ensembles() -> None:
    """List and show ensembles."""


@app.command("list", cls=Command)
def list_(ctx: typer.Context) -> None:
    """List what ffnn evaluate --ensemble has judged."""
    from ffcli.services.evaluation.ensemble import list_ensembles

    out = Output.of(ctx)
    documents = list_ensembles(context(out))
    if not documents and not out.settings.json:
        out.notice("there are no ensembles")
        return
    rows = [
        [
            document["ensemble_id"],
            len(document["run_ids"]),
            "yes" if document["tta"] else "no",
            number(document["val_acc"]),
            number(document["accuracy"]),
            Path(document["dataset"]).name,
        ]
        for document in documents
    ]
    heads = ["ensemble", "runs", "tta", "val_acc", "accuracy", "dataset"]
    out.result(documents, Columns(heads, rows, right=["runs", "val_acc", "accuracy"]))


@app.command(cls=Command)
def show(
    ctx: typer.Context,
    ensemble: Annotated[
        str,
        argument(
            metavar="ENSEMBLE", help="Its id, or its unique beginning or end.", completes=complete_ensemble
        ),
    ],
) -> None:
    """Show one ensemble with its runs."""
    from ffcli.services.evaluation.ensemble import show_ensemble

    out = Output.of(ctx)
    document = show_ensemble(context(out), ensemble)
    out.result(document, *report(document))


def report(document: dict[str, Any]) -> list[RenderableType]:
    """Return what is shown of an ensemble."""
    members = document["members"]
    rows = [
        [
            member["run_id"],
            number(member["val_acc"]),
            number(member["accuracy"]),
            member["views"],
            member["name"],
        ]
        for member in members
    ]
    return [
        f"ensemble {plain(document['ensemble_id'])} of {counted(len(members), 'run')} {judged_on(document)}",
        *judgement(document),
        f"stored in {plain(document['path'])}",
        "",
        Columns(
            ["run alone", "val_acc", "accuracy", "views", "name"],
            rows,
            right=["val_acc", "accuracy", "views"],
            ends=["name"],
            spare=["views"],
        ),
        "",
        per_class(document),
    ]
