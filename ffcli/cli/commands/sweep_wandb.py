"""``ffnn sweep`` by W&B's server and agents."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ffcli.cli.commands.sweeps import fail_where_all_failed, report
from ffcli.cli.errors import FAILED, Interrupted
from ffcli.cli.output import Output, refuse
from ffcli.cli.values import one_of
from ffcli.cli.views.sweep import sweep_watcher
from ffcli.util.text import are

if TYPE_CHECKING:
    from ffcli.cli.repetition import Repetition
    from ffcli.services.sweeps.create import SweepSource
    from ffcli.services.sweeps.first import Beginning
    from ffcli.services.sweeps.local import SweepOptions
    from ffcli.sweeping.wandb.address import WandbAddress
    from ffcli.training.context import Context


def without_agents(backend: str | None, many: Repetition, beginning: Beginning) -> str | None:
    """Return the backend, which is local where W&B's cannot do what is asked. Raises RequestError."""
    from ffcli.services.sweeps.wandb import BACKENDS

    reasons = {
        "--folds and --repeats": "whose trials have one run each" if many.given else None,
        "--start-from and --extend": "whose server proposes all trials" if beginning.is_given else None,
    }
    for options, reason in reasons.items():
        if reason is None:
            continue
        if backend is not None and one_of("--backend", backend, BACKENDS) == "wandb":
            refuse(f"{options}: expected --backend local, got wandb, {reason}.")
        backend = "local"
    return backend


def runs_at_wandb(
    out: Output, source: SweepSource, backend: str | None, cluster: str | None, mode: str | None
) -> bool:
    """Whether W&B's agents run the sweep; says so where that was not the user's choice.

    ``mode`` is what ``--wandb`` says, of the runs of a local sweep: not to be online makes a sweep local.
    """
    from ffcli.services.sweeps.wandb import BACKENDS, choose_backend
    from ffcli.sweeping.wandb.address import is_address

    chosen = one_of("--backend", backend or "auto", BACKENDS)
    remote = not source.exists and is_address(source.called)
    if chosen == "local" and remote:
        refuse(f"--backend local: {source.called} is a sweep of W&B.")
    not_online = mode is not None and mode.lower() in ("offline", "disabled")
    if (chosen == "wandb" or (chosen == "auto" and remote)) and not_online:
        refuse(f"--wandb {mode}: with --backend wandb W&B follows every run.")
    if cluster is not None and (chosen == "wandb" or remote):
        refuse(
            f"--cluster {cluster}: a sweep by W&B's agents trains on this machine.",
            "--backend local runs the file on the cluster; ffnn sync sends its runs to W&B afterwards.",
        )
    if chosen == "auto":
        if remote:
            return True
        if cluster is not None or not_online or not source.exists:
            return False
        chosen, why = choose_backend()
        other = "local" if chosen == "wandb" else "wandb"
        out.notice(f"using --backend {chosen}, because {why} (the other is --backend {other})")
    return chosen == "wandb"


def sweep_by_wandb(
    out: Output, place: Context, source: SweepSource, options: SweepOptions, *, resume: bool, new: bool
) -> None:
    """Register or join the sweep, run it, and show what came of it."""
    from ffcli.services.sweeps.wandb import check_account, join, register
    from ffcli.services.sweeps.wandb_run import run_wandb_sweep
    from ffcli.sweeping.wandb.address import parse_address
    from ffcli.sweeping.wandb.server import WandbServer

    address = _address(out, place, source, resume=resume, new=new)
    check_account()
    server = WandbServer()
    if address is not None:
        sweep = join(place, server, address)
    else:
        sweep = register(place, server, source, options.wandb_entity, options.wandb_project)
    out.notice(f"W&B: {parse_address(sweep.id).url(server.site)}")
    count = [] if options.count is None else ["--count", str(options.count)]  # the server does not know it
    again = out.settings.command("sweep", sweep.id, *count)
    try:
        document = run_wandb_sweep(place, server, sweep, options, sweep_watcher(out))
    except KeyboardInterrupt:
        raise Interrupted(f"Resume with: {again}") from None
    out.result(document, *report(document, out.settings))
    unsent, push = len(document.unsent), out.settings.command("sync", sweep.id)
    missing = f"{unsent} of its runs {are(unsent)} stored here and not, or not wholly, at W&B"
    missing += f": {push} pushes them"
    if document.ended == "lost":
        out.error(f"{document.message} {missing if unsent else 'All that ran is there'}.", f"Then: {again}")
        raise typer.Exit(FAILED)
    if unsent:
        out.notice(missing)
    fail_where_all_failed(out, document, again)


def _address(
    out: Output, place: Context, source: SweepSource, *, resume: bool, new: bool
) -> WandbAddress | None:
    """Return the sweep to join, None for a new one; what is wrong is refused before W&B is asked."""
    from ffcli.services.sweeps.shipped import no_such_file
    from ffcli.sweeping.wandb.address import parse_address

    if source.exists or Path(source.called).suffix.lower() in (".yaml", ".yml"):
        source.read()
        return None if new else _earlier(out, place, source, resume=resume)
    if "/" not in source.called:
        refuse(
            f"--backend wandb: {no_such_file(source.called)}", "A sweep of W&B is named entity/project/id."
        )
    return parse_address(source.called)


def _earlier(out: Output, place: Context, source: SweepSource, *, resume: bool) -> WandbAddress | None:
    """Return the sweep of the same file to resume, if the user wants that."""
    from ffcli.services.sweeps.wandb import registered_before

    file, earlier = source.called, registered_before(place, source)
    if earlier is None:
        if resume:
            refuse(f"--resume: no sweep of {file} was registered at W&B from {place.runs_dir}.")
        return None
    if not resume and not out.can_ask:
        command = out.settings.command("sweep", str(earlier))
        out.notice(f"{file} was run before: {command} resumes that sweep")
        return None
    question = f"Resume sweep {earlier} of the same file? n begins a new one."
    return earlier if resume or out.ask(question, default=True) else None
