"""``ffnn confusion``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ffcli.cli.completion import complete_dataset, complete_metric, complete_run, complete_sweep
from ffcli.cli.context import context
from ffcli.cli.help import CHOICE, OUTPUT, argument, option
from ffcli.cli.output import Output
from ffcli.cli.parsing import Command
from ffcli.cli.text import number, plain
from ffcli.cli.views.confusion import Matrix
from ffcli.cli.views.evaluation import judged_on, per_class

app = typer.Typer(add_completion=False)


@app.command(cls=Command)
def confusion(
    ctx: typer.Context,
    *,
    run: Annotated[
        str | None,
        argument(
            metavar="RUN", help="The id of a run, or its unique beginning or end.", completes=complete_run
        ),
    ] = None,
    best: Annotated[
        bool, option("--best", group=CHOICE, help="The best finished run, as without a RUN.")
    ] = False,
    metric: Annotated[
        str | None,
        option(
            "--metric",
            group=CHOICE,
            metavar="NAME",
            help="What the best goes by: val_loss, …",
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
            help="The best run of this sweep; at W&B entity/project/id.",
            completes=complete_sweep,
        ),
    ] = None,
    dataset: Annotated[
        str | None,
        option(
            "--dataset",
            "-d",
            group=CHOICE,
            metavar="NAME",
            help="Whose best run. With a RUN: judge it on these test images.",
            default="fashion_mnist; the run's own",
            completes=complete_dataset,
        ),
    ] = None,
    normalize: Annotated[
        bool, option("--normalize", group=OUTPUT, help="Shares of the true class instead of counts.")
    ] = False,
    out_file: Annotated[
        Path | None,
        option("--out", "-o", group=OUTPUT, metavar="FILE", help="The PNG.", default="confusion-RUN.png"),
    ] = None,
    csv: Annotated[
        Path | None, option("--csv", group=OUTPUT, metavar="FILE", help="Write the matrix as CSV too.")
    ] = None,
) -> None:
    """Show which class a stored network takes for which.

    The best run is trained again where its weights are not stored here.
    """
    from ffcli.cli.views.progress import watcher
    from ffcli.services.evaluation.confusion import confusion as run_confusion

    out = Output.of(ctx)
    place, sweep_id = context(out), None
    if metric is not None and run is not None:
        out.notice("--metric is not used with a RUN")
    if sweep is not None:
        from ffcli.services.sweeps.find import sweep_called

        sweep_id = sweep_called(place, sweep)
    document = run_confusion(
        place,
        run,
        best=best,
        metric=metric,
        dataset=dataset,
        sweep_id=sweep_id,
        normalize=normalize,
        out=out_file,
        csv_file=csv,
        watcher=watcher(out),
        command_line=out.settings.command_line,
    )
    out.result(
        document,
        f"run {plain(document['run_id'])} {judged_on(document)}",
        f"accuracy {number(document['accuracy'])}",
        "",
        Matrix(document["matrix"], document["labels"], shares=document["normalized"]),
        "",
        per_class(document),
        "",
        *_in_words(document),
        *(f"written to {plain(document[file])}" for file in ("png", "csv") if document[file]),
    )


def _in_words(document: dict[str, Any]) -> list[str]:
    """Return a line for each of the most frequent confusions."""
    if not document["confusions"]:
        return ["No class is taken for another."]
    return [
        f"{plain(pair['true']['name'])} taken for {plain(pair['predicted']['name'])} "
        + ("once" if pair["count"] == 1 else f"{pair['count']} times")
        for pair in document["confusions"]
    ]
