"""A training run from its first record to its last, for every command that trains."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Literal

from threadpoolctl import threadpool_limits

from ffcli.config import TrainConfig, run_name
from ffcli.core.rules import kernels
from ffcli.core.training import EpochResult
from ffcli.runs.provenance import Provenance, provenance
from ffcli.runs.record import RunRecord, utc_now
from ffcli.runs.recorder import RunRecorder
from ffcli.runs.results import RunResult
from ffcli.tracking.base import Assigned
from ffcli.training.context import Context
from ffcli.training.events import EpochEnded, OnTraining, TrainingOver, TrainingStarted, steps_to
from ffcli.training.experiment import Experiment
from ffcli.training.options import RunOptions, wandb_wishes
from ffcli.training.recording import record_epoch
from ffcli.training.tracking import Tracking
from ffcli.util.processes import can_start_threads


def new_run(
    context: Context, experiment: Experiment, options: RunOptions, sweep_id: str | None = None
) -> RunRecorder:
    """Return what writes a new run, which is there from its first record on."""
    dataset = experiment.dataset
    origin = provenance(dataset.digest, options.command_line, dataset.split, kernels())
    parameters = experiment.network.n_parameters
    return recorder_of(context, experiment.config, options, sweep_id, parameters=parameters, origin=origin)


def recorder_of(
    context: Context,
    config: TrainConfig,
    options: RunOptions,
    sweep_id: str | None,
    *,
    parameters: int,
    origin: Provenance,
) -> RunRecorder:
    """Return what writes a new run of a network of ``parameters`` that is trained at its ``origin``."""
    new = context.runs.create()
    record = RunRecord(
        run_id=new.path.name,
        name=options.name or run_name(config),
        status="running",
        dataset=config.dataset,
        config=config.as_dict(),
        started=utc_now(),
        tags=list(options.tags),
        sweep_id=sweep_id,
        recipe=options.recipe,
        parameters=parameters,
        threads=options.threads,
        wandb=wandb_wishes(options),
        provenance=origin,
    )
    return RunRecorder(new.path, record, new=new)


def train_to_end(
    experiment: Experiment,
    threads: int,
    on_epoch: Callable[[EpochResult], bool],
    on_batches: Callable[[int, int], None],
) -> tuple[Literal["finished", "diverged", "pruned"], str | None]:
    """Train with ``threads`` BLAS threads; return the status that the run has then, and why it diverged.

    ``on_epoch`` returns whether the training ends after the epoch as pruned. Raises OSError where the user
    may not have so many threads, for which OpenBLAS would wait without end.
    """
    if threads > 1 and not can_start_threads(threads - 1):
        raise OSError(errno.EAGAIN, f"{threads} threads cannot be started")
    with threadpool_limits(threads):
        for result in experiment.run(on_batches):
            stops = on_epoch(result)
            if result.diverged:
                return "diverged", f"the loss was not finite in epoch {result.epoch}"
            if stops:
                return "pruned", None
    return "finished", None


def run(
    recorder: RunRecorder,
    experiment: Experiment,
    on_event: OnTraining,
    stop: Callable[[EpochResult], bool] = lambda _: False,
    *,
    tracking: Tracking | None = None,
    assigned: Assigned | None = None,
) -> RunResult:
    """Train to the end and return the run's result; ``stop`` is asked after each epoch whether to prune.

    ``tracking`` follows the run, as the one that a W&B sweep has ``assigned`` if any; a run that W&B is asked
    to stop is pruned.

    The record is closed as finished, diverged or pruned; as interrupted or failed where KeyboardInterrupt or
    an error passes through.
    """
    record = recorder.record

    def on_epoch(result: EpochResult) -> bool:
        record_epoch(recorder, experiment, result)
        if tracking is not None:
            tracking.epoch(recorder)
        on_event(EpochEnded(result, best=experiment.best is result))
        return stop(result) or (tracking is not None and tracking.stopped)

    try:
        if tracking is not None:
            tracking.note(record, assigned)
        recorder.begin(experiment.config)
        if tracking is not None:
            tracking.begin(recorder, experiment.config, assigned)
        on_event(
            TrainingStarted(
                record.run_id, experiment.config, experiment.epoch + 1, experiment.steps_per_epoch
            )
        )
        recorder.end(*train_to_end(experiment, record.threads, on_epoch, steps_to(on_event)))
    except KeyboardInterrupt:
        recorder.end_if_possible("interrupted")
        raise
    except BaseException as error:
        recorder.end_if_possible("failed", f"{type(error).__name__}: {error}")
        raise
    finally:
        on_event(TrainingOver())
        if tracking is not None:
            tracking.end(recorder)
    return RunResult.of(record, recorder.rows, recorder.path)
