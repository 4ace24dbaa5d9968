"""What runs on the workers of a Dask cluster: the training of one task, and the messages to it.

A task sends events through its worker's connection to the scheduler (``Worker.log_event``). What the
coordinator says comes by ``Client.run``, which calls `deliver` or `beat` in the worker's event loop, beside
the thread that trains. Nothing of it outlives the task: no queue or variable is left at the scheduler.
"""

from __future__ import annotations

import os
import platform
import queue
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from distributed import get_worker

from ffcli.core.buffers import Array
from ffcli.core.rules import kernels
from ffcli.core.training import EpochResult
from ffcli.errors import FfnnError
from ffcli.execution.dask_data import Header, obtain
from ffcli.execution.pool import Task, TaskStatus
from ffcli.execution.training import explain, is_fatal
from ffcli.runs.provenance import provenance
from ffcli.runs.recorder import StoredCheckpoint
from ffcli.training.experiment import Experiment
from ffcli.training.runner import train_to_end
from ffcli.version import __version__

SILENCE = 45.0  # seconds without a word of the coordinator after which a task gives up
_LOOK = 1.0  # seconds between two looks at whether to give up, while there is nothing else to do


@dataclass(frozen=True)
class Order:
    """A task on its way to a worker. ``token`` is its key at Dask, ``topic`` that of its events."""

    token: str
    topic: str
    task: Task
    dataset: Header
    checkpoint: StoredCheckpoint | None = None


@dataclass(frozen=True)
class Report:
    """What a task came to; ``status`` is None where it was given up, or where ``worker_failed``.

    ``worker_failed``: the next task would fail on this worker as well. ``results`` are all epochs of this
    training. ``weights`` is the ``state`` of the network at its best epoch, None where it is not kept.
    """

    status: TaskStatus | None
    error: str | None = None
    worker_failed: bool = False
    results: tuple[EpochResult, ...] = ()
    weights: Array | None = None


class GivenUpError(Exception):
    """Nobody waits for the task any more."""


class NoDatasetError(Exception):
    """The dataset did not arrive whole, or cannot be stored on this machine."""


class _Box:
    """The messages to one task, and whether its coordinator is alive."""

    def __init__(self) -> None:
        self.messages: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self.is_alive = True  # the coordinator has been heard of since this was last reset


_boxes: dict[str, _Box] = {}  # of the tasks that run in this process, by token


def versions() -> dict[str, str]:
    """Return what has to be the same at the coordinator and at its workers."""
    import numpy as np

    major, minor, _ = platform.python_version_tuple()
    return {"ffnn": __version__, "NumPy": np.__version__, "Python": f"{major}.{minor}"}


def deliver(token: str, message: dict[str, Any]) -> None:
    """Hand a message to a task that runs in this process; of another it is lost."""
    box = _boxes.get(token)
    if box is not None:
        box.is_alive = True
        box.messages.put(message)


def beat(topic: str) -> None:
    """Tell all tasks of a pool that their coordinator lives."""
    for token, box in list(_boxes.items()):
        if token.startswith(topic):
            box.is_alive = True


def train_task(order: Order) -> Report:
    """Train a task to its end; run by Dask, possibly a second time where a worker has died."""
    line = _Line(order)
    results: list[EpochResult] = []
    try:
        return _train(order, line, results)
    except GivenUpError as given_up:
        return Report(None, str(given_up))
    except Exception as error:
        if isinstance(error, NoDatasetError) or is_fatal(error):
            return Report(None, explain(error.__cause__ or error), worker_failed=True)
        return Report("failed", explain(error), results=tuple(results))
    finally:
        line.close()


def _train(order: Order, line: _Line, results: list[EpochResult]) -> Report:
    task = order.task
    line.tell("begun", address=line.address)
    try:
        dataset = obtain(order.dataset, line.cache, line.blocks(order.dataset), line.pause)
    except (FfnnError, OSError) as reason:
        raise NoDatasetError from reason
    experiment = Experiment(task.config, dataset)
    stored = order.checkpoint
    if stored is not None:
        experiment.load_state_dict(stored.arrays, stored.scalars, stored.best, stored.best_state)
    line.tell(
        "started",
        name=f"{platform.node()}:{os.getpid()}",
        provenance=provenance(dataset.digest, task.options.command_line, dataset.split, kernels()).as_dict(),
        parameters=experiment.network.n_parameters,
        first_epoch=experiment.epoch + 1,
    )
    line.next("go")

    def on_epoch(result: EpochResult) -> bool:
        results.append(result)
        line.tell("epoch", result=asdict(result))
        return line.stops(wait=task.waits_for_verdict)

    status, error = train_to_end(experiment, task.options.threads, on_epoch, lambda *_: line.check())
    is_kept = status == "finished" or task.keep_unfinished_weights
    weights = experiment.best_state if is_kept and experiment.best is not None else None
    return Report(status, error, results=tuple(results), weights=weights)


class _Line:
    """The two ways between a task and its coordinator."""

    def __init__(self, order: Order) -> None:
        self._worker = get_worker()
        self._topic, self._token = order.topic, order.token
        self._box = _boxes[order.token] = _Box()
        self._silence, self._looked = 0.0, time.monotonic()
        self._stopped = False

    def close(self) -> None:
        """Take no more messages."""
        _boxes.pop(self._token, None)

    @property
    def address(self) -> str:
        """The worker's address at Dask."""
        return str(self._worker.address)

    @property
    def cache(self) -> Path:
        """The folder of datasets that all workers of a node share."""
        return Path(self._worker.local_directory).parent / "ffnn-datasets"

    def tell(self, what: str, **about: Any) -> None:
        """Send an event."""
        self._worker.log_event(self._topic, {"token": self._token, "what": what, **about})

    def check(self) -> None:
        """Raise GivenUpError where Dask or the coordinator has dropped the task.

        A moment in which this process was stopped itself counts no longer than a look.
        """
        now = time.monotonic()
        self._silence += min(now - self._looked, 2 * _LOOK)
        self._looked = now
        if self._box.is_alive:
            self._box.is_alive, self._silence = False, 0.0
        if self._silence > SILENCE:
            raise GivenUpError(f"the coordinator was silent for {SILENCE:g} s")
        state = self._worker.state.tasks.get(self._token)
        if state is None or state.state not in ("executing", "long-running"):
            raise GivenUpError("it was cancelled")

    def pause(self) -> None:
        """Wait for a moment."""
        self.check()
        time.sleep(_LOOK / 10)

    def next(self, what: str) -> dict[str, Any]:
        """Wait for a message of a kind and return it. Raises GivenUpError."""
        while True:
            self.check()
            try:
                message = self._box.messages.get(timeout=_LOOK)
            except queue.Empty:
                continue
            if message["what"] == "give up":
                raise GivenUpError("another try of it is under way")
            if message["what"] == "stop":
                self._stopped = True
            if message["what"] == what:
                return message

    def stops(self, *, wait: bool) -> bool:
        """Return whether the training ends after this epoch; ``wait`` for the verdict on it."""
        if wait:
            self._stopped |= self.next("verdict")["stop"]
        while not self._box.messages.empty():
            self._stopped |= self._box.messages.get()["what"] == "stop"
        return self._stopped

    def blocks(self, header: Header) -> Iterator[bytes]:
        """Have the dataset sent, and yield its bytes in order; nothing is asked before the first."""
        self.tell("needs dataset")
        left = header.n_bytes
        while left:
            message = self.next("data")
            left -= len(message["bytes"])
            yield message["bytes"]
