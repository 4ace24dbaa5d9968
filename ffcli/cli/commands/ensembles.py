"""``ffnn ensembles``: list, show."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import RenderableType

from ffcli.cli.completion import complete_ensemble
from ffcli.cli.context import context
from ffcli.cli.help import argument
from ffcli.cli.output import Output
from ffcli.cli.parsing import Command, Group
from ffcli.cli.text import number, plain
from ffcli.cli.views.evaluation import figures, on_test_images, per_class
from ffcli.cli.views.tables import Columns
from ffcli.util.text import counted

if TYPE_CHECKING:
    from ffcli.runs.ensembles import Ensemble

app = typer.Typer(cls=Group, add_completion=False, subcommand_metavar="COMMAND …")


@app.callback()
def _ensembles() -> None:
    """List and show ensembles."""


@app.command("list", cls=Command)
def list_(ctx: typer.Context) -> None:
    """List the ensembles that ffnn evaluate --ensemble has evaluated."""
    from ffcli.services.evaluation.ensemble import list_ensembles

    out = Output.of(ctx)
    found = list_ensembles(context(out))
    if not found and not out.settings.json:
        out.notice("there are no ensembles")
        return
    rows = [
        [
            each.ensemble_id,
            len(each.run_ids),
            "yes" if each.tta else "no",
            number(each.val_acc),
            number(each.accuracy),
            Path(each.dataset).name,
        ]
        for each in found
    ]
    heads = ["ensemble", "runs", "tta", "val_acc", "accuracy", "dataset"]
    out.result(found, Columns(heads, rows, right=["runs", "val_acc", "accuracy"]))


@app.command(cls=Command)
def show(
    ctx: typer.Context,
    ensemble: Annotated[
        str,
        argument(
            "ENSEMBLE", "The id of an ensemble, or its unique beginning or end.", completes=complete_ensemble
        ),
    ],
) -> None:
    """Show one ensemble with its runs."""
    from ffcli.services.evaluation.ensemble import show_ensemble

    out = Output.of(ctx)
    found = show_ensemble(context(out), ensemble)
    out.result(found, *parts(found))


def parts(ensemble: Ensemble) -> list[RenderableType]:
    """Return what is shown of an ensemble."""
    rows = [
        [member.run_id, number(member.val_acc), number(member.accuracy), member.views, member.name]
        for member in ensemble.members
    ]
    named, stored = "ensemble", []
    if ensemble.path is not None:
        named, stored = f"ensemble {plain(ensemble.ensemble_id)}", [f"stored in {plain(ensemble.path)}"]
    return [
        f"{named} of {counted(len(rows), 'run')} {on_test_images(ensemble.n, ensemble.dataset)}",
        *figures(ensemble),
        *stored,
        "",
        Columns(
            ["run alone", "val_acc", "accuracy", "views", "name"],
            rows,
            right=["val_acc", "accuracy", "views"],
            ends=["name"],
            spare=["views"],
        ),
        "",
        per_class(ensemble),
    ]
