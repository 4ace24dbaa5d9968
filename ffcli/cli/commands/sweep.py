"""``ffnn sweep``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from ffcli.cli.commands.sweep_local import first_of, local_sweep, run_here
from ffcli.cli.commands.sweep_wandb import runs_at_wandb, sweep_by_wandb, without_agents
from ffcli.cli.completion import complete_run, complete_sweep, complete_sweep_file, names_in
from ffcli.cli.completion import words as words_of
from ffcli.cli.context import context
from ffcli.cli.errors import FIRST_LOOK
from ffcli.cli.help import WANDB, argument, option
from ffcli.cli.output import Output, refuse
from ffcli.cli.params import WandbEntity, WandbProject, wandb_mode
from ffcli.cli.parsing import Command
from ffcli.cli.pool import Cluster, Jobs, Workers, pool_options, refuse_within_agent
from ffcli.cli.repetition import Folds, Repeats, Repetition
from ffcli.cli.values import age, integer, one_of
from ffcli.cli.views.space import show_space

if TYPE_CHECKING:
    from ffcli.services.sweeps.create import SweepSource
    from ffcli.services.sweeps.local import SweepOptions
    from ffcli.sweeping.study.study import NewTrial
    from ffcli.training.context import Context

app = typer.Typer(add_completion=False)

_SWEEP = "Sweep"


@app.command(cls=Command)
def sweep(
    ctx: typer.Context,
    spec: Annotated[
        str | None,
        argument(
            "FILE|SWEEP",
            "A W&B sweep file (YAML, JSON), a script or notebook that holds a sweep's dict, a "
            "shipped file (quick, bayes, …), or a sweep to resume; at W&B that is entity/project/id.",
            completes=complete_sweep_file,
        ),
    ] = None,
    *,
    backend: Annotated[
        str | None,
        option(
            "--backend NAME",
            _SWEEP,
            "What runs the sweep: local, wandb (its agents), or auto: wandb where a key is configured.",
            default="auto",
            completes=names_in("ffcli.services.sweeps.wandb", "BACKENDS"),
        ),
    ] = None,
    count: Annotated[
        str | None,
        option(
            "--count N",
            _SWEEP,
            "Total number of trials, over all resumptions.",
            default="the last --count of a local sweep, else the file's run_cap",
        ),
    ] = None,
    folds: Folds = None,
    repeats: Repeats = None,
    workers: Workers = None,
    cluster: Cluster = None,
    jobs: Jobs = None,
    resume: Annotated[bool, option("--resume", _SWEEP, "Resume the last sweep of this FILE.")] = False,
    new: Annotated[bool, option("--new", _SWEEP, "Begin a new sweep of this FILE.")] = False,
    reuse: Annotated[
        bool | None,
        option(
            "--reuse/--no-reuse",
            _SWEEP,
            "Reuse the results of identical stored runs instead of training again; a resumed sweep keeps "
            "the last choice.",
        ),
    ] = None,
    start_from: Annotated[
        list[str] | None,
        option(
            "--start-from RUN|FILE",
            _SWEEP,
            "Try known configurations first: the searched values of a stored run, or a YAML or JSON file "
            "of one configuration or a list; values left open are drawn at random. They count towards "
            "--count. Can be repeated.",
            completes=complete_run,
        ),
    ] = None,
    extend: Annotated[
        str | None,
        option(
            "--extend SWEEP",
            _SWEEP,
            "Begin a new sweep of FILE with the results of this one: its trials that lie in FILE's space are "
            "copied and count towards --count. SWEEP is kept.",
            completes=complete_sweep,
        ),
    ] = None,
    retry_failed: Annotated[
        bool, option("--retry-failed", _SWEEP, "Resume the sweep and try its failed runs again.")
    ] = False,
    max_time: Annotated[
        str | None,
        option(
            "--max-time TIME", _SWEEP, "Start no new run after this time, such as 30m; runs under way finish."
        ),
    ] = None,
    seed: Annotated[str | None, option("--seed INT", _SWEEP, "Seed of the search.", default=0)] = None,
    words: Annotated[
        list[str] | None,
        option(
            "--set NAME=VALUES",
            _SWEEP,
            "Search a hyper-parameter, in place of a FILE; can be repeated. lr=1e-3,1e-4 lists its values, "
            "dropout=0..0.5 is a range, lr=1e-4..1e-1:log a logarithmic one.",
            completes=names_in("ffcli.config", "FIELDS"),
        ),
    ] = None,
    method: Annotated[
        str | None,
        option(
            "--method NAME",
            _SWEEP,
            "Search method for --set: grid, random or bayes. In a grid, a :log range is its powers of 2 "
            "(integers) or 10.",
            default="grid where all are lists, else random",
            completes=words_of("grid", "random", "bayes"),
        ),
    ] = None,
    sweep_name: Annotated[
        str | None,
        option(
            "--sweep-name NAME",
            _SWEEP,
            "Which sweep of a script or notebook to run: its variable, function, name or line.",
        ),
    ] = None,
    ignore: Annotated[
        list[str] | None,
        option("--ignore NAME", _SWEEP, "Read the file without this parameter; can be repeated."),
    ] = None,
    live: Annotated[
        bool,
        option(
            "--live", _SWEEP, "Serve the report of the sweep on 127.0.0.1 until it ends (needs ffnn[live])."
        ),
    ] = False,
    dry_run: Annotated[
        bool, option("--dry-run", _SWEEP, "Show the space, its size and a time estimate.")
    ] = False,
    wandb: Annotated[
        str | None,
        option(
            "--wandb MODE",
            WANDB,
            "Tracking of a local sweep's runs by W&B: online, offline or disabled.",
            default="disabled",
            completes=words_of("online", "offline", "disabled"),
        ),
    ] = None,
    wandb_project: WandbProject = None,
    wandb_entity: WandbEntity = None,
) -> None:
    """Run a W&B sweep file, with W&B or without it.

    An interrupted sweep resumes where it stopped: ffnn sweep ID. With --folds or --repeats the value of a
    trial is the mean over its runs, so that no lucky seed or split is chosen.
    """
    from ffcli.services.sweeps.first import Beginning
    from ffcli.services.sweeps.local import SweepOptions
    from ffcli.services.sweeps.shipped import no_such_file

    out = Output.of(ctx)
    place = context(out)
    mode = wandb_mode(wandb, "disabled", ("online", "offline", "disabled"))
    span = age("--max-time", max_time)
    options = SweepOptions(
        count=integer("--count", count, least=1),
        pool=pool_options(workers, cluster, jobs, wandb=mode),
        max_time=None if span is None else span.total_seconds(),
        retry_failed=retry_failed,
        reuse=reuse,
        wandb=mode,
        wandb_project=wandb_project,
        wandb_entity=wandb_entity,
        command_line=out.settings.command_line,
    )
    refuse_within_agent(mode)
    beginning = Beginning(tuple(start_from or ()), extend)
    many = Repetition.read(folds, repeats)
    backend = without_agents(backend, many, beginning)
    source = _source(spec, words, method, sweep_name, tuple(ignore or ()))
    number = integer("--seed", seed)
    first: list[NewTrial] = []
    if new and (resume or retry_failed):
        refuse(f"Give either {'--resume' if resume else '--retry-failed'} or --new, not both.")
    if dry_run and not source.exists:
        refuse(f"--dry-run: {no_such_file(source.called)}")
    if beginning.is_given:
        _check_begins(source, resume=resume or retry_failed)
        new = True
        many, first = first_of(place, source, beginning, many, number, options.count)
    if dry_run:
        _dry_run(out, place, source, options, many, first)
        return
    if runs_at_wandb(out, source, backend, cluster, wandb):
        for option, given in (
            ("--seed", seed),
            ("--max-time", max_time),
            ("--retry-failed", retry_failed or None),
            ("--reuse", reuse or None),
            ("--live", live or None),
        ):
            if given is not None:
                out.notice(f"{option} is not used by --backend wandb")
        sweep_by_wandb(out, place, source, options, resume=resume, new=new)
        return
    if live:
        from ffcli.services.report.live import check_installed

        check_installed()
    made = local_sweep(out, place, source, options, number, many, first, resume=resume, new=new)
    run_here(out, place, made, options, live=live)


def _source(
    spec: str | None, words: list[str] | None, method: str | None, choose: str | None, ignore: tuple[str, ...]
) -> SweepSource:
    """Return the sweep that is meant: that of FILE|SWEEP, or the one that --set makes."""
    from ffcli.services.sweeps.create import SweepSource
    from ffcli.services.sweeps.shipped import sweep_file
    from ffcli.sweeping.spec.spec import METHODS
    from ffcli.sweeping.spec.typed import typed_sweep

    if words:
        if spec is not None:
            refuse(f"Expected --set or FILE|SWEEP, got both ({spec}).")
        return SweepSource(typed_sweep(words, method and one_of("--method", method, METHODS)), None, ignore)
    if method is not None:
        refuse("--method is for sweeps with --set: a file names its own method.")
    if spec is None:
        refuse("Expected FILE|SWEEP, or --set NAME=VALUES.", f"{FIRST_LOOK} Try 'ffnn sweep --help'.")
    return SweepSource(sweep_file(spec), choose, ignore)


def _dry_run(
    out: Output,
    place: Context,
    source: SweepSource,
    options: SweepOptions,
    many: Repetition,
    first: Sequence[NewTrial],
) -> None:
    """Show what the sweep would search, beginning with the trials ``first``."""
    from ffcli.services.sweeps.create import describe_space

    space = describe_space(
        place,
        source,
        options.count,
        options.pool.workers or 1,
        repeats=many.n_repeats,
        folds=many.n_folds,
        first=first,
    )
    show_space(out, space, options.count)


def _check_begins(source: SweepSource, *, resume: bool) -> None:
    """Raise RequestError where no new sweep can be begun."""
    from ffcli.services.sweeps.shipped import no_such_file

    begins = "--start-from and --extend begin a new sweep of a FILE:"
    if resume:
        refuse(f"{begins} leave out --resume and --retry-failed.")
    if not source.exists:
        refuse(f"{begins} {no_such_file(source.called)}")
