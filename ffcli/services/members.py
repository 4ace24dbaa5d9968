"""Runs that are summarised together: trained on a pool, those of an earlier call taken over or continued."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from ffcli.core.training import CORE_VERSION
from ffcli.errors import FfnnError
from ffcli.execution.open import PoolOptions, open_pool
from ffcli.runs.integrity import known_config
from ffcli.runs.record import RunRecord
from ffcli.services.jobs import Job, Jobs, JobsOver, JobsStarted, OnJobs
from ffcli.services.past_runs import looked_elsewhere
from ffcli.sweeping.study.events import unfailing
from ffcli.training.context import Context


@dataclass(frozen=True)
class Spread:
    """Mean, standard deviation and standard error of some runs."""

    mean: float | None
    sd: float | None
    """With n - 1 in the denominator; null for fewer than two runs."""
    se: float | None
    """Standard error of the mean: sd / √n; null for fewer than two runs."""


def spread(values: Sequence[float]) -> Spread:
    """Return the mean, the standard deviation and the standard error."""
    sd = statistics.stdev(values) if len(values) > 1 else None
    return Spread(
        mean=statistics.fmean(values) if values else None,
        sd=sd,
        se=None if sd is None else sd / math.sqrt(len(values)),
    )


@dataclass(frozen=True)
class Trained:
    """The runs of some jobs, in their order. ``new`` are those that were not at their end before."""

    run_ids: list[str]
    new: frozenset[str]


def train_missing(
    context: Context,
    jobs: Sequence[Job],
    pool: PoolOptions,
    on_event: OnJobs,
    *,
    is_one: Callable[[RunRecord], bool],
) -> Trained:
    """Train the jobs that no stored run has brought to its end.

    A run for which ``is_one`` is true and that has the configuration, the data and the core of a job is taken
    over, or continued where it is unfinished; not one whose schedule was begun for another last epoch.
    KeyboardInterrupt passes through after the runs under way are closed as interrupted, FfnnError as from
    `Jobs.train` and where another process trains such a run.
    """
    found = _found(context, jobs, is_one)
    run_ids = ["" if record is None else record.run_id for record in found]
    open_ = [at for at, record in enumerate(found) if record is None or not _is_done(record)]
    if open_:
        missing = [replace(jobs[at], run_id=run_ids[at] or None) for at in open_]
        tell = unfailing(on_event)
        with open_pool(context, pool) as workers:
            tell(JobsStarted(missing, len(jobs) - len(missing), min(workers.size, len(missing))))
            try:
                for at, run_id in zip(open_, Jobs(context, missing, workers, tell).train()):
                    run_ids[at] = run_id
            finally:
                tell(JobsOver())
    return Trained(run_ids, frozenset(run_ids[at] for at in open_))


def _found(
    context: Context, jobs: Sequence[Job], is_one: Callable[[RunRecord], bool]
) -> list[RunRecord | None]:
    """Return of each job the stored run that has come furthest, if any."""
    stored = [record for record in context.runs.records() if is_one(record) and _is_usable(context, record)]
    configs = [known_config(record) for record in stored]
    found: list[RunRecord | None] = []
    for job in jobs:
        same = [
            record
            for record, config in zip(stored, configs)
            if config == job.config
            and record.provenance.dataset_digest == job.dataset_digest
            and not looked_elsewhere(job.config, record.provenance)
        ]
        best = max(same, key=lambda record: (_is_done(record), record.epochs_done), default=None)
        if best is not None and best.status == "running":
            raise FfnnError(f"Run {best.run_id} is one of these runs, and another process is training it.")
        found.append(best)
    return found


def _is_usable(context: Context, record: RunRecord) -> bool:
    """Whether a run has this version's core, and can be evaluated where it is finished."""
    if record.provenance.core != CORE_VERSION:
        return False
    return record.status != "finished" or context.runs.has_model(record.run_id)


def _is_done(record: RunRecord) -> bool:
    return record.status in ("finished", "diverged")
