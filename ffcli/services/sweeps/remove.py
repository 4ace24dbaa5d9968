"""``ffnn sweeps rm``: sweeps of the store and their removal."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ffcli.runs.layout import STUDY, SWEEP_FILE, SWEEPS
from ffcli.services.runs.remove import remove
from ffcli.services.sweeps.find import find_sweep
from ffcli.sweeping.study.lock import SweepLock
from ffcli.training.context import Context


@dataclass(frozen=True)
class SweepRemoval:
    """Which sweeps were removed, or would be, and their runs."""

    removed: list[str]
    """Ids of the removed sweeps."""
    would_remove: list[str]
    """In a dry run: ids of the sweeps that would be removed."""
    runs: list[str]
    """Ids of the runs that went, or would go, with them."""


def runs_of_sweeps(
    context: Context, words: Sequence[str], *, keep_runs: bool = False
) -> dict[str, list[str]]:
    """Return the ids of the sweeps that are called so (see `find_sweep`), each with those of its runs.

    Raises RequestError where one is unknown.
    """
    found: dict[str, list[str]] = {find_sweep(context, word): [] for word in words}
    for record in () if keep_runs else context.runs.records():
        if record.sweep_id in found:
            found[record.sweep_id].append(record.run_id)
    return found


def remove_sweeps(context: Context, sweeps: Mapping[str, Sequence[str]]) -> SweepRemoval:
    """Remove sweeps by their ids, each after the runs that are given with it.

    Raises SweepHeldError where a process runs one, FfnnError where a run is being trained; what was removed
    by then stays so.
    """
    runs: list[str] = []
    for sweep_id, its_runs in sweeps.items():
        folder = context.runs_dir / SWEEPS / sweep_id
        with SweepLock(folder):
            runs += remove(context, its_runs).removed
            for name in (STUDY, SWEEP_FILE):  # first, so that nothing cut short is listed
                (folder / name).unlink(missing_ok=True)
            shutil.rmtree(folder)
    return SweepRemoval(list(sweeps), [], runs)
