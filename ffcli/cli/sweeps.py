"""``ffnn sweeps``."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.console import RenderableType

from ffcli.cli.context import context
from ffcli.cli.output import Output
from ffcli.cli.parsing import Command, Group
from ffcli.cli.shared import Settings
from ffcli.cli.tables import Columns
from ffcli.cli.text import duration, number, plain

app = typer.Typer(cls=Group, add_completion=False)

_STORAGE = typer.Option(metavar="URL", help="The database of shared sweeps.")


@app.callback()
def _sweeps() -> None:
    """List and show sweeps."""


@app.command("list", cls=Command)
def list_(ctx: typer.Context, *, storage: Annotated[str | None, _STORAGE] = None) -> None:
    """List the sweeps of the store."""
    from ffcli.services.sweep import list_sweeps

    out = Output.of(ctx)
    documents = list_sweeps(context(out), storage)
    if not documents and not out.settings.json:
        out.notice("there are no sweeps")
        return
    rows = [
        [
            document["sweep_id"],
            document["method"],
            *document["counts"].values(),
            number(document["best"]["value"]) if document["best"] else "–",
            document["name"],
        ]
        for document in documents
    ]
    heads = ["sweep", "method", "finished", "pruned", "failed", "best", "name"]
    out.result(documents, Columns(heads, rows, right=heads[2:6], cut=["name"]))


@app.command(cls=Command)
def show(
    ctx: typer.Context,
    sweep: Annotated[str, typer.Argument(metavar="ID")],
    *,
    storage: Annotated[str | None, _STORAGE] = None,
) -> None:
    """Show a sweep with its best configurations."""
    from ffcli.services.sweep import find, show_sweep

    out = Output.of(ctx)
    place = context(out)
    document = show_sweep(place, sweep if storage else find(place, sweep), storage)
    out.result(document, *report(document, out.settings))


def report(document: dict[str, Any], settings: Settings) -> list[RenderableType]:
    """Return what is shown of a sweep."""
    counts = ", ".join(f"{count} {state}" for state, count in document["counts"].items())
    seconds = f" in {duration(document['seconds'])}" if "seconds" in document else ""
    lines = [f"sweep {plain(document['sweep_id'])} ({document['method']}): {counts}{seconds}"]
    if document.get("message"):
        lines.append(plain(document["message"]))
    lines.append(f"stored in {plain(document['path'])}, {plain(document['storage'])}")
    if document["best"] is None:
        return ["\n".join(lines)]
    names = list(document["top"][0]["values"])
    rows = [
        [number(trial["value"]), trial["run_id"], *(trial["values"][name] for name in names)]
        for trial in document["top"]
    ]
    metric = document["metric"]["name"]
    evaluate = settings.command("evaluate", document["best"]["run_id"])
    return [
        "\n".join(lines),
        "",
        Columns([metric, "run", *names], rows, right=[metric], cut=names),
        "",
        f"the best on the test images: {evaluate}",
    ]
