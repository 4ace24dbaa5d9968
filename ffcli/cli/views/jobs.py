"""What is shown of several runs while they are trained, and of the figures over them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from ffcli.cli.errors import FAILED
from ffcli.cli.output import Output
from ffcli.cli.text import number, plain
from ffcli.cli.views.tables import shown
from ffcli.util.text import are, counted

if TYPE_CHECKING:
    from ffcli.runs.results import RunResult
    from ffcli.services.jobs import Job, JobEvent, JobsOver, JobsStarted
    from ffcli.services.members import Spread


class JobLines:
    """Shows the runs: a plain line for each that ends."""

    def __init__(self, out: Output) -> None:
        self._out = out
        self._jobs: Sequence[Job] = ()
        self._ended = 0

    def __call__(self, event: JobsStarted | JobEvent | JobsOver) -> None:
        """Take in what happens."""
        from ffcli.execution.pool import TaskEnded, TaskLost
        from ffcli.services.jobs import JobEvent, JobsStarted

        if isinstance(event, JobsStarted):
            self._jobs, self._ended = event.jobs, 0
            begun = sum(job.run_id is not None for job in event.jobs)
            notes = f", {begun} of them begun before" if begun else ""
            notes += f"; {event.done} {are(event.done)} there already" if event.done else ""
            by = counted(event.workers, "worker")
            self._out.notice(f"{counted(len(event.jobs), 'run')} to train with {by}{notes}")
        elif isinstance(event, JobEvent) and isinstance(event.event, TaskLost):
            self._out.notice(f"{self.name(event.job)} is lost: {event.event.reason}")
        elif isinstance(event, JobEvent) and isinstance(event.event, TaskEnded):
            ended = event.event
            if ended.status in ("finished", "diverged"):
                self._ended += 1
            done = f"{self._ended}/{len(self._jobs)}"
            outcome = ended.status if ended.error is None else f"{ended.status}: {ended.error}"
            self._out.notice(f"{done}  {ended.run_id or '–'}  {plain(outcome)}  {self.name(event.job)}")

    def name(self, job: int) -> str:
        """Return what tells a job from the others."""
        config = self._jobs[job].config
        fold = "" if config.fold == "none" else f" fold {config.fold}"
        return f"{short_name(config.as_dict())} seed {config.seed}{fold}"


class JobBars(JobLines):
    """Shows the runs on a terminal: below the lines a bar for each that is under way."""

    def __init__(self, out: Output) -> None:
        super().__init__(out)
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TextColumn("{task.fields[figure]}"),
            console=out.stderr,
            transient=True,
        )
        self._tasks: dict[int, TaskID] = {}

    def __call__(self, event: JobsStarted | JobEvent | JobsOver) -> None:
        """Show, move and take away the bar of a run."""
        from ffcli.execution.pool import TaskEpoch, TaskStarted
        from ffcli.services.jobs import JobEvent, JobsStarted

        super().__call__(event)
        if isinstance(event, JobsStarted):
            self._progress.start()
        elif not isinstance(event, JobEvent):
            self._progress.stop()
        elif isinstance(event.event, TaskStarted):
            self._remove(event.job)  # of an earlier start
            self._tasks[event.job] = self._progress.add_task(
                self.name(event.job),
                total=self._jobs[event.job].config.epochs,
                completed=event.event.first_epoch - 1,
                figure="",
            )
        elif isinstance(event.event, TaskEpoch):
            result = event.event.result
            figure = f"val_acc {number(result.val_acc)}"
            self._progress.update(self._tasks[event.job], completed=result.epoch, figure=figure)
        else:
            self._remove(event.job)

    def _remove(self, job: int) -> None:
        if job in self._tasks:
            self._progress.remove_task(self._tasks.pop(job))


def jobs_watcher(out: Output) -> JobLines:
    """Return what shows the runs on this terminal or in this log."""
    return JobBars(out) if out.live else JobLines(out)


def fail_unless_finished(out: Output, runs: Sequence[RunResult]) -> None:
    """End with exit code 1 where a run has not finished."""
    bad = [run for run in runs if run.status != "finished"]
    if bad:
        which = ", ".join(f"{run.run_id} ({run.status})" for run in bad)
        out.error(f"{len(bad)} of {counted(len(runs), 'run')} did not finish: {plain(which)}.")
        raise typer.Exit(FAILED)


def short_name(config: dict[str, Any]) -> str:
    """Return what tells configurations apart at first sight, in few characters."""
    size = shown(config["hidden_size"])
    sizes = size if "," in size else f"{config['num_layers']}×{size}"
    return f"{sizes} {config['activation']} {config['optimizer']} bs{config['batch_size']}"


def mean_and_se(values: Spread) -> str:
    """Return the mean and the standard error of the mean."""
    return number(values.mean) if values.se is None else f"{number(values.mean)} ± {number(values.se)}"
