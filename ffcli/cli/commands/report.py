"""``ffnn report``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ffcli.cli.context import context
from ffcli.cli.output import Output
from ffcli.cli.params import SweepId, WandbEntity, WandbMode, WandbProject, out_file, wandb_mode
from ffcli.cli.parsing import Command
from ffcli.cli.text import plain
from ffcli.util.text import counted

app = typer.Typer(add_completion=False)


@app.command(cls=Command)
def report(
    ctx: typer.Context,
    sweep: SweepId,
    *,
    file: Annotated[Path | None, out_file("The page.", "report-SWEEP.html")] = None,
    wandb: WandbMode = None,
    wandb_project: WandbProject = None,
    wandb_entity: WandbEntity = None,
) -> None:
    """Show a sweep as one self-contained HTML page.

    For a sweep at W&B it shows the runs that are stored here. Where W&B tracks the runs, the page goes there
    too.
    """
    from ffcli.cli.views.progress import training_view
    from ffcli.services.report.report import report as run
    from ffcli.services.sweeps.find import sweep_called
    from ffcli.training.options import RunOptions

    out = Output.of(ctx)
    place = context(out)
    result = run(
        place,
        sweep_called(place, sweep),
        file,
        command_line=out.settings.command_line,
        on_event=training_view(out),
        options=RunOptions(wandb=wandb_mode(wandb), wandb_project=wandb_project, wandb_entity=wandb_entity),
    )
    out.result(result, f"{counted(result.runs, 'run')} in {plain(result.html)}")
