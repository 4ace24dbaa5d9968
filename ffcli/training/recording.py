"""The parts of a training that are recorded: after each epoch, and to resume it."""

from __future__ import annotations

from typing import Any

from ffcli.config import TrainConfig
from ffcli.core.training import EpochResult
from ffcli.datasets import Dataset
from ffcli.runs.recorder import Checkpoint, Model, RunRecorder
from ffcli.training.experiment import Experiment


def record_epoch(recorder: RunRecorder, experiment: Experiment, result: EpochResult) -> None:
    """Record the epoch that an experiment has just done."""
    checkpoint = None if result.diverged else Checkpoint(*experiment.state_dict())
    model = model_of(experiment) if experiment.best is result else None
    recorder.epoch(result, experiment.best, checkpoint, model)


def model_of(experiment: Experiment) -> Model:
    """Return the network as it is now, which is that of the best epoch."""
    epoch = experiment.best.epoch if experiment.best else 0
    return Model(experiment.evaluated, about_model(experiment.config, experiment.dataset, epoch))


def about_model(config: TrainConfig, dataset: Dataset, epoch: int) -> dict[str, Any]:
    """Return what is stored with a network: what it was trained on, how, and for how many epochs."""
    return {
        "dataset": dataset.name,
        "class_names": dataset.class_names,
        "image_shape": dataset.x_train.shape[1:],
        "input_dtype": dataset.x_train.dtype.name,
        "input_scale": dataset.input_scale,
        "epoch": epoch,
        "config": config.as_dict(),
    }


def restore(recorder: RunRecorder, experiment: Experiment) -> None:
    """Bring an experiment to where its run's checkpoint stands, if there is one.

    Raises FfnnError where the checkpoint does not fit.
    """
    stored = recorder.stored_checkpoint(experiment.steps_per_epoch)
    if stored is None:
        return
    with recorder.checkpoint_fits():
        experiment.load_state_dict(stored.arrays, stored.scalars, stored.best, stored.best_state)
    if stored.best_state is None and not recorder.has_best():  # the process died before it wrote the model
        recorder.model(model_of(experiment))
