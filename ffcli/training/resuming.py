"""Resuming a stored run from its checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from threadpoolctl import threadpool_limits

from ffcli.config import TrainConfig, validate
from ffcli.core.training import EpochResult
from ffcli.datasets import Dataset
from ffcli.errors import FfnnError, RequestError
from ffcli.runs.integrity import change
from ffcli.runs.record import RunRecord
from ffcli.runs.recorder import Checkpoint, RunRecorder
from ffcli.runs.results import RunResult
from ffcli.runs.store import CHECKPOINT, CONFIG, ENDED
from ffcli.training.context import Context
from ffcli.training.events import OnTraining, TrainingOver, TrainingStarted, steps_to
from ffcli.training.experiment import Experiment
from ffcli.training.recording import model_of, restore
from ffcli.training.runner import run
from ffcli.training.tracking import Tracking
from ffcli.util.text import are, counted


def resume_run(
    context: Context,
    run_id: str,
    on_event: OnTraining,
    *,
    epochs: int | None = None,
    stop: Callable[[EpochResult], bool] = lambda _: False,
) -> RunResult:
    """Continue an unfinished run, or a finished one to ``epochs`` in all; see `ffcli.training.runner.run`.

    Raises RequestError where nothing is left to train, FfnnError where the run is in use or its data has
    changed.
    """
    config, dataset, recorder = stored_run(context, run_id, epochs)
    experiment = Experiment(config, dataset)
    record, path = recorder.record, recorder.path
    mode = record.wandb.mode or "disabled"
    with Tracking(context, mode, hint=False) as tracking, recorder:
        if record.epochs_done and not (path / CHECKPOINT).exists():
            context.notify(
                f"Run {path.name} has no checkpoint any more: its {counted(record.epochs_done, 'epoch')} "
                f"{are(record.epochs_done)} trained again, to the same numbers, before it continues."
            )
            _replay(recorder, dataset, on_event, context.notify)
        restore(recorder, experiment)
        return run(recorder, experiment, on_event, stop, tracking=tracking)


def stored_run(
    context: Context, run_id: str, epochs: int | None = None
) -> tuple[TrainConfig, Dataset, RunRecorder]:
    """Return the configuration to continue a run with, its dataset, and what records it.

    Raises as `resume_run`.
    """
    path = context.runs.find(run_id)
    record, seen = context.runs.read_seen(path.name)
    config = _config(context, record, epochs)
    dataset = context.dataset(config.dataset)
    if record.provenance.dataset_digest != dataset.digest:
        raise FfnnError(f"The dataset {config.dataset} is no longer the one that run {path.name} began with.")
    return config, dataset, RunRecorder(path, record, context.runs.history(path.name), seen=seen)


def _config(context: Context, record: RunRecord, epochs: int | None) -> TrainConfig:
    """Return the configuration to continue with, and note in the record where its epochs change."""
    stored = context.runs.config(record.run_id)
    config = validate(stored if epochs is None else {**stored, "epochs": epochs})
    if changed := change(record.config, config):
        raise RequestError(
            f"The configuration of run {record.run_id} has changed since the run began: {changed}.",
            hint=f"Restore its {CONFIG}, or start a new run with it.",
        )
    begun_for = record.config.get("epochs")
    of_trial = record.sweep_id is not None and record.wandb.sweep is None
    if of_trial and (record.status != "interrupted" or config.epochs != begun_for):
        raise RequestError(
            f"Run {record.run_id} is a trial of sweep {record.sweep_id}, whose results it belongs to.",
            hint=f"Train the {CONFIG} in its folder as a run of its own.",
        )
    if config.epochs != begun_for and record.provenance.begun_for_epochs is None:
        record.provenance = replace(record.provenance, begun_for_epochs=begun_for)
    if record.status == "running":
        raise FfnnError(f"Run {record.run_id} is still running in another process.")
    if record.status == "diverged":
        raise RequestError(
            f"Run {record.run_id} diverged in epoch {record.epochs_done}: continuing it would diverge again.",
            hint="Start a new run with a smaller learning_rate.",
        )
    least = record.epochs_done + (record.status == "finished")
    if config.epochs < least:
        raise RequestError(
            f"Run {record.run_id} has done {counted(record.epochs_done, 'epoch')}: "
            f"nothing is left to train for epochs={config.epochs}.",
            hint=f"Expected epochs of at least {least}.",
        )
    return config


def _replay(
    recorder: RunRecorder, dataset: Dataset, on_event: OnTraining, notify: Callable[[str], None]
) -> None:
    """Train the recorded epochs again without changing the record, and leave a checkpoint after them.

    They are trained for the last epoch of the record, which a schedule looks ahead to. The network of the
    best epoch is stored unless it is there: the checkpoint counts on it, and another may be there, or none.

    Where they come out otherwise, a run that has not ended gets no checkpoint, so that it begins again.
    Raises FfnnError of one that has: its result would no longer be there.
    """
    experiment = Experiment(validate(recorder.record.config), dataset)
    recorded = {row.result.epoch: row.result for row in recorder.rows}
    has_best = recorder.has_best()
    on_event(TrainingStarted(recorder.path.name, experiment.config, 1, experiment.steps_per_epoch))
    try:
        with threadpool_limits(recorder.record.threads):
            for result in experiment.run(steps_to(on_event)):
                before = recorded.get(result.epoch)
                if before is None:
                    raise FfnnError(f"The history of run {recorder.path.name} lacks epoch {result.epoch}.")
                if (result.train_loss, result.val_loss) != (before.train_loss, before.val_loss):
                    told = (
                        f"Epoch {result.epoch} of run {recorder.path.name} does not come out as recorded "
                        "(another processor or NumPy, or a schedule that was begun for another last epoch): "
                    )
                    if recorder.record.status in ENDED:
                        hint = "Train it anew from the config.yaml in its folder."
                        raise FfnnError(f"{told}it would not be the same run.", hint=hint)
                    notify(f"{told}all its epochs are trained and recorded anew.")
                    return
                if result.epoch == recorder.record.best_epoch and not has_best:
                    recorder.model(model_of(experiment))
                if result.epoch == recorder.record.epochs_done:
                    recorder.checkpoint(Checkpoint(*experiment.state_dict()))
                    return
    finally:
        on_event(TrainingOver())
