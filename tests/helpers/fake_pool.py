"""A worker pool that trains nothing: what its tasks come to is made up, in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ffcli.core.training import EpochResult
from ffcli.errors import FfnnError
from ffcli.execution.pool import (
    PoolEvent,
    Task,
    TaskEnded,
    TaskEpoch,
    TaskLost,
    TaskStarted,
    WorkerPool,
)

Train = Callable[[Task], Iterator[EpochResult]]


class WorkerKilled(Exception):  # noqa: N818 - an event
    """The worker of a task is gone."""


class WorkerFailed(Exception):  # noqa: N818 - an event
    """The machine of a task's worker has failed."""


class WorkerInterrupted(Exception):  # noqa: N818 - an event
    """Somebody has told the worker of a task to end."""


class Fault(Exception):  # noqa: N818 - an event
    """The machine is at fault."""


@dataclass
class _Open:
    task: Task
    epochs: Iterator[EpochResult]
    run_id: str
    last: EpochResult | None = None
    started: bool = False
    waits: bool = False
    stops: bool = False


class FakePool(WorkerPool):
    """Up to ``size`` open tasks, of which each `wait` lets one come one event further, in turn.

    ``train`` yields the epochs of a task; what it raises fails the task, or is one of the events above.
    """

    def __init__(self, train: Train, size: int = 1) -> None:
        self.tasks: list[Task] = []
        self.shut = False
        self._train = train
        self._size = size
        self._open: list[_Open] = []
        self._vain = 0

    @property
    def size(self) -> int:
        return self._size

    @property
    def free(self) -> int:
        return self._size - len(self._open)

    def submit(self, task: Task) -> None:
        assert self.free > 0, "no task waits in the pool"
        assert not self.shut
        assert task.key not in [each.task.key for each in self._open]
        self.tasks.append(task)
        self._open.append(_Open(task, self._train(task), f"run-{task.key}"))

    def wait(self, timeout: float | None = None) -> Sequence[PoolEvent]:
        if not self._open and self._size == 0:
            self._vain += 1
            assert self._vain < 1000, "nobody ends the waiting for a worker"
            return []
        ready = next((each for each in self._open if not each.waits), None)
        assert ready is not None, "every task waits for its verdict"
        self._open.remove(ready)
        event = self._next(ready)
        if not isinstance(event, (TaskEnded, TaskLost)):
            self._open.append(ready)
        return [event]

    def _next(self, opened: _Open) -> PoolEvent:
        key, run_id = opened.task.key, opened.run_id
        if not opened.started:
            opened.started = True
            return TaskStarted(key, run_id, 1, "here:1")
        if opened.stops:
            return TaskEnded(key, run_id, "pruned", None, 0.1)
        try:
            opened.last = next(opened.epochs)
        except StopIteration:
            return self._finished(opened)
        except Exception as error:
            return self._failed(opened, error)
        opened.waits = opened.task.waits_for_verdict
        return TaskEpoch(key, opened.last)

    @staticmethod
    def _finished(opened: _Open) -> TaskEnded:
        if opened.last is not None and opened.last.diverged:
            error = f"the loss was not finite in epoch {opened.last.epoch}"
            return TaskEnded(opened.task.key, opened.run_id, "diverged", error, 0.1)
        return TaskEnded(opened.task.key, opened.run_id, "finished", None, 0.1)

    @staticmethod
    def _failed(opened: _Open, error: Exception) -> TaskEnded | TaskLost:
        key, run_id = opened.task.key, opened.run_id
        if isinstance(error, WorkerKilled):
            return TaskLost(key, run_id, "it was killed")
        if isinstance(error, WorkerFailed):
            return TaskLost(key, run_id, "its disk is full", worker_failed=True)
        if isinstance(error, WorkerInterrupted):
            return TaskEnded(key, run_id, "interrupted", None, 0.1)
        if isinstance(error, Fault):
            return TaskEnded(key, run_id, "failed", str(error), 0.1, fatal=True)
        return TaskEnded(key, run_id, "failed", f"{type(error).__name__}: {error}", 0.1)

    def verdict(self, key: str, *, stop: bool) -> None:
        (opened,) = [each for each in self._open if each.task.key == key]
        if not opened.waits:
            raise FfnnError(f"task {key} does not wait")
        opened.waits, opened.stops = False, stop

    def stop(self, key: str) -> None:
        for each in self._open:
            each.stops |= each.task.key == key

    def shut_down(self) -> None:
        self.shut = True
        self._open.clear()
