"""``ffnn sync``."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from ffcli.cli.completion import complete_run_or_sweep
from ffcli.cli.context import context
from ffcli.cli.errors import FAILED, Interrupted
from ffcli.cli.help import argument
from ffcli.cli.output import Output
from ffcli.cli.parsing import Command
from ffcli.cli.text import plain
from ffcli.cli.tracking import LogModel, WandbEntity, WandbProject
from ffcli.util.text import are, counted

app = typer.Typer(add_completion=False)


@app.command(cls=Command)
def sync(
    ctx: typer.Context,
    *,
    runs: Annotated[
        list[str],
        argument(
            metavar="RUN|SWEEP",
            help="Ids of runs and of sweeps, or their unique ends.",
            completes=complete_run_or_sweep,
        ),
    ],
    wandb_project: WandbProject = None,
    wandb_entity: WandbEntity = None,
    log_model: LogModel = False,
) -> None:
    """Send stored runs to Weights & Biases.

    Each epoch keeps its time. What is there already is not sent again; interrupted, the same command goes on.
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
        document = run(context(out), runs, options, _Bar(out) if out.live else _Lines(out))
    except KeyboardInterrupt:
        raise Interrupted("The same command goes on.") from None
    counts = {name: len(document[name]) for name in ("synced", "skipped", "failed")}
    out.result(document, ", ".join(f"{count} {name}" for name, count in counts.items()))
    if document["failed"]:
        reasons = sorted(set(document["problems"].values()))
        failed = f"{counted(counts['failed'], 'run')} {are(counts['failed'])} not at W&B"
        out.error(f"{failed}: {plain('; '.join(reasons))}.", "Try again later.")
        raise typer.Exit(FAILED)


class _Lines:
    """Watches runs being sent: a plain line for each."""

    def __init__(self, out: Output) -> None:
        self._out = out
        self._runs = self._sent = 0

    def started(self, runs: int) -> None:
        """Remember how many there are."""
        self._runs = runs

    def sent(self, run_id: str, problem: str | None) -> None:
        """Print the line of a run."""
        self._sent += 1
        end = "synced" if problem is None else f"failed: {plain(problem)}"
        self._out.notice(f"{self._sent}/{self._runs}  run {run_id}  {end}")

    def finished(self) -> None:
        """Say nothing: the result follows."""


class _Bar(_Lines):
    """Watches runs being sent on a terminal: a bar, and a line for each that fails."""

    def __init__(self, out: Output) -> None:
        super().__init__(out)
        self._bar = Progress(
            TextColumn("runs"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            console=out.stderr,
            transient=True,
        )

    def started(self, runs: int) -> None:
        """Begin the bar."""
        super().started(runs)
        self._bar.add_task("", total=runs)
        self._bar.start()

    def sent(self, run_id: str, problem: str | None) -> None:
        """Move the bar."""
        if problem is not None:
            super().sent(run_id, problem)
        self._bar.advance(self._bar.task_ids[0])

    def finished(self) -> None:
        """Take the bar away."""
        self._bar.stop()
