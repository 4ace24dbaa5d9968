"""``ffnn export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ffcli.cli.completion import names_in
from ffcli.cli.context import context
from ffcli.cli.help import OUTPUT, option
from ffcli.cli.output import Output
from ffcli.cli.params import Best, BestDataset, BestOfSweep, MetricName, OptionalRunId, out_file, run_choice
from ffcli.cli.parsing import Command
from ffcli.cli.text import plain

app = typer.Typer(add_completion=False)


@app.command(cls=Command)
def export(
    ctx: typer.Context,
    *,
    run: OptionalRunId = None,
    best: Best = False,
    metric: MetricName = None,
    sweep: BestOfSweep = None,
    dataset: BestDataset = None,
    format: Annotated[
        str | None,
        option(
            "--format NAME",
            OUTPUT,
            "onnx, keras or npz.",
            default="by the ending of --out, else onnx",
            completes=names_in("ffcli.services.export.export", "FORMATS"),
        ),
    ] = None,
    file: Annotated[Path | None, out_file("File to write.", "RUN.FORMAT")] = None,
) -> None:
    """Write a stored network as a file for other programs.

    The exported network takes images as the dataset holds them (the scaling of pixels is part of it) and
    returns class probabilities; batch normalization is folded into the weights. onnx needs the extra
    ffnn[onnx] and keras the extra ffnn[keras]. If the weights of the best run are not stored here, it is
    trained again.
    """
    from ffcli.services.export.export import export as run_export

    out = Output.of(ctx)
    choice = run_choice(out, run, best=best, metric=metric, sweep=sweep, dataset=dataset)
    if dataset is not None and not best:
        out.notice("--dataset is not used without --best")
    exported = run_export(context(out), choice, format=format, out=file)
    out.result(exported, f"run {plain(exported.run_id)} written to {plain(exported.path)}")
