"""One worker process of `ffcli.execution.local`: trains the tasks that its pipe brings, one after another."""

from __future__ import annotations

import os
import platform
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from typing import Any, cast

from ffcli.core.training import EpochResult
from ffcli.execution.local import Announced, Setup, Stop, Verdict
from ffcli.execution.pool import Notice, PoolEvent, Task, TaskEnded, TaskEpoch, TaskStarted, TaskStatus
from ffcli.execution.training import dataset_of, explain, is_fatal
from ffcli.runs.results import RunResult
from ffcli.runs.store import MODEL
from ffcli.training.context import Context
from ffcli.training.events import StepsDone, TrainingEvent, TrainingStarted
from ffcli.training.experiment import Experiment
from ffcli.training.resuming import resume_run
from ffcli.training.runner import new_run, run
from ffcli.training.tracking import Tracking
from ffcli.util.signals import ended_by_the_parent, interrupts_deferred


class ParentGoneError(KeyboardInterrupt):
    """The process that started this worker has ended; to a training it is an interruption like Ctrl-C."""


@ended_by_the_parent
def main() -> None:
    """Train until the pipe closes, whose descriptor is the one argument; SIGTERM interrupts a training."""
    with Connection(int(sys.argv[1])) as connection, ExitStack() as trackers:
        _Worker(receive(connection), connection, trackers).work()


def receive(connection: Connection) -> Any:
    """Wait for the parent's next message. Raises ParentGoneError once it has ended.

    The pipe is reset rather than closed where the parent ended without having read all that was sent.
    """
    try:
        return connection.recv()
    except (EOFError, OSError):
        raise ParentGoneError from None


@dataclass
class _Worker:
    """What one worker process holds between its tasks: W&B's process, if any, stays for the next."""

    setup: Setup
    connection: Connection
    trackers: ExitStack
    context: Context = field(init=False)
    tracking: dict[str, Tracking] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.context = Context(self.setup.data_dir, self.setup.runs_dir, lambda text: self.send(Notice(text)))

    def work(self) -> None:
        """Train the tasks that come. Raises ParentGoneError when the pipe closes."""
        while True:
            message = receive(self.connection)
            if isinstance(message, Task):
                self._train(message)

    def send(self, event: PoolEvent | Announced) -> None:
        try:
            with interrupts_deferred():  # half a message cannot be read on
                self.connection.send(event)
        except OSError:
            raise ParentGoneError from None

    def _train(self, task: Task) -> None:
        began = time.monotonic()
        progress = _Progress(self, task)
        fatal = False
        try:
            result = self._run(task, progress)
            status: TaskStatus = cast("TaskStatus", result.status)  # it has ended
            reason = result.error
        except ParentGoneError:
            raise
        except KeyboardInterrupt:
            self.send(TaskEnded(task.key, progress.run_id, "interrupted", None, time.monotonic() - began))
            raise
        except Exception as error:
            status, reason, fatal = "failed", explain(error), is_fatal(error)
        seconds = time.monotonic() - began
        self.send(TaskEnded(task.key, progress.run_id, status, reason, seconds, fatal))

    def _run(self, task: Task, progress: _Progress) -> RunResult:
        dataset = dataset_of(self.context, task)
        if task.resume is not None:
            return resume_run(self.context, task.resume, progress, stop=progress.report)
        experiment = Experiment(task.config, dataset)
        with new_run(self.context, experiment, task.options, task.sweep_id) as recorder:
            self.send(Announced(recorder.record.run_id))
            recorder.record.provenance = replace(recorder.record.provenance, **task.provenance)
            result = run(
                recorder,
                experiment,
                progress,
                progress.report,
                tracking=self._tracking(task.options.wandb),
                assigned=task.assigned,
            )
            if result.status != "finished" and not task.keep_unfinished_weights:
                (recorder.path / MODEL).unlink(missing_ok=True)
        return result

    def _tracking(self, mode: str) -> Tracking:
        if mode not in self.tracking:
            self.tracking[mode] = self.trackers.enter_context(Tracking(self.context, mode, hint=False))
        return self.tracking[mode]


class _Progress:
    """Passes a training's epochs on, and reads what the parent says of it."""

    def __init__(self, worker: _Worker, task: Task) -> None:
        self.run_id: str | None = None
        self._worker, self._task = worker, task
        self._stopped = False

    def __call__(self, event: TrainingEvent) -> None:
        """Take in an event of the training."""
        if isinstance(event, StepsDone):
            if os.getppid() != self._worker.setup.parent:
                raise ParentGoneError
        # A run without a checkpoint starts twice: its epochs are trained again first.
        elif isinstance(event, TrainingStarted) and self.run_id is None:
            self.run_id = event.run_id
            name = f"{platform.node()}:{os.getpid()}"
            self._worker.send(TaskStarted(self._task.key, event.run_id, event.first_epoch, name))

    def report(self, result: EpochResult) -> bool:
        """Tell of an epoch, and return whether the training ends after it."""
        self._worker.send(TaskEpoch(self._task.key, result))
        connection = self._worker.connection
        answered = not self._task.waits_for_verdict
        while not answered or connection.poll():
            message = receive(connection)
            if isinstance(message, Verdict):
                answered = True
            self._stopped |= isinstance(message, Stop) or message.stop
        return self._stopped
