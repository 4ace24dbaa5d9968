"""The plan of a sweep: how many trials there are, and how they run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ffcli.config import TrainConfig
from ffcli.sweeping.study.record import Past, Trial
from ffcli.training.options import RunOptions


@dataclass(frozen=True)
class Plan:
    """How far a sweep is to go, and how its trials run.

    Attributes:
        count: trials in all, over all resumptions; None: as many as the file's run_cap and space allow.
        deadline: the reading of `time.monotonic` from which on no trial begins; None: no such time.
        options: what is recorded with each run.
        digest: returns the digest that the dataset of a configuration must have.
        left_over: returns what the runs of an earlier start of a trial came to where they have ended, though
            the sweep did not hear of it, by their indices in `Sweep.members`; removes its other runs.
        reusable: returns what a run of a trial comes to where a stored run of the same training tells.
        ended: is told of each trial that has come to its end.
    """

    count: int | None
    digest: Callable[[TrainConfig], str | None]
    left_over: Callable[[Trial], Mapping[int, Past]] = lambda _: {}
    reusable: Callable[[Trial, TrainConfig], Past | None] = lambda _, __: None
    ended: Callable[[Trial], None] = lambda _: None
    deadline: float | None = None
    options: RunOptions = field(default_factory=RunOptions)
