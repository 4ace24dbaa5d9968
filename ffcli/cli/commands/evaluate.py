"""``ffnn evaluate``."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import RenderableType

from ffcli.cli.commands import ensembles
from ffcli.cli.context import context
from ffcli.cli.help import EVALUATION, option
from ffcli.cli.output import Output, refuse
from ffcli.cli.params import Best, BestOfSweep, MetricName, RunIds, RunsByOption, TestDataset, run_choice
from ffcli.cli.parsing import Command
from ffcli.cli.text import plain
from ffcli.cli.views.evaluation import figures, on_test_images, per_class

if TYPE_CHECKING:
    from ffcli.services.evaluation.results import Evaluation

app = typer.Typer(add_completion=False)


@app.command(cls=Command)
def evaluate(
    ctx: typer.Context,
    *,
    runs: RunIds = None,
    run: RunsByOption = None,
    best: Best = False,
    metric: MetricName = None,
    sweep: BestOfSweep = None,
    dataset: TestDataset = None,
    tta: Annotated[
        bool,
        option(
            "--tta",
            EVALUATION,
            "Average the probabilities over several views of each image, augmented as in training.",
        ),
    ] = False,
    ensemble: Annotated[
        bool,
        option(
            "--ensemble",
            EVALUATION,
            "Evaluate the runs as one, by the mean of their probabilities (see ffnn ensembles list).",
        ),
    ] = False,
) -> None:
    """Evaluate stored runs on the test images.

    If the weights of the best run are not stored here, it is trained again. With --json, one run or ensemble
    gives an object and several runs a list.
    """
    from ffcli.services.evaluation.evaluate import evaluate as evaluate_runs

    out = Output.of(ctx)
    named = [*(runs or []), *(run or [])]
    if best and named:
        refuse("Expected either runs or --best, got both.", "ffnn runs list shows the runs.")
    choice = run_choice(out, best=best, metric=metric, sweep=sweep, dataset=dataset)
    if ensemble:
        if best:
            refuse("Expected named runs with --ensemble, got --best.", "ffnn runs list --sort val_acc")
        from ffcli.services.evaluation.ensemble import evaluate_ensemble

        command_line = out.settings.command_line
        found = evaluate_ensemble(context(out), named, dataset=dataset, tta=tta, command_line=command_line)
        out.result(found, *ensembles.parts(found))
        return
    choices = [choice] if best else [replace(choice, run=each) for each in named]
    evaluations = evaluate_runs(context(out), choices, tta=tta)
    shown = [part for evaluation in evaluations for part in _parts(evaluation)]
    out.result(evaluations[0] if len(evaluations) == 1 else evaluations, *shown[:-1])


def _parts(evaluation: Evaluation) -> list[RenderableType]:
    """Return what is shown of one run, with an empty line at its end."""
    return [
        f"run {plain(evaluation.run_id)} {on_test_images(evaluation.n, evaluation.dataset)}",
        *figures(evaluation),
        per_class(evaluation),
        "",
    ]
