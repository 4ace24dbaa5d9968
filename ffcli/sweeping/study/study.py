"""A sweep as an Optuna study, which is its one record.

The study has the sweep's id as its name. Its trials hold the real values of the searched parameters, the
metric after each epoch as intermediate values and, as their value, the metric at the best epoch; all else are
user attributes. Trial n of the sweep is Optuna's trial n - 1.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from optuna.distributions import CategoricalDistribution
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from ffcli.config import validate
from ffcli.errors import RequestError
from ffcli.runs.layout import STUDY
from ffcli.sweeping.search.base import Proposal
from ffcli.sweeping.spec.distributions import Distribution
from ffcli.sweeping.spec.spec import parse_spec
from ffcli.sweeping.study import journal
from ffcli.sweeping.study.distributions import plain, published
from ffcli.sweeping.study.record import Counts, EndState, State, Sweep, Trial, at_target, counting, tally
from ffcli.util.safe_read import is_name, shown

_STATES = {"finished": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}
_ENDS: dict[TrialState, EndState] = {
    TrialState.COMPLETE: "finished",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
}
_DIRECTIONS = {"maximize": StudyDirection.MAXIMIZE, "minimize": StudyDirection.MINIMIZE}


@dataclass(frozen=True)
class Study:
    """What a study holds: the sweep, how many trials were asked for in all, if that was said, its trials."""

    sweep: Sweep
    count: int | None
    trials: tuple[Trial, ...]

    @property
    def counts(self) -> Counts:
        """The trials by state."""
        return tally(self.sweep.metric, self.trials)

    @property
    def planned(self) -> int | None:
        """How many trials the sweep will have in all, None without an end."""
        planned = self.sweep.spec.most_trials(self.count)
        return None if planned is None else max(planned, self.counts.ended)

    @property
    def is_over(self) -> bool:
        """Whether all planned trials have an end, or one has reached the target."""
        planned = self.sweep.spec.most_trials(self.count)
        reached = at_target(self.sweep, self.trials) is not None
        return reached or (planned is not None and self.counts.ended >= planned)


def create(folder: Path, sweep: Sweep, count: int | None) -> None:
    """Store a new sweep in its folder. Raises OSError."""
    attributes = {
        "file": sweep.spec.text,
        "digest": sweep.dataset_digest,
        "core_version": sweep.core_version,
        "seed": sweep.seed,
        "created": sweep.created,
        "paired": sweep.paired,
        "repeats": sweep.repeats,
        "folds": sweep.folds,
        "count": count,
    }

    def fill(storage: BaseStorage) -> None:
        study_id = storage.create_new_study([_DIRECTIONS[sweep.metric.goal]], sweep.id)
        for name, value in attributes.items():
            storage.set_study_user_attr(study_id, name, value)

    journal.create(folder / STUDY, fill)


def read(folder: Path) -> Study:
    """Return the sweep of a folder. Raises RequestError where there is none, DamagedSweepError."""
    try:
        storage = journal.open_to_read(folder / STUDY)
    except OSError as error:
        raise _unreadable(folder, error) from None
    return _read(storage, folder)


def _unreadable(folder: Path, error: OSError) -> Exception:
    if isinstance(error, (FileNotFoundError, NotADirectoryError)):
        return RequestError(f"There is no sweep '{shown(folder.name)}' in {folder.parent}.")
    return journal.damaged(f"sweep {folder.name}", error.strerror or str(error))


def _read(storage: BaseStorage, folder: Path) -> Study:
    with journal.sound(f"sweep {folder.name}"):
        (found,) = storage.get_all_studies()
        sweep, count = _read_sweep(folder.name, found.user_attrs)
        frozen = storage.get_all_trials(found._study_id, deepcopy=False)
    trials = []
    for number, each in enumerate(frozen, 1):
        with journal.sound(f"trial {number} of sweep {folder.name}"):
            trials.append(_read_trial(sweep, number, each))
    return Study(sweep, count, tuple(trials))


def _read_sweep(sweep_id: str, attributes: Mapping[str, Any]) -> tuple[Sweep, int | None]:
    paired, count = attributes["paired"], attributes["count"]
    if count is not None and not (isinstance(count, int) and count > 0):
        raise ValueError(f"its count is {shown(count)}")
    sweep = Sweep(
        sweep_id,
        parse_spec(attributes["file"], f"the file of sweep {sweep_id}"),
        str(attributes["digest"]),
        int(attributes["core_version"]),
        int(attributes["seed"]),
        float(attributes["created"]),
        None if paired is None else str(paired),
        int(attributes["repeats"]),
        int(attributes["folds"]),
    )
    if not (sweep.repeats >= 1 and 0 <= sweep.folds != 1):
        raise ValueError(f"it has {sweep.repeats} repeats and {sweep.folds} folds")
    if paired is not None and paired not in sweep.spec.space:
        raise ValueError(f"{shown(paired)} is not searched")
    return sweep, count


def _read_trial(sweep: Sweep, number: int, frozen: FrozenTrial) -> Trial:
    about = frozen.user_attrs
    point, run_ids = about.get("point"), tuple(map(str, about.get("run_ids", ())))
    names = set(sweep.spec.space)
    if set(frozen.params) != names or (point is not None and set(point) != names):
        raise ValueError("its parameters are not those of the sweep's file")
    values = {name: _canonical(each, frozen, name) for name, each in sweep.spec.parameters.items()}
    for run_id in run_ids:
        if not is_name(run_id):  # it becomes the name of a folder
            raise ValueError(f"its run is {shown(run_id)}")
    state: State = _ENDS.get(frozen.state, "running")
    return Trial(
        sweep.id,
        number,
        state,
        values,
        validate(about["config"]),
        point=None if point is None else {str(name): float(at) for name, at in point.items()},
        starts=int(about["starts"]),
        run_ids=run_ids,
        value=_finite(frozen.value) if state in ("finished", "pruned") else None,
        best_epoch=None if (epoch := about.get("best_epoch")) is None else int(epoch),
        error=None if (error := about.get("error")) is None else str(error),
        retries=None if (retries := about.get("retries")) is None else int(retries),
        reused=None if (source := about.get("reused")) is None else str(source),
        history={int(epoch): float(value) for epoch, value in sorted(frozen.intermediate_values.items())},
        started=_seconds(frozen.datetime_start),
        ended=_seconds(frozen.datetime_complete),
    )


def _canonical(distribution: Distribution, frozen: FrozenTrial, name: str) -> Any:
    """Return a value as the sweep's file has it now, of what Optuna has.

    Choices are known by their position: the path of a dataset may have been relative to another folder.
    """
    stored, value = frozen.distributions[name], frozen.params[name]
    if not distribution.choices:
        return value
    if not isinstance(stored, CategoricalDistribution) or len(stored.choices) != len(distribution.choices):
        raise ValueError(f"{name} has other choices than in the sweep's file")
    return distribution.choices[int(stored.to_internal_repr(value))]


def _finite(value: float | None) -> float | None:
    if value is None or math.isfinite(value):
        return value
    raise ValueError(f"its value is {value}")


def _seconds(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()


class StudyWriter:
    """Writes the record of one sweep, for the process that owns it, and keeps it in memory.

    ``may_append`` is asked before each change (see `SweepLock.check`). All methods raise OSError where the
    disk does not take a change, which then has not happened, and what ``may_append`` raises.
    """

    def __init__(self, folder: Path, may_append: Callable[[], None]) -> None:
        """Raises RequestError where there is no sweep, DamagedSweepError."""
        try:
            self._storage = journal.open_to_append(folder / STUDY, may_append)
        except FileNotFoundError as error:
            raise _unreadable(folder, error) from None
        study = _read(self._storage, folder)
        self._id = self._storage.get_all_studies()[0]._study_id
        self.sweep, self.count = study.sweep, study.count
        self.counts = study.counts
        self._trials = list(study.trials)
        self._trial_ids = [each._trial_id for each in self._storage.get_all_trials(self._id, deepcopy=False)]
        self._distributions = {name: published(each) for name, each in self.sweep.spec.parameters.items()}

    @property
    def trials(self) -> Sequence[Trial]:
        """All trials by number."""
        return self._trials

    @property
    def study(self) -> Study:
        """What the study holds now."""
        return Study(self.sweep, self.count, tuple(self._trials))

    def __getitem__(self, number: int) -> Trial:
        """Return a trial by its number, from 1."""
        return self._trials[number - 1]

    def raise_count(self, count: int) -> None:
        """Record that so many trials are asked for in all, where it is more than before."""
        if self.count is None or self.count < count:
            self._storage.set_study_user_attr(self._id, "count", count)
            self.count = count

    @property
    def proposed(self) -> int:
        """How many trials were proposed: those in another's place were not."""
        return sum(trial.retries is None for trial in self._trials)

    def retry_failed(self) -> None:
        """Record a trial in the place of each that has failed; it waits to be started.

        Where the target is reached nothing is recorded, since no trial would begin.
        """
        if at_target(self.sweep, self._trials) is not None:
            return
        for trial in counting(self._trials):
            if trial.state == "failed":
                again = Proposal(trial.values, trial.config, trial.point)
                self.begin(again, starts=0, retries=trial.number)
                self.counts = replace(self.counts, failed=self.counts.failed - 1)

    def begin(self, proposal: Proposal, *, starts: int = 1, retries: int | None = None) -> Trial:
        """Record a new trial as started; see `Trial`."""
        number = len(self._trials) + 1
        values = {name: proposal.values[name] for name in self.sweep.spec.space}
        now = time.time()
        frozen = create_trial(
            state=TrialState.RUNNING,
            params={name: plain(value) for name, value in values.items()},
            distributions=self._distributions,
            user_attrs={
                "number": number,
                "point": None if proposal.point is None else dict(proposal.point),
                "config": proposal.config.as_dict(),
                "starts": starts,
                "retries": retries,
            },
        )
        frozen.datetime_start = datetime.fromtimestamp(now)
        self._trial_ids.append(self._storage.create_new_trial(self._id, frozen))
        about: dict[str, Any] = {
            "point": proposal.point,
            "started": now,
            "starts": starts,
            "retries": retries,
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
