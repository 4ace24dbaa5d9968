"""The folder of a run that is being begun: it gets the run's name with the first record, not before."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from ffcli.files import lock_folder, sync_folder, unlock
from ffcli.runs.folders import BEING_BEGUN


class NewFolder:
    """Holds the folder of a new run until it is left; use it as a context.

    ``path`` is where the run will lie. Until `appear` its files go into ``place``, which no listing shows. It
    goes where the context is left before, and where the process is killed with the next new run or listing.
    """

    def __init__(self, path: Path) -> None:
        """Make the folder. Raises FileExistsError where the name is taken, and OSError where it cannot."""
        self.path = path
        self.place = path.with_name(f"{BEING_BEGUN}{path.name}")
        self.place.mkdir()
        self._lock: int | None = None
        try:
            self._hold()
        except BaseException:
            self.close()
            raise

    def _hold(self) -> None:
        # Another process may take it for left in the moment before it is held.
        try:
            self._lock = lock_folder(self.place)
        except (FileNotFoundError, BlockingIOError):
            raise FileExistsError(self.path) from None
        if self.path.exists() or not self.place.is_dir():
            raise FileExistsError(self.path)

    def __enter__(self) -> NewFolder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def appear(self) -> None:
        """Give the folder its name, now that its record is whole."""
        self.place.rename(self.path)
        sync_folder(self.path.parent)

    def close(self) -> None:
        """Let go of the folder; one that has not appeared goes."""
        shutil.rmtree(self.place, ignore_errors=True)
        unlock(self._lock)
        self._lock = None


def remove_unbegun(folder: Path) -> None:
    """Remove what processes killed before the first record of their runs have left in a store."""
    left: list[Path] = []
    with suppress(OSError), os.scandir(folder) as entries:  # no store, nothing left
        left = [folder / entry.name for entry in entries if entry.name.startswith(BEING_BEGUN)]
    for path in left:
        with suppress(OSError):  # held by a process, or just gone
            lock = lock_folder(path)
            try:
                if lock is not None:
                    shutil.rmtree(path)
            finally:
                unlock(lock)
