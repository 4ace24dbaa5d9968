"""``ffnn train``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ffcli.cli.commands.cross_validation import cross_validate
from ffcli.cli.completion import complete_run, names_in
from ffcli.cli.context import context
from ffcli.cli.errors import FAILED, Interrupted
from ffcli.cli.help import option
from ffcli.cli.options import FieldsCommand, configure, flag, given, with_fields
from ffcli.cli.output import Output, refuse
from ffcli.cli.params import LogModel, WandbEntity, WandbMode, WandbProject, tracking
from ffcli.cli.pool import Cluster, Jobs, Workers, pool_options, refuse_within_agent
from ffcli.cli.repetition import Folds, Repeats, Repetition
from ffcli.cli.text import duration, number, plain, roughly
from ffcli.cli.values import integer
from ffcli.cli.views.progress import EpochLines, training_view
from ffcli.cli.views.tables import Columns, pairs
from ffcli.config import load_recipe, members, unused
from ffcli.datasets import with_options
from ffcli.errors import FfnnError
from ffcli.util.text import counted

if TYPE_CHECKING:
    from ffcli.config import TrainConfig
    from ffcli.execution.open import PoolOptions
    from ffcli.runs.results import RunResult
    from ffcli.training.options import RunOptions

app = typer.Typer(add_completion=False)

_RUN, _DATA = "Run", "Data"
_LIST = "list"  # the word that shows the recipes instead of naming one


@app.command(cls=FieldsCommand)
@with_fields
def train(
    ctx: typer.Context,
    *,
    config: Annotated[
        Path | None, option("--config FILE", _RUN, "Settings from a YAML file; options take precedence.")
    ] = None,
    recipe: Annotated[
        str | None,
        option(
            "--recipe NAME",
            _RUN,
            "Shipped settings (list shows them); --config takes precedence.",
            completes=names_in("ffcli.config.recipes", "recipe_names", _LIST),
        ),
    ] = None,
    resume: Annotated[
        str | None,
        option(
            "--resume RUN",
            _RUN,
            "Resume a stored run; a larger --epochs continues it.",
            completes=complete_run,
        ),
    ] = None,
    dry_run: Annotated[
        bool, option("--dry-run", _RUN, "Only show the configuration, its size and a time estimate.")
    ] = False,
    name: Annotated[
        str | None, option("--name TEXT", _RUN, "Name of the run.", default="run_hl-3_bs-32_…")
    ] = None,
    tag: Annotated[list[str] | None, option("--tag TEXT", _RUN, "Tag of the run; can be repeated.")] = None,
    threads: Annotated[
        str | None,
        option(
            "--threads INT", _RUN, "BLAS threads; with 1, the same seed repeats a run bit for bit.", default=1
        ),
    ] = None,
    grayscale: Annotated[
        bool,
        option("--grayscale", _DATA, "Convert your own colour images to gray; the same as PATH#grayscale."),
    ] = False,
    label_column: Annotated[
        str | None,
        option(
            "--label-column NAME",
            _DATA,
            "Label column of your own table, by name or number; the same as PATH#label=NAME.",
            default="label, class, target, y …, else the first or last",
        ),
    ] = None,
    folds: Folds = None,
    repeats: Repeats = None,
    workers: Workers = None,
    cluster: Cluster = None,
    jobs: Jobs = None,
    wandb: WandbMode = None,
    wandb_project: WandbProject = None,
    wandb_entity: WandbEntity = None,
    log_model: LogModel = False,
    **fields: str | None,
) -> None:
    """Train a network and store the run.

    Without options it trains the best plain configuration known for Fashion-MNIST. Your own --dataset can be
    a CSV file, an .npz, a folder of IDX files, a folder with one folder of pictures per class, parquet, or a
    zip of these.

    --folds and --repeats train several runs on a pool of workers. After an interruption, run the same command
    again to resume.
    """
    out = Output.of(ctx)
    flags = given(fields)
    others = (name for name, value in ctx.params.items() if value not in (None, False, [], ()))
    named = [*flags, *(name for name in others if name not in fields)]
    if recipe is not None and recipe.strip().lower() == _LIST:
        if named != ["recipe"]:
            refuse("--recipe list takes no other option.")
        _show_recipes(out)
        return
    from ffcli.runs.record import MOST_THREADS
    from ffcli.services.train import train as train_run

    if resume is not None:
        _resume(out, resume, named, flags)
        return

    settings = configure(config, flags, recipe)
    if grayscale or label_column is not None:
        dataset = with_options(settings.dataset, label=label_column, grayscale=grayscale)
        settings = settings.model_copy(update={"dataset": dataset})
    pool = {"workers": workers, "cluster": cluster, "jobs": jobs}
    many = Repetition.read(folds, repeats)
    if not many.given and (alone := list(given(pool))):
        refuse(f"{flag(alone[0])}: expected --folds or --repeats with it.")
    where = pool_options(**pool, wandb=wandb)
    if notices := unused(settings, flags):
        out.notice("; ".join(notices))
    options = tracking(
        wandb,
        wandb_project,
        wandb_entity,
        default="disabled" if cluster else "auto",
        name=name,
        tags=tuple(tag or ()),
        threads=integer("--threads", threads, least=1, most=MOST_THREADS) or 1,
        log_model=log_model,
        command_line=out.settings.command_line,
        recipe=None if recipe is None else load_recipe(recipe).name,
    )
    if many.given:
        refuse_within_agent(options.wandb)
    if dry_run:
        _show_plan(out, members(settings, many.n_repeats, many.n_folds), options, where)
        return
    if many.given:
        cross_validate(out, settings, options, where, folds=many.n_folds, repeats=many.n_repeats)
        return
    watch = training_view(out)
    with _ended_early(out, watch):
        result = train_run(context(out), settings, options, watch)
    _finish(out, result)


def _resume(out: Output, run: str, named: Sequence[str], flags: Mapping[str, str]) -> None:
    """Train a stored run to its end, or to another number of epochs; ``named`` are the options given."""
    from ffcli.training.resuming import resume_run

    if fixed := [name for name in named if name not in ("resume", "epochs")]:
        refuse(
            f"{flag(fixed[0])} cannot be given with --resume: a run keeps its configuration.",
            "Only --epochs may change.",
        )
    epochs = configure(None, flags).epochs if flags else None
    watch = training_view(out)
    with _ended_early(out, watch):
        result = resume_run(context(out), run, watch, epochs=epochs)
    _finish(out, result)


@contextmanager
def _ended_early(out: Output, watch: EpochLines) -> Iterator[None]:
    """Where a run is interrupted or fails, print it with ``--json`` and say how to resume it."""
    try:
        yield
    except (KeyboardInterrupt, FfnnError, OSError) as error:
        if watch.run_id is None:
            raise
        from ffcli.services.runs.listing import show_run

        try:
            result = show_run(context(out), watch.run_id)
        except FfnnError:  # it was removed
            raise error from None
        if out.settings.json:
            out.result(result)
        if result.status in ("finished", "diverged"):  # it ended before the interruption
            raise
        again = out.settings.command("train", "--resume", watch.run_id)
        resume = f"Resume with: {again}"
        if result.epochs_done and result.provenance.get("begun_for_epochs"):  # --best may have taken it
            out.notice(f"To end the run where it is: {again} --epochs {result.epochs_done}")
        if isinstance(error, KeyboardInterrupt):
            raise Interrupted(resume) from None
        out.notice(resume)
        raise


def _show_plan(out: Output, configs: Sequence[TrainConfig], options: RunOptions, where: PoolOptions) -> None:
    from ffcli.services.train import plan

    planned = plan(context(out), configs[0], options, runs=len(configs), workers=where.workers)
    time = f"about {roughly(planned.seconds_estimate)}"
    if planned.runs > 1:
        time += f" for {planned.runs} runs with {counted(planned.workers, 'worker')}"
    sizes = {
        "parameters": f"{planned.parameters:,}",
        "images": f"{planned.train:,} train, {planned.validation:,} validation",
        "steps": f"{planned.steps:,} ({planned.steps_per_epoch:,} per epoch)",
        "time": time,
    }
    out.result(planned, pairs({**planned.config, **sizes}))


def _finish(out: Output, result: RunResult) -> None:
    run_id = plain(result.run_id)
    lines = [f"run {run_id} ({plain(result.name)}): {result.status}, {duration(result.seconds)}"]
    if result.best_epoch is not None:
        lines.append(
            f"best epoch {result.best_epoch} of {len(result.epochs)}: val_acc {number(result.best_val_acc)}"
        )
    lines.append(f"stored in {plain(result.path)}")
    if result.status == "finished":
        lines.append(f"on the test images: {out.settings.command('evaluate', result.run_id)}")
        lines.append(
            f"learning curves: {out.settings.command('runs', 'show', result.run_id, '-o', 'curves.png')}"
        )
    out.result(result, "\n".join(lines))
    if result.status == "diverged":
        reason = result.error or "the loss was not finite"
        out.error(f"run {run_id} diverged: {reason}.", "A smaller --learning-rate may help.")
        raise typer.Exit(FAILED)


def _show_recipes(out: Output) -> None:
    """Show what each recipe is for and what it came to."""
    from ffcli.services.recipes import list_recipes

    recipes = list_recipes()
    figures = ["val_acc", "test_acc", "test, --tta"]
    rows = [
        [
            each.recipe,
            Path(each.config["dataset"]).name,
            number(each.measured.val_acc),
            number(each.measured.test_acc),
            number(each.measured.test_acc_tta),
            duration(each.measured.seconds),
            each.description,
        ]
        for each in recipes
    ]
    out.result(
        recipes,
        Columns(["recipe", "dataset", *figures, "time", "what it is"], rows, right=[*figures, "time"]),
        "",
        "Means over some seeds, and the time of a training on one core; –: not measured.",
    )
