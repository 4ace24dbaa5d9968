"""Events of a training run, told to one callback."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ffcli.config import TrainConfig
from ffcli.core.training import EpochResult


@dataclass(frozen=True)
class TrainingStarted:
    """The first step comes next. A run that is resumed without a checkpoint starts twice."""

    run_id: str
    config: TrainConfig
    first_epoch: int
    steps_per_epoch: int


@dataclass(frozen=True)
class StepsDone:
    """``done`` of ``total`` steps of the epoch are done. Comes often."""

    done: int
    total: int


@dataclass(frozen=True)
class EpochEnded:
    """An epoch is over and on disk; ``best``: it has the highest val_acc so far."""

    result: EpochResult
    best: bool


@dataclass(frozen=True)
class TrainingOver:
    """The training is over, however it ended."""


TrainingEvent = TrainingStarted | StepsDone | EpochEnded | TrainingOver
OnTraining = Callable[[TrainingEvent], None]


def null_observer(_: TrainingEvent) -> None:
    """Ignore all events."""


def steps_to(on_event: OnTraining) -> Callable[[int, int], None]:
    """Return what tells ``on_event`` of steps."""
    return lambda done, total: on_event(StepsDone(done, total))
