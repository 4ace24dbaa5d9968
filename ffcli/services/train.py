"""``ffnn train``: one run, new or taken up again."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

from threadpoolctl import threadpool_limits

from ffcli.config import TrainConfig
from ffcli.core.training import evaluate
from ffcli.datasets import Dataset
from ffcli.runs.results import RunResult
from ffcli.training.context import Context
from ffcli.training.events import OnTraining
from ffcli.training.experiment import Experiment, check_before_loading
from ffcli.training.options import RunOptions
from ffcli.training.runner import new_run, run
from ffcli.training.tracking import Tracking, agents_sweep

_SOME_IMAGES = 1024  # of validation, whose evaluation is measured
# What writing a run's record, and its checkpoint and history after each epoch, take on a local disk.
_SECONDS_A_RUN, _SECONDS_AN_EPOCH = 0.1, 0.02


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
    """Estimated duration of all runs, from measured steps and evaluations."""


def plan(
    context: Context, config: TrainConfig, options: RunOptions, *, runs: int = 1, workers: int = 1
) -> Plan:
    """Return what ``runs`` runs would take, without training; ``workers`` of them at a time, 0 for all."""
    check_before_loading(config)
    dataset = context.dataset(config.dataset)
    experiment = Experiment(config, dataset)
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
        seconds_estimate=seconds_of(config, dataset, threads=options.threads) * math.ceil(runs / at_once),
    )


def seconds_of(config: TrainConfig, dataset: Dataset, *, threads: int = 1, budget: float = 0.3) -> float:
    """Return the seconds that a run takes, estimated within about ``budget`` seconds.

    Real steps are measured, with all that stands between them, and the evaluation of some validation images.
    """
    with threadpool_limits(threads):
        experiment = Experiment(config, dataset)
        return _SECONDS_A_RUN + config.epochs * (_SECONDS_AN_EPOCH + _epoch_seconds(experiment, budget))


class _EnoughError(Exception):
    """Enough steps were measured."""


def _epoch_seconds(experiment: Experiment, budget: float) -> float:
    """Return the seconds of an epoch: of its steps after the first block, and of its evaluation."""
    marks: list[tuple[float, int]] = []

    def watch(done: int, _: int) -> None:
        marks.append((time.perf_counter(), done))
        if len(marks) > 1 and marks[-1][0] - marks[0][0] >= budget:
            raise _EnoughError

    try:
        return next(iter(experiment.run(watch))).seconds
    except _EnoughError:
        (began, first), (ended, last) = marks[0], marks[-1]
    step = (ended - began) / (last - first)
    data, loss = experiment.data, experiment.backpropagation.loss
    some = data.val_indices[:_SOME_IMAGES]
    began = time.perf_counter()
    evaluate(experiment.evaluated, loss, data, some)
    validation = (time.perf_counter() - began) * len(data.val_indices) / len(some)
    return step * experiment.steps_per_epoch + validation


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
