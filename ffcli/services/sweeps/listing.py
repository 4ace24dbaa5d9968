"""The sweeps of the store, listed by a summary that lies beside each study.

To read hundreds of studies takes seconds. A summary is made from its study, and made anew where that has
changed since.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from ffcli.errors import FfnnError
from ffcli.runs.layout import STUDY, SUMMARY, SWEEPS, outdated_sweep_ids, sweep_ids
from ffcli.runs.record import Count, Finite
from ffcli.sweeping.study.lock import holder
from ffcli.training.context import Context
from ffcli.util.atomic_files import json_text, write_atomic
from ffcli.util.safe_read import is_name, parse_json, read_file

_NO_COUNTS = {"finished": None, "pruned": None, "failed": None}


@dataclass(frozen=True)
class _Best:
    run_id: str | None
    config: dict[str, Any]
    metric: str
    value: Finite


@dataclass(frozen=True)
class _Top:
    number: Count
    run_id: str | None
    state: str
    value: Finite
    best_epoch: Count | None
    reused: str | None
    values: dict[str, Any]


@dataclass(frozen=True)
class _Summary:
    """What `ffcli.services.sweeps.best.summary` makes."""

    sweep_id: str
    name: str | None
    method: str
    metric: dict[Literal["name", "goal"], str]
    paired: str | None
    counts: dict[Literal["finished", "pruned", "failed"], Count]
    reused: Count
    best: _Best | None
    top: list[_Top]
    planned: Count | None
    is_over: bool


@dataclass(frozen=True)
class _Stored:
    """The content of a summary's file: the size and the time of change of the study that it was made from."""

    study: Annotated[list[int], Field(min_length=2, max_length=2)]
    sweep: _Summary


@cache
def _reader() -> TypeAdapter[_Stored]:
    return TypeAdapter(_Stored)


def list_sweeps(context: Context) -> list[dict[str, Any]]:
    """Return a document of each sweep of the store, the latest first.

    It is that of `show_sweep` without what mattered. The state of a sweep that an earlier version of ffnn has
    made is "outdated", and nothing else is known of it.
    """
    outdated = set(outdated_sweep_ids(context.runs_dir))
    found = []
    for sweep_id in sorted([*sweep_ids(context.runs_dir), *outdated], reverse=True):
        folder = context.runs_dir / SWEEPS / sweep_id
        if sweep_id in outdated:
            found.append(_outdated(folder))
            continue
        try:
            found.append(located(context, _known(folder) or write_summary(folder)))
        except FfnnError as error:
            context.notify(f"sweep {sweep_id} is left out: {error}")
    return found


def located(context: Context, summary: dict[str, Any]) -> dict[str, Any]:
    """Return a summary as a document: with the folder, who runs it, and which of its best runs are stored."""
    sweep_id = summary["sweep_id"]
    folder = context.runs_dir / SWEEPS / sweep_id
    is_over = summary["is_over"]
    state = "running" if holder(folder) is not None else "ended" if is_over else "open"
    kept = ("method", "metric", "paired")
    return {
        "sweep_id": sweep_id,
        "name": summary["name"],
        "backend": "local",
        "path": str(folder),
        **{key: summary[key] for key in kept},
        "state": state,
        "planned": summary["planned"],
        **{key: summary[key] for key in ("counts", "reused", "best")},
        "top": [{**trial, "record": _record(context, trial["run_id"])} for trial in summary["top"]],
    }


def _record(context: Context, run_id: str | None) -> str | None:
    """Return whether the record of a trial's run is "here" or was "removed"; None of no run."""
    if run_id is None or not is_name(run_id):
        return None
    return "here" if (context.runs_dir / run_id / SUMMARY).is_file() else "removed"


def _outdated(folder: Path) -> dict[str, Any]:
    keys = ("name", "method", "metric", "paired", "planned", "reused", "best")
    unknown = dict.fromkeys(keys)
    about = {"sweep_id": folder.name, "backend": "local", "path": str(folder), "state": "outdated"}
    return {**about, **unknown, "counts": dict(_NO_COUNTS), "top": []}


def write_summary(folder: Path) -> dict[str, Any]:
    """Make the summary of a sweep anew and return it. Raises as `read_sweep`."""
    from ffcli.services.sweeps.best import summary  # Optuna takes longer to load than all summaries
    from ffcli.sweeping.study import study

    made_from = _state_of_study(folder)
    found = summary(study.read(folder))
    with suppress(OSError):  # the store may be another user's
        write_atomic(folder / SUMMARY, json_text({"study": made_from, "sweep": found}))
    return found


def _known(folder: Path) -> dict[str, Any] | None:
    """Return the summary that is there, None where it is not of the study as it is."""
    with suppress(OSError, ValueError):
        content = read_file(folder / SUMMARY)
        stored = _reader().validate_json(content, strict=True)
        if stored.study == _state_of_study(folder) and stored.sweep.sweep_id == folder.name:
            summary: dict[str, Any] = parse_json(content)["sweep"]  # faster than out of the dataclasses
            return summary
    return None


def _state_of_study(folder: Path) -> list[int]:
    about = (folder / STUDY).stat()
    return [about.st_size, about.st_mtime_ns]
