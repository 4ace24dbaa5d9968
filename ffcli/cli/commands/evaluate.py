"""``ffnn evaluate``."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.console import RenderableType

from ffcli.cli.commands import ensembles
from ffcli.cli.completion import complete_dataset, complete_metric, complete_run, complete_sweep
from ffcli.cli.context import context
from ffcli.cli.help import CHOICE, JUDGING, argument, option
from ffcli.cli.output import Output, refuse
from ffcli.cli.parsing import Command
from ffcli.cli.text import plain
from ffcli.cli.views.evaluation import judged_on, judgement, per_class

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
    tta: Annotated[
        bool,
        option(
            "--tta",
            group=JUDGING,
            help="Average over views of each image, mirrored and moved, as --augment did in training.",
        ),
    ] = False,
    ensemble: Annotated[
        bool,
        option(
            "--ensemble",
            group=JUDGING,
            help="Judge the runs as one, by the mean of their probabilities (kept: ffnn ensembles list).",
        ),
    ] = False,
) -> None:
    """Judge stored runs on the test images.

    The best run is trained again where its weights are not stored here. With --json one run gives an object,
    several give a list, and an ensemble one object.
    """
    from ffcli.cli.views.progress import watcher
    from ffcli.services.evaluation.evaluate import evaluate as run

    out = Output.of(ctx)
    if metric is not None and not best:
        out.notice("--metric is not used without --best")
    place, sweep_id = context(out), None
    if sweep is not None:
        from ffcli.services.sweeps.find import sweep_called

        if not best:
            out.notice("--sweep is not used without --best")
        sweep_id = sweep_called(place, sweep)
    if ensemble:
        if best:
            refuse("--ensemble takes the runs that are named, not --best.", "ffnn runs list --sort val_acc")
        _judge_ensemble(out, runs or [], dataset, tta)
        return
    documents = run(
        place,
        runs or [],
        best=best,
        metric=metric,
        dataset=dataset,
        tta=tta,
        sweep_id=sweep_id,
        watcher=watcher(out),
        command_line=out.settings.command_line,
    )
    shown = [part for document in documents for part in _report(document)]
    out.result(documents[0] if len(documents) == 1 else documents, *shown[:-1])


def _judge_ensemble(out: Output, runs: list[str], dataset: str | None, tta: bool) -> None:
    from ffcli.services.evaluation.ensemble import evaluate_ensemble

    document = evaluate_ensemble(
        context(out), runs, dataset=dataset, tta=tta, command_line=out.settings.command_line
    )
    out.result(document, *ensembles.report(document))


def _report(document: dict[str, Any]) -> list[RenderableType]:
    """Return what is shown of one run, with an empty line at its end."""
    return [
        f"run {plain(document['run_id'])} {judged_on(document)}",
        *judgement(document),
        per_class(document),
        "",
    ]
