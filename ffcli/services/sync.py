"""``ffnn sync``: stored runs sent to W&B afterwards, each epoch with the time at which it ended."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from ffcli.errors import FfnnError, RequestError
from ffcli.runs.record import RunRecord
from ffcli.runs.recorder import RunRecorder
from ffcli.services.sweeps.find import sweep_of_runs
from ffcli.tracking.wandb_tracker import WandbTracker
from ffcli.training.context import Context
from ffcli.training.tracking import finish, synced_as, tracked_row, tracked_run


@dataclass(frozen=True)
class SyncOptions:
    """Where the runs go that have no place at W&B yet, and whether their networks go too."""

    project: str | None = None
    entity: str | None = None
    log_model: bool = False


class SyncWatcher(Protocol):
    """Who looks on while runs are sent."""

    def started(self, runs: int) -> None:
        """So many runs are sent now."""

    def sent(self, run_id: str, problem: str | None) -> None:
        """A run is at W&B, or is not for this reason."""

    def finished(self) -> None:
        """No more are sent."""


def sync(
    context: Context, words: Sequence[str], options: SyncOptions, watcher: SyncWatcher
) -> dict[str, Any]:
    """Send runs, and the runs of sweeps, to W&B; return {synced, skipped, failed, problems}.

    The first three are lists of run ids; ``problems`` says why a run failed. Skipped is what W&B has already,
    what is still training, and what has no epoch yet. An epoch that W&B has is not sent again.

    Raises RequestError for a word that stands for nothing, and KeyboardInterrupt: the next call goes on.
    """
    records = _chosen(context, words)
    document: dict[str, Any] = {"synced": [], "skipped": [], "failed": [], "problems": {}}
    due = []
    for record in records:
        if record.status == "running":
            context.notify(f"run {record.run_id} is still training: it is left out")
        elif not record.epochs_done:
            context.notify(f"run {record.run_id} has no epoch to send")
        elif not _is_there(record, options):
            due.append(record.run_id)
            continue
        document["skipped"].append(record.run_id)
    if not due:
        return document
    tracker = WandbTracker("online")
    watcher.started(len(due))
    try:
        for run_id in due:
            problem = _send(context, run_id, tracker, options)
            document["synced" if problem is None else "failed"].append(run_id)
            if problem is not None:
                document["problems"][run_id] = problem
            watcher.sent(run_id, problem)
    finally:
        watcher.finished()
        tracker.close()
    return document


def _is_there(record: RunRecord, options: SyncOptions) -> bool:
    """Whether W&B has a run as it is now, where it is wanted."""
    about = record.wandb
    return (
        about.synced == synced_as(record)
        and options.project in (None, about.project)
        and options.entity in (None, about.entity)
        and (about.model or not options.log_model)
    )


def _chosen(context: Context, words: Iterable[str]) -> list[RunRecord]:
    """Return the records of the runs that words stand for, each once, in the order of the words."""
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
    """Send one run, and return what went wrong if anything did."""
    try:
        rows = context.runs.history(run_id)
        with RunRecorder(context.runs.path(run_id), context.runs.read(run_id), rows) as recorder:
            about = recorder.record.wandb
            recorder.record.wandb = replace(
                about,
                project=options.project or about.project,
                entity=options.entity or about.entity,
                model=options.log_model or about.model,
            )
            tracker.start(tracked_run(recorder.record), [tracked_row(row) for row in rows])
            outcome = finish(tracker, recorder)
    except (FfnnError, OSError) as error:
        return str(error)
    if outcome.interrupted:
        raise KeyboardInterrupt
    return outcome.problem
