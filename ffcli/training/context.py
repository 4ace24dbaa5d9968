"""The context of a service: its folders, and where its notices go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ffcli.runs.store import RunStore

if TYPE_CHECKING:  # NumPy takes longer to load than a thousand runs to list
    from ffcli.datasets import Dataset, Progress


def _silent(message: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class Context:
    """The folders, and where notices and the progress of downloads go."""

    data_dir: Path
    runs_dir: Path
    notify: Callable[[str], None] = _silent
    progress: Progress | None = None

    @property
    def runs(self) -> RunStore:
        """The store of runs."""
        return RunStore(self.runs_dir)

    def dataset(self, name: str) -> Dataset:
        """Return a dataset, fetched with a notice where it is missing."""
        from ffcli.datasets import load_dataset

        return load_dataset(name, self.data_dir, notify=self.notify, progress=self.progress)
