"""Recording a run that is trained elsewhere, by its events and its final weights."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ffcli.core.buffers import Array
from ffcli.core.training import EpochResult
from ffcli.datasets import Dataset
from ffcli.execution.pool import Task, TaskStatus
from ffcli.runs.provenance import Provenance
from ffcli.runs.record import Status
from ffcli.runs.recorder import Model, RunRecorder, StoredCheckpoint
from ffcli.runs.store import CHECKPOINT
from ffcli.training.context import Context
from ffcli.training.experiment import Experiment, untrained_network
from ffcli.training.recording import about_model
from ffcli.training.resuming import stored_run
from ffcli.training.runner import recorder_of

_EVERY = 5.0  # seconds between two writings of a run's epochs: hundreds of runs share one disk


class RemoteRun:
    """The run of one task. It is held from `resume` or `begin` to `close`."""

    def __init__(self, context: Context, task: Task) -> None:
        self._context = context
        self._task = task
        self._recorder: RunRecorder | None = None
        self._best: EpochResult | None = None
        self._written = time.monotonic()

    @property
    def run_id(self) -> str | None:
        """The run's id, None before there is one."""
        return None if self._recorder is None else self._recorder.record.run_id

    @property
    def epochs(self) -> int:
        """How many epochs are recorded."""
        return 0 if self._recorder is None else len(self._recorder.rows)

    def resume(self) -> StoredCheckpoint | None:
        """Hold the stored run that the task resumes, and return its checkpoint; None where there is none.

        Raises FfnnError where it cannot be resumed.
        """
        if self._task.resume is None:
            return None
        config, dataset, recorder = stored_run(self._context, self._task.resume)
        self._recorder = recorder.__enter__()
        stored = recorder.stored_checkpoint(Experiment(config, dataset).steps_per_epoch)
        self._best = None if stored is None else stored.best
        return stored

    def begin(self, origin: Mapping[str, Any], parameters: int) -> str:
        """Begin the record, and return the run's id; ``origin`` is its provenance at the worker."""
        task = self._task
        if self._recorder is None:
            self._recorder = recorder_of(
                self._context,
                task.config,
                task.options,
                task.sweep_id,
                parameters=parameters,
                origin=replace(Provenance(**origin), **task.provenance),
            ).__enter__()
        self._recorder.begin(task.config)
        return self._recorder.record.run_id

    def epoch(self, result: EpochResult) -> None:
        """Record an epoch. It is written now and then only: a run of a lost worker begins again anyway."""
        assert self._recorder is not None
        if not result.diverged and (self._best is None or result.val_acc > self._best.val_acc):
            self._best = result
        if time.monotonic() - self._written < _EVERY:
            self._recorder.note_epoch(result, self._best)
        else:
            self._recorder.epoch(result, self._best)
            self._written = time.monotonic()

    def end(self, status: TaskStatus, error: str | None, weights: Array | None, dataset: Dataset) -> None:
        """Store the weights of the best epoch, if they are kept, and close the record."""
        if self._recorder is None:
            return
        if weights is not None and self._best is not None:
            network = untrained_network(self._task.config, dataset)
            network.state[...] = weights
            # The checkpoint that was resumed fits the model of its time: killed from here to the end of this
            # method, the run is trained again from its first epoch.
            (self._recorder.path / CHECKPOINT).unlink(missing_ok=True)
            about = about_model(self._task.config, dataset, self._best.epoch)
            self._recorder.model(Model(network, about))
        self._recorder.end(status, error)

    def close(self, status: Status, error: str | None = None) -> None:
        """Let go of the run; one that has not ended is closed with this status, if the disk allows it."""
        if self._recorder is not None:
            self._recorder.end_if_possible(status, error)
            self._recorder.__exit__(None, None, None)
