"""What the store of a sweep hands out: sweeps, trials, claims and counts."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from ffcli.config import TrainConfig, validate
from ffcli.core.training import EpochResult
from ffcli.errors import FfnnError, RequestError
from ffcli.runs.metric import BY_VAL_ACC, Metric
from ffcli.sweeping.spec.spec import SweepSpec
from ffcli.util.safe_read import is_name, parse_json, shown

State = Literal["running", "waiting", "finished", "pruned", "failed"]
EndState = Literal["finished", "pruned", "failed"]
STATES: tuple[State, ...] = ("running", "waiting", "finished", "pruned", "failed")
END_STATES: tuple[EndState, ...] = ("finished", "pruned", "failed")


class LostTrialError(FfnnError):
    """The trial was given to another worker, because this one's lease ran out."""


class TrialFailedError(FfnnError):
    """The trial fails, for the reason that the message says in full."""


class DamagedSweepError(FfnnError):
    """A database holds of a sweep what no ffnn has left there."""


@contextmanager
def sound(what: str) -> Iterator[None]:
    """Raise DamagedSweepError where rows are no rows of ours: SQLite lets any column hold anything."""
    try:
        yield
    except (LookupError, ValueError, TypeError, AttributeError, OverflowError, RequestError) as error:
        reason = shown(str(error)) or type(error).__name__
        raise DamagedSweepError(f"{what} is damaged in its database: {reason}") from None


@dataclass(frozen=True)
class Sweep:
    """A sweep as stored. ``base`` holds what all its configurations share beside the file.

    ``paired`` is the field whose values are compared: each configuration is trained with all of them.
    """

    id: str
    spec: SweepSpec
    base: Mapping[str, Any]
    dataset_digest: str
    core_version: int
    seed: int
    created: float
    paired: str | None = None

    @property
    def metric(self) -> Metric:
        """The metric of the file; val_acc where it names none."""
        return self.spec.metric or BY_VAL_ACC

    @property
    def has_one_dataset(self) -> bool:
        """Whether all its trials are trained on the dataset that ``dataset_digest`` is of."""
        searched = self.spec.parameters.get("dataset")
        return searched is None or searched.size == 1


@dataclass(frozen=True)
class Trial:
    """A trial as stored; times in seconds since 1970. ``values`` are those searched, canonical.

    ``attempts`` counts how often it was begun, ``worker`` (host:pid) is of the last time, and ``run_id`` its
    last run. ``reused`` names the earlier training that its epochs were taken over from, if they were.
    """

    sweep_id: str
    number: int
    state: State
    key: str
    values: Mapping[str, Any]
    config: TrainConfig
    attempts: int
    worker: str
    run_id: str | None
    value: float | None
    best_epoch: int | None
    error: str | None
    created: float
    started: float | None
    ended: float | None
    reused: str | None = None


@dataclass(frozen=True)
class Claimed:
    """A trial to train, held under ``token``."""

    trial: Trial
    token: str

    @property
    def earlier_run(self) -> str | None:
        """The id of the run that an attempt before this one has left."""
        return self.trial.run_id


@dataclass(frozen=True)
class Past:
    """What an earlier training came to, with the time at which each epoch ended.

    ``source`` names it, None where it is the trial's own and only its end was not noted. ``pruned``: it was
    stopped early.
    """

    source: str | None
    results: tuple[EpochResult, ...]
    times: tuple[float, ...]
    pruned: bool = False


@dataclass(frozen=True)
class Wait:
    """Nothing to do now, but trials of others still run, and one of them may have to be tried again."""

    running: int


@dataclass(frozen=True)
class Ended:
    """The sweep is over. ``message`` says why, in a sentence."""

    reason: Literal["count", "space", "target", "failures"]
    message: str


Claim = Claimed | Wait | Ended


@dataclass(frozen=True)
class Counts:
    """How many trials are in each state, and the best value of those finished or pruned."""

    running: int = 0
    waiting: int = 0
    finished: int = 0
    pruned: int = 0
    failed: int = 0
    best: float | None = None

    @property
    def ended(self) -> int:
        """What ``--count`` counts."""
        return self.finished + self.pruned + self.failed


@dataclass(frozen=True)
class Epoch:
    """An epoch of a trial as stored, and when it ended."""

    number: int
    result: EpochResult
    time: float


def read_trial(row: Mapping[Any, Any]) -> Trial:
    """Return a row of the table as a trial. Raises DamagedSweepError where it is none."""
    with sound(f"Trial {shown(row['number'])} of sweep {shown(row['sweep'])}"):
        values = parse_json(row["drawn"])
        host = (row["host"] or "").partition("/")[0]
        run_id = None if row["run_id"] is None else str(row["run_id"])
        if row["state"] not in STATES:
            raise ValueError(f"its state is {shown(row['state'])}")
        if run_id is not None and not is_name(run_id):  # it becomes the name of a folder
            raise ValueError(f"its run is {shown(run_id)}")
        return Trial(
            sweep_id=row["sweep"],
            number=int(row["number"]),
            state=row["state"],
            key=row["key"],
            values={
                name: tuple(value) if isinstance(value, list) else value for name, value in values.items()
            },
            config=validate(parse_json(row["config"])),
            attempts=int(row["attempts"]),
            worker=f"{host}:{row['pid']}" if host else "",
            run_id=run_id,
            value=_number(row["value"]),
            best_epoch=None if row["best_epoch"] is None else int(row["best_epoch"]),
            error=None if row["error"] is None else str(row["error"]),
            created=float(row["created"]),
            started=_number(row["started"]),
            ended=_number(row["ended"]),
            reused=None if row.get("source") is None else str(row["source"]),
        )


def read_epoch(row: Mapping[Any, Any], measures: Sequence[str]) -> Epoch:
    """Return a row of the table as an epoch; what was not finite is NaN."""
    with sound(f"An epoch of sweep {shown(row['sweep'])}"):
        values = [math.nan if row[name] is None else float(row[name]) for name in measures]
        return Epoch(int(row["number"]), EpochResult(int(row["epoch"]), *values), float(row["time"]))


def _number(value: Any) -> float | None:
    """Return a number of a row. Raises ValueError or TypeError where it is none, or not finite."""
    number = None if value is None else float(value)
    if number is not None and not math.isfinite(number):
        raise ValueError(f"{shown(value)} is not finite")
    return number


def digest(config: TrainConfig) -> str:
    """Return what two configurations share only where all their values are the same."""
    text = json.dumps(config.as_dict(), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
