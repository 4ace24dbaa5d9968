"""One training run from its first record to its last, for every command that trains."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from threadpoolctl import threadpool_limits

from ffcli.config import TrainConfig
from ffcli.core.rules import kernels
from ffcli.core.training import EpochResult
from ffcli.runs.record import RunRecord, provenance, utc_now
from ffcli.runs.recorder import RunRecorder
from ffcli.runs.results import RunResult
from ffcli.tracking.base import Assigned
from ffcli.training.context import Context
from ffcli.training.experiment import Experiment
from ffcli.training.options import RunOptions, wandb_wishes
from ffcli.training.recording import record_epoch
from ffcli.training.tracking import Tracking


class Watcher(Protocol):
    """Who looks on while a run trains."""

    def started(self, run_id: str, config: TrainConfig, first_epoch: int, steps_per_epoch: int) -> None:
        """The first step comes next."""

    def batches(self, done: int, total: int) -> None:
        """So many of the epoch's steps are done. Called often."""

    def epoch(self, result: EpochResult, best: bool) -> None:
        """An epoch is over and on disk; ``best``: it has the highest val_acc so far."""

    def finished(self) -> None:
        """The training is over, however it ended."""


class Unwatched:
    """Watches a run for nobody."""

    def started(self, run_id: str, config: TrainConfig, first_epoch: int, steps_per_epoch: int) -> None:
        pass

    def batches(self, done: int, total: int) -> None:
        pass

    def epoch(self, result: EpochResult, best: bool) -> None:
        pass

    def finished(self) -> None:
        pass


def new_run(
    context: Context, experiment: Experiment, options: RunOptions, sweep_id: str | None = None
) -> RunRecorder:
    """Return what writes a new run, which is there from its first record on."""
    config = experiment.config
    origin = {**provenance(experiment.dataset.digest, options.command_line), "kernels": kernels()}
    new = context.runs.create()
    record = RunRecord(
        run_id=new.path.name,
        name=options.name or config.run_name,
        status="running",
        dataset=config.dataset,
        config=config.as_dict(),
        started=utc_now(),
        tags=list(options.tags),
        sweep_id=sweep_id,
        recipe=options.recipe,
        parameters=experiment.network.n_parameters,
        threads=options.threads,
        wandb=wandb_wishes(options),
        provenance=origin,
    )
    return RunRecorder(new.path, record, new=new)


def run(
    recorder: RunRecorder,
    experiment: Experiment,
    watcher: Watcher,
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
    try:
        if tracking is not None:
            tracking.note(record, assigned)
        recorder.begin(experiment.config)
        if tracking is not None:
            tracking.begin(recorder, experiment.config, assigned)
        watcher.started(record.run_id, experiment.config, experiment.epoch + 1, experiment.steps_per_epoch)
        with threadpool_limits(record.threads):
            for result in experiment.run(watcher.batches):
                record_epoch(recorder, experiment, result)
                if tracking is not None:
                    tracking.epoch(recorder)
                watcher.epoch(result, experiment.best is result)
                pruned = stop(result) or (tracking is not None and tracking.stopped)
                if result.diverged:
                    recorder.end("diverged", f"the loss was not finite in epoch {result.epoch}")
                    break
                if pruned:
                    recorder.end("pruned")
                    break
            else:
                recorder.end("finished")
    except KeyboardInterrupt:
        recorder.end_if_possible("interrupted")
        raise
    except BaseException as error:
        recorder.end_if_possible("failed", f"{type(error).__name__}: {error}")
        raise
    finally:
        watcher.finished()
        if tracking is not None:
            tracking.end(recorder)
    return RunResult.of(record, recorder.rows, recorder.path)
