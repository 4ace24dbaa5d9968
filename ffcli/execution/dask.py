"""A worker pool on a Dask cluster. `ffcli.execution.dask_task` is the side of its workers.

Dask decides where a task runs and notices when a worker is gone. A task trains only after this pool has said
"go": where Dask runs it a second time because its worker was lost, the pool reports it as lost, and whoever
submitted it decides on another try. The runs are recorded here, by what the workers send.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ffcli.core.training import EpochResult
from ffcli.datasets import Dataset
from ffcli.errors import FfnnError, RequestError
from ffcli.execution.dask_client import is_exposed
from ffcli.execution.dask_data import header_of
from ffcli.execution.dask_link import Link
from ffcli.execution.dask_task import Order, Report
from ffcli.execution.pool import (
    Notice,
    PoolEvent,
    Task,
    TaskEnded,
    TaskEpoch,
    TaskLost,
    TaskStarted,
    WorkerPool,
)
from ffcli.execution.remote_run import RemoteRun
from ffcli.execution.training import dataset_of, explain, is_fatal
from ffcli.training.context import Context
from ffcli.util.signals import interrupts_deferred
from ffcli.util.text import counted

if TYPE_CHECKING:
    from distributed import Future

_LOOK = 1.0  # seconds between two looks at whether the scheduler is there
_FIRST_LOOK = 30.0  # seconds that it has to say which workers there are
_LATE = 60.0  # seconds in which a task does not begin before there is a word about it


@dataclass
class _Open:
    """A task under way, the workers that it may run on, and the one that it runs on."""

    task: Task
    token: str
    dataset: Dataset
    run: RemoteRun
    allowed: frozenset[str]
    future: Future
    address: str | None = None
    stopped: bool = False  # before it had begun
    late: bool = False  # in beginning, of which there has been a word
    began: float = field(default_factory=time.monotonic)

    def is_lost(self, present: frozenset[str]) -> bool:
        """Whether none of the workers ``present`` can end it."""
        return not self.allowed & present if self.address is None else self.address not in present


class DaskPool(WorkerPool):
    """As many tasks at a time as the cluster has workers, at most ``workers`` (0: no limit)."""

    def __init__(self, context: Context, link: Link, workers: int) -> None:
        """Raises FfnnError where the scheduler does not answer, or none of its workers can be used."""
        self._context = context
        self._link = link
        self._most = workers
        self._present: frozenset[str] = frozenset()
        self._accepted: frozenset[str] = frozenset()
        self._refused: dict[str, str] = {}
        self._faulty: dict[str, str] = {}  # workers whose machine has failed, and how
        self._open: dict[str, _Open] = {}  # by token
        self._events: list[PoolEvent] = []
        self._first_look()

    def _first_look(self) -> None:
        address = self._link.address
        if is_exposed(address):
            self._tell(
                f"The connection to {address} is not protected: whoever reaches the scheduler can run code "
                "on it and its workers. Use tls:// in a network that others use."
            )
        messages = self._link.receive(_FIRST_LOOK)
        if not messages:
            raise FfnnError(f"The scheduler {address} does not answer.")
        for message in messages:
            self._hear(message)
        if not self._accepted and self._refused:
            raise FfnnError(f"No worker of the cluster can be used: {'; '.join(self._refused.values())}.")
        if not self._accepted and self._present:
            waited = counted(len(self._present), "worker")
            self._tell(f"No worker of {address} answers yet. Waiting for {waited}.")
        elif not self._accepted:
            self._tell(f"No worker is connected to {address} yet. {self._link.missing}")

    def _tell(self, text: str) -> None:
        self._events.append(Notice(text))

    def _tell_of_late(self) -> None:
        """Give notice of tasks that do not begin though their workers are there, once of each."""
        since = time.monotonic() - _LATE
        late = [task for task in self._open.values() if task.address is None and task.began < since]
        if not self._link.is_silent and (told := [task for task in late if not task.late]):
            for task in told:
                task.late = True
            self._tell(
                f"No worker has begun {counted(len(late), 'run')} within {_LATE:g} s: "
                f"the workers of {self._link.address} may be busy with other work. Waiting for them."
            )

    @property
    def size(self) -> int:
        """The number of workers now, at most as many as were asked for."""
        return min(self._most or len(self._accepted), len(self._accepted))

    @property
    def free(self) -> int:
        return max(0, self.size - len(self._open))

    def submit(self, task: Task) -> None:
        self._link.check()
        if self.free < 1:
            raise FfnnError(f"All of {counted(self.size, 'worker')} are busy.")
        if task.assigned is not None or task.options.wandb != "disabled":
            raise RequestError("W&B cannot follow runs on a cluster while they train.")
        run, token = RemoteRun(self._context, task), self._link.token()
        try:
            dataset = dataset_of(self._context, task)
            order = Order(token, self._link.topic, task, header_of(dataset), run.resume())
        except (FfnnError, OSError) as error:
            run.close("failed", explain(error))
            failed = TaskEnded(task.key, run.run_id, "failed", explain(error), 0.0, is_fatal(error))
            self._events.append(failed)
            return
        future = self._link.submit(order, self._accepted)
        self._open[token] = _Open(task, token, dataset, run, self._accepted, future)

    def wait(self, timeout: float | None = None) -> Sequence[PoolEvent]:
        """Wait for events; it returns none of them where workers have come or gone.

        Raises FfnnError once the scheduler is gone, all jobs of a batch system are over, or the machines of
        all workers have failed.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        size = self.size
        while not self._events and self.size == size:
            self._link.check()
            if word := self._link.silence():
                self._tell(word)
            unusable = {**self._refused, **self._faulty}
            if self._faulty and not self._open and self._present <= unusable.keys():
                raise FfnnError(f"No worker of the cluster can be used: {'; '.join(unusable.values())}.")
            left = _LOOK if deadline is None else min(_LOOK, deadline - time.monotonic())
            if left < 0:
                break
            with interrupts_deferred():
                for message in self._link.receive(left):
                    self._hear(message)
            self._tell_of_late()
        events, self._events = self._events, []
        return events

    def verdict(self, key: str, *, stop: bool) -> None:
        self._say(key, {"what": "verdict", "stop": stop})

    def stop(self, key: str) -> None:
        """End a task as pruned after its present epoch; after its first where it has not begun."""
        for opened in self._open.values():
            opened.stopped |= opened.task.key == key and opened.address is None
        self._say(key, {"what": "stop"})

    def _say(self, key: str, message: dict[str, Any]) -> None:
        for opened in self._open.values():
            if opened.task.key == key and opened.address is not None:
                self._link.say(opened.address, opened.token, message)

    def shut_down(self) -> None:
        """Close the open runs as interrupted and leave the cluster, which ends their tasks."""
        with interrupts_deferred():
            for opened in self._open.values():
                opened.run.close("interrupted")
            self._open.clear()
            self._link.close()

    # What comes from the cluster

    def _hear(self, message: dict[str, Any]) -> None:
        what = message["what"]
        if what == "workers":
            self._workers(message["now"], message["usable"], message["refused"])
            return
        if what == "done" and message["report"] is None:
            self._link.check()  # a scheduler that is gone has cancelled all tasks: none of them is to blame
        opened = self._open.get(message["token"])
        if opened is None:
            if what == "begun":  # a task that was reported as lost
                self._link.say(message["address"], message["token"], {"what": "give up"})
            return
        try:
            if what == "done":
                self._done(opened, message["report"])
            elif what == "undelivered":
                if opened.future.status != "finished":
                    self._lost(opened, f"a message did not reach its worker ({message['why']})")
            else:
                self._event(opened, what, message)
        except (FfnnError, OSError) as error:  # the run could not be written
            self._end(opened, "failed", explain(error), fatal=is_fatal(error))
            opened.future.cancel()

    def _workers(self, now: frozenset[str], usable: frozenset[str], refused: dict[str, str]) -> None:
        """Take note of which workers there are now."""
        for address, why in refused.items():
            if self._refused.get(address) != why:
                self._tell(f"Not used: {why}.")
        self._faulty = {address: how for address, how in self._faulty.items() if address in now}
        had, self._accepted = self._accepted, usable - self._faulty.keys()
        self._present, self._refused = now, refused
        for opened in list(self._open.values()):
            if opened.is_lost(now):
                self._lost(opened, f"its worker {opened.address or ''} is gone")
        if had and not now:
            self._tell(f"No worker of {self._link.address} is left. {self._link.missing}")

    def _event(self, opened: _Open, what: str, message: dict[str, Any]) -> None:
        if what == "begun":
            if opened.address is not None:
                self._lost(opened, f"its worker {opened.address} is gone")
                self._link.say(message["address"], opened.token, {"what": "give up"})
                return
            opened.address = message["address"]
            self._heed()
            if opened.stopped:
                self._say(opened.task.key, {"what": "stop"})
        elif what == "needs dataset":
            assert opened.address is not None
            self._link.send_dataset(opened.address, opened.token, opened.dataset)
        elif what == "started":
            run_id = opened.run.begin(message["provenance"], message["parameters"])
            first, worker = message["first_epoch"], message["name"]
            self._events.append(TaskStarted(opened.task.key, run_id, first, worker))
            self._say(opened.task.key, {"what": "go"})
        else:
            self._epoch(opened, EpochResult(**message["result"]))

    def _epoch(self, opened: _Open, result: EpochResult) -> None:
        if result.epoch == opened.run.epochs + 1:
            opened.run.epoch(result)
            self._events.append(TaskEpoch(opened.task.key, result))

    def _done(self, opened: _Open, report: Report | None) -> None:
        """Take the report of a task, if it has one."""
        if report is not None and report.worker_failed:
            self._worker_failed(opened, str(report.error))
            return
        if report is None or report.status is None:
            reason = f"Dask has lost it ({opened.future.status})"
            self._lost(opened, reason if report is None else report.error or reason)
            return
        for result in report.results:
            self._epoch(opened, result)
        opened.run.end(report.status, report.error, report.weights, opened.dataset)
        self._end(opened, report.status, report.error)

    def _worker_failed(self, opened: _Open, how: str) -> None:
        """Lose a task by a fault of its worker's machine, and use the worker no more."""
        address = opened.address or "unknown"
        self._faulty[address] = f"worker {address} failed ({how})"
        self._accepted -= {address}
        reason = f"its worker {address} failed and is not used any more: {how}"
        self._lost(opened, reason, worker_failed=True)

    def _end(self, opened: _Open, status: Any, error: str | None, *, fatal: bool = False) -> None:
        run_id = opened.run.run_id
        self._let_go(opened, status, error)
        seconds = time.monotonic() - opened.began
        self._events.append(TaskEnded(opened.task.key, run_id, status, error, seconds, fatal))

    def _lost(self, opened: _Open, reason: str, *, worker_failed: bool = False) -> None:
        self._let_go(opened, "interrupted")
        with suppress(Exception):
            opened.future.cancel()
        self._events.append(TaskLost(opened.task.key, opened.run.run_id, reason, worker_failed))

    def _let_go(self, opened: _Open, status: Any, error: str | None = None) -> None:
        del self._open[opened.token]
        opened.run.close(status, error)
        self._heed()

    def _heed(self) -> None:
        """Let the workers of all open tasks have signs of life."""
        addresses = {opened.address for opened in self._open.values()}
        self._link.beaten = frozenset(address for address in addresses if address is not None)
