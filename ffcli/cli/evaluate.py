"""``ffnn evaluate``."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.console import RenderableType

from ffcli.cli.context import context
from ffcli.cli.output import Output
from ffcli.cli.parsing import Command
from ffcli.cli.tables import Columns
from ffcli.cli.text import number, plain

app = typer.Typer(add_completion=False)


@app.command(cls=Command)
def evaluate(
    ctx: typer.Context,
    *,
    runs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RUN", help="Ids of runs, or their unique beginnings or ends.", show_default=False
        ),
    ] = None,
    best: Annotated[
        bool, typer.Option("--best", help="The best finished run of one dataset.", show_default=False)
    ] = False,
    metric: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="What --best goes by: val_acc, val_loss, … (val_acc)."),
    ] = None,
    sweep: Annotated[
        str | None, typer.Option(metavar="ID", help="Of --best: only the runs of this sweep.")
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(
            "--dataset",
            "-d",
            metavar="NAME",
            help="Of --best: whose runs (fashion_mnist). Of a RUN: judge it on these test images.",
        ),
    ] = None,
) -> None:
    """Judge stored runs on the test images.

    With --json one run gives an object, several give a list.
    """
    from ffcli.services.evaluate import evaluate as run

    out = Output.of(ctx)
    if metric is not None and not best:
        out.notice("--metric is not used without --best")
    place, sweep_id = context(out), None
    if sweep is not None:
        from ffcli.services.sweep import find

        if not best:
            out.notice("--sweep is not used without --best")
        sweep_id = find(place, sweep)
    documents = run(
        place, runs or [], best=best, metric=metric or "val_acc", dataset=dataset, sweep_id=sweep_id
    )
    shown = [part for document in documents for part in _report(document)]
    out.result(documents[0] if len(documents) == 1 else documents, *shown[:-1])


def _report(document: dict[str, Any]) -> list[RenderableType]:
    """Return what is shown of one run, with an empty line at its end."""
    scores = ["precision", "recall", "f1"]
    rows = [
        [row["name"], *(number(row[score]) for score in scores), row["support"]]
        for row in document["per_class"]
    ]
    return [
        f"run {plain(document['run_id'])} on the {document['n']} test images of {plain(document['dataset'])}",
        f"accuracy {number(document['accuracy'])}, loss {number(document['loss'])}",
        Columns(["class", *scores, "support"], rows, right=[*scores, "support"], cut=["class"]),
        "",
    ]
