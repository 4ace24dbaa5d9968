"""A store of made-up runs for its live page: they are listed, trained, changed and killed by a test."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from small_runs import Place
from stored_runs import put, record

from ffcli.core.training import EpochResult
from ffcli.runs.record import HistoryRow, history_csv
from ffcli.runs.store import HISTORY, SUMMARY
from ffcli.util.atomic_files import json_text, lock_folder, unlock, write_atomic


def run_id(number: int) -> str:
    """Return the id of the n-th run of the store."""
    return f"20260101-{number // 3600:02d}{number // 60 % 60:02d}{number % 60:02d}-000-aaaa"


class Stored:
    """The runs of a store, by their numbers."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.folder = place.context.runs_dir
        self._locks: dict[int, int | None] = {}

    def add(self, number: int, accuracies: Sequence[float] = (), **values: Any) -> Path:
        """Store a run with these validation accuracies; it started so many seconds after midnight."""
        values.setdefault("name", f"run {number}")
        values.setdefault("best_val_acc", max(accuracies, default=None))
        started = f"2026-01-01T00:{number // 60:02d}:{number % 60:02d}.000Z"
        path = put(self.folder, run_id(number), started=started, epochs_done=len(accuracies), **values)
        if accuracies:
            self._write_epochs(path, accuracies)
        return path

    def begin(self, number: int, accuracies: Sequence[float] = (), **values: Any) -> None:
        """Store a run that a process trains until `end`."""
        path = self.add(number, accuracies, status="running", **values)
        self._locks[number] = lock_folder(path)

    def change(self, number: int, accuracies: Sequence[float] = (), **values: Any) -> None:
        """Write the record of a run anew."""
        path = self.folder / run_id(number)
        values = {"name": f"run {number}", "best_val_acc": max(accuracies, default=None), **values}
        write_atomic(path / SUMMARY, json_text(record(run_id(number), **values).as_dict()))
        self._write_epochs(path, accuracies)

    def end(self, number: int) -> None:
        """Let the process of a run be gone."""
        unlock(self._locks.pop(number))

    def end_all(self) -> None:
        for number in list(self._locks):
            self.end(number)

    def _write_epochs(self, path: Path, accuracies: Sequence[float]) -> None:
        rows = [
            HistoryRow(EpochResult(epoch, 1.0, 0.5, 1.0, each, 0.2, 0.1, 0.5), "2026-01-01T00:00:00.000Z")
            for epoch, each in enumerate(accuracies, 1)
        ]
        (path / HISTORY).write_text(history_csv(rows))
