"""Several runs on a worker pool, each to its end."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, cast

from ffcli.config import TrainConfig, run_name
from ffcli.errors import FfnnError
from ffcli.execution.pool import (
    Notice,
    PoolEvent,
    Task,
    TaskEnded,
    TaskLost,
    TaskStarted,
    TaskStatus,
    WorkerPool,
)
from ffcli.runs.store import CHECKPOINT, ENDED
from ffcli.sweeping.study.coordinator import STARTS, TICK
from ffcli.training.context import Context
from ffcli.training.options import RunOptions
from ffcli.util.signals import interrupts_deferred


@dataclass(frozen=True)
class Job:
    """A run to be trained, or to be continued where it has a ``run_id``.

    ``provenance`` is recorded with a new run, beside what every run records.
    """

    config: TrainConfig
    dataset_digest: str
    options: RunOptions
    provenance: Mapping[str, Any] = field(default_factory=dict)
    run_id: str | None = None


@dataclass(frozen=True)
class JobsStarted:
    """These runs are trained now; ``done`` others were before."""

    jobs: Sequence[Job]
    done: int
    workers: int


@dataclass(frozen=True)
class JobEvent:
    """Something has happened to the run of job number ``job``, from 0."""

    job: int
    event: PoolEvent


@dataclass(frozen=True)
class JobsOver:
    """The training is over, however it ended."""


OnJobs = Callable[[JobsStarted | JobEvent | JobsOver], None]


class Jobs:
    """Trains jobs on a pool. A run whose worker is lost is continued from its last epoch."""

    def __init__(self, context: Context, jobs: Sequence[Job], pool: WorkerPool, on_event: OnJobs) -> None:
        self._context = context
        self._jobs = jobs
        self._pool = pool
        self._on_event = on_event
        self._waiting = deque(range(len(jobs)))
        self._starts = [0] * len(jobs)
        self._run_ids = [job.run_id for job in jobs]
        self._open: dict[str, int] = {}
        self._failure: str | None = None

    def train(self) -> list[str]:
        """Train all jobs and return their runs' ids.

        Where a run cannot be trained no other is begun, those under way are finished, and then FfnnError is
        raised.
        """
        while True:
            with interrupts_deferred():
                while self._waiting and self._pool.free > 0:
                    self._start(self._waiting.popleft())
                if not self._open and not self._waiting:
                    break
                for event in self._pool.wait(TICK):
                    self._hear(event)
        if self._failure is not None:
            raise FfnnError(self._failure)
        return [run_id for run_id in self._run_ids if run_id is not None]

    def _start(self, number: int) -> None:
        job = self._jobs[number]
        self._starts[number] += 1
        key = f"{number}.{self._starts[number]}"
        self._open[key] = number
        resume = self._run_ids[number]
        self._pool.submit(
            Task(key, job.config, job.dataset_digest, job.options, provenance=job.provenance, resume=resume)
        )

    def _hear(self, event: PoolEvent) -> None:
        if isinstance(event, Notice):
            self._context.notify(event.text)
            return
        number = self._open[event.key]
        if isinstance(event, TaskStarted):
            self._run_ids[number] = event.run_id
        elif isinstance(event, TaskLost):
            del self._open[event.key]
            event = self._lost(number, event)
        elif isinstance(event, TaskEnded):
            del self._open[event.key]
            if event.status == "interrupted":
                self._waiting.appendleft(number)
            elif event.status == "failed":
                self._fail(event.error or f"A run of {run_name(self._jobs[number].config)} failed.")
        self._on_event(JobEvent(number, event))

    def _lost(self, number: int, event: TaskLost) -> TaskLost | TaskEnded:
        """Try a job again whose worker is gone, unless its run had ended before; return what to tell."""
        run_id = event.run_id or self._run_ids[number]
        status = None if run_id is None else self._ended(run_id)
        if run_id is not None and status is not None:
            self._run_ids[number] = run_id
            return TaskEnded(event.key, run_id, status, None, 0.0)
        self._starts[number] -= event.worker_failed
        if self._starts[number] >= STARTS:
            run = f"Run {run_id}" if run_id else "A run that has not begun"
            self._fail(f"{run} was started {STARTS} times without an end: {event.reason}.")
            return event
        was_there = self._jobs[number].run_id  # with epochs of an earlier call, which stay stored
        if run_id not in (None, was_there) and not (self._context.runs.path(run_id) / CHECKPOINT).is_file():
            self._context.runs.remove(run_id)
            run_id = None
        self._run_ids[number] = run_id
        if self._failure is None:
            self._waiting.appendleft(number)
        return event

    def _ended(self, run_id: str) -> TaskStatus | None:
        """Return the status of a run that has ended, else None."""
        with suppress(FfnnError):
            status = self._context.runs.read(run_id).status
            return cast("TaskStatus", status) if status in ENDED else None
        return None

    def _fail(self, message: str) -> None:
        self._failure = self._failure or message
        self._waiting.clear()
