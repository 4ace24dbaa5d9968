"""Hidden folders of work in progress, held by one process and removed when that process has ended."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from ffcli.util.atomic_files import lock_folder, remove_left, this_machine, unlock


class HeldFolder:
    """A new folder ``<prefix><machine>-<name>``, held until `close`, which removes what is left of it."""

    def __init__(self, parent: Path, prefix: str, name: str) -> None:
        """Make the folder. Raises FileExistsError where it is there, and OSError where it cannot be made."""
        self.path = parent / f"{prefix}{this_machine()}-{name}"
        self.path.mkdir()
        self._lock: int | None = None
        try:
            # Another process may remove it as left in the moment before it is held.
            self._lock = lock_folder(self.path)
            is_held = self.path.is_dir()
        except (FileNotFoundError, BlockingIOError):
            is_held = False
        except BaseException:
            self.close()
            raise
        if not is_held:
            self.close()
            raise FileExistsError(self.path)

    def close(self) -> None:
        """Remove the folder, unless it has been renamed, and let go of it."""
        shutil.rmtree(self.path, ignore_errors=True)
        unlock(self._lock)
        self._lock = None


def remove_abandoned(parent: Path, prefix: str, is_ours: Callable[[str], object] = bool) -> None:
    """Remove the folders that dead processes have left; ``is_ours`` looks at the name after the machine's."""
    left: list[str] = []
    with suppress(OSError), os.scandir(parent) as entries:  # no parent, nothing left
        left = [
            entry.name
            for entry in entries
            if entry.name.startswith(prefix)
            and is_ours(entry.name[len(prefix) :].partition("-")[2])
            and entry.is_dir(follow_symlinks=False)
        ]
    for name in left:
        remove_left(parent / name, here=name.startswith(f"{prefix}{this_machine()}-"))
