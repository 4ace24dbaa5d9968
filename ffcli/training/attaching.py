"""What W&B gets beside a training: figures of a run that it tracks, and runs that are no training."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from ffcli.runs.ids import new_run_id
from ffcli.runs.record import RunRecord, utc_now
from ffcli.tracking.base import Additions, TrackedRun
from ffcli.tracking.modes import decide
from ffcli.training.context import Context
from ffcli.training.tracking import EXIT_CODES, new_tracker, tracked_run, wandb_folder

if TYPE_CHECKING:
    from ffcli.tracking.wandb_tracker import WandbTracker
    from ffcli.training.options import RunOptions

_SAME_COMMAND = "the same command"


def attach(
    context: Context, found: Iterable[tuple[RunRecord, Additions]], *, command: str | None = None
) -> None:
    """Add to the W&B runs as which runs of the store were tracked; nothing where one was not.

    What does not work is told to the user and costs nothing else. ``command`` with the id of a run sends its
    addition again, where the present command does not. A server that does not answer is waited for once.
    """
    now = decide("auto")
    if now.mode == "disabled" and not now.keyless:
        return
    trackers: dict[str, WandbTracker] = {}
    with ExitStack() as stack:
        for record, additions in found:
            mode, run_id = record.wandb.mode, record.run_id
            again = f"{command} {run_id}" if command else _SAME_COMMAND
            if mode not in ("online", "offline"):
                continue
            if mode == "online" and not record.wandb.synced:
                context.notify(
                    f"W&B does not have all of run {run_id} yet, so nothing is added to it: "
                    f"ffnn sync {run_id} first, then {again}."
                )
                continue
            mode = "offline" if now.mode == "offline" else mode
            if mode not in trackers:
                trackers[mode] = new_tracker(mode)
                stack.callback(trackers[mode].close)
            about = tracked_run(record)
            run = TrackedRun(
                about.id, record.started, sweep=about.sweep, project=about.project, entity=about.entity
            )
            trackers[mode].start(run, folder=wandb_folder(mode, context.runs.path(run_id)))
            code, what = EXIT_CODES.get(record.status, 1), f"the addition to run {run_id}"
            _finish(context, trackers[mode], additions, exit_code=code, what=what, again=again)


def log_alone(
    context: Context,
    options: RunOptions,
    *,
    name: str,
    job_type: str,
    additions: Additions,
    again: str = _SAME_COMMAND,
) -> None:
    """Make a W&B run of something that is no training, where ``options.wandb`` comes to online or offline.

    What does not work is told to the user, with what sends it ``again``, and costs nothing else.
    """
    mode = decide(options.wandb).mode
    if mode == "disabled":
        return
    run = TrackedRun(
        new_run_id(),
        utc_now(),
        name=name,
        project=options.wandb_project,
        entity=options.wandb_entity,
        job_type=job_type,
    )
    tracker = new_tracker(mode)
    try:
        tracker.start(run, folder=wandb_folder(mode, context.runs_dir))
        _finish(context, tracker, additions, exit_code=0, what=f"the run {name}", again=again)
    finally:
        tracker.close()


def log_about(
    context: Context,
    options: RunOptions,
    records: Iterable[RunRecord],
    *,
    name: str,
    job_type: str,
    additions: Additions,
) -> None:
    """Make a W&B run of something that is about runs of the store, beside them unless a project is named.

    With ``options.wandb`` at "auto" only where one of the runs was tracked.
    """
    tracked = [record for record in records if record.wandb.mode in ("online", "offline")]
    if options.wandb == "auto" and not tracked:
        return
    if tracked and options.wandb_project is None and options.wandb_entity is None:
        about = tracked[0].wandb
        options = replace(options, wandb_project=about.project, wandb_entity=about.entity)
    log_alone(context, options, name=name, job_type=job_type, additions=additions)


def _finish(
    context: Context, tracker: WandbTracker, additions: Additions, *, exit_code: int, what: str, again: str
) -> None:
    """End the run that has begun with its additions, and say what came of it."""
    tracker.add(additions)
    outcome = tracker.finish(exit_code, {})
    if outcome.problem is not None:
        context.notify(f"W&B: {outcome.problem}. W&B lacks {what}, or a part of it; {again} sends it again.")
    else:
        context.notify(f"W&B: {tracker.facts.url or f'kept offline in {tracker.facts.folder}'}")
    if outcome.interrupted:
        raise KeyboardInterrupt
