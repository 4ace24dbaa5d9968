"""The folder of a run that is being begun: it gets the run's name with the first record, not before."""

from __future__ import annotations

import os
import re
import shutil
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from ffcli.runs.layout import BEING_BEGUN, RUN_ID
from ffcli.util.atomic_files import lock_folder, remove_left, sync_folder, this_machine, unlock

_UNBEGUN = re.compile(rf"{re.escape(BEING_BEGUN)}[0-9a-f]{{8}}-{RUN_ID.pattern}")


class NewFolder:
    """Holds the folder of a new run until it is left; use it as a context.

    ``path`` is where the run will lie. Until `appear` its files go into ``place``, which no listing shows. It
    goes where the context is left before, and where the process is killed with the next new run or listing.
    """

    def __init__(self, path: Path) -> None:
        """Make the folder. Raises FileExistsError where the name is taken, and OSError where it cannot."""
        self.path = path
        self.place = path.with_name(f"{BEING_BEGUN}{this_machine()}-{path.name}")
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


def remove_unbegun(store: Path) -> None:
    """Remove what processes killed before the first record of their runs have left in a store."""
    left: list[Path] = []
    with suppress(OSError), os.scandir(store) as entries:  # no store, nothing left
        left = [store / entry.name for entry in entries if _is_unbegun(entry)]
    for path in left:
        remove_left(path, here=path.name.startswith(f"{BEING_BEGUN}{this_machine()}-"))


def _is_unbegun(entry: os.DirEntry[str]) -> bool:
    return _UNBEGUN.fullmatch(entry.name) is not None and entry.is_dir(follow_symlinks=False)
