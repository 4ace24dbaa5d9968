"""``ffnn sweeps``: list, show, rm."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import RenderableType

from ffcli.cli.completion import complete_sweep
from ffcli.cli.context import context
from ffcli.cli.errors import FAILED
from ffcli.cli.help import CHOICE, argument, option
from ffcli.cli.listing import ColumnNames, Format, Where, show_list, table_format
from ffcli.cli.output import Output
from ffcli.cli.params import DryRun, Yes, confirm_removal
from ffcli.cli.parsing import Command, Group
from ffcli.cli.shared import Settings
from ffcli.cli.text import duration, number, plain
from ffcli.cli.values import integer
from ffcli.cli.views.tables import Columns
from ffcli.util.text import counted

if TYPE_CHECKING:
    from ffcli.runs.results import HyperparameterEffect
    from ffcli.services.compare_loss.results import LossComparison
    from ffcli.services.sweeps.results import Effects, SweepOutcome, SweepReport, TopTrial

app = typer.Typer(cls=Group, add_completion=False, subcommand_metavar="COMMAND …")


@app.callback()
def _sweeps() -> None:
    """List, show and remove sweeps."""


@app.command("list", cls=Command)
def list_(ctx: typer.Context) -> None:
    """List the sweeps of the store."""
    from ffcli.services.sweeps.listing import list_sweeps

    out = Output.of(ctx)
    documents = list_sweeps(context(out))
    if not documents and not out.settings.json:
        out.notice("there are no sweeps")
        return
    rows = [
        [
            document.sweep_id,
            document.state,
            document.method,
            *vars(document.counts).values(),
            document.planned or "no end",
            document.metric.name,
            number(document.best.value) if document.best else "–",
            document.name,
        ]
        for document in documents
    ]
    heads = ["sweep", "state", "method", "finished", "pruned", "failed", "of", "metric", "best", "name"]
    spare = ["method", "failed", "pruned", "metric"]
    right = [*heads[3:7], "best"]
    out.result(documents, Columns(heads, rows, right=right, cut=["name"], spare=spare))


@app.command(cls=Command)
def show(
    ctx: typer.Context,
    sweep: Annotated[
        str,
        argument(
            "SWEEP", "The id of a sweep, its unique beginning or end, or its name.", completes=complete_sweep
        ),
    ],
    *,
    top: Annotated[
        str | None,
        option("--top N", CHOICE, "Show at most N configurations.", default="5 in a table, else all"),
    ] = None,
    sort: Annotated[
        str | None, option("--sort COLUMN", CHOICE, "Sort them by this column.", default="the metric")
    ] = None,
    where: Where = None,
    columns: ColumnNames = None,
    format: Format = None,
) -> None:
    """Show a sweep with its best configurations.

    A column is the metric, number, state, best_epoch, reused or a hyper-parameter. --format
    csv and markdown print the configurations only.
    """
    from ffcli.services.sweeps.find import find_sweep
    from ffcli.services.sweeps.summary import show_sweep, trial_columns

    out = Output.of(ctx)
    place = context(out)
    kind = table_format(out, format, columns)
    document = show_sweep(
        place,
        find_sweep(place, sweep),
        top=integer("--top", top, least=1) or (None if kind == "table" else sys.maxsize),
        where=where or (),
        sort=sort,
    )
    metric = document.metric.name
    words = [] if columns is None else columns.split(",")
    chosen = [column.name for column in trial_columns(metric, words)] or _shown_columns(document)
    if columns is None and sort is not None and (by := trial_columns(metric, [sort])[0].name) not in chosen:
        chosen.insert(1, by)
    if kind != "table":
        rows = ([_trial_value(trial, name) for name in chosen] for trial in document.top)
        names = [metric if name == "value" else name for name in chosen]
        show_list(out, kind, document, _trial_table(document, chosen), names, rows)
        return
    command = "sweep" if document.paired is None else "compare-loss"
    resume = out.settings.command(command, document.sweep_id)
    left = [f"resume it: {resume}"] if document.state == "open" else []
    out.result(document, *report(document, out.settings, chosen), *left)


@app.command(cls=Command)
def rm(
    ctx: typer.Context,
    sweeps: Annotated[
        list[str],
        argument(
            metavar="SWEEP",
            help="Ids of sweeps, their unique beginnings or ends, or names; entity/project/id at W&B.",
            completes=complete_sweep,
        ),
    ],
    *,
    keep_runs: Annotated[bool, option("--keep-runs", CHOICE, "Keep the runs of the sweeps.")] = False,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Remove sweeps from the store, with their runs.

    A sweep that a process is running is never removed. Of a sweep at W&B what is stored here is removed; the
    sweep stays at W&B.
    """
    from ffcli.services.sweeps.remove import SweepRemoval, remove_sweeps, runs_of_sweeps
    from ffcli.sweeping.wandb.address import is_address

    out = Output.of(ctx)
    place = context(out)
    found = runs_of_sweeps(place, sweeps)
    each = [
        f"sweep {plain(sweep)} with {counted(0 if keep_runs else len(runs), 'run')}"
        + " here (it stays at W&B)" * is_address(sweep)
        for sweep, runs in found.items()
    ]
    if dry_run:
        runs = [run.run_id for its_runs in found.values() for run in its_runs if not keep_runs]
        out.result(SweepRemoval([], list(found), runs), *(f"would remove {line}" for line in each))
        return
    if not yes:
        confirm_removal(out, "sweeps rm", f"Remove {', '.join(each)}?")
    out.result(remove_sweeps(place, found, keep_runs=keep_runs), *(f"removed {line}" for line in each))


def fail_where_all_failed(out: Output, document: SweepOutcome | LossComparison, resume: str) -> None:
    """End with exit code 1 where nothing has come of a sweep; ``resume`` is the command that resumes it."""
    counts = document.counts
    if document.ended == "failures":
        out.error(document.message or "", f"Fix the cause, then run: {resume}")
    elif counts.failed and not counts.finished and not counts.pruned:
        out.error(f"All {counted(counts.failed, 'trial')} of sweep {document.sweep_id} failed.")
    else:
        return
    raise typer.Exit(FAILED)


def report(
    document: SweepReport, settings: Settings, columns: Sequence[str] | None = None
) -> list[RenderableType]:
    """Return what is shown of a sweep: what came of it, the best, what mattered, how to evaluate the best."""
    from ffcli.services.sweeps.results import SweepOutcome

    counts = ", ".join(f"{count} {state}" for state, count in vars(document.counts).items())
    reused = f" ({document.reused} of them reused)" if document.reused else ""
    seconds = f" in {duration(document.seconds)}" if isinstance(document, SweepOutcome) else ""
    of = "" if seconds or not document.planned else f" of {document.planned}"
    if document.state == "running" and not seconds:
        of += ", running"
    of += _runs_a_trial(document)
    lines = [f"sweep {plain(document.sweep_id)} ({document.method}): {counts}{of}{reused}{seconds}"]
    if isinstance(document, SweepOutcome) and document.message:
        says_no_more = document.backend == "local" and document.ended == "count"  # than the counts do
        if not says_no_more:
            lines.append(plain(document.message))
    lines.append(f"stored in {plain(str(document.path))}")
    if document.best is None:
        return ["\n".join(lines)]
    evaluate = settings.command("evaluate", "--best", "--sweep", document.sweep_id)
    return [
        "\n".join(lines),
        "",
        _trial_table(document, columns or _shown_columns(document)),
        "",
        *_mattered(document.mattered, document.metric.name),
        f"the best on the test images: {evaluate}",
    ]


def _runs_a_trial(document: SweepReport) -> str:
    """Return what the runs of a trial are, where it has several."""
    seeds = f"{document.repeats} seeds" if document.repeats > 1 else ""
    folds = f"{document.folds} folds" if document.folds else ""
    each = " on ".join(filter(None, (seeds, folds)))
    return f", each the mean over {each}" if each else ""


def _shown_columns(document: SweepReport) -> list[str]:
    """Return the names of the columns of the best trials, with the searched hyper-parameters."""
    searched = {effect.name for effect in document.mattered.hyperparameters}
    names = [name for name in (document.top[0].values if document.top else ()) if name in searched]
    removed = any(trial.record == "removed" for trial in document.top)
    return ["value", "run_id", *(["record"] if removed else []), *names]


def _trial_table(document: SweepReport, columns: Sequence[str]) -> Columns:
    heads = {"value": document.metric.name, "run_id": "run", "number": "trial", "best_epoch": "best epoch"}
    rows = [[_trial_cell(trial, name) for name in columns] for trial in document.top]
    return Columns([heads.get(name, name) for name in columns], rows, right=[document.metric.name, "trial"])


def _trial_value(trial: TopTrial, name: str) -> Any:
    """Return the value of a column: a field of the trial or a hyper-parameter."""
    if hasattr(trial, name):
        return getattr(trial, name)
    return trial.values[name] if name in trial.values else trial.config[name]


def _trial_cell(trial: TopTrial, name: str) -> Any:
    if name == "value":
        return number(trial.value)
    if name == "record" and trial.record == "here":
        return ""
    if name == "run_id" and len(trial.run_ids) > 1:
        return f"{trial.run_id} +{len(trial.run_ids) - 1}"
    return _trial_value(trial, name)


def _mattered(document: Effects, metric: str) -> list[RenderableType]:
    """Return the table of what mattered, with an empty line at its end; nothing where nothing can be said."""
    effects = document.hyperparameters
    if not any(_correlation(effect) for effect in effects):
        return []
    about = f"correlation of {document.trials} trials by {document.correlation}"
    heads, rows = ["hyper-parameter"], [[effect.name] for effect in effects]
    if effects[0].importance is None:
        from ffcli.sweeping.importance import IMPORTANT

        about += f"; importances are shown from {IMPORTANT} trials on" * (document.trials < IMPORTANT)
    else:
        about = f"importance by {document.importance}, {about}"
        heads.append("importance")
        for row, effect in zip(rows, effects):
            row.append(number(effect.importance, 2))
    heads.append(f"correlation with {metric}")
    for row, effect in zip(rows, effects):
        row.append(_correlation(effect))
    return [Columns(heads, rows, right=["importance"]), about, ""]


def _correlation(effect: HyperparameterEffect) -> str:
    """Return the correlation, or that of each value, the highest first."""
    if effect.by_value is None:
        return "" if effect.correlation is None else number(effect.correlation, 2, sign="+")
    known = [(value, r) for value, r in effect.by_value.items() if r is not None]
    return ", ".join(
        f"{value} {number(r, 2, sign='+')}" for value, r in sorted(known, key=lambda item: -item[1])
    )
