"""Events of a running sweep, for a live view and a log."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from ffcli.config import TrainConfig
from ffcli.core.training import EpochResult
from ffcli.execution.pool import Notice
from ffcli.sweeping.study.record import Counts, EndState, Sweep


@dataclass(frozen=True)
class SweepStarted:
    """The first trial is about to begin. ``count``: trials in all that are asked for, None for no end."""

    sweep: Sweep
    path: Path
    counts: Counts
    count: int | None
    workers: int


@dataclass(frozen=True)
class TrialStarted:
    """A trial of ``runs`` runs is about to be trained, for the ``start``-th time."""

    number: int
    start: int
    config: TrainConfig
    runs: int = 1


@dataclass(frozen=True)
class EpochDone:
    """An epoch of a trial is stored; ``stops``: early termination ends the trial here.

    ``run``: of which of the trial's runs, from 1.
    """

    number: int
    result: EpochResult
    stops: bool
    run: int = 1


@dataclass(frozen=True)
class TrialEnded:
    """A trial has ended, and counts; ``reused`` names the earlier run it was taken over from, if any."""

    number: int
    state: EndState
    value: float | None
    best_epoch: int | None
    error: str | None
    seconds: float
    reused: str | None = None


@dataclass(frozen=True)
class TrialLost:
    """The worker of a trial is gone; the trial will be tried again."""

    number: int
    reason: str


@dataclass(frozen=True)
class Stopping:
    """No new trial begins; those under way are finished."""


@dataclass(frozen=True)
class SweepOver:
    """The sweep is over, or is left."""


Event = SweepStarted | TrialStarted | EpochDone | TrialEnded | TrialLost | Stopping | SweepOver | Notice
OnEvent = Callable[[Event], None]
E = TypeVar("E")


def unfailing(on_event: Callable[[E], None]) -> Callable[[E], None]:
    """Return the same without its errors: progress must not fail work, though a terminal may be gone."""

    def tell(event: E) -> None:
        with suppress(Exception):
            on_event(event)

    return tell
