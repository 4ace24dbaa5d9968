"""``ffnn sync``: stored runs sent to W&B, each epoch with the time at which it ended."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from ffcli.errors import FfnnError, RequestError
from ffcli.runs.record import RunRecord
from ffcli.runs.recorder import RunRecorder
from ffcli.services.sweeps.find import sweep_of_runs
from ffcli.tracking.wandb_tracker import WandbTracker
from ffcli.training.context import Context
from ffcli.training.tracking import finish, synced_as, tracked_row, tracked_run


@dataclass(frozen=True)
class SyncOptions:
    """The project and entity of runs that W&B does not have yet, and whether their networks are sent."""

    project: str | None = None
    entity: str | None = None
    log_model: bool = False


@dataclass(frozen=True)
class RunSent:
    """W&B has a run, or does not for the reason ``problem``; ``done`` of ``total`` runs are sent."""

    run_id: str
    problem: str | None
    done: int
    total: int


@dataclass(frozen=True)
class SyncResult:
    """Which runs were sent to W&B."""

    synced: list[str]
    """Ids of the runs that were sent."""
    skipped: list[str]
    """Ids of the runs that W&B has, that are still training, or that have no epoch yet."""
    failed: list[str]
    """Ids of the runs that could not be sent."""
    problems: dict[str, str]
    """Why a run could not be sent, by its id."""


def sync(
    context: Context,
    words: Sequence[str],
    options: SyncOptions,
    on_event: Callable[[RunSent], None] = lambda _: None,
) -> SyncResult:
    """Send runs, and the runs of sweeps, to W&B. An epoch that W&B has is not sent again.

    Raises RequestError for an unknown run or sweep, and KeyboardInterrupt, after which the next call
    continues.
    """
    records = _chosen(context, words)
    skipped: list[str] = []
    due: list[str] = []
    for record in records:
        if record.status == "running":
            context.notify(f"run {record.run_id} is still training and is skipped")
        elif not record.epochs_done:
            context.notify(f"run {record.run_id} has no epoch to send")
        elif not _is_there(record, options):
            due.append(record.run_id)
            continue
        skipped.append(record.run_id)
    problems: dict[str, str] = {}
    if not due:
        return SyncResult([], skipped, [], problems)
    tracker = WandbTracker("online")
    try:
        for done, run_id in enumerate(due, start=1):
            problem = _send(context, run_id, tracker, options)
            if problem is not None:
                problems[run_id] = problem
            on_event(RunSent(run_id, problem, done, len(due)))
    finally:
        tracker.close()
    return SyncResult([run_id for run_id in due if run_id not in problems], skipped, list(problems), problems)


def _is_there(record: RunRecord, options: SyncOptions) -> bool:
    """Whether W&B has a run as it is now, in the project and entity that are asked for."""
    about = record.wandb
    return (
        about.synced == synced_as(record)
        and options.project in (None, about.project)
        and options.entity in (None, about.entity)
        and (about.model or not options.log_model)
    )


def _chosen(context: Context, words: Iterable[str]) -> list[RunRecord]:
    """Return the records of the named runs and sweeps, each once, in the order of the words."""
    chosen: dict[str, RunRecord] = {}
    everything: list[RunRecord] | None = None
    for word in words:
        try:
            found = [context.runs.read(context.runs.find(word).name)]
        except RequestError as no_run:
            if everything is None:
                everything = list(context.runs.records())
            try:
                sweep_id = sweep_of_runs(context, word, everything)
            except RequestError:
                raise no_run from None
            found = [record for record in everything if record.sweep_id == sweep_id]
            if not found:
                context.notify(f"sweep {sweep_id} has no runs in {context.runs_dir}")
        chosen |= {record.run_id: record for record in found}
    return list(chosen.values())


def _send(context: Context, run_id: str, tracker: WandbTracker, options: SyncOptions) -> str | None:
    """Send one run, and return what went wrong, None for success."""
    try:
        record, seen = context.runs.read_seen(run_id)
        rows = context.runs.history(run_id)
        with RunRecorder(context.runs.path(run_id), record, rows, seen=seen) as recorder:
            about = recorder.record.wandb
            recorder.record.wandb = replace(
                about,
                project=options.project or about.project,
                entity=options.entity or about.entity,
                model=options.log_model or about.model,
                synced=None,  # until all of that is there
            )
            tracker.start(tracked_run(recorder.record), [tracked_row(row) for row in rows])
            outcome = finish(tracker, recorder)
    except (FfnnError, OSError) as error:
        return str(error)
    if outcome.interrupted:
        raise KeyboardInterrupt
    return outcome.problem
