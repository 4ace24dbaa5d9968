"""``ffnn report``."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import Annotated

import typer

from ffcli.cli.context import context
from ffcli.cli.help import OUTPUT, option
from ffcli.cli.output import Output, refuse
from ffcli.cli.params import SweepId, WandbEntity, WandbMode, WandbProject, out_file, tracking
from ffcli.cli.parsing import Command
from ffcli.cli.text import plain
from ffcli.util.text import counted

app = typer.Typer(add_completion=False)


@app.command(cls=Command)
def report(
    ctx: typer.Context,
    sweep: SweepId = None,
    *,
    file: Annotated[Path | None, out_file("File of the page.", "report-SWEEP.html")] = None,
    live: Annotated[
        bool, option("--live", OUTPUT, "Serve the page on 127.0.0.1 and keep it up to date, until Ctrl-C.")
    ] = False,
    wandb: WandbMode = None,
    wandb_project: WandbProject = None,
    wandb_entity: WandbEntity = None,
) -> None:
    """Show a sweep as one self-contained HTML page.

    For a sweep at W&B it shows the runs that are stored here. Where W&B tracks the runs, it also gets the
    page.

    --live without a sweep shows all sweeps and runs, the newest first, with the learning curves of the runs
    that are being trained. It needs the extra ffnn[live].
    """
    from ffcli.cli.views.progress import training_view
    from ffcli.services.report.report import report as run
    from ffcli.services.sweeps.find import sweep_called

    out = Output.of(ctx)
    place = context(out)
    if live:
        if file is not None:
            refuse("--live serves the page and writes none: expected --live or --out, got both.")
        _serve(out, None if sweep is None else sweep_called(place, sweep))
        return
    if sweep is None:
        refuse("Expected SWEEP, or --live for all sweeps and runs.", "ffnn sweeps list shows the sweeps.")
    sweep_id = sweep_called(place, sweep)
    result = run(
        place,
        sweep_id,
        file,
        command_line=out.settings.command_line,
        on_event=training_view(out),
        options=tracking(wandb, wandb_project, wandb_entity),
    )
    out.result(result, f"{counted(result.runs, 'run')} in {plain(result.html)}")


def _serve(out: Output, sweep_id: str | None) -> None:
    """Serve the page until Ctrl-C, which is the way to end it; another signal ends it as any command."""
    from ffcli.services.report.live import live_report
    from ffcli.util.signals import Terminated

    with live_report(context(out), sweep_id) as page:
        try:
            out.result(page, page.url)
            sys.stdout.flush()
            out.notice("The page is kept up to date; Ctrl-C ends it.")
            threading.Event().wait()
        except Terminated:
            raise
        except KeyboardInterrupt:
            return
