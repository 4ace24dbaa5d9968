"""A sweep as an Optuna study, which is its one record.

The study has the sweep's id as its name. Its trials hold the real values of the searched parameters, the
metric after each epoch as intermediate values and, as their value, the metric at the best epoch; all else are
user attributes. Trial n of the sweep is Optuna's trial n - 1.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from ffcli.config import validate
from ffcli.errors import RequestError
from ffcli.runs.layout import STUDY
from ffcli.sweeping.search.base import Proposal
from ffcli.sweeping.spec.distributions import Distribution
from ffcli.sweeping.spec.spec import SweepSpec, parse_spec
from ffcli.sweeping.study import journal
from ffcli.sweeping.study.record import Counts, EndState, State, Sweep, Trial, at_target, tally
from ffcli.util.atomic_files import joined
from ffcli.util.safe_read import is_name, shown

ENDS: dict[TrialState, EndState] = {
    TrialState.COMPLETE: "finished",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
}
_DIRECTIONS = {"maximize": StudyDirection.MAXIMIZE, "minimize": StudyDirection.MINIMIZE}


@dataclass(frozen=True)
class Study:
    """What a study holds.

    Attributes:
        count: how many trials were asked for in all, if that was said.
        reuse: whether the results of identical runs of the store are taken over.
    """

    sweep: Sweep
    count: int | None
    trials: tuple[Trial, ...]
    reuse: bool = False

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


@dataclass(frozen=True)
class NewTrial:
    """A trial to be recorded; see `Trial`."""

    proposal: Proposal
    starts: int = 0
    retries: int | None = None
    copies: tuple[str, ...] = ()

    def frozen(self, number: int, distributions: Mapping[str, BaseDistribution]) -> FrozenTrial:
        """Return the trial of this number as Optuna has it, without an end."""
        point = self.proposal.point
        frozen = create_trial(
            state=TrialState.RUNNING,
            params={name: joined(self.proposal.values[name]) for name in distributions},
            distributions=dict(distributions),
            user_attrs={
                "number": number,
                "point": None if point is None else dict(point),
                "config": self.proposal.config.as_dict(),
                "starts": self.starts,
                "retries": self.retries,
                "copies": list(self.copies),
            },
        )
        frozen.datetime_start = datetime.now()
        return frozen


def published(distribution: Distribution) -> BaseDistribution:
    """Return the distribution as Optuna has it; a list of sizes is one text there, as `joined` makes it."""
    if distribution.choices:
        return CategoricalDistribution([joined(choice) for choice in distribution.choices])
    # Optuna knows no unbounded ones; these end at the quantiles 2⁻⁵³ and 1 - 2⁻⁵³.
    low = distribution.from_uniform(0.0) if distribution.low is None else distribution.low
    high = distribution.from_uniform(1.0) if distribution.high is None else distribution.high
    log = distribution.log and low > 0
    if isinstance(low, int) and isinstance(high, int):
        return IntDistribution(low, high, log=log, step=1 if log else int(distribution.step or 1))
    return FloatDistribution(low, high, log=log)


def distributions(spec: SweepSpec) -> dict[str, BaseDistribution]:
    """Return the distribution of each parameter as Optuna has it."""
    return {name: published(each) for name, each in spec.parameters.items()}


def create(
    folder: Path,
    sweep: Sweep,
    count: int | None,
    first: Iterable[NewTrial] = (),
    *,
    reuse: bool = False,
) -> None:
    """Store a new sweep in its folder, with the trials that are to be the first; for the rest see `Study`.

    All of it is stored or, where the process is killed or OSError is raised, nothing.
    """
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
        "reuse": reuse,
    }

    def fill(storage: BaseStorage) -> None:
        study_id = storage.create_new_study([_DIRECTIONS[sweep.metric.goal]], sweep.id)
        for name, value in attributes.items():
            storage.set_study_user_attr(study_id, name, value)
        for number, trial in enumerate(first, 1):
            storage.create_new_trial(study_id, trial.frozen(number, distributions(sweep.spec)))

    journal.create(folder / STUDY, fill)


def read(folder: Path) -> Study:
    """Return the sweep of a folder. Raises RequestError where there is none, FfnnError."""
    try:
        storage = journal.open_to_read(folder / STUDY)
    except OSError as error:
        raise unreadable(folder, error) from None
    return read_storage(storage, folder)


def unreadable(folder: Path, error: OSError) -> Exception:
    """Return what is raised where the study of a folder cannot be opened."""
    if isinstance(error, (FileNotFoundError, NotADirectoryError)):
        return RequestError(f"There is no sweep '{shown(folder.name)}' in {folder.parent}.")
    return journal.damaged(f"sweep {folder.name}", error.strerror or str(error))


def read_storage(storage: BaseStorage, folder: Path) -> Study:
    """Return the sweep of a folder that an opened storage holds. Raises FfnnError where it is damaged."""
    with journal.sound(f"sweep {folder.name}"):
        (found,) = storage.get_all_studies()
        sweep, count = _read_sweep(folder.name, found.user_attrs)
        frozen = storage.get_all_trials(found._study_id, deepcopy=False)
    trials = []
    for number, each in enumerate(frozen, 1):
        with journal.sound(f"trial {number} of sweep {folder.name}"):
            trials.append(_read_trial(sweep, number, each))
    return Study(sweep, count, tuple(trials), bool(found.user_attrs.get("reuse")))


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
    if not (sweep.repeats >= 1 and 0 <= sweep.folds != 1 and sweep.runs_per_trial):
        raise ValueError(f"it has {sweep.repeats} repeats and {sweep.folds} folds")
    if paired is not None and paired not in sweep.spec.space:
        raise ValueError(f"{shown(paired)} is not searched")
    return sweep, count


def _read_trial(sweep: Sweep, number: int, frozen: FrozenTrial) -> Trial:
    about = frozen.user_attrs
    point = about.get("point")
    run_ids, copies = (tuple(map(str, about.get(name, ()))) for name in ("run_ids", "copies"))
    names = set(sweep.spec.space)
    if set(frozen.params) != names or (point is not None and set(point) != names):
        raise ValueError("its parameters are not those of the sweep's file")
    values = {name: _canonical(each, frozen, name) for name, each in sweep.spec.parameters.items()}
    for run_id in (*run_ids, *copies):
        if not is_name(run_id):  # it becomes the name of a folder
            raise ValueError(f"its run is {shown(run_id)}")
    state: State = ENDS.get(frozen.state, "running")
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
        copies=copies,
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
