"""The worker-pool interface: self-contained tasks in, epoch events and one result each out.

A pool knows nothing of sweeps. Whoever uses it submits a task only when a worker is free, so that nothing
waits in the pool, and reads its events in one thread.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from ffcli.config import TrainConfig
from ffcli.core.training import EpochResult
from ffcli.tracking.base import Assigned
from ffcli.training.options import RunOptions

TaskStatus = Literal["finished", "pruned", "diverged", "failed", "interrupted"]


@dataclass(frozen=True)
class Task:
    """One training run to do, with all that a worker needs to do it.

    Attributes:
        key: names the task to whoever submitted it; no two open tasks share one.
        config: the configuration, its seed included.
        dataset_digest: the digest that the dataset must have; None accepts what is there. A worker whose
            dataset differs ends the task as failed and trains nothing.
        options: what is recorded with the run.
        sweep_id: the sweep that the run belongs to.
        provenance: entries to add to the run's provenance.
        resume: the id of a stored run to continue from its checkpoint; None begins a new run.
        waits_for_verdict: whether the worker waits for `WorkerPool.verdict` after each epoch.
        keep_unfinished_weights: whether the weights of the best epoch are stored with a run that does not
            finish, because it is pruned or diverges.
        assigned: the run at W&B that this task carries out, if any.
    """

    key: str
    config: TrainConfig
    dataset_digest: str | None
    options: RunOptions = field(default_factory=RunOptions)
    sweep_id: str | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)
    resume: str | None = None
    waits_for_verdict: bool = False
    keep_unfinished_weights: bool = True
    assigned: Assigned | None = None


@dataclass(frozen=True)
class TaskStarted:
    """A worker trains the task as run ``run_id`` of the store; ``worker`` names it (host:pid)."""

    key: str
    run_id: str
    first_epoch: int
    worker: str


@dataclass(frozen=True)
class TaskEpoch:
    """An epoch is over and stored."""

    key: str
    result: EpochResult


@dataclass(frozen=True)
class TaskEnded:
    """A task has ended, and its run's record is closed.

    ``run_id`` is None where it failed before there was a run. ``error`` says why it failed or diverged. A
    disk that is full, or another fault of the machine rather than of the configuration, has ``fatal`` set.
    """

    key: str
    run_id: str | None
    status: TaskStatus
    error: str | None
    seconds: float
    fatal: bool = False


@dataclass(frozen=True)
class TaskLost:
    """The worker is gone and the task has no result: it may be submitted again.

    ``worker_failed``: the worker has told of a fault of its machine, which is no fault of the task.
    """

    key: str
    run_id: str | None
    reason: str
    worker_failed: bool = False


@dataclass(frozen=True)
class Notice:
    """Something that the user should read."""

    text: str


PoolEvent = TaskStarted | TaskEpoch | TaskEnded | TaskLost | Notice


class WorkerPool(ABC):
    """Workers that train tasks. Use a pool as a context: leaving it stops all workers."""

    @property
    @abstractmethod
    def size(self) -> int:
        """The greatest number of tasks that are open at once."""

    @property
    @abstractmethod
    def free(self) -> int:
        """How many tasks can be submitted now."""

    @abstractmethod
    def submit(self, task: Task) -> None:
        """Start a task. Raises FfnnError where no worker is free or the pool cannot work on."""

    @abstractmethod
    def wait(self, timeout: float | None = None) -> Sequence[PoolEvent]:
        """Wait for an event, at most ``timeout`` seconds (None: no limit), and return those that have come.

        The events of one task come in order. Raises FfnnError where the pool itself has failed for good.
        """

    @abstractmethod
    def verdict(self, key: str, *, stop: bool) -> None:
        """Answer the last `TaskEpoch` of a task that waits: train on, or end it as pruned."""

    @abstractmethod
    def stop(self, key: str) -> None:
        """End a task as pruned after its present epoch."""

    @abstractmethod
    def shut_down(self) -> None:
        """Stop all workers now: open runs are closed as interrupted, workers that do not end are killed."""

    def __enter__(self) -> WorkerPool:
        return self

    def __exit__(self, *_: object) -> None:
        self.shut_down()
