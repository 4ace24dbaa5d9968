"""Telling the files of a store's records from all others."""

from __future__ import annotations

from pathlib import Path

from ffcli.runs.layout import ENSEMBLES, LOCK, RECORD, RUN_ID, STUDY, SUMMARY, SWEEP_FILE, SWEEPS, TABLE
from ffcli.runs.store import CHECKPOINT, CONFIG, HISTORY, MODEL

_OF_RUN = (SUMMARY, CONFIG, HISTORY, MODEL, CHECKPOINT)
_OF_SWEEP = (SUMMARY, SWEEP_FILE, STUDY, TABLE, LOCK)


def owner_of(file: Path) -> str | None:
    """Return the run, sweep or ensemble whose record a file is, or would be; None where it is no record.

    ``file`` is absolute and without links; its store may be any. Other files in the folders of a store, such
    as figures, are of those who put them there.
    """
    folder, name = file.parent, file.name
    if folder.name == ENSEMBLES and file.suffix == RECORD and RUN_ID.fullmatch(file.stem):
        return f"ensemble {file.stem}"
    if _is_sweep(folder):
        return f"sweep {folder.name}" if name in _OF_SWEEP else None
    if name in _OF_RUN and (RUN_ID.fullmatch(folder.name) or _is_run(folder)):
        return f"run {folder.name}"
    return None


def _is_run(folder: Path) -> bool:
    """Whether a folder is a run's, though it was renamed."""
    return (folder / SUMMARY).is_file() and (folder / CONFIG).is_file()


def _is_sweep(folder: Path) -> bool:
    """Whether a folder is a sweep's; those of W&B's, entity/project/id, have no study."""
    if RUN_ID.fullmatch(folder.name):
        return folder.parent.name == SWEEPS
    return [each.name for each in folder.parents][2:3] == [SWEEPS] and (folder / SWEEP_FILE).is_file()
