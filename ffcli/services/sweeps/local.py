"""The parent of a sweep's workers: starts them, listens, replaces those that die, and stops them cleanly."""

from __future__ import annotations

import multiprocessing
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Protocol

from ffcli.errors import FfnnError
from ffcli.runs.store import MODEL
from ffcli.services.sweep_publishing import published
from ffcli.services.sweep_worker import Message, RunStarted, WorkerFailed, WorkerTask
from ffcli.services.sweep_worker import main as worker_main
from ffcli.services.sweeps.create import check_same, keep_file, storage_url, sweep_folder
from ffcli.services.sweeps.retention import KEPT, BestWeights
from ffcli.services.sweeps.summary import sweep_document
from ffcli.services.sweeps.table import table_at_the_end
from ffcli.sweeping.events import TrialEnded
from ffcli.sweeping.progress import goal, raise_goal
from ffcli.sweeping.store import TrialStore
from ffcli.sweeping.trials import Counts, Ended, Sweep
from ffcli.training.context import Context
from ffcli.training.options import RunOptions
from ffcli.training.tracking import tell_of_tracking
from ffcli.util.cores import usable_cores
from ffcli.util.signals import Terminated, starting_a_process

_GRACE = 10.0  # seconds that workers have to give their trials back before they are killed
_DEATHS = 3  # so often in a row a worker is replaced that died without ending a trial


class SweepWatcher(Protocol):
    """Who looks on while a sweep runs."""

    def started(self, sweep: Sweep, path: Path, counts: Counts, count: int | None, workers: int) -> None:
        """The workers are about to be started."""

    def message(self, worker: int, message: Message) -> None:
        """Worker number ``worker``, from 0, tells something."""

    def stopping(self) -> None:
        """Ctrl-C was pressed: trials under way are finished, no new ones are begun."""

    def finished(self) -> None:
        """The sweep is over, or is left."""


@dataclass(frozen=True)
class SweepOptions:
    """How a sweep is run here. ``count``: trials in all, over all workers, machines and resumptions.

    Without it as many as were ever asked for, if that was said.

    ``wandb``: online or offline, where W&B is to follow the runs.
    """

    count: int | None = None
    workers: int = 1
    storage: str | None = None
    reuse: bool = False
    wandb: str = "disabled"
    wandb_project: str | None = None
    wandb_entity: str | None = None
    command_line: tuple[str, ...] = ()


def run_sweep(context: Context, sweep: Sweep, options: SweepOptions, watcher: SweepWatcher) -> dict[str, Any]:
    """Run a sweep to its end, or to ``count``, and return its document with ``seconds`` and why it ended.

    Raises KeyboardInterrupt after the workers have stopped, FfnnError where they cannot go on. Whatever
    happens, the sweep can be run on later.
    """
    check_same(context, sweep)
    keep_file(context, sweep)
    url = storage_url(context, sweep.id, options.storage)
    store = TrialStore(url)
    started = time.monotonic()
    try:
        counts = store.counts(sweep)
        count = goal(store.database, sweep) if options.count is None else options.count
        if options.count is not None:
            raise_goal(store.database, sweep, options.count)
        most = sweep.spec.most_trials(count)
        workers = options.workers if most is None else max(1, min(options.workers, most - counts.ended))
        task = WorkerTask(
            url=url,
            sweep_id=sweep.id,
            data_dir=context.data_dir,
            runs_dir=context.runs_dir,
            options=RunOptions(
                tags=("sweep",),
                # By what was asked for: the last trials come out as they would have beside others.
                threads=max(1, usable_cores() // options.workers),
                wandb=options.wandb,
                wandb_project=options.wandb_project or sweep.spec.project,
                wandb_entity=options.wandb_entity or sweep.spec.entity,
                command_line=options.command_line,
            ),
            count=count,
            forgiven=counts.failed,
            parent=os.getpid(),
            reuse=options.reuse and sweep.paired is None,  # a comparison needs all weights
        )
        crew = _Crew(task, workers, watcher, _Weights(context, store, sweep))
        with published(context, url, sweep), table_at_the_end(context, store, sweep):
            try:
                watcher.started(sweep, sweep_folder(context, sweep.id), counts, count, workers)
                ended = crew.work()
            finally:
                crew.dismiss()
                watcher.finished()
                if options.wandb != "disabled":
                    tell_of_tracking(context, sweep.id)
        document = sweep_document(context, store, sweep, shared=options.storage is not None)
    finally:
        store.close()
    about = {} if ended is None else {"ended": ended.reason, "message": ended.message}
    return {**document, **about, "seconds": time.monotonic() - started}


class _Weights:
    """Lets only the best runs of a sweep keep their weights; all that are finished where runs are paired."""

    def __init__(self, context: Context, store: TrialStore, sweep: Sweep) -> None:
        self._context = context
        self._sweep_id = sweep.id
        self._best = BestWeights(sweep, self._drop, KEPT if sweep.paired is None else None)
        self._runs: dict[int, str] = {}
        for trial in store.trials(sweep):
            if trial.run_id is not None:
                self.started(RunStarted(trial.number, trial.run_id))
                if trial.state in ("finished", "pruned", "failed"):
                    self.ended(trial.number, trial.state, trial.value)

    def started(self, message: RunStarted) -> None:
        """Remember which run trains a trial."""
        self._runs[message.number] = message.run_id

    def ended(self, number: int, state: str, value: float | None) -> None:
        """Drop the weights of this trial, or of the one that it pushes out of the best."""
        run_id = self._runs.pop(number, None)
        if run_id is not None:
            self._best.ended(run_id, state, value, number)

    def _drop(self, run_id: str) -> None:
        path = self._context.runs.of_sweep(run_id, self._sweep_id)
        if path is not None:
            (path / MODEL).unlink(missing_ok=True)


class _Crew:
    """The worker processes, each with a pipe of its own: one that is killed harms no other's."""

    def __init__(self, task: WorkerTask, workers: int, watcher: SweepWatcher, weights: _Weights) -> None:
        self._task = task
        self._watcher = watcher
        self._weights = weights
        self._spawn = multiprocessing.get_context("spawn")
        self._stopping = False
        self._ended: Ended | None = None
        self._failure: str | None = None
        self._deaths = [0] * workers
        self._members: dict[Connection, tuple[int, BaseProcess]] = {}

    def _hire(self, number: int) -> None:
        ours, theirs = self._spawn.Pipe()
        process = self._spawn.Process(
            target=worker_main, args=(self._task, theirs), name=f"worker-{number}", daemon=True
        )
        with starting_a_process():
            process.start()
            theirs.close()
            self._members[ours] = (number, process)

    def work(self) -> Ended | None:
        """Hire the workers and listen until all have ended; return why the sweep is over.

        Raises KeyboardInterrupt and FfnnError after that.
        """
        try:
            for number in range(len(self._deaths)):
                self._hire(number)
            self._listen()
        except Terminated:  # whoever asks so waits some seconds, which a training may well exceed
            raise
        except KeyboardInterrupt:
            self._stop()
            self._watcher.stopping()
            self._listen()
            raise
        if self._failure is not None:
            raise FfnnError(self._failure)
        return self._ended

    def _listen(self) -> None:
        while self._members:
            for connection in wait(list(self._members)):
                assert isinstance(connection, Connection)
                number, process = self._members[connection]
                try:
                    message = connection.recv()
                except (EOFError, OSError):
                    del self._members[connection]
                    connection.close()
                    process.join()
                    self._replace(number, process.exitcode)
                else:
                    self._hear(number, message)

    def _hear(self, number: int, message: Message) -> None:
        if isinstance(message, Ended):
            self._ended = message
        elif isinstance(message, WorkerFailed):
            self._failure = message.message
            self._stop()
        elif isinstance(message, RunStarted):
            self._weights.started(message)
        elif isinstance(message, TrialEnded):
            self._deaths[number] = 0
            self._weights.ended(message.number, message.state, message.value)
        self._watcher.message(number, message)

    def _replace(self, number: int, exit_code: int | None) -> None:
        """Hire a new worker for one that was killed; its trial is tried again."""
        if exit_code == 0 or self._stopping or self._ended is not None:
            return
        self._deaths[number] += 1
        if self._deaths[number] > _DEATHS:
            self._failure = (
                f"A worker died {self._deaths[number]} times without ending a trial (exit code {exit_code})."
            )
            self._stop()
            return
        self._hire(number)

    def _stop(self) -> None:
        """Let no worker begin another trial."""
        self._stopping = True
        for connection in self._members:
            with suppress(OSError):  # it has just died
                connection.send("stop")

    def dismiss(self) -> None:
        """End what still runs: the workers give their trials back, or are killed."""
        processes = [process for _, process in self._members.values()]
        for process in processes:
            process.terminate()
        deadline = time.monotonic() + _GRACE
        for process in processes:
            process.join(max(0.0, deadline - time.monotonic()))
            if process.is_alive():
                process.kill()
                process.join()
