"""Writing the record of a sweep, an Optuna study (see `ffcli.sweeping.study.study`)."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ffcli.runs.layout import STUDY
from ffcli.sweeping.search.base import Proposal
from ffcli.sweeping.study import journal
from ffcli.sweeping.study.record import EndState, Trial, at_target, counting
from ffcli.sweeping.study.study import (
    ENDS,
    NewTrial,
    Study,
    distributions,
    read_storage,
    unreadable,
)

_STATES = {end: state for state, end in ENDS.items()}


class StudyWriter:
    """Writes the record of one sweep, for the process that owns it, and keeps it in memory.

    ``may_append`` is asked before each change (see `SweepLock.check`). All methods raise OSError where the
    disk does not take a change, which then has not happened, and what ``may_append`` raises.
    """

    def __init__(self, folder: Path, may_append: Callable[[], None]) -> None:
        """Raises RequestError where there is no sweep, FfnnError where it is damaged."""
        try:
            self._storage = journal.open_to_append(folder / STUDY, may_append)
        except FileNotFoundError as error:
            raise unreadable(folder, error) from None
        study = read_storage(self._storage, folder)
        self._id = self._storage.get_all_studies()[0]._study_id
        self.sweep, self.count, self.reuse = study.sweep, study.count, study.reuse
        self.counts = study.counts
        self._trials = list(study.trials)
        self._trial_ids = [each._trial_id for each in self._storage.get_all_trials(self._id, deepcopy=False)]
        self._distributions = distributions(self.sweep.spec)

    @property
    def trials(self) -> Sequence[Trial]:
        """All trials by number."""
        return self._trials

    @property
    def study(self) -> Study:
        """What the study holds now."""
        return Study(self.sweep, self.count, tuple(self._trials), self.reuse)

    def __getitem__(self, number: int) -> Trial:
        """Return a trial by its number, from 1."""
        return self._trials[number - 1]

    def raise_count(self, count: int) -> None:
        """Record that so many trials are asked for in all, where it is more than before."""
        if self.count is None or self.count < count:
            self._storage.set_study_user_attr(self._id, "count", count)
            self.count = count

    def set_reuse(self, reuse: bool) -> None:
        """Record whether the results of identical runs are taken over, where it is not what it was."""
        if self.reuse != reuse:
            self._storage.set_study_user_attr(self._id, "reuse", reuse)
            self.reuse = reuse

    @property
    def proposed(self) -> int:
        """How many trials were proposed: those in another's place were not."""
        return sum(trial.retries is None for trial in self._trials)

    def retry_failed(self) -> None:
        """Record a trial in the place of each that has failed; it waits to be started.

        The finished runs of one that has several are not trained again. Where the target is reached nothing
        is recorded, since no trial would begin.
        """
        if at_target(self.sweep, self._trials) is not None:
            return
        for trial in counting(self._trials):
            if trial.state == "failed":
                again = Proposal(trial.values, trial.config, trial.point)
                self.begin(again, starts=0, retries=trial.number, copies=trial.run_ids)
                self.counts = replace(self.counts, failed=self.counts.failed - 1)

    def begin(
        self,
        proposal: Proposal,
        *,
        starts: int = 1,
        retries: int | None = None,
        copies: tuple[str, ...] = (),
    ) -> Trial:
        """Record a new trial as started; see `Trial`."""
        number = len(self._trials) + 1
        values = {name: proposal.values[name] for name in self.sweep.spec.space}
        frozen = NewTrial(proposal, starts, retries, copies).frozen(number, self._distributions)
        self._trial_ids.append(self._storage.create_new_trial(self._id, frozen))
        about: dict[str, Any] = {
            "point": proposal.point,
            "started": frozen.datetime_start and frozen.datetime_start.timestamp(),
            "starts": starts,
            "retries": retries,
            "copies": copies,
        }
        self._trials.append(Trial(self.sweep.id, number, "running", values, proposal.config, **about))
        self.counts = replace(self.counts, running=self.counts.running + 1)
        return self._trials[-1]

    def set_starts(self, trial: Trial, starts: int) -> Trial:
        """Record how often a trial was started; what an earlier start has reported is forgotten."""
        self._set(trial, "starts", starts)
        return self._changed(trial, starts=starts, history={})

    def set_runs(self, trial: Trial, run_ids: Sequence[str]) -> Trial:
        """Record the runs of a trial."""
        self._set(trial, "run_ids", list(run_ids))
        return self._changed(trial, run_ids=tuple(run_ids))

    def epoch(self, trial: Trial, epoch: int, value: float) -> Trial:
        """Record the metric after an epoch, where it is finite."""
        if not math.isfinite(value):
            return self[trial.number]
        self._storage.set_trial_intermediate_value(self._trial_ids[trial.number - 1], epoch, value)
        return self._changed(trial, history={**self[trial.number].history, epoch: value})

    def end(
        self,
        trial: Trial,
        state: EndState,
        *,
        value: float | None = None,
        best_epoch: int | None = None,
        error: str | None = None,
        reused: str | None = None,
    ) -> Trial:
        """Record the end of a trial: all of it or, where the process is killed, none."""
        about = {"best_epoch": best_epoch, "error": error, "reused": reused}
        for name, each in about.items():
            if each is not None or getattr(self[trial.number], name) is not None:  # of an end cut short
                self._set(trial, name, each)
        self._storage.set_trial_state_values(
            self._trial_ids[trial.number - 1], _STATES[state], None if value is None else [value]
        )
        counts, best = self.counts, self.counts.best
        if value is not None and (best is None or self.sweep.metric.better(value, best)):
            best = value
        one_more: Any = {state: getattr(counts, state) + 1}
        self.counts = replace(counts, running=counts.running - 1, best=best, **one_more)
        return self._changed(trial, state=state, value=value, ended=time.time(), **about)

    def _set(self, trial: Trial, name: str, value: Any) -> None:
        self._storage.set_trial_user_attr(self._trial_ids[trial.number - 1], name, value)

    def _changed(self, trial: Trial, **values: Any) -> Trial:
        changed = replace(self[trial.number], **values)
        self._trials[trial.number - 1] = changed
        return changed
