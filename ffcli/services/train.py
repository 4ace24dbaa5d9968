"""``ffnn train``: one run, new or taken up again."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from ffcli.config import TrainConfig, validate
from ffcli.errors import FfnnError, RequestError
from ffcli.runs.integrity import change
from ffcli.runs.record import RunRecord
from ffcli.runs.recorder import RunRecorder
from ffcli.runs.store import CHECKPOINT, CONFIG
from ffcli.training.context import Context
from ffcli.training.experiment import Experiment
from ffcli.training.options import RunOptions
from ffcli.training.runner import Watcher, new_run, run
from ffcli.training.tracking import Tracking, agents_sweep
from ffcli.util.text import are, counted

_ESTIMATE_SECONDS = 0.3  # how long a dry run measures steps


def plan(context: Context, config: TrainConfig, options: RunOptions) -> dict[str, Any]:
    """Return what a run would come to, without training: sizes, and the seconds by a measured step."""
    dataset = context.dataset(config.dataset)
    with threadpool_limits(options.threads):
        experiment = Experiment(config, dataset)
        seconds_per_step = _measure_step(experiment)
    steps = experiment.steps_per_epoch
    return {
        "config": config.as_dict(),
        "recipe": options.recipe,
        "parameters": experiment.network.n_parameters,
        "train": len(experiment.data.train_indices),
        "validation": len(experiment.data.val_indices),
        "steps_per_epoch": steps,
        "steps": steps * config.epochs,
        "seconds_estimate": seconds_per_step * steps * config.epochs,
    }


def _measure_step(experiment: Experiment) -> float:
    """Return the median seconds of a step on made-up images: its time does not depend on what they show."""
    rng = np.random.default_rng(0)
    batch_size = min(experiment.config.batch_size, len(experiment.data.train_indices))
    x = rng.random((batch_size, experiment.dataset.n_features), dtype=np.float32)
    targets = np.eye(experiment.dataset.n_classes, dtype=np.float32)[
        rng.integers(experiment.dataset.n_classes, size=batch_size)
    ]
    logits = np.empty_like(targets)
    seconds: list[float] = []
    while len(seconds) < 5 or sum(seconds) < _ESTIMATE_SECONDS:
        started = time.perf_counter()
        experiment.backpropagation(x, targets, logits)
        experiment.optimizer.step()
        seconds.append(time.perf_counter() - started)
    return float(np.median(seconds))


def train(context: Context, config: TrainConfig, options: RunOptions, watcher: Watcher) -> dict[str, Any]:
    """Train a new run and return its document; its status may be ``diverged``.

    Started by an agent of a W&B sweep, it is a run of that sweep.
    KeyboardInterrupt and errors pass through after the record is closed as ``interrupted`` or ``failed``.
    """
    dataset = context.dataset(config.dataset)
    experiment = Experiment(config, dataset)
    with (
        Tracking(context, options.wandb, hint=_wants_hint(context, options)) as tracking,
        new_run(context, experiment, options, agents_sweep()) as recorder,
    ):
        return run(recorder, experiment, watcher, tracking=tracking)


def _wants_hint(context: Context, options: RunOptions) -> bool:
    """Whether to say how W&B is turned on: at the first run of a store, or where a place at W&B is named."""
    return bool(options.wandb_project or options.wandb_entity) or not context.runs.ids()


def resume(context: Context, run_id: str, epochs: int | None, watcher: Watcher) -> dict[str, Any]:
    """Go on with an unfinished run, or with ``epochs`` in all with a finished one.

    Raises RequestError where there is nothing to go on with, FfnnError where the run is in use or its data
    has changed.
    """
    path = context.runs.find(run_id)
    record = context.runs.read(path.name)
    stored = context.runs.config(path.name)
    config = validate(stored if epochs is None else {**stored, "epochs": epochs})
    if changed := change(record.config, config):
        raise RequestError(
            f"The configuration of run {record.run_id} has changed since the run began: {changed}.",
            hint=f"Restore {path / CONFIG}, or start a new run with it.",
        )
    begun_for = record.config.get("epochs")
    if config.epochs != begun_for and record.provenance.begun_for_epochs is None:
        record.provenance = replace(record.provenance, begun_for_epochs=begun_for)
    _check_resumable(record, config.epochs)
    dataset = context.dataset(config.dataset)
    if record.provenance.dataset_digest != dataset.digest:
        raise FfnnError(f"The dataset {config.dataset} is no longer the one that run {path.name} began with.")
    experiment = Experiment(config, dataset)
    with (
        Tracking(context, record.wandb.mode or "disabled", hint=False) as tracking,
        RunRecorder(path, record, context.runs.history(path.name)) as recorder,
    ):
        if record.epochs_done and not (path / CHECKPOINT).exists():
            context.notify(
                f"Run {path.name} has no checkpoint any more: its {counted(record.epochs_done, 'epoch')} "
                f"{are(record.epochs_done)} trained again, to the same numbers, before it goes on."
            )
            _replay(recorder, experiment, watcher)
        else:
            recorder.restore(experiment)
        return run(recorder, experiment, watcher, tracking=tracking)


def _check_resumable(record: RunRecord, epochs: int) -> None:
    if record.status == "running":
        raise FfnnError(f"Run {record.run_id} is still running in another process.")
    if record.status == "diverged":
        raise RequestError(
            f"Run {record.run_id} diverged in epoch {record.epochs_done}: going on would give the same.",
            hint="Start a new run with a smaller --learning-rate.",
        )
    if epochs < record.epochs_done or (epochs == record.epochs_done and record.status == "finished"):
        raise RequestError(
            f"Run {record.run_id} has done {counted(record.epochs_done, 'epoch')}: "
            f"nothing is left to do for {epochs}.",
            hint=f"Give --epochs a number above {record.epochs_done}.",
        )


def _replay(recorder: RunRecorder, experiment: Experiment, watcher: Watcher) -> None:
    """Train the recorded epochs again without touching the record, and leave a checkpoint after them."""
    recorded = {row.result.epoch: row.result for row in recorder.rows}
    watcher.started(recorder.path.name, experiment.config, 1, experiment.steps_per_epoch)
    try:
        with threadpool_limits(recorder.record.threads):
            for result in experiment.run(watcher.batches):
                before = recorded.get(result.epoch)
                if before is None:
                    raise FfnnError(f"The history of run {recorder.path.name} lacks epoch {result.epoch}.")
                if (result.train_loss, result.val_loss) != (before.train_loss, before.val_loss):
                    raise FfnnError(
                        f"Epoch {result.epoch} of run {recorder.path.name} does not come out as recorded "
                        "(another processor or another NumPy): going on would not be the same run.",
                        hint="Train it anew: ffnn train --config with the run's config.yaml.",
                    )
                if result.epoch == recorder.record.epochs_done:
                    recorder.checkpoint(experiment)
                    return
    finally:
        watcher.finished()
