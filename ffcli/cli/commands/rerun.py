"""``ffnn rerun``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from ffcli.cli.completion import complete_dataset, complete_metric, complete_sweep
from ffcli.cli.context import context
from ffcli.cli.errors import FAILED, Interrupted
from ffcli.cli.help import CHOICE, TRAINING, option
from ffcli.cli.output import Output
from ffcli.cli.params import WandbEntity, WandbMode, WandbProject, wandb_mode
from ffcli.cli.parsing import Command
from ffcli.cli.text import number, plain
from ffcli.cli.values import integer
from ffcli.cli.views.tables import Columns, shown
from ffcli.util.text import are, counted

if TYPE_CHECKING:
    from ffcli.services.side_by_side import Job, Message

app = typer.Typer(add_completion=False)


@app.command(cls=Command)
def rerun(
    ctx: typer.Context,
    *,
    sweep: Annotated[
        str,
        option(
            "--sweep",
            group=CHOICE,
            metavar="SWEEP",
            help="The sweep; entity/project/id at W&B.",
            completes=complete_sweep,
        ),
    ],
    top: Annotated[
        str | None,
        option("--top", group=CHOICE, metavar="K", help="So many of its best configurations.", default=3),
    ] = None,
    dataset: Annotated[
        str | None,
        option(
            "--dataset",
            "-d",
            group=TRAINING,
            metavar="NAME",
            help="Train them on this dataset.",
            default="the sweep's own",
            completes=complete_dataset,
        ),
    ] = None,
    seeds: Annotated[
        str | None,
        option(
            "--seeds",
            group=TRAINING,
            metavar="N",
            help="Train each with N other seeds, for mean and standard deviation.",
            default="once, with its own seed",
        ),
    ] = None,
    metric: Annotated[
        str | None,
        option(
            "--metric",
            group=CHOICE,
            metavar="NAME",
            help="What makes them the best.",
            default="the sweep's own",
            completes=complete_metric,
        ),
    ] = None,
    workers: Annotated[
        str | None,
        option(
            "--workers",
            group=TRAINING,
            metavar="N",
            help="Processes on this machine.",
            default="the number of cores",
        ),
    ] = None,
    storage: Annotated[
        str | None, option("--storage", group=CHOICE, metavar="URL", help="The database of a shared sweep.")
    ] = None,
    wandb: WandbMode = None,
    wandb_project: WandbProject = None,
    wandb_entity: WandbEntity = None,
) -> None:
    """Train a sweep's best again, on other data or seeds.

    The test accuracy comes at the end, beside the original figures.

    Interrupted or killed, the same command goes on.

    With --seeds N the seeds are the configuration's own + 1 to + N: its own had
    helped it to be chosen.
    """
    from ffcli.services.rerun import RerunOptions
    from ffcli.services.rerun import rerun as run
    from ffcli.training.options import RunOptions
    from ffcli.util.cores import usable_cores

    out = Output.of(ctx)
    options = RerunOptions(
        top=integer("--top", top, least=1) or 3,
        dataset=dataset,
        seeds=integer("--seeds", seeds, least=1),
        metric=metric,
        workers=integer("--workers", workers, least=1) or usable_cores(),
        storage=storage,
        run=RunOptions(
            wandb=wandb_mode(wandb),
            wandb_project=wandb_project,
            wandb_entity=wandb_entity,
            command_line=out.settings.command_line,
        ),
    )
    try:
        documents = run(context(out), sweep, options, _watcher(out))
    except KeyboardInterrupt:
        raise Interrupted("The same command goes on.") from None
    out.result(documents, *_report(documents, out))
    bad = [document for document in documents if document["status"] != "finished"]
    if bad:
        which = ", ".join(f"{document['run_id']} ({document['status']})" for document in bad)
        out.error(f"{len(bad)} of {counted(len(documents), 'run')} did not finish: {plain(which)}.")
        raise typer.Exit(FAILED)


# What is seen while it runs


class _Lines:
    """Watches the runs: a plain line for each that ends."""

    def __init__(self, out: Output) -> None:
        self._out = out
        self._jobs: Sequence[Job] = ()
        self._ended = 0

    def started(self, jobs: Sequence[Job], done: int, workers: int) -> None:
        """Say what is to be done."""
        self._jobs, self._ended = jobs, 0
        begun = sum(job.run_id is not None for job in jobs)
        notes = f", {begun} of them begun before" if begun else ""
        notes += f"; {done} {are(done)} there already" if done else ""
        self._out.notice(f"{counted(len(jobs), 'run')} to train with {counted(workers, 'worker')}{notes}")

    def message(self, job: int, message: Message) -> None:
        """Print the line of a run that has ended."""
        from ffcli.services.side_by_side import RunEnded

        if isinstance(message, RunEnded):
            self._ended += 1
            self._out.notice(
                f"{self._ended}/{len(self._jobs)}  {message.run_id}  {message.status} "
                f"{number(message.best_val_acc)}  {self._name(job)}"
            )

    def _name(self, job: int) -> str:
        config = self._jobs[job].config
        return f"{_short(config.as_dict())} seed {config.seed}"

    def finished(self) -> None:
        """Say nothing: the result follows."""


class _Bars(_Lines):
    """Watches the runs on a terminal: below the lines a bar for each that is under way."""

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

    def started(self, jobs: Sequence[Job], done: int, workers: int) -> None:
        """Begin with no bar."""
        super().started(jobs, done, workers)
        self._progress.start()

    def message(self, job: int, message: Message) -> None:
        """Show, move and take away the run's bar."""
        from ffcli.core.training import EpochResult
        from ffcli.services.side_by_side import RunBegun

        super().message(job, message)
        if isinstance(message, RunBegun):
            self._remove(job)  # of an attempt that was killed
            config = self._jobs[job].config
            self._tasks[job] = self._progress.add_task(
                self._name(job), total=config.epochs, completed=message.first_epoch - 1, figure=""
            )
        elif isinstance(message, EpochResult):
            figure = f"val_acc {number(message.val_acc)}"
            self._progress.update(self._tasks[job], completed=message.epoch, figure=figure)
        else:
            self._remove(job)

    def _remove(self, job: int) -> None:
        if job in self._tasks:
            self._progress.remove_task(self._tasks.pop(job))

    def finished(self) -> None:
        """Take the bars away."""
        self._progress.stop()


def _watcher(out: Output) -> _Lines:
    return _Bars(out) if out.live else _Lines(out)


# What is shown of the result


def _report(documents: Sequence[dict[str, Any]], out: Output) -> list[RenderableType]:
    """Return a table of the configurations, before and after."""
    ranks = [list(runs) for _, runs in groupby(documents, key=itemgetter("rank"))]
    firsts = [runs[0] for runs in ranks]
    original, n_seeds = firsts[0]["original"], len(ranks[0])
    before = _names(first["original"]["dataset"] for first in firsts)
    after = _names(first["dataset"] for first in firsts)
    spread = f", mean ± standard deviation (n - 1) of {n_seeds} seeds" if n_seeds > 1 else ""
    rows = [
        [
            first["rank"],
            _short(first["config"]),
            number(first["original"]["value"]),
            number(first["original"]["test_acc"]),
            _spread(first["over_seeds"]["val_acc"]),
            _spread(first["over_seeds"]["test_acc"]),
        ]
        for first in firsts
    ]
    heads = ["#", "configuration", "was", "test was", "val_acc", "test_acc"]
    return [
        f"the best of sweep {plain(original['sweep_id'])}\n"
        f"was: {original['metric']} and test accuracy on {before}\n"
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


def _spread(values: dict[str, float | None]) -> str:
    mean, sd = values["mean"], values["sd"]
    return number(mean) if sd is None else f"{number(mean)} ± {number(sd)}"
