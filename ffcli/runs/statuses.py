"""The statuses of all runs of a store, for who asks again and again."""

from __future__ import annotations

import os
from contextlib import suppress

from ffcli.runs.layout import SUMMARY
from ffcli.runs.record import Status
from ffcli.runs.store import DamagedRunError, RunStore


class RunStatuses:
    """Reads a record only where its file has changed: in a store of thousands, few are read again."""

    def __init__(self, store: RunStore) -> None:
        self._store = store
        self._known: dict[str, tuple[tuple[int, int], Status]] = {}

    def read(self) -> dict[str, Status | None]:
        """Return the status of every run by its id, the oldest first; None of one without a sound record."""
        before, self._known = self._known, {}
        return {run_id: self._status(run_id, before) for run_id in self._store.ids()}

    def _status(self, run_id: str, before: dict[str, tuple[tuple[int, int], Status]]) -> Status | None:
        with suppress(OSError, DamagedRunError):
            about = os.stat(os.path.join(self._store.folder, run_id, SUMMARY))  # noqa: PTH116, PTH118
            state = about.st_size, about.st_mtime_ns
            known = before.get(run_id)
            # A run that is trained ends without a change of its file where its process is killed.
            if known is None or known[0] != state or known[1] == "running":
                known = state, self._store.read(run_id).status
            self._known[run_id] = known
            return known[1]
        return None
