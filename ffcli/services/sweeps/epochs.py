"""The epochs of a sweep's trials, from the histories of their runs."""

from __future__ import annotations

from collections.abc import Iterable

from ffcli.runs.store import DamagedRunError
from ffcli.sweeping.study.record import Epoch, Trial
from ffcli.training.context import Context
from ffcli.util.safe_read import parse_time


def epochs_of(context: Context, trials: Iterable[Trial]) -> list[Epoch]:
    """Return the epochs by trial and in order; none of a trial whose run was removed or is damaged."""
    found = []
    for trial in trials:
        try:
            rows = [] if trial.run_id is None else context.runs.history(trial.run_id)
        except DamagedRunError:
            continue
        found += [Epoch(trial.number, row.result, parse_time(row.time)) for row in rows]
    return found
