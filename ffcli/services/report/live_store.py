"""What the live page of the store shows, read anew for each update."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from ffcli.plotting.html import Curve, Document
from ffcli.plotting.store_page import StorePage, store_document
from ffcli.runs.layout import sweep_ids
from ffcli.runs.metric import METRICS
from ffcli.runs.record import RunRecord
from ffcli.runs.statuses import RunStatuses
from ffcli.runs.store import DamagedRunError
from ffcli.services.sweeps.listing import list_sweeps
from ffcli.training.context import Context

MOST_CURVES = 12


@dataclass(frozen=True)
class Shown:
    """What a reader sees: so many of the newest runs and sweeps, and the curves of the runs they chose."""

    runs: int = 100
    sweeps: int = 10
    curves: tuple[str, ...] = ()


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
        records = self._records(wanted)
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

    def _records(self, run_ids: Sequence[str]) -> list[RunRecord]:
        found = []
        for run_id in run_ids:
            with suppress(DamagedRunError):  # removed since
                found.append(self._context.runs.read(run_id))
        return found

    def _curve(self, run_id: str, number: int) -> Curve | None:
        """Return the epochs of a run; None where it has none yet."""
        with suppress(DamagedRunError):
            if results := [row.result for row in self._context.runs.history(run_id)]:
                metrics = {name: [getattr(result, name) for result in results] for name in METRICS}
                return Curve(number, [result.epoch for result in results], metrics)
        return None
