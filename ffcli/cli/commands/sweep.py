"""``ffnn sweep``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ffcli.cli.commands.sweep_wandb import Wanted, goes_by_wandb, sweep_by_wandb
from ffcli.cli.commands.sweeps import go_on_with, report, shared
from ffcli.cli.completion import complete_sweep_file, names_in, words
from ffcli.cli.context import context
from ffcli.cli.errors import FAILED, Interrupted
from ffcli.cli.help import WANDB, argument, option
from ffcli.cli.output import Output, refuse
from ffcli.cli.params import WandbEntity, WandbProject
from ffcli.cli.parsing import Command
from ffcli.cli.text import duration
from ffcli.cli.values import integer, one_of
from ffcli.cli.views.sweep import sweep_watcher
from ffcli.cli.views.tables import pairs
from ffcli.errors import FfnnError
from ffcli.util.redact import without_secrets
from ffcli.util.text import counted

if TYPE_CHECKING:
    from ffcli.services.sweeps.local import SweepOptions
    from ffcli.sweeping.trials import Sweep
    from ffcli.training.context import Context

app = typer.Typer(add_completion=False)

_SWEEP = "Sweep"


@app.command(cls=Command)
def sweep(
    ctx: typer.Context,
    spec: Annotated[
        str,
        argument(
            metavar="FILE|SWEEP",
            help="A W&B sweep file, one that comes with ffnn (quick, bayes, …), or a sweep to go on with or "
            "join; at W&B that is entity/project/id.",
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
            help="Runs in all, over all workers and resumptions.",
            default="as many as a local sweep was asked for, else the file's run_cap",
        ),
    ] = None,
    workers: Annotated[
        str | None,
        option(
            "--workers",
            group=_SWEEP,
            metavar="N",
            help="Processes on this machine.",
            default="the number of cores",
        ),
    ] = None,
    storage: Annotated[
        str | None,
        option(
            "--storage",
            group=_SWEEP,
            metavar="URL",
            help="A database to share: postgresql://…, or sqlite:///FILE.",
        ),
    ] = None,
    resume: Annotated[
        bool, option("--resume", group=_SWEEP, help="Go on with the last sweep of this FILE.")
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

    Killed, it goes on where it stopped: ffnn sweep ID.
    """
    from ffcli.services.sweeps.create import describe_space
    from ffcli.services.sweeps.local import SweepOptions, run_sweep
    from ffcli.services.sweeps.shipped import no_such_file, sweep_file
    from ffcli.util.cores import usable_cores

    out = Output.of(ctx)
    place = context(out)
    options = SweepOptions(
        count=integer("--count", count, least=1),
        workers=integer("--workers", workers, least=1) or usable_cores(),
        storage=storage,
        reuse=reuse,
        wandb=one_of("--wandb", wandb or "disabled", ("online", "offline", "disabled")),
        wandb_project=wandb_project,
        wandb_entity=wandb_entity,
        command_line=out.settings.command_line,
    )
    if storage is not None and without_secrets(storage) != storage:
        out.notice(
            "--storage holds a password, which others on this machine can see in the list of processes; "
            "docs/scaling.md says how to keep it in a file."
        )
    file = sweep_file(spec)
    if dry_run:
        if not file.exists():
            refuse(f"--dry-run: {no_such_file(spec)}")
        _show_space(out, describe_space(place, file, options.count, options.workers), options.count)
        return
    if resume and new:
        refuse("Give --resume or --new, one of the two.")
    spec = str(file)
    if goes_by_wandb(out, spec, backend, storage, wandb):
        for option, given in (("--seed", seed), ("--reuse", reuse or None)):
            if given is not None:
                out.notice(f"{option} is not used by --backend wandb")
        sweep_by_wandb(out, place, Wanted(spec, wandb_entity, wandb_project, resume, new), options)
        return
    made = _local_sweep(out, place, spec, options, integer("--seed", seed), resume=resume, new=new)
    go_on = out.settings.command("sweep", made.id, *shared(storage))
    watcher = sweep_watcher(out)
    try:
        document = run_sweep(place, made, options, watcher)
    except KeyboardInterrupt:
        raise Interrupted(f"{watcher.how_far}Go on with: {go_on}") from None
    except (FfnnError, OSError):
        out.notice(f"Go on with: {go_on}")
        raise
    most = made.spec.most_trials()
    more = document.get("ended") == "count" and (most is None or most > document["planned"])
    further = []
    if made.paired is not None:
        further = [f"the comparison: {out.settings.command('compare-loss', made.id)}"]
    elif more:
        further = [f"further: {out.settings.command('sweep', made.id, '--count', 'N', *shared(storage))}"]
    out.result(document, *report(document, out.settings, storage), *further)
    if document.get("ended") == "failures":
        out.error(document["message"], f"Mend the cause, then: {go_on}")
        raise typer.Exit(FAILED)


def _local_sweep(
    out: Output,
    place: Context,
    spec: str,
    options: SweepOptions,
    seed: int | None,
    *,
    resume: bool,
    new: bool,
) -> Sweep:
    """Return the sweep to go on with, or a new one of the file."""
    from ffcli.services.sweeps.create import create, stored_sweep
    from ffcli.services.sweeps.find import find_sweep
    from ffcli.services.sweeps.shipped import no_such_file

    file, storage = Path(spec), options.storage
    if file.exists():
        earlier = None if new else _earlier(out, place, file, options, resume=resume)
        if earlier is None:
            return create(place, file, seed or 0, storage, count=options.count)
    elif new:
        refuse(f"--new: {no_such_file(spec)}")
    else:
        earlier = spec if storage else find_sweep(place, spec, or_file=True)
    made = stored_sweep(place, earlier, storage)
    if seed is not None:
        out.notice(f"--seed is not used: sweep {made.id} has its own, {made.seed}")
    return made


def _earlier(out: Output, place: Context, file: Path, options: SweepOptions, *, resume: bool) -> str | None:
    """Return the sweep of the same file to go on with, if that is what the user wants."""
    from ffcli.services.sweeps.create import of_same_file

    storage = options.storage
    earlier = of_same_file(place, file, storage=storage)
    if earlier is None:
        if resume:
            refuse(f"--resume: no sweep in {'the database' if storage else place.runs_dir} is of {file}.")
        return None
    wanted = resume or go_on_with(out, place, "sweep", earlier, count=options.count, storage=storage)
    if wanted is None:
        command = out.settings.command("sweep", earlier, *shared(storage))
        out.notice(f"{file} was run before: {command} would go on with that sweep")
    return earlier if wanted else None


def _show_space(out: Output, document: dict[str, Any], count: int | None) -> None:
    each = f"about {duration(document['seconds_a_run'])} a run"
    by = counted(document["workers"], "worker")
    whole = f"about {duration(document['seconds_estimate'])} with {by}, {each}"
    runs = document["runs"] or "until it is stopped"
    if count is not None and document["runs"] < count:
        runs = f"{runs}, not {count}: the file's run_cap or its space is less"
    about = {
        "method": document["method"],
        "metric": document["metric"] and f"{document['metric']['goal']} {document['metric']['name']}",
        **document["parameters"],
        "combinations": document["size"] or "infinitely many",
        "runs": runs,
        "time": each if document["runs"] is None else whole,
    }
    out.result(document, pairs(about))
