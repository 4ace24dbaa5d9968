"""``ffnn report``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ffcli.cli.completion import complete_sweep
from ffcli.cli.context import context
from ffcli.cli.help import OUTPUT, argument, option
from ffcli.cli.output import Output
from ffcli.cli.parsing import Command
from ffcli.cli.text import plain
from ffcli.cli.tracking import WandbEntity, WandbMode, WandbProject, wandb_mode
from ffcli.util.text import counted

app = typer.Typer(add_completion=False)


@app.command(cls=Command)
def report(
    ctx: typer.Context,
    sweep: Annotated[
        str,
        argument(
            metavar="SWEEP",
            help="A sweep's id, the beginning or end of it, or its name; entity/project/id at W&B.",
            completes=complete_sweep,
        ),
    ],
    *,
    out_file: Annotated[
        Path | None,
        option("--out", "-o", group=OUTPUT, metavar="FILE", help="The page.", default="report-SWEEP.html"),
    ] = None,
    wandb: WandbMode = None,
    wandb_project: WandbProject = None,
    wandb_entity: WandbEntity = None,
) -> None:
    """Show a sweep as one self-contained HTML page.

    Of a sweep at W&B it shows the runs that are stored here. Where the runs were tracked, the page goes to
    W&B too.
    """
    from ffcli.cli.views.progress import watcher
    from ffcli.services.report.report import report as run
    from ffcli.services.sweeps.find import sweep_called
    from ffcli.training.options import RunOptions

    out = Output.of(ctx)
    place = context(out)
    document = run(
        place,
        sweep_called(place, sweep),
        out_file,
        command_line=out.settings.command_line,
        watcher=watcher(out),
        options=RunOptions(wandb=wandb_mode(wandb), wandb_project=wandb_project, wandb_entity=wandb_entity),
    )
    out.result(document, f"{counted(document['runs'], 'run')} in {plain(document['html'])}")
