"""The record of a run: its summary and its history."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

from pydantic import AfterValidator, Field, TypeAdapter, ValidationError

from ffcli.runs.metric import METRICS, is_loss
from ffcli.runs.provenance import Provenance
from ffcli.util.safe_read import parse_json, parse_time, shown

if TYPE_CHECKING:  # it loads NumPy, which to read records does not take
    from ffcli.core.training import EpochResult

Status = Literal["running", "finished", "diverged", "pruned", "failed", "interrupted"]
STATUSES: tuple[Status, ...] = get_args(Status)
HISTORY_COLUMNS = ("epoch", *METRICS, "seconds", "train_seconds", "time")


def utc_now() -> str:
    """Return the time as 2026-01-31T12:00:00.123Z."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


# What a record can hold: JSON has no infinities and NaN, though Python reads them, and no end of digits.
Count = Annotated[int, Field(ge=0, lt=1 << 63)]
MOST_THREADS = 1 << 10
Finite = Annotated[float, Field(allow_inf_nan=False)]
_COMPARED: dict[str, tuple[type, ...]] = {"loss": (str,), "fold": (str,), "val_fraction": (int, float)}


def _comparable(config: dict[str, Any]) -> dict[str, Any]:
    """Refuse values by which runs are grouped and sorted, where they are of a kind that cannot be."""
    for name, kind in _COMPARED.items():
        if name in config and not isinstance(config[name], kind):
            raise ValueError(f"{name} is {shown(config[name])}")
    return config


@dataclass(frozen=True)
class WandbRun:
    """What is known of a run at W&B; None stands for what is not known.

    Attributes:
        mode: how the run is tracked: online, offline, disabled; "auto" until that is decided.
        sweep: the id of the W&B sweep that the run belongs to.
        model: whether its network goes there too.
        synced: the status and the number of epochs that W&B is sure to have, such as "finished 10".
    """

    mode: str | None = None
    id: str | None = None
    project: str | None = None
    entity: str | None = None
    sweep: str | None = None
    url: str | None = None
    model: bool | None = None
    synced: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return what is known, in types that JSON has."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass
class RunRecord:
    """The content of ``summary.json``; ``model_sha256`` is the digest of the model file, if any.

    ``test_acc`` and ``test_acc_tta`` are those of the last evaluation on its own dataset, if there was one.
    """

    run_id: str
    name: str
    status: Status
    dataset: str
    config: Annotated[dict[str, Any], AfterValidator(_comparable)]
    started: str
    tags: list[str] = field(default_factory=list)
    sweep_id: str | None = None
    recipe: str | None = None
    epochs_done: Count = 0
    best_epoch: Count | None = None
    best_val_acc: Finite | None = None
    best: dict[str, Finite] = field(default_factory=dict)
    test_acc: Finite | None = None
    test_acc_tta: Finite | None = None
    model_sha256: str | None = None
    seconds: Finite = 0.0
    ended: str | None = None
    error: str | None = None
    parameters: Count = 0
    threads: Annotated[int, Field(ge=1, le=MOST_THREADS)] = 1
    wandb: WandbRun = field(default_factory=WandbRun)
    provenance: Provenance = field(default_factory=Provenance)

    def as_dict(self) -> dict[str, Any]:
        """Return all of it in types that JSON knows; of W&B and the provenance only what is known."""
        return {**asdict(self), "wandb": self.wandb.as_dict(), "provenance": self.provenance.as_dict()}

    @classmethod
    def from_json(cls, content: bytes) -> RunRecord:
        """Read ``summary.json``. Raises ValueError where it is no record; unknown keys are left out."""
        try:
            return _reader().validate_json(content)
        except ValidationError:  # also for what only Python reads, such as half a character of a file's name
            return cls.from_dict(parse_json(content))

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> RunRecord:
        """Raises ValueError where this is no record; unknown keys are left out."""
        try:
            return _reader().validate_python(values)
        except ValidationError as invalid:
            error = invalid.errors()[0]
            where = shown(".".join(map(str, error["loc"])))
            raise ValueError(f"{where}: {error['msg']}" if where else error["msg"]) from None

    def note_epoch(self, result: EpochResult, best: EpochResult | None) -> None:
        """Take in an epoch; ``best`` is the best one so far by val_acc."""
        self.test_acc = self.test_acc_tta = None  # of the weights of before
        self.epochs_done = result.epoch
        self.seconds += result.seconds
        if best is not None:
            self.best_epoch, self.best_val_acc = best.epoch, best.val_acc
        if not result.diverged:
            for metric in METRICS:
                pick = min if is_loss(metric) else max
                value = getattr(result, metric)
                if math.isfinite(value):
                    self.best[metric] = pick(self.best.get(metric, value), value)


@cache
def _reader() -> TypeAdapter[RunRecord]:
    return TypeAdapter(RunRecord)


@dataclass(frozen=True)
class HistoryRow:
    """One epoch of a run and the UTC time at which it ended."""

    result: EpochResult
    time: str

    def as_dict(self) -> dict[str, Any]:
        """Return the row by the names of its columns."""
        return {**asdict(self.result), "time": self.time}


def are_all(rows: Sequence[HistoryRow], epochs: int) -> bool:
    """Tell whether these are the epochs 1 to ``epochs``, each once and in order."""
    return len(rows) == epochs and all(row.result.epoch == number for number, row in enumerate(rows, 1))


def history_csv(rows: Iterable[HistoryRow], *, header: bool = True) -> str:
    """Return ``history.csv``, or rows to append to it; reading gives the same bits of each float."""
    text = io.StringIO()
    writer = csv.DictWriter(text, HISTORY_COLUMNS, lineterminator="\n")
    if header:
        writer.writeheader()
    writer.writerows(row.as_dict() for row in rows)
    return text.getvalue()


def parse_history(text: str) -> list[HistoryRow]:
    """Read ``history.csv``, without a last row that was cut short.

    Raises ValueError, KeyError, TypeError or csv.Error where it is none.
    """
    from ffcli.core.training import EpochResult

    rows = []
    whole = text[: text.rfind("\n") + 1]  # rows are appended: the last may not have been written to its end
    if not whole:
        raise ValueError("it has no header")
    for row in csv.DictReader(io.StringIO(whole)):
        if row["time"] is None:
            raise ValueError("a row is cut short")
        parse_time(row["time"])
        numbers = {name: float(row[name]) for name in (*METRICS, "seconds", "train_seconds")}
        rows.append(HistoryRow(EpochResult(epoch=int(row["epoch"]), **numbers), row["time"]))
    return rows
