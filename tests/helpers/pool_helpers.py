"""Tasks for worker pools, and what comes of them."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from typing import Any, TypeVar

from small_runs import Place

from ffcli.execution.pool import PoolEvent, Task, TaskEnded, TaskEpoch, TaskLost, TaskStarted, WorkerPool

E = TypeVar("E", bound=PoolEvent)


class Pool:
    """A pool with all events that it has given, and tasks on the small dataset of a place."""

    def __init__(self, place: Place, pool: WorkerPool) -> None:
        self.place = place
        self.pool = pool
        self.events: list[PoolEvent] = []
        self.digest = place.context.dataset(str(place.dataset)).digest

    def task(self, key: str = "one", *, config: dict[str, Any] | None = None, **values: Any) -> Task:
        """Return a task of milliseconds."""
        values.setdefault("dataset_digest", self.digest)
        return Task(key, self.place.config(**(config or {})), **values)

    def submit(self, key: str = "one", **values: Any) -> None:
        """Submit a task as soon as a worker is free."""
        self.until(lambda: self.pool.free > 0)
        self.pool.submit(self.task(key, **values))

    def until(self, true: Callable[[], bool], seconds: float = 60) -> None:
        """Listen until something is so."""
        deadline = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < deadline, self.events
            self.events += self.pool.wait(0.1)

    def of(self, kind: type[E], key: str = "one") -> list[E]:
        """Return the events of a kind and a task."""
        return [event for event in self.events if isinstance(event, kind) and event.key == key]  # type: ignore[union-attr]

    def started(self, key: str = "one") -> TaskStarted:
        """Wait for a task's start."""
        self.until(lambda: bool(self.of(TaskStarted, key)))
        return self.of(TaskStarted, key)[-1]

    def epoch(self, n: int = 1, key: str = "one") -> TaskEpoch:
        """Wait for a task's ``n``-th epoch."""
        self.until(lambda: len(self.of(TaskEpoch, key)) >= n)
        return self.of(TaskEpoch, key)[n - 1]

    def ended(self, key: str = "one") -> TaskEnded:
        """Wait for a task's end."""
        self.until(lambda: bool(self.of(TaskEnded, key)))
        (ended,) = self.of(TaskEnded, key)
        return ended

    def lost(self, key: str = "one") -> TaskLost:
        """Wait until a task is lost."""
        self.until(lambda: bool(self.of(TaskLost, key)))
        (lost,) = self.of(TaskLost, key)
        return lost

    def kill(self, key: str = "one", number: int = signal.SIGKILL) -> None:
        """Send a signal to the worker that trains a task."""
        os.kill(int(self.started(key).worker.rpartition(":")[2]), number)
