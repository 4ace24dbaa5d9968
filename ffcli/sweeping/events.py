"""What a worker tells while it works, for a live view and a log."""

from __future__ import annotations

from dataclasses import dataclass

from ffcli.config import TrainConfig
from ffcli.core.training import EpochResult
from ffcli.sweeping.trials import EndState


@dataclass(frozen=True)
class TrialStarted:
    """A trial is about to be trained, for the ``attempt``-th time."""

    number: int
    attempt: int
    config: TrainConfig


@dataclass(frozen=True)
class EpochDone:
    """An epoch of a trial is stored; ``stops``: early termination ends the trial here."""

    number: int
    result: EpochResult
    stops: bool


@dataclass(frozen=True)
class TrialEnded:
    """A trial has ended, and counts; ``reused`` names the earlier training it was taken over from, if any."""

    number: int
    state: EndState
    value: float | None
    best_epoch: int | None
    error: str | None
    seconds: float
    reused: str | None = None


@dataclass(frozen=True)
class TrialLost:
    """Another worker has the trial now; what this one found is dropped."""

    number: int


@dataclass(frozen=True)
class Waiting:
    """Nothing to do, but ``running`` trials of others may have to be tried again."""

    running: int


Event = TrialStarted | EpochDone | TrialEnded | TrialLost | Waiting
