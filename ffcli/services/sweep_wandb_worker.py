"""One worker of a W&B sweep, as a process of its own: W&B's runs become runs of the store, too."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from ffcli.config import TrainConfig
from ffcli.core.training import EpochResult
from ffcli.datasets import Dataset
from ffcli.errors import FfnnError, RequestError
from ffcli.runs.metric import Metric
from ffcli.runs.record import utc_now
from ffcli.sweeping.spec.spec import SweepSpec, parse_spec
from ffcli.sweeping.study.events import EpochDone, Event, TrialEnded, TrialStarted
from ffcli.sweeping.study.record import EndState, best_epoch
from ffcli.sweeping.wandb.address import WandbAddress
from ffcli.sweeping.wandb.agents import Stop, Train
from ffcli.tracking.base import Assigned, TrackedRun
from ffcli.tracking.wandb_tracker import WandbTracker
from ffcli.training.context import Context
from ffcli.training.experiment import Experiment
from ffcli.training.options import RunOptions
from ffcli.training.runner import Unwatched, new_run, run
from ffcli.training.tracking import Tracking
from ffcli.util.signals import ended_by_the_parent

_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True)
class WandbTask:
    """What a worker process is started with; it can be pickled.

    ``text`` is the sweep file, ``before`` the number of the sweep's runs that were here already.
    """

    address: WandbAddress
    text: str
    metric: Metric
    data_dir: Path
    runs_dir: Path
    options: RunOptions
    before: int
    parent: int


@dataclass(frozen=True)
class Ready:
    """The worker has nothing to do."""


@dataclass(frozen=True)
class Unsent:
    """W&B has not got all of this run of the store."""

    run_id: str


@dataclass(frozen=True)
class RunStarted:
    """A trial is trained as this run."""

    number: int
    run_id: str


@dataclass(frozen=True)
class WorkerFailed:
    """The worker cannot go on; ``message`` is for the user."""

    message: str


class ParentGoneError(KeyboardInterrupt):
    """The process that started this worker has ended. To a training it is an interruption like Ctrl-C."""


Message = Event | RunStarted | WorkerFailed | Ready | Unsent


@ended_by_the_parent
def main(task: WandbTask, parent: Connection) -> None:
    """Train what the parent sends until it sends None; tell it every event.

    Ctrl-C is the parent's to deal with; SIGTERM closes the run under way as interrupted, here and at W&B.
    """
    context = Context(task.data_dir, task.runs_dir)
    try:
        with Tracking(context, "online", hint=False) as tracking:
            _Worker(task, context, tracking, parent).work()
    except (FfnnError, OSError) as error:
        with suppress(OSError):
            parent.send(WorkerFailed(str(error)))


class _Worker:
    """Trains one run after another."""

    def __init__(self, task: WandbTask, context: Context, tracking: Tracking, parent: Connection) -> None:
        self._task = task
        self._context = context
        self._tracking = tracking
        self._parent = parent
        self._spec: SweepSpec = parse_spec(task.text, str(task.address))
        self._datasets: dict[str, Dataset] = {}
        self._results: list[EpochResult] = []
        self._training = ""  # the id of W&B's run
        self._stored = False  # whether a run of the store has come of it
        self._to_stop = ""

    def work(self) -> None:
        while True:
            self._tell(Ready())
            order = self._receive()
            while isinstance(order, Stop):  # of a run that has just ended
                order = self._receive()
            if order is None:
                return
            self._train(order)

    def _tell(self, message: Message) -> None:
        try:
            self._parent.send(message)
        except OSError:
            raise ParentGoneError from None

    def _receive(self) -> Train | Stop | None:
        try:
            order: Train | Stop | None = self._parent.recv()
        except (EOFError, OSError):
            raise ParentGoneError from None
        return order

    def _train(self, order: Train) -> None:
        """Train one of W&B's runs. Whether that works or not, it has an end there."""
        began = time.monotonic()
        self._results, self._training, self._stored = [], order.run_id, False
        value, epoch = None, None
        state: EndState = "failed"
        try:
            state, error = self._run(order)
            if state != "failed":
                value, epoch = best_epoch(self._task.metric, self._results)
        except RequestError as refused:  # no run of the store came of it
            error = str(refused)
            self._refuse(order, error)
        except Exception as failed:
            error = f"{type(failed).__name__}: {failed}"
            if not self._stored:
                with suppress(OSError):  # the same may hinder this, too
                    self._refuse(order, error)
            if isinstance(failed, OSError) and failed.errno in _DISK_FULL:
                raise
        seconds = time.monotonic() - began
        self._tell(TrialEnded(order.number, state, value, epoch, error, seconds))

    def _run(self, order: Train) -> tuple[EndState, str | None]:
        """Train, and return how it ended and what went wrong. Raises RequestError before anything begins."""
        config = self._spec.config(order.values)
        self._tell(TrialStarted(order.number, 1, config))
        try:
            experiment = self._experiment(config)
        except (FfnnError, MemoryError) as error:
            raise RequestError(str(error) or "there is not enough memory") from None
        address = self._task.address
        assigned = Assigned(order.run_id, address.id, address.project, address.entity, order.values)
        with new_run(self._context, experiment, self._task.options, str(address)) as recorder:
            try:
                result = run(
                    recorder,
                    experiment,
                    _Beginning(lambda: self._begun(order.number, recorder.record.run_id)),
                    stop=self._report(order.number),
                    tracking=self._tracking,
                    assigned=assigned,
                )
            finally:
                if self._stored and not recorder.record.wandb.synced:
                    with suppress(ParentGoneError):
                        self._tell(Unsent(recorder.record.run_id))
        states: dict[Any, EndState] = {"finished": "finished", "pruned": "pruned"}
        return states.get(result.status, "failed"), result.error

    def _begun(self, number: int, run_id: str) -> None:
        self._stored = True
        self._tell(RunStarted(number, run_id))

    def _experiment(self, config: TrainConfig) -> Experiment:
        if config.dataset not in self._datasets:
            self._datasets[config.dataset] = self._context.dataset(config.dataset)
        return Experiment(config, self._datasets[config.dataset])

    def _report(self, number: int) -> Callable[[EpochResult], bool]:
        def report(result: EpochResult) -> bool:
            """Tell of an epoch, and return whether W&B wants the run to stop."""
            if os.getppid() != self._task.parent:
                raise ParentGoneError
            self._results.append(result)
            while self._parent.poll():
                order = self._receive()
                if isinstance(order, Stop):
                    self._to_stop = order.run_id
            stops = self._to_stop == self._training or self._tracking.stopped
            self._tell(EpochDone(number, result, stops))
            return stops

        return report

    def _refuse(self, order: Train, error: str) -> None:
        """Let W&B see that a run has failed of which there is nothing to store."""
        address = self._task.address
        tracker = WandbTracker("online")
        tracker.start(
            TrackedRun(
                order.run_id,
                utc_now(),
                name=f"refused-{order.run_id}",
                config=dict(order.values),
                sweep=address.id,
                project=address.project,
                entity=address.entity,
            )
        )
        tracker.finish(1, {"status": "failed", "error": error})
        tracker.close()


class _Beginning(Unwatched):
    """Waits for a run to have its record, and to be told to W&B."""

    def __init__(self, begun: Callable[[], None]) -> None:
        self._begun = begun

    def started(self, run_id: str, config: TrainConfig, first_epoch: int, steps_per_epoch: int) -> None:
        """Pass it on."""
        self._begun()
