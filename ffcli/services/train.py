"""``ffnn train``: one run, new or taken up again."""

from __future__ import annotations

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
from ffcli.training.runner import new_run, run
from ffcli.training.tracking import Tracking, agents_sweep

_ESTIMATE_SECONDS = 0.3  # how long a dry run measures steps


@dataclass(frozen=True)
class Plan:
    """What a training run would take."""

    config: dict[str, Any]
    """All hyper-parameters, by their names."""
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
    seconds_estimate: float
    """Estimated duration, from the measured duration of a step."""


def plan(context: Context, config: TrainConfig, options: RunOptions) -> Plan:
    """Return what a run would take, without training."""
    check_before_loading(config)
    dataset = context.dataset(config.dataset)
    with threadpool_limits(options.threads):
        experiment = Experiment(config, dataset)
        seconds_per_step = _measure_step(experiment)
    steps = experiment.steps_per_epoch
    return Plan(
        config=config.as_dict(),
        recipe=options.recipe,
        parameters=experiment.network.n_parameters,
        train=len(experiment.data.train_indices),
        validation=len(experiment.data.val_indices),
        steps_per_epoch=steps,
        steps=steps * config.epochs,
        seconds_estimate=seconds_per_step * steps * config.epochs,
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
