"""Which folders of the store hold runs and sweeps: told by their names, without heavy imports."""

from __future__ import annotations

from pathlib import Path

SUMMARY, SWEEPS, DATABASE = "summary.json", "sweeps", "study.db"


def run_ids(folder: Path) -> list[str]:
    """Return the ids of all runs under ``folder``, the oldest first."""
    return _holding(folder, SUMMARY)


def sweep_ids(folder: Path) -> list[str]:
    """Return the ids of all sweeps under ``folder`` whose databases lie there, the oldest first."""
    return _holding(folder / SWEEPS, DATABASE)


def _holding(folder: Path, file: str) -> list[str]:
    """Return the names of the folders that hold ``file``; none where ``folder`` does not exist."""
    try:
        return sorted(entry.name for entry in folder.iterdir() if (entry / file).is_file())
    except (FileNotFoundError, NotADirectoryError):
        return []
