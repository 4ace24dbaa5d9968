"""Several runs at once, each trained by a process of its own: one that is killed harms no other."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Protocol

from ffcli.config import TrainConfig
from ffcli.core.training import EpochResult
from ffcli.errors import FfnnError
from ffcli.runs.record import Status
from ffcli.services.train import resume
from ffcli.training.context import Context
from ffcli.training.experiment import Experiment
from ffcli.training.options import RunOptions
from ffcli.training.runner import new_run, run
from ffcli.training.tracking import Tracking
from ffcli.util.signals import ended_by_the_parent, starting_a_process

_ATTEMPTS = 3  # a run whose process dies so often is given up
_GRACE = 10.0  # seconds that processes have to close their records before they are killed


@dataclass(frozen=True)
class Job:
    """A run to be trained, or to be gone on with where it has a ``run_id``.

    ``provenance`` is recorded with a new run, beside what every run records.
    """

    config: TrainConfig
    options: RunOptions
    provenance: Mapping[str, Any] = field(default_factory=dict)
    run_id: str | None = None


@dataclass(frozen=True)
class RunBegun:
    """The job is trained as this run; its first epoch comes next."""

    run_id: str
    first_epoch: int


@dataclass(frozen=True)
class RunEnded:
    """The run is finished, or diverged."""

    run_id: str
    status: Status
    best_val_acc: float | None
    seconds: float


@dataclass(frozen=True)
class RunFailed:
    """The run could not be trained to its end; ``message`` is for the user."""

    message: str


@dataclass(frozen=True)
class Notice:
    """A line for the user's information."""

    text: str


Message = RunBegun | EpochResult | RunEnded | RunFailed | Notice


class JobsWatcher(Protocol):
    """Who looks on while several runs train."""

    def message(self, job: int, message: Message) -> None:
        """Job number ``job``, from 0, tells something."""


def train_side_by_side(
    context: Context, jobs: Sequence[Job], workers: int, watcher: JobsWatcher
) -> list[str]:
    """Train the jobs, ``workers`` at a time, and return their runs' ids.

    A run whose process is killed is gone on with from its last epoch. KeyboardInterrupt passes through after
    the runs under way are closed as interrupted. Where a run cannot be trained no other is begun, those under
    way are finished, and FfnnError is raised.
    """
    crew = _Crew(context, jobs, watcher)
    try:
        return crew.work(workers)
    finally:
        crew.dismiss()


class _Crew:
    """The processes under way, each with a pipe of its own."""

    def __init__(self, context: Context, jobs: Sequence[Job], watcher: JobsWatcher) -> None:
        self._context = context
        self._jobs = jobs
        self._watcher = watcher
        self._spawn = multiprocessing.get_context("spawn")
        self._waiting = deque(range(len(jobs)))
        self._ended: set[int] = set()
        self._failure: str | None = None
        self._deaths = [0] * len(jobs)
        self._run_ids = [job.run_id for job in jobs]
        self._members: dict[Connection, tuple[int, BaseProcess]] = {}

    def work(self, workers: int) -> list[str]:
        while self._waiting or self._members:
            while self._waiting and len(self._members) < workers:
                self._start(self._waiting.popleft())
            for connection in wait(list(self._members)):
                assert isinstance(connection, Connection)
                self._listen(connection)
        if self._failure is not None:
            raise FfnnError(self._failure)
        return [run_id for run_id in self._run_ids if run_id is not None]

    def _start(self, number: int) -> None:
        ours, theirs = self._spawn.Pipe(duplex=False)
        job = replace(self._jobs[number], run_id=self._run_ids[number])
        task = (job, self._context.data_dir, self._context.runs_dir, os.getpid(), theirs)
        process = self._spawn.Process(target=_main, args=task, name=f"job-{number}", daemon=True)
        with starting_a_process():
            process.start()
            theirs.close()
            self._members[ours] = (number, process)

    def _listen(self, connection: Connection) -> None:
        number, process = self._members[connection]
        try:
            message: Message = connection.recv()
        except (EOFError, OSError):
            del self._members[connection]
            connection.close()
            process.join()
            if number not in self._ended:
                self._died(number, process.exitcode)
            return
        if isinstance(message, Notice):
            self._context.notify(message.text)
            return
        if isinstance(message, RunBegun):
            self._run_ids[number] = message.run_id
        elif isinstance(message, (RunEnded, RunFailed)):
            self._ended.add(number)
        if isinstance(message, RunFailed):
            self._fail(message.message)
        self._watcher.message(number, message)

    def _died(self, number: int, exit_code: int | None) -> None:
        """Try a job again whose process was killed."""
        self._deaths[number] += 1
        if self._deaths[number] < _ATTEMPTS:
            if self._failure is None:
                self._waiting.appendleft(number)
            return
        run = self._run_ids[number] or "a run that has not begun"
        self._fail(f"The process that trains {run} died {_ATTEMPTS} times (exit code {exit_code}).")

    def _fail(self, message: str) -> None:
        self._failure = self._failure or message
        self._waiting.clear()

    def dismiss(self) -> None:
        """End what still runs: it closes its record, or is killed."""
        processes = [process for _, process in self._members.values()]
        for process in processes:
            process.terminate()
        deadline = time.monotonic() + _GRACE
        for process in processes:
            process.join(max(0.0, deadline - time.monotonic()))
            if process.is_alive():
                process.kill()
                process.join()


class _Teller:
    """Watches a run for the parent, and interrupts it where the parent is gone."""

    def __init__(self, connection: Connection, parent: int) -> None:
        self._connection = connection
        self._parent = parent

    def tell(self, message: Message) -> None:
        try:
            self._connection.send(message)
        except OSError:
            raise KeyboardInterrupt from None

    def started(self, run_id: str, config: TrainConfig, first_epoch: int, steps_per_epoch: int) -> None:
        self.tell(RunBegun(run_id, first_epoch))

    def batches(self, done: int, total: int) -> None:
        if os.getppid() != self._parent:
            raise KeyboardInterrupt

    def epoch(self, result: EpochResult, best: bool) -> None:
        self.tell(result)

    def finished(self) -> None:
        pass


@ended_by_the_parent
def _main(job: Job, data_dir: Path, runs_dir: Path, parent: int, connection: Connection) -> None:
    """Train one job, and tell the parent how it goes. Ctrl-C is the parent's to deal with."""
    teller = _Teller(connection, parent)
    context = Context(data_dir, runs_dir, lambda text: teller.tell(Notice(text)))
    try:
        document = _train(context, job, teller)
    except Exception as error:
        expected = isinstance(error, (FfnnError, OSError))
        teller.tell(RunFailed(str(error) if expected else f"{type(error).__name__}: {error}"))
    else:
        told = ("run_id", "status", "best_val_acc", "seconds")
        teller.tell(RunEnded(**{name: document[name] for name in told}))


def _train(context: Context, job: Job, teller: _Teller) -> dict[str, Any]:
    if job.run_id is not None:
        return resume(context, job.run_id, None, teller)
    experiment = Experiment(job.config, context.dataset(job.config.dataset))
    with (
        Tracking(context, job.options.wandb, hint=False) as tracking,
        new_run(context, experiment, job.options) as recorder,
    ):
        recorder.record.provenance = replace(recorder.record.provenance, **job.provenance)
        return run(recorder, experiment, teller, tracking=tracking)
