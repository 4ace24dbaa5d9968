"""What is known of a run: its summary, its history, and where they were made."""

from __future__ import annotations

import csv
import io
import math
import os
import platform
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

from pydantic import Field, TypeAdapter, ValidationError

from ffcli.runs.metric import METRICS, is_loss
from ffcli.util.redact import without_secrets
from ffcli.util.safe_read import parse_time, shown

if TYPE_CHECKING:  # it loads NumPy, which to read records does not take
    from ffcli.core.training import EpochResult

Status = Literal["running", "finished", "diverged", "pruned", "failed", "interrupted"]
STATUSES: tuple[Status, ...] = get_args(Status)
BEGUN_FOR = "begun_for_epochs"  # in the provenance, where a run was resumed for another number of epochs
HISTORY_COLUMNS = ("epoch", *METRICS, "seconds", "train_seconds", "time")


def utc_now() -> str:
    """Return the time as 2026-01-31T12:00:00.123Z."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


# What a record can hold: JSON has no infinities and NaN, though Python reads them, and no end of digits.
Count = Annotated[int, Field(ge=0, lt=1 << 63)]
Finite = Annotated[float, Field(allow_inf_nan=False)]


@dataclass
class RunRecord:
    """The content of ``summary.json``."""

    run_id: str
    name: str
    status: Status
    dataset: str
    config: dict[str, Any]
    started: str
    tags: list[str] = field(default_factory=list)
    sweep_id: str | None = None
    recipe: str | None = None
    epochs_done: Count = 0
    best_epoch: Count | None = None
    best_val_acc: Finite | None = None
    best: dict[str, Finite] = field(default_factory=dict)
    seconds: Finite = 0.0
    ended: str | None = None
    error: str | None = None
    parameters: Count = 0
    threads: Annotated[int, Field(ge=1, le=1 << 16)] = 1
    wandb: dict[str, str | None] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return all of it in types that JSON knows."""
        return asdict(self)

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
        self.epochs_done = result.epoch
        self.seconds += result.seconds
        if best is not None:
            self.best_epoch, self.best_val_acc = best.epoch, best.val_acc
        if not result.diverged:
            for metric in METRICS:
                pick = min if is_loss(metric) else max
                value = getattr(result, metric)
                if math.isfinite(value):  # val_f1 is missing in older histories
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


def history_csv(rows: Iterable[HistoryRow]) -> str:
    """Return ``history.csv``: floats are written so that reading gives the same bits."""
    text = io.StringIO()
    writer = csv.DictWriter(text, HISTORY_COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(row.as_dict() for row in rows)
    return text.getvalue()


def parse_history(text: str) -> list[HistoryRow]:
    """Read ``history.csv``. Raises ValueError, KeyError, TypeError or csv.Error where it is none."""
    from ffcli.core.training import EpochResult

    rows = []
    for row in csv.DictReader(io.StringIO(text)):
        if row["time"] is None:
            raise ValueError("a row is cut short")
        parse_time(row["time"])
        names = [name for name in (*METRICS, "seconds", "train_seconds") if name != "val_f1" or name in row]
        numbers = {name: float(row[name]) for name in names}
        rows.append(HistoryRow(EpochResult(epoch=int(row["epoch"]), **numbers), row["time"]))
    return rows


def provenance(dataset_digest: str, command_line: Iterable[str]) -> dict[str, Any]:
    """Return what it takes to make the run again: versions, machine, data, command line."""
    import numpy
    from threadpoolctl import threadpool_info

    from ffcli.core.training import CORE_VERSION
    from ffcli.version import __version__

    libraries = [library for library in threadpool_info() if library["user_api"] == "blas"]
    blas = [f"{library['internal_api']} {library['version']}" for library in libraries]
    return {
        "ffnn": __version__,
        "core": CORE_VERSION,
        "python": platform.python_version(),
        "numpy": numpy.__version__,
        "blas": ", ".join(blas) or "unknown",
        "platform": f"{sys.platform} {platform.machine()}",
        "host": platform.node(),
        "pid": os.getpid(),
        "dataset_digest": dataset_digest,
        "command_line": list(map(without_secrets, command_line)),
    }
