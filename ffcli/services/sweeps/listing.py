"""The sweeps of the store, listed by a summary that lies beside each study.

To read hundreds of studies takes seconds. A summary is made from its study, and made anew where that has
changed since.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter

from ffcli.errors import FfnnError
from ffcli.runs.layout import STUDY, SUMMARY, SWEEPS, sweep_ids
from ffcli.services.sweeps.results import ListedSweep, SweepFacts, SweepSummary, TopTrial, TrialSummary
from ffcli.sweeping.study.lock import holder
from ffcli.training.context import Context
from ffcli.util.atomic_files import json_text, write_atomic
from ffcli.util.safe_read import is_name, read_file


@dataclass(frozen=True)
class _Stored:
    """The content of a summary's file: the size and the time of change of the study that it was made from."""

    study: Annotated[list[int], Field(min_length=2, max_length=2)]
    sweep: SweepSummary


@cache
def _reader() -> TypeAdapter[_Stored]:
    return TypeAdapter(_Stored)


def list_sweeps(context: Context, limit: int | None = None) -> list[ListedSweep]:
    """Return the sweeps of the store, the latest first; at most ``limit``."""
    found = []
    for sweep_id in sweep_ids(context.runs_dir)[::-1][:limit]:
        folder = context.runs_dir / SWEEPS / sweep_id
        try:
            found.append(located(context, _known(folder) or write_summary(folder)))
        except FfnnError as error:
            context.notify(f"sweep {sweep_id} is left out: {error}")
    return found


def located(context: Context, summary: SweepSummary) -> ListedSweep:
    """Return a summary with the directory, who runs the sweep, and which of its best runs are stored."""
    folder = context.runs_dir / SWEEPS / summary.sweep_id
    return ListedSweep(
        **{field.name: getattr(summary, field.name) for field in fields(SweepFacts)},
        backend="local",
        path=folder,
        state="running" if holder(folder) is not None else "ended" if summary.is_over else "open",
        top=[located_trial(context, trial) for trial in summary.top],
    )


def located_trial(context: Context, trial: TrialSummary) -> TopTrial:
    """Return a trial with whether its run is still stored."""
    return TopTrial(**vars(trial), record=_record(context, trial.run_id))


def _record(context: Context, run_id: str | None) -> str | None:
    """Return whether the record of a trial's run is "here" or was "removed"; None of no run."""
    if run_id is None or not is_name(run_id):
        return None
    return "here" if (context.runs_dir / run_id / SUMMARY).is_file() else "removed"


def write_summary(folder: Path) -> SweepSummary:
    """Make the summary of a sweep anew and return it. Raises as `read_sweep`."""
    from ffcli.services.sweeps.best import summary_of_study  # Optuna takes longer to load than all summaries
    from ffcli.sweeping.study.study import read

    made_from = _state_of_study(folder)
    summary = summary_of_study(read(folder))
    with suppress(OSError):  # the store may be another user's
        write_atomic(folder / SUMMARY, json_text(_Stored(made_from, summary)))
    return summary


def _known(folder: Path) -> SweepSummary | None:
    """Return the summary that is there, None where it is not of the study as it is."""
    with suppress(OSError, ValueError):
        stored = _reader().validate_json(read_file(folder / SUMMARY), strict=True)
        if stored.study == _state_of_study(folder) and stored.sweep.sweep_id == folder.name:
            return stored.sweep
    return None


def _state_of_study(folder: Path) -> list[int]:
    about = (folder / STUDY).stat()
    return [about.st_size, about.st_mtime_ns]
