"""``ffnn sync``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from ffcli.cli.completion import complete_run_or_sweep
from ffcli.cli.context import context
from ffcli.cli.errors import FAILED, Interrupted
from ffcli.cli.help import argument
from ffcli.cli.output import Output
from ffcli.cli.params import LogModel, WandbEntity, WandbProject
from ffcli.cli.parsing import Command
from ffcli.cli.text import plain
from ffcli.util.text import are, counted

if TYPE_CHECKING:
    from ffcli.services.sync import RunSent

app = typer.Typer(add_completion=False)


@app.command(cls=Command)
def sync(
    ctx: typer.Context,
    *,
    runs: Annotated[
        list[str],
        argument(
            "RUN|SWEEP",
            "Ids of runs and of sweeps, or their unique beginnings or ends.",
            completes=complete_run_or_sweep,
        ),
    ],
    wandb_project: WandbProject = None,
    wandb_entity: WandbEntity = None,
    log_model: LogModel = False,
) -> None:
    """Send stored runs to Weights & Biases.

    Each epoch keeps its time. Only what is missing is sent, so that an interrupted command can be repeated.
    """
    from ffcli.services.sync import SyncOptions
    from ffcli.services.sync import sync as run
    from ffcli.tracking.modes import has_key

    out = Output.of(ctx)
    if not has_key():
        out.error("no W&B key is configured.", "wandb login stores one; WANDB_API_KEY works too.")
        raise typer.Exit(FAILED)
    options = SyncOptions(wandb_project, wandb_entity, log_model)
    try:
        with _Progress(out) as progress:
            result = run(context(out), runs, options, progress.sent)
    except KeyboardInterrupt:
        raise Interrupted("Repeat the command to continue.") from None
    failed = len(result.failed)
    out.result(result, f"{len(result.synced)} synced, {len(result.skipped)} skipped, {failed} failed")
    if failed:
        reasons = sorted(set(result.problems.values()))
        out.error(
            f"{counted(failed, 'run')} {are(failed)} not at W&B: {plain('; '.join(reasons))}.",
            "Try again later.",
        )
        raise typer.Exit(FAILED)


class _Progress:
    """Shows runs being sent: on a terminal a bar and a line for each failure, else a line for each run."""

    def __init__(self, out: Output) -> None:
        self._out = out
        self._bar = Progress(
            TextColumn("runs"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            console=out.stderr,
            transient=True,
        )

    def __enter__(self) -> _Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def sent(self, event: RunSent) -> None:
        """Show that a run is sent, or could not be."""
        if event.problem is not None or not self._out.live:
            end = "synced" if event.problem is None else f"failed: {plain(event.problem)}"
            self._out.notice(f"{event.done}/{event.total}  run {event.run_id}  {end}")
        if self._out.live:
            if not self._bar.task_ids:
                self._bar.add_task("", total=event.total)
                self._bar.start()
            self._bar.update(self._bar.task_ids[0], completed=event.done)
