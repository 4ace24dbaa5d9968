"""The folder of a new run, which gets the run's name once its first record is written."""

from __future__ import annotations

import shutil
from pathlib import Path

from ffcli.runs.layout import BEING_BEGUN, RUN_ID
from ffcli.util.atomic_files import sync_folder, this_machine
from ffcli.util.held_folder import HeldFolder, remove_abandoned


class NewFolder:
    """Holds the folder of a new run until it is left; use it as a context.

    ``path`` is the run directory. Until `appear` its files go into ``place``, which no listing shows. It is
    removed where the context is left before; where the process is killed, with the next new run or listing.
    """

    def __init__(self, path: Path) -> None:
        """Make the folder. Raises FileExistsError where the name is taken, and OSError where it cannot."""
        self.path = path
        self._held = HeldFolder(path.parent, BEING_BEGUN, path.name)
        self.place = self._held.path
        if path.exists():
            self.close()
            raise FileExistsError(path)

    def __enter__(self) -> NewFolder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def appear(self) -> None:
        """Give the folder its name, now that its record is whole."""
        self.place.rename(self.path)
        sync_folder(self.path.parent)

    def close(self) -> None:
        """Let go of the folder; one that has not appeared is removed."""
        self._held.close()


def remove_whole(path: Path) -> None:
    """Remove a run's folder. Its name goes first: what is left by a kill goes as that of an unbegun run.

    Raises OSError; what cannot be removed has its name again.
    """
    hidden = path.with_name(f"{BEING_BEGUN}{this_machine()}-{path.name}")
    path.rename(hidden)
    try:
        shutil.rmtree(hidden)
    except OSError:
        hidden.rename(path)
        raise


def remove_unbegun(store: Path) -> None:
    """Remove what processes killed before the first record of their runs, or in a removal, have left."""
    remove_abandoned(store, BEING_BEGUN, RUN_ID.fullmatch)
