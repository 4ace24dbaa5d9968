"""The epochs of a sweep's trials, from the histories of their runs."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from itertools import chain

from ffcli.runs.record import HistoryRow
from ffcli.runs.store import DamagedRunError
from ffcli.sweeping.study.record import Epoch, Trial, mean_result
from ffcli.training.context import Context
from ffcli.util.safe_read import parse_time


def histories(context: Context, trial: Trial) -> list[list[HistoryRow]]:
    """Return the history of each run of a trial; none of a run that was removed or is damaged."""
    found = []
    for run_id in trial.run_ids:
        with suppress(DamagedRunError):
            found.append(context.runs.history(run_id))
    return found


def epochs_of(context: Context, trials: Iterable[Trial]) -> list[Epoch]:
    """Return the epochs by trial and in order: of several runs of a trial, the mean of those with the epoch.

    There are none of a trial whose runs were removed or are damaged.
    """
    found = []
    for trial in trials:
        by_epoch: dict[int, list[HistoryRow]] = {}
        for row in chain.from_iterable(histories(context, trial)):
            by_epoch.setdefault(row.result.epoch, []).append(row)
        for _, rows in sorted(by_epoch.items()):
            ended = max(parse_time(row.time) for row in rows)
            found.append(Epoch(trial.number, mean_result([row.result for row in rows]), ended))
    return found
