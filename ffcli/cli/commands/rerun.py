"""``ffnn rerun``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from ffcli.cli.completion import complete_metric, complete_sweep
from ffcli.cli.context import context
from ffcli.cli.errors import FAILED, Interrupted
from ffcli.cli.help import CHOICE, TRAINING, option
from ffcli.cli.output import Output, refuse
from ffcli.cli.params import WandbEntity, WandbMode, WandbProject, dataset_option, tracking
from ffcli.cli.parsing import Command
from ffcli.cli.pool import Cluster, Jobs, Workers, pool_options
from ffcli.cli.text import number, plain
from ffcli.cli.values import integer
from ffcli.cli.views.tables import Columns, shown
from ffcli.util.text import are, counted

if TYPE_CHECKING:
    from ffcli.services.jobs import Job, JobEvent, JobsOver, JobsStarted
    from ffcli.services.rerun import RerunResult, Spread

app = typer.Typer(add_completion=False)


@app.command(cls=Command)
def rerun(
    ctx: typer.Context,
    *,
    sweep: Annotated[
        str,
        option(
            "--sweep SWEEP",
            CHOICE,
            "The id or name of a sweep; entity/project/id at W&B.",
            completes=complete_sweep,
        ),
    ],
    top: Annotated[str | None, option("--top K", CHOICE, "Number of best configurations.", default=3)] = None,
    dataset: Annotated[
        str | None, dataset_option(TRAINING, "Train on this dataset.", "the sweep's own")
    ] = None,
    seeds: Annotated[
        str | None,
        option(
            "--seeds N",
            TRAINING,
            "Train with N other seeds and report mean and standard deviation.",
            default="once, with its own seed",
        ),
    ] = None,
    metric: Annotated[
        str | None,
        option(
            "--metric NAME",
            CHOICE,
            "Metric that ranks the runs.",
            default="the sweep's own",
            completes=complete_metric,
        ),
    ] = None,
    workers: Workers = None,
    cluster: Cluster = None,
    jobs: Jobs = None,
    wandb: WandbMode = None,
    wandb_project: WandbProject = None,
    wandb_entity: WandbEntity = None,
) -> None:
    """Train a sweep's best again, on other data or seeds.

    The result is the test accuracy beside the original figures. After an interruption, run the same command
    again to resume.

    --seeds N takes the N seeds after the configuration's own, which is left out because it helped the
    configuration to be chosen.
    """
    from ffcli.services.rerun import RerunOptions
    from ffcli.services.rerun import rerun as run

    out = Output.of(ctx)
    options = RerunOptions(
        top=integer("--top", top, least=1) or 3,
        dataset=dataset,
        seeds=integer("--seeds", seeds, least=1),
        metric=metric,
        pool=pool_options(workers, cluster, jobs, wandb=wandb),
        run=tracking(
            wandb,
            wandb_project,
            wandb_entity,
            default="disabled" if cluster else "auto",
            command_line=out.settings.command_line,
        ),
    )
    if dataset is None and seeds is None:
        refuse("Give --dataset, --seeds or both: with neither, each run would only be repeated.")
    try:
        results = run(context(out), sweep, options, _watcher(out))
    except KeyboardInterrupt:
        raise Interrupted("Run the same command again to resume.") from None
    out.result(results, *_report(results, out))
    bad = [result for result in results if result.status != "finished"]
    if bad:
        which = ", ".join(f"{result.run_id} ({result.status})" for result in bad)
        out.error(f"{len(bad)} of {counted(len(results), 'run')} did not finish: {plain(which)}.")
        raise typer.Exit(FAILED)


# What is seen while it runs


class _Lines:
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
            self._out.notice(f"{done}  {ended.run_id}  {plain(outcome)}  {self.name(event.job)}")

    def name(self, job: int) -> str:
        """Return what tells a job from the others."""
        config = self._jobs[job].config
        return f"{_short(config.as_dict())} seed {config.seed}"


class _Bars(_Lines):
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


def _watcher(out: Output) -> _Lines:
    return _Bars(out) if out.live else _Lines(out)


# What is shown of the result


def _report(results: Sequence[RerunResult], out: Output) -> list[RenderableType]:
    """Return a table of the configurations, before and after."""
    ranks = [list(runs) for _, runs in groupby(results, key=attrgetter("rank"))]
    firsts = [runs[0] for runs in ranks]
    original, n_seeds = firsts[0].original, len(ranks[0])
    before = _names(first.original.dataset for first in firsts)
    after = _names(first.dataset for first in firsts)
    spread = f", mean ± standard deviation (n - 1) of {n_seeds} seeds" if n_seeds > 1 else ""
    rows = [
        [
            first.rank,
            _short(first.config),
            number(first.original.value),
            number(first.original.test_acc),
            _spread(first.over_seeds.val_acc),
            _spread(first.over_seeds.test_acc),
        ]
        for first in firsts
    ]
    heads = ["#", "configuration", "was", "test was", "val_acc", "test_acc"]
    return [
        f"the best of sweep {plain(original.sweep_id)}\n"
        f"was: {original.metric} and test accuracy on {before}\n"
        f"val_acc, test_acc: on {after}{spread}",
        "",
        Columns(heads, rows, right=heads[2:]),
        "",
        f"the runs: {out.settings.command('runs', 'list', '--tag', 'rerun')}",
    ]


def _short(config: dict[str, Any]) -> str:
    """Return what tells configurations apart at first sight, in few characters."""
    size = shown(config["hidden_size"])
    sizes = size if "," in size else f"{config['num_layers']}×{size}"
    return f"{sizes} {config['activation']} {config['optimizer']} bs{config['batch_size']}"


def _names(datasets: Iterable[str]) -> str:
    return plain(", ".join(sorted({Path(dataset).name for dataset in datasets})))


def _spread(values: Spread) -> str:
    mean = number(values.mean)
    return mean if values.sd is None else f"{mean} ± {number(values.sd)}"
