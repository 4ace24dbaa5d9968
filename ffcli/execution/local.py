"""A worker pool of local processes, each with a pipe of its own: one that is killed harms no other.

A worker starts with the first task for which no other is idle, trains one task after another, and ends when
its pipe closes. `ffcli.execution.local_worker` is its side.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, Pipe, wait
from pathlib import Path

from ffcli.errors import FfnnError
from ffcli.execution.pool import PoolEvent, Task, TaskEnded, TaskLost, TaskStarted, WorkerPool
from ffcli.training.context import Context
from ffcli.util.processes import python_command
from ffcli.util.signals import interrupts_deferred, starting_a_process

_GRACE = 10.0  # seconds that workers have to close their runs before they are killed
_MOST_DEATHS = 3  # so often per worker, workers are replaced that died before one has begun to train


@dataclass(frozen=True)
class Setup:
    """The first message to a worker: where it works, and whose worker it is."""

    data_dir: Path
    runs_dir: Path
    parent: int


@dataclass(frozen=True)
class Verdict:
    """Answers an epoch of a task that waits for it."""

    key: str
    stop: bool


@dataclass(frozen=True)
class Stop:
    """Ends a task as pruned after its present epoch."""

    key: str


@dataclass(frozen=True)
class Announced:
    """The run that a worker is about to begin: its run where it dies before it says that it trains it."""

    run_id: str


@dataclass
class _Worker:
    """A worker process and what it trains. One that ``leaves`` was told to end, and takes no further task."""

    process: subprocess.Popen[bytes]
    connection: Connection
    task: Task | None = None
    run_id: str | None = None
    announced: str | None = None
    leaves: bool = False

    @property
    def is_idle(self) -> bool:
        """Whether it can be given a task."""
        return self.task is None and not self.leaves


@dataclass
class LocalPool(WorkerPool):
    """Up to ``workers`` processes that write their runs into the store of ``context``."""

    context: Context
    workers: int
    _live: list[_Worker] = field(default_factory=list, init=False)
    _deaths: int = field(default=0, init=False)  # of workers since a training has begun
    _events: list[PoolEvent] = field(default_factory=list, init=False)
    _failure: str | None = field(default=None, init=False)

    @property
    def size(self) -> int:
        return self.workers

    @property
    def free(self) -> int:
        return self.workers - sum(not worker.is_idle for worker in self._live)

    def submit(self, task: Task) -> None:
        if self._failure is not None:
            raise FfnnError(self._failure)
        if self.free < 1:
            raise FfnnError(f"All {self.workers} workers are busy.")
        worker = next((worker for worker in self._live if worker.is_idle), None) or self._start()
        worker.task, worker.run_id, worker.announced = task, None, None
        self._send(worker, task)

    def wait(self, timeout: float | None = None) -> Sequence[PoolEvent]:
        """Wait for events. Raises FfnnError once workers have died too often before one began to train."""
        if not self._events:
            if self._failure is not None:
                raise FfnnError(self._failure)
            ready = wait([worker.connection for worker in self._live], timeout)
            with interrupts_deferred():  # half a message cannot be read on
                for worker in [worker for worker in self._live if worker.connection in ready]:
                    self._receive(worker)
        events, self._events = self._events, []
        return events

    def verdict(self, key: str, *, stop: bool) -> None:
        self._send_to_task(key, Verdict(key, stop))

    def stop(self, key: str) -> None:
        self._send_to_task(key, Stop(key))

    def shut_down(self) -> None:
        with interrupts_deferred():  # a second Ctrl-C must not leave any behind
            live, self._live = self._live, []
            for worker in live:
                worker.process.terminate()
            deadline = time.monotonic() + _GRACE
            for worker in live:
                try:
                    worker.process.wait(max(0.0, deadline - time.monotonic()))
                except subprocess.TimeoutExpired:
                    worker.process.kill()
                    worker.process.wait()
                worker.connection.close()

    def _start(self) -> _Worker:
        ours, theirs = Pipe()
        with theirs, starting_a_process():
            process = subprocess.Popen(  # noqa: S603 - this very Python, no shell
                python_command("ffcli.execution.local_worker", str(theirs.fileno())),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL if sys.stderr is None else None,
                pass_fds=[theirs.fileno()],
            )
            worker = _Worker(process, ours)
            self._live.append(worker)
        self._send(worker, Setup(self.context.data_dir, self.context.runs_dir, os.getpid()))
        return worker

    def _send(self, worker: _Worker, message: Setup | Task | Verdict | Stop) -> None:
        with interrupts_deferred(), suppress(OSError):  # it has just died, which is read next
            worker.connection.send(message)

    def _send_to_task(self, key: str, message: Verdict | Stop) -> None:
        for worker in self._live:
            if worker.task is not None and worker.task.key == key:
                self._send(worker, message)

    def _receive(self, worker: _Worker) -> None:
        """Read what a worker has sent."""
        try:
            while worker.connection.poll():
                event: PoolEvent | Announced = worker.connection.recv()
                if isinstance(event, Announced):
                    worker.announced = event.run_id
                    continue
                if isinstance(event, TaskStarted):
                    # One that dies from now on does so of its training: how often is up to the caller.
                    worker.run_id, self._deaths = event.run_id, 0
                elif isinstance(event, TaskEnded):
                    worker.task, worker.leaves, self._deaths = None, event.status == "interrupted", 0
                self._events.append(event)
        except (EOFError, OSError):
            self._died(worker)

    def _begun(self, worker: _Worker) -> str | None:
        """Return the run that a dead worker has announced, if it came to begin it."""
        run_id = worker.announced
        return run_id if run_id is not None and self.context.runs.path(run_id).exists() else None

    def _died(self, worker: _Worker) -> None:
        """Take leave of a worker; the next task starts another in its place."""
        self._live.remove(worker)
        worker.connection.close()
        code = worker.process.wait()
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        if worker.task is not None:
            reason = f"its worker process {how}"
            self._events.append(TaskLost(worker.task.key, worker.run_id or self._begun(worker), reason))
        if worker.run_id is None and not worker.leaves:
            self._deaths += 1
        if self._deaths > _MOST_DEATHS * self.workers:
            self._failure = (
                f"{self._deaths} worker processes died before they began to train: the last {how}."
            )
