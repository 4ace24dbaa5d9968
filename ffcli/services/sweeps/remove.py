"""``ffnn sweeps rm``: sweeps of the store and their removal."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ffcli.errors import FfnnError, RequestError
from ffcli.runs.layout import STUDY, SWEEP_FILE, SWEEPS
from ffcli.services.runs.listing import ListedRun, listed
from ffcli.services.runs.remove import remove, state_of
from ffcli.services.sweeps.find import any_stored_sweep, records_of
from ffcli.sweeping.study.lock import SweepLock
from ffcli.sweeping.wandb.address import is_address
from ffcli.training.context import Context
from ffcli.util.text import counted


@dataclass(frozen=True)
class SweepRemoval:
    """Which sweeps were removed, or would be, and their runs. Nothing is removed at W&B."""

    removed: list[str]
    """Ids of the removed sweeps."""
    would_remove: list[str]
    """In a dry run: ids of the sweeps that would be removed."""
    runs: list[str]
    """Ids of the runs that went, or would go, with them."""


def runs_of_sweeps(context: Context, words: Sequence[str]) -> dict[str, list[ListedRun]]:
    """Return the ids of the sweeps that are called so, each with its runs.

    Of a sweep at W&B it is what is stored here. Raises RequestError where one is unknown.
    """
    found: dict[str, list[ListedRun]] = {}
    for word in words:
        sweep_id = any_stored_sweep(context, word)
        found[sweep_id] = _runs_of(context, sweep_id)
        if is_address(sweep_id) and not found[sweep_id] and not _folder(context, sweep_id).exists():
            raise RequestError(
                f"Nothing of sweep {sweep_id} is stored in {context.runs_dir}.",
                hint="A sweep at W&B is removed on its page there.",
            )
    return found


def _runs_of(context: Context, sweep_id: str) -> list[ListedRun]:
    return [listed(context, record) for record in records_of(context, sweep_id)]


def remove_sweeps(
    context: Context, sweeps: Mapping[str, Sequence[ListedRun]], *, keep_runs: bool = False
) -> SweepRemoval:
    """Remove sweeps by their ids, each after its runs, which `runs_of_sweeps` has returned.

    Raises SweepHeldError where a process runs one, FfnnError where a run is being trained or the runs are
    others by now: a question may have been open for long. What was removed by then stays so.
    """
    runs: list[str] = []
    for sweep_id, its_runs in sweeps.items():
        folder = _folder(context, sweep_id)
        to_remove = () if keep_runs else its_runs
        if is_address(sweep_id):
            _check_unchanged(context, sweep_id, its_runs)
            _refuse_running(context, sweep_id)
            runs += remove(context, to_remove).removed
            _remove_folder(folder)
            for parent in (folder.parent, folder.parent.parent):  # of its project and entity
                with suppress(OSError):  # there are more
                    parent.rmdir()
        else:
            with SweepLock(folder):
                _check_unchanged(context, sweep_id, its_runs)
                runs += remove(context, to_remove).removed
                _remove_folder(folder)
    return SweepRemoval(list(sweeps), [], runs)


def _folder(context: Context, sweep_id: str) -> Path:
    return context.runs_dir / SWEEPS / sweep_id


def _check_unchanged(context: Context, sweep_id: str, its_runs: Sequence[ListedRun]) -> None:
    """Raise FfnnError where a sweep has got runs, or epochs of them, since its runs were listed."""
    seen = {run.run_id: state_of(run) for run in its_runs}
    new = [
        record.run_id
        for record in records_of(context, sweep_id)
        if seen.get(record.run_id) != state_of(record)
    ]
    if new:
        raise FfnnError(
            f"Sweep {sweep_id} has changed since its runs were listed: {counted(len(new), 'run')}, "
            f"such as {new[0]}.",
            hint="Run the command again.",
        )


def _refuse_running(context: Context, sweep_id: str) -> None:
    """Raise FfnnError where an agent trains a run of a sweep of W&B's here, which no lock tells."""
    for record in records_of(context, sweep_id):
        if record.status == "running":
            raise FfnnError(
                f"Run {record.run_id} of sweep {sweep_id} is still running.", hint="Stop it first."
            )


def _remove_folder(folder: Path) -> None:
    """Remove the folder of a sweep. Of a link to a folder elsewhere only the link goes."""
    if folder.is_symlink():
        folder.unlink()
        return
    with suppress(FileNotFoundError):  # W&B's own agents make none
        for entry in folder.iterdir():
            if entry.name in (STUDY, SWEEP_FILE):
                continue  # they go last: what is cut short before is still a sweep
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()
        shutil.rmtree(folder)
