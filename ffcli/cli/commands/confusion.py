"""``ffnn confusion``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ffcli.cli.context import context
from ffcli.cli.help import CHOICE, OUTPUT, option
from ffcli.cli.output import Output, refuse
from ffcli.cli.params import (
    BestOfSweep,
    CsvFile,
    Dpi,
    MetricName,
    OptionalRunId,
    RunByOption,
    TestDataset,
    figure_file,
    run_choice,
)
from ffcli.cli.parsing import Command
from ffcli.cli.text import number, plain
from ffcli.cli.values import integer
from ffcli.cli.views.confusion import Matrix
from ffcli.cli.views.evaluation import on_test_images, per_class
from ffcli.util.text import counted

if TYPE_CHECKING:
    from ffcli.services.evaluation.results import ConfusionMatrix

app = typer.Typer(add_completion=False)


@app.command(cls=Command)
def confusion(
    ctx: typer.Context,
    *,
    run: OptionalRunId = None,
    run_option: RunByOption = None,
    best: Annotated[bool, option("--best", CHOICE, "The best finished run, as without a RUN.")] = False,
    metric: MetricName = None,
    sweep: BestOfSweep = None,
    dataset: TestDataset = None,
    normalize: Annotated[
        bool, option("--normalize", OUTPUT, "Show fractions of the true class instead of counts.")
    ] = False,
    file: Annotated[Path | None, figure_file("confusion-RUN.png")] = None,
    dpi: Dpi = None,
    csv: CsvFile = None,
) -> None:
    """Show the confusion matrix of a stored network.

    If the weights of the best run are not stored here, it is trained again.
    """
    from ffcli.services.evaluation.confusion import confusion as run_confusion

    out = Output.of(ctx)
    if run is not None and run_option is not None:
        refuse("Expected a RUN or --run, got both.")
    run = run if run is not None else run_option
    if metric is not None and run is not None:
        out.notice("--metric is not used with a RUN")
    best = best or run is None or sweep is not None
    choice = run_choice(out, run, best=best, metric=metric, sweep=sweep, dataset=dataset)
    dots = integer("--dpi", dpi)
    result = run_confusion(context(out), choice, normalize=normalize, out=file, csv_file=csv, dpi=dots)
    out.result(
        result,
        f"run {plain(result.run_id)} {on_test_images(result.n, result.dataset)}",
        f"accuracy {number(result.accuracy)}",
        "",
        Matrix(result.matrix, result.labels, fractions=result.normalized),
        "",
        per_class(result),
        "",
        *_in_words(result),
        *(f"written to {plain(path)}" for path in (result.png, result.csv) if path is not None),
    )


def _in_words(result: ConfusionMatrix) -> list[str]:
    """Return a line for each of the most frequent confusions."""
    if not result.confusions:
        return ["No class is predicted as another."]
    return [
        f"{plain(pair.true.name)} predicted as {plain(pair.predicted.name)}: {counted(pair.count, 'image')}"
        for pair in result.confusions
    ]
