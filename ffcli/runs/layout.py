"""The layout of the store: which folders hold runs, sweeps and ensembles, and what is in a folder.

Imports nothing heavy.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

SUMMARY, SWEEPS, STUDY = "summary.json", "sweeps", "study.log"
SWEEP_FILE = "sweep.yaml"  # as it was given, in the folder of the sweep
ENSEMBLES, RECORD = "ensembles", ".json"
TABLE, LOCK = "runs.csv", "lock"  # the list of its trials, and who owns it; there too
BEING_BEGUN = ".begun-"  # what the name of a run's folder begins with until its record is whole
ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"  # without what is easily mistaken for another
RESERVED = (SWEEPS, ENSEMBLES)  # the folders of the store that are no run's
RUN_ID = re.compile(rf"\d{{8}}-\d{{6}}-\d{{3}}-[{ALPHABET}]{{4}}")


def run_ids(folder: Path) -> list[str]:
    """Return the ids of all runs under ``folder``, the oldest first; none where it does not exist.

    A folder that has the name of a run is one, even where its record is gone.
    """
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if _is_run(entry))
    except (FileNotFoundError, NotADirectoryError):
        return []


def _is_run(entry: os.DirEntry[str]) -> bool:
    if RUN_ID.fullmatch(entry.name):
        return entry.is_dir()
    if entry.name in RESERVED or entry.name.startswith(BEING_BEGUN):
        return False
    return os.path.isfile(os.path.join(entry.path, SUMMARY))  # noqa: PTH113, PTH118


def file_sizes(folder: str, prefix: str = "") -> Iterator[tuple[str, int]]:
    """Yield each file below ``folder`` by its path there, after ``prefix``, with its size in bytes."""
    with suppress(OSError), os.scandir(folder) as entries:  # it may be removed meanwhile
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from file_sizes(entry.path, f"{prefix}{entry.name}/")
            else:
                yield prefix + entry.name, entry.stat(follow_symlinks=False).st_size


def sweep_ids(folder: Path) -> list[str]:
    """Return the ids of all sweeps under ``folder`` whose studies lie there, the oldest first."""
    try:
        return sorted(entry.name for entry in (folder / SWEEPS).iterdir() if (entry / STUDY).is_file())
    except (FileNotFoundError, NotADirectoryError):
        return []


def ensemble_ids(folder: Path) -> list[str]:
    """Return the ids of all ensembles under ``folder``, the oldest first."""
    return sorted(path.stem for path in (folder / ENSEMBLES).glob(f"[!.]*{RECORD}"))


def all_sweep_ids(folder: Path) -> list[str]:
    """Return the ids of all sweeps of the store, those of W&B's that have left their file here too."""
    root = folder / SWEEPS
    files = root.glob(f"*/*/*/{SWEEP_FILE}")
    return sorted([*sweep_ids(folder), *("/".join(file.parent.relative_to(root).parts) for file in files)])
