"""``ffnn sweep``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ffcli.cli.commands.sweep_wandb import Wanted, goes_by_wandb, sweep_by_wandb
from ffcli.cli.commands.sweeps import fail_where_all_failed, report, wants_to_resume
from ffcli.cli.completion import complete_sweep_file, names_in, words
from ffcli.cli.context import context
from ffcli.cli.errors import Interrupted
from ffcli.cli.help import WANDB, argument, option
from ffcli.cli.output import Output, refuse
from ffcli.cli.params import WandbEntity, WandbProject
from ffcli.cli.parsing import Command
from ffcli.cli.pool import Cluster, Jobs, Workers, pool_options
from ffcli.cli.repetition import Folds, Repeats, Repetition
from ffcli.cli.text import duration
from ffcli.cli.values import integer, one_of
from ffcli.cli.views.sweep import sweep_watcher
from ffcli.cli.views.tables import pairs
from ffcli.errors import FfnnError
from ffcli.sweeping.study.lock import SweepHeldError
from ffcli.util.text import counted

if TYPE_CHECKING:
    from ffcli.services.sweeps.create import SweepSource
    from ffcli.services.sweeps.local import SweepOptions
    from ffcli.services.sweeps.results import SearchSpace
    from ffcli.sweeping.study.record import Sweep
    from ffcli.training.context import Context

app = typer.Typer(add_completion=False)

_SWEEP = "Sweep"


def _without_agents(backend: str | None) -> str:
    """Return the backend of trials with several runs. Raises RequestError for W&B's agents."""
    from ffcli.services.sweeps.wandb import BACKENDS

    if backend is not None and one_of("--backend", backend, BACKENDS) == "wandb":
        refuse("--folds and --repeats: expected --backend local, got wandb, whose trials have one run each.")
    return "local"


@app.command(cls=Command)
def sweep(
    ctx: typer.Context,
    spec: Annotated[
        str,
        argument(
            metavar="FILE|SWEEP",
            help="A W&B sweep file (YAML, JSON), a script or notebook that holds a sweep's dict, a file "
            "that comes with ffnn (quick, bayes, …), or a sweep to resume; at W&B that is entity/project/id.",
            completes=complete_sweep_file,
        ),
    ],
    *,
    backend: Annotated[
        str | None,
        option(
            "--backend",
            group=_SWEEP,
            metavar="NAME",
            help="local, wandb (its agents), or auto: wandb where a key is configured.",
            default="auto",
            completes=names_in("ffcli.services.sweeps.wandb", "BACKENDS"),
        ),
    ] = None,
    count: Annotated[
        str | None,
        option(
            "--count",
            group=_SWEEP,
            metavar="N",
            help="Trials in all, over all resumptions.",
            default="as many as a local sweep was asked for, else the file's run_cap",
        ),
    ] = None,
    folds: Folds = None,
    repeats: Repeats = None,
    workers: Workers = None,
    cluster: Cluster = None,
    jobs: Jobs = None,
    resume: Annotated[
        bool, option("--resume", group=_SWEEP, help="Resume the last sweep of this FILE.")
    ] = False,
    new: Annotated[bool, option("--new", group=_SWEEP, help="Begin a new sweep of this FILE.")] = False,
    reuse: Annotated[
        bool,
        option(
            "--reuse/--no-reuse",
            group=_SWEEP,
            help="Take over the results of identical runs of the store instead of training again.",
        ),
    ] = False,
    seed: Annotated[
        str | None, option("--seed", group=_SWEEP, metavar="INT", help="Of the search.", default=0)
    ] = None,
    sweep_name: Annotated[
        str | None,
        option(
            "--sweep-name",
            group=_SWEEP,
            metavar="NAME",
            help="Which sweep of a script or notebook: its variable, function, name or line.",
        ),
    ] = None,
    ignore: Annotated[
        list[str] | None,
        option(
            "--ignore",
            group=_SWEEP,
            metavar="NAME",
            help="Read the file without this parameter; may be repeated.",
        ),
    ] = None,
    live: Annotated[
        bool,
        option(
            "--live",
            group=_SWEEP,
            help="Serve the report of the sweep on 127.0.0.1 until it ends (needs ffnn[live]).",
        ),
    ] = False,
    dry_run: Annotated[
        bool, option("--dry-run", group=_SWEEP, help="Show the space, its size and a time estimate.")
    ] = False,
    wandb: Annotated[
        str | None,
        option(
            "--wandb",
            group=WANDB,
            metavar="MODE",
            help="Whether W&B follows the runs of a local sweep: online, offline or disabled.",
            default="disabled",
            completes=words("online", "offline", "disabled"),
        ),
    ] = None,
    wandb_project: WandbProject = None,
    wandb_entity: WandbEntity = None,
) -> None:
    """Run a W&B sweep file, with W&B or without it.

    Interrupted or killed, it resumes where it stopped: ffnn sweep ID. With --folds or --repeats the value of
    a trial is the mean over its runs, so that no lucky seed or split is chosen.
    """
    from ffcli.services.sweeps.create import SweepSource, describe_space
    from ffcli.services.sweeps.local import SweepOptions
    from ffcli.services.sweeps.shipped import no_such_file, sweep_file

    out = Output.of(ctx)
    place = context(out)
    mode = one_of("--wandb", wandb or "disabled", ("online", "offline", "disabled"))
    options = SweepOptions(
        count=integer("--count", count, least=1),
        pool=pool_options(workers, cluster, jobs, wandb=mode),
        reuse=reuse,
        wandb=mode,
        wandb_project=wandb_project,
        wandb_entity=wandb_entity,
        command_line=out.settings.command_line,
    )
    many = Repetition.read(folds, repeats)
    if many.given:
        backend = _without_agents(backend)
    file = sweep_file(spec)
    source = SweepSource(file, sweep_name, tuple(ignore or ()))
    if dry_run:
        if not file.exists():
            refuse(f"--dry-run: {no_such_file(spec)}")
        workers_ = options.pool.workers or 1
        space = describe_space(
            place, source, options.count, workers_, repeats=many.n_repeats, folds=many.n_folds
        )
        _show_space(out, space, options.count)
        return
    if resume and new:
        refuse("Give --resume or --new, one of the two.")
    spec = str(file)
    if goes_by_wandb(out, spec, backend, cluster, wandb):
        for option, given in (("--seed", seed), ("--reuse", reuse or None), ("--live", live or None)):
            if given is not None:
                out.notice(f"{option} is not used by --backend wandb")
        sweep_by_wandb(out, place, Wanted(spec, source, wandb_entity, wandb_project, resume, new), options)
        return
    if live:
        from ffcli.services.report.live import check_installed

        check_installed()
    made = _local_sweep(out, place, source, options, integer("--seed", seed), many, resume=resume, new=new)
    with _live_page(out, place, made) if live else nullcontext():
        _run(out, place, made, options)


@contextmanager
def _live_page(out: Output, place: Context, made: Sweep) -> Iterator[None]:
    """Serve the report of a sweep within the block."""
    from ffcli.services.report.live import live_report

    with live_report(place, made.id) as page:
        out.notice(f"live report: {page.url}")
        yield


def _run(out: Output, place: Context, made: Sweep, options: SweepOptions) -> None:
    """Run a sweep and show what came of it."""
    from ffcli.services.sweeps.local import run_sweep

    resume = out.settings.command("sweep", made.id)
    watcher = sweep_watcher(out)
    try:
        document = run_sweep(place, made, options, watcher)
    except KeyboardInterrupt:
        raise Interrupted(f"{watcher.how_far}Resume with: {resume}") from None
    except (FfnnError, OSError) as error:
        if not isinstance(error, SweepHeldError):
            out.notice(f"Resume with: {resume}")
        raise
    most = made.spec.most_trials()
    more = document.ended == "count" and (most is None or most > (document.planned or 0))
    further = []
    if made.paired is not None:
        further = [f"the comparison: {out.settings.command('compare-loss', made.id)}"]
    elif more:
        further = [f"More runs: {out.settings.command('sweep', made.id, '--count', 'N')}"]
    out.result(document, *report(document, out.settings), *further)
    fail_where_all_failed(out, document, resume)


def _local_sweep(
    out: Output,
    place: Context,
    source: SweepSource,
    options: SweepOptions,
    seed: int | None,
    many: Repetition,
    *,
    resume: bool,
    new: bool,
) -> Sweep:
    """Return the sweep to resume, or a new one of the file."""
    from ffcli.services.sweeps.create import create, read_sweep
    from ffcli.services.sweeps.find import find_sweep
    from ffcli.services.sweeps.shipped import no_such_file

    file, spec = Path(str(source.of)), str(source.of)
    if file.exists():
        earlier = None if new else _earlier(out, place, source, options, many, resume=resume)
        if earlier is None:
            return create(
                place, source, seed or 0, count=options.count, repeats=many.n_repeats, folds=many.n_folds
            )
    elif new:
        refuse(f"--new: {no_such_file(spec)}")
    else:
        earlier = find_sweep(place, spec, or_file=True)
    made = read_sweep(place, earlier).sweep
    if seed is not None:
        out.notice(f"--seed is not used: sweep {made.id} has its own, {made.seed}")
    if many.folds not in (None, made.folds) or many.repeats not in (None, made.repeats):
        own = f"--folds {made.folds}, --repeats {made.repeats}"
        out.notice(f"--folds and --repeats are not used: sweep {made.id} has its own, {own}")
    return made


def _earlier(
    out: Output, place: Context, source: SweepSource, options: SweepOptions, many: Repetition, *, resume: bool
) -> str | None:
    """Return the sweep of the same file to resume, if that is what the user wants."""
    from ffcli.services.sweeps.create import of_same_file

    file = source.of
    earlier = of_same_file(place, source, repeats=many.repeats, folds=many.folds)
    if earlier is None:
        if resume:
            refuse(f"--resume: no sweep in {place.runs_dir} is of {file}.")
        return None
    wanted = resume or wants_to_resume(out, place, "sweep", earlier, count=options.count)
    if wanted is None:
        command = out.settings.command("sweep", earlier)
        out.notice(f"{file} was run before: {command} resumes that sweep")
    return earlier if wanted else None


def _show_space(out: Output, space: SearchSpace, count: int | None) -> None:
    each = f"about {duration(space.seconds_a_run)} a run"
    by = counted(space.workers, "worker")
    total = space.seconds_estimate
    runs = "until it is stopped" if space.runs is None else str(space.runs)
    if space.runs_a_trial > 1:
        runs += f" trials, each of {space.runs_a_trial} runs"
    if count is not None and space.runs is not None and space.runs < count:
        runs = f"{runs}, not {count}: the file's run_cap or its space is less"
    about = {
        "method": space.method,
        "metric": space.metric and f"{space.metric.goal} {space.metric.name}",
        **space.parameters,
        "combinations": space.combinations or "infinitely many",
        "trainings": space.size or "infinitely many",
        "runs": runs,
        "time": each if total is None else f"about {duration(total)} with {by}, {each}",
    }
    out.result(space, pairs(about))
