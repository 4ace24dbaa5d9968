"""``ffnn train``: one run, new or taken up again."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from ffcli.config import TrainConfig
from ffcli.runs.results import RunResult
from ffcli.training.context import Context
from ffcli.training.events import OnTraining
from ffcli.training.experiment import Experiment, check_before_loading
from ffcli.training.options import RunOptions
from ffcli.training.resuming import resume_run
from ffcli.training.runner import new_run, run
from ffcli.training.tracking import Tracking, agents_sweep

_ESTIMATE_SECONDS = 0.3  # how long a dry run measures steps


@dataclass(frozen=True)
class Plan:
    """What a training run would take."""

    config: dict[str, Any]
    """All hyper-parameters, by their names; of several runs, those of the first."""
    recipe: str | None
    parameters: int
    """Number of weights and biases."""
    train: int
    """Number of training images."""
    validation: int
    """Number of validation images."""
    steps_per_epoch: int
    steps: int
    """Number of steps in all epochs."""
    runs: int
    """Number of runs: of all folds and seeds."""
    workers: int
    """Number of runs at a time."""
    seconds_estimate: float
    """Estimated duration of all runs, from the measured duration of a step."""


def plan(
    context: Context, config: TrainConfig, options: RunOptions, *, runs: int = 1, workers: int = 1
) -> Plan:
    """Return what ``runs`` runs would take, without training; ``workers`` of them at a time, 0 for all."""
    check_before_loading(config)
    dataset = context.dataset(config.dataset)
    with threadpool_limits(options.threads):
        experiment = Experiment(config, dataset)
        seconds_per_step = _measure_step(experiment)
    steps = experiment.steps_per_epoch
    at_once = min(runs, workers or runs)
    return Plan(
        config=config.as_dict(),
        recipe=options.recipe,
        parameters=experiment.network.n_parameters,
        train=len(experiment.data.train_indices),
        validation=len(experiment.data.val_indices),
        steps_per_epoch=steps,
        steps=steps * config.epochs,
        runs=runs,
        workers=at_once,
        seconds_estimate=seconds_per_step * steps * config.epochs * math.ceil(runs / at_once),
    )


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


def train(context: Context, config: TrainConfig, options: RunOptions, on_event: OnTraining) -> RunResult:
    """Train a new run and return its result; its status may be ``diverged``.

    Started by an agent of a W&B sweep, it is a run of that sweep.
    KeyboardInterrupt and errors pass through after the record is closed as ``interrupted`` or ``failed``.
    """
    check_before_loading(config)
    dataset = context.dataset(config.dataset)
    experiment = Experiment(config, dataset)
    with (
        Tracking(context, options.wandb, hint=_wants_hint(context, options)) as tracking,
        new_run(context, experiment, options, agents_sweep()) as recorder,
    ):
        return run(recorder, experiment, on_event, tracking=tracking)


def _wants_hint(context: Context, options: RunOptions) -> bool:
    """Whether to say how W&B is turned on: at the first run of a store, or where a project is named."""
    return bool(options.wandb_project or options.wandb_entity) or not context.runs.ids()


def resume(context: Context, run_id: str, epochs: int | None, on_event: OnTraining) -> RunResult:
    """Continue an unfinished run, or a finished one to ``epochs`` in all.

    Raises RequestError where nothing is left to train, FfnnError where the run is in use or its data has
    changed.
    """
    return resume_run(context, run_id, on_event, epochs=epochs)
