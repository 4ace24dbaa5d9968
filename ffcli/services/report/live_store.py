"""What the live page of the store shows, read anew for each update."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass

from ffcli.plotting.html import Curve, Document
from ffcli.plotting.store_page import StorePage, store_document
from ffcli.runs.layout import SUMMARY, sweep_ids
from ffcli.runs.metric import METRICS
from ffcli.runs.record import Status
from ffcli.runs.store import DamagedRunError, RunStore
from ffcli.services.sweeps.listing import list_sweeps
from ffcli.training.context import Context

MOST_CURVES = 12


@dataclass(frozen=True)
class Shown:
    """What a reader sees: so many of the newest runs and sweeps, and the curves of the runs they chose."""

    runs: int = 100
    sweeps: int = 10
    curves: tuple[str, ...] = ()


class RunStatuses:
    """The statuses of all runs. A record is read again only where its file has changed."""

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


class LiveStore:
    """The sweeps and runs of the store, read when they are asked for.

    Of thousands of runs only those that are shown are read, and those that have changed since.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._statuses = RunStatuses(context.runs)

    def document(self, shown: Shown) -> Document:
        """Return the page of now: the newest runs, those being trained, and those with a chosen curve."""
        statuses = self._statuses.read()
        sound = [run_id for run_id, status in statuses.items() if status is not None]
        numbers = {run_id: number for number, run_id in enumerate(sound, 1)}
        running = [run_id for run_id in reversed(sound) if statuses[run_id] == "running"]
        chosen = [run_id for run_id in shown.curves if run_id in numbers]
        drawn = list(dict.fromkeys([*chosen, *running]))[:MOST_CURVES]
        wanted = sorted({*sound[-shown.runs :], *running, *chosen}, key=numbers.__getitem__, reverse=True)
        records = list(filter(None, map(self._context.runs.sound, wanted)))  # but those removed since
        n_sweeps = len(sweep_ids(self._context.runs_dir))
        about = {"sweeps": str(n_sweeps), "runs": str(len(sound)), "being trained": str(len(running))}
        if len(sound) < len(statuses):
            about["damaged runs"] = str(len(statuses) - len(sound))
        return store_document(
            StorePage(
                folder=str(self._context.runs_dir),
                about=about,
                sweeps=list_sweeps(self._context, shown.sweeps),
                n_sweeps=n_sweeps,
                runs=records,
                numbers=[numbers[record.run_id] for record in records],
                n_runs=len(sound),
                curves=[curve for run_id in drawn if (curve := self._curve(run_id, numbers[run_id]))],
            )
        )

    def _curve(self, run_id: str, number: int) -> Curve | None:
        """Return the epochs of a run; None where it has none yet."""
        with suppress(DamagedRunError):
            if results := [row.result for row in self._context.runs.history(run_id)]:
                metrics = {name: [getattr(result, name) for result in results] for name in METRICS}
                return Curve(number, [result.epoch for result in results], metrics)
        return None
