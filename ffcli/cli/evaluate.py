"""``ffnn evaluate``."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.console import RenderableType

from ffcli.cli.completion import complete_dataset, complete_metric, complete_run, complete_sweep
from ffcli.cli.context import context
from ffcli.cli.help import CHOICE, argument, option
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
        argument(
            metavar="RUN", help="Ids of runs, or their unique beginnings or ends.", completes=complete_run
        ),
    ] = None,
    best: Annotated[
        bool, option("--best", group=CHOICE, help="The best finished run of one dataset.")
    ] = False,
    metric: Annotated[
        str | None,
        option(
            "--metric",
            group=CHOICE,
            metavar="NAME",
            help="What --best goes by: val_loss, …",
            default="the sweep's own, else val_acc",
            completes=complete_metric,
        ),
    ] = None,
    sweep: Annotated[
        str | None,
        option(
            "--sweep",
            group=CHOICE,
            metavar="SWEEP",
            help="Of --best: this sweep's runs; at W&B entity/project/id.",
            completes=complete_sweep,
        ),
    ] = None,
    storage: Annotated[
        str | None,
        option(
            "--storage",
            group=CHOICE,
            metavar="URL",
            help="The database of the sweep, where it is a shared one.",
        ),
    ] = None,
    dataset: Annotated[
        str | None,
        option(
            "--dataset",
            "-d",
            group=CHOICE,
            metavar="NAME",
            help="Of --best: whose runs. Of a RUN: judge it on these test images.",
            default="fashion_mnist; the run's own",
            completes=complete_dataset,
        ),
    ] = None,
) -> None:
    """Judge stored runs on the test images.

    The best run is trained again where its weights are not stored here. With --json one run gives an object,
    several give a list.
    """
    from ffcli.cli.progress import watcher
    from ffcli.services.evaluate import evaluate as run

    out = Output.of(ctx)
    if metric is not None and not best:
        out.notice("--metric is not used without --best")
    place, sweep_id = context(out), None
    if sweep is not None:
        from ffcli.services.sweep import sweep_called

        if not best:
            out.notice("--sweep is not used without --best")
        sweep_id = sweep_called(place, sweep, storage)
    elif storage is not None:
        out.notice("--storage is not used without --sweep")
    documents = run(
        place,
        runs or [],
        best=best,
        metric=metric,
        dataset=dataset,
        sweep_id=sweep_id,
        storage=storage,
        watcher=watcher(out),
        command_line=out.settings.command_line,
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
