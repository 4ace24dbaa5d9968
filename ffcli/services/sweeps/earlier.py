"""Stored runs that spare a sweep a training: those of earlier starts of a trial, and identical ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress

from ffcli.config import TrainConfig
from ffcli.errors import FfnnError
from ffcli.runs.record import RunRecord
from ffcli.runs.store import ENDED
from ffcli.services.past_runs import PastRuns, own_past, take_over
from ffcli.sweeping.study.record import END_STATES, Past, Sweep, Trial
from ffcli.training.context import Context
from ffcli.training.options import RunOptions


class EarlierRuns:
    """Looks into the store for what `Plan` of the coordinator asks for."""

    def __init__(
        self,
        context: Context,
        sweep: Sweep,
        options: RunOptions,
        digest: Callable[[TrainConfig], str | None],
        *,
        reuse: bool,
    ) -> None:
        self._context = context
        self._sweep = sweep
        self._options = options
        self._digest = digest
        self._past_runs = PastRuns(context) if reuse else None
        self._prunes = sweep.spec.early_terminate is not None
        self._seen: set[str] = set()  # the runs of the store that were looked at
        self._begun: dict[int, list[str]] = {}  # those of the sweep among them, by trial

    def left_over(self, trial: Trial) -> dict[int, Past]:
        """Return what the runs of an earlier start came to where they have ended; remove its other runs.

        They are known by their indices in `Sweep.members`. A run that was stopped because
        another of its trial had failed, rather than by early termination, has come to nothing.
        """
        found: dict[int, Past] = {}
        digest, configs = self._digest(trial.config), self._sweep.members(trial.config)
        records = self._runs_of(trial)
        prunes = self._prunes and all(record.status != "failed" for record in records)
        for run_id in (record.run_id for record in records):
            for run, config in enumerate(configs):
                past = None if run in found else own_past(self._context, run_id, config, digest)
                if past is not None and (prunes or not past.pruned):
                    found[run] = past
                    break
            else:
                with suppress(FfnnError, OSError):  # see `remove_replaced`
                    self._context.runs.remove(run_id)
        return found

    def _runs_of(self, trial: Trial) -> list[RunRecord]:
        """Return the runs of a trial, also those that a killed process never told the sweep of."""
        self._look()
        stored = map(self._context.runs.sound, {*trial.run_ids, *self._begun.get(trial.number, ())})
        mine = [record for record in stored if record is not None and record.sweep_id == self._sweep.id]
        return sorted(mine, key=lambda record: record.run_id)

    def _look(self) -> None:
        """Look at the runs that the store has got since the last look."""
        for run_id in self._context.runs.ids():
            if run_id in self._seen:
                continue
            self._seen.add(run_id)
            record = self._context.runs.sound(run_id)
            if record is not None and record.sweep_id == self._sweep.id:
                self._begun.setdefault(record.provenance.trial or 0, []).append(run_id)

    def remove_replaced(self, trials: Iterable[Trial]) -> None:
        """Remove the unfinished runs of trials that have ended with another run.

        The worker of a coordinator that was killed may still have held them when they were started again.
        """
        runs = {trial.number: trial.run_ids for trial in trials if trial.state in END_STATES}
        for record in self._context.runs.records():
            kept = runs.get(record.provenance.trial or 0)
            is_ours = record.sweep_id == self._sweep.id and record.status not in ENDED
            if is_ours and kept is not None and record.run_id not in kept:
                try:
                    self._context.runs.remove(record.run_id)
                except (FfnnError, OSError) as error:
                    which = f"run {record.run_id} of an earlier start"
                    self._context.notify(f"{which} could not be removed: {error}")

    def reusable(self, trial: Trial, config: TrainConfig) -> Past | None:
        """Return what a run comes to where a stored one is the same, copied as the trial's.

        That is one of `Trial.copies`, else any finished run of the store where runs are reused.
        """
        digest = self._digest(config)
        source = self._copied(trial, config, digest)
        if source is None and self._past_runs is not None and digest is not None:
            source = self._past_runs.find(config, digest)
        if source is None:
            return None
        return take_over(
            self._context,
            source,
            config,
            sweep_id=self._sweep.id,
            provenance={"trial": trial.number},
            options=self._options,
        )

    def _copied(self, trial: Trial, config: TrainConfig, digest: str | None) -> str | None:
        """Return which of `Trial.copies` is a run of this configuration that finished or was pruned."""
        records = [record for record in map(self._context.runs.sound, trial.copies) if record is not None]
        prunes = self._prunes and all(record.status in ("finished", "pruned") for record in records)
        ended = (record for record in records if record.status == "finished" or prunes)
        same = (each for each in ended if own_past(self._context, each.run_id, config, digest) is not None)
        return next((record.run_id for record in same), None)
