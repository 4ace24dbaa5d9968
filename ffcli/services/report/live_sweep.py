"""What the live page of a sweep shows, read anew for each update."""

from __future__ import annotations

from dataclasses import replace

from ffcli.plotting.html import Document
from ffcli.plotting.report import Best, document
from ffcli.services.evaluation.best import RunChoice
from ffcli.services.report.report import best_of, stored_report
from ffcli.training.context import Context


class LiveSweep:
    """The report of a sweep, read from the store when it is asked for."""

    def __init__(self, context: Context, sweep_id: str) -> None:
        self._context, self._sweep_id = context, sweep_id
        self._best: tuple[str | None, Best] | None = None

    def document(self) -> Document:
        """Return the report of now; the best run is evaluated when it is another one than before.

        Raises RequestError for an unknown sweep, FfnnError where it cannot be read.
        """
        report, best = stored_report(self._context, self._sweep_id)
        if best is None:
            return document(report)
        if self._best is None or self._best[0] != best.run_id:
            self._best = best.run_id, best_of(self._context, best, RunChoice(str(best.run_id)))
        return document(replace(report, best=self._best[1]))
