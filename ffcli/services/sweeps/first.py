"""The trials that a new sweep begins with: known configurations, and those of a sweep that it extends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ffcli.config import CONDITIONS, TrainConfig, members, validate
from ffcli.config.files import read_configs
from ffcli.errors import FfnnError, RequestError
from ffcli.services.past_runs import own_past
from ffcli.services.sweeps.create import SweepSource, read_sweep
from ffcli.services.sweeps.find import find_sweep
from ffcli.sweeping.search.first import FirstProposals
from ffcli.sweeping.spec.distinct import member
from ffcli.sweeping.spec.spec import SweepSpec
from ffcli.sweeping.study.record import Sweep, Trial, counting
from ffcli.sweeping.study.study import NewTrial
from ffcli.training.context import Context
from ffcli.util.safe_read import shown
from ffcli.util.text import are, counted

_FILES = (".yaml", ".yml", ".json")
_PARAMETER = "start_from"


@dataclass(frozen=True)
class Beginning:
    """What a new sweep begins with.

    Attributes:
        start_from: runs of the store, and files that hold a configuration or a list of them.
        extend: the sweep of the store whose trials are copied.
    """

    start_from: tuple[str, ...] = ()
    extend: str | None = None

    @property
    def is_given(self) -> bool:
        """Whether the sweep begins with anything."""
        return bool(self.start_from) or self.extend is not None


def first_trials(
    context: Context,
    source: SweepSource,
    beginning: Beginning,
    seed: int,
    *,
    repeats: int = 1,
    folds: int = 0,
) -> list[NewTrial]:
    """Return the trials that a new sweep begins with: those that are copied, then known configurations.

    Each configuration comes once. What a known one leaves open is drawn from the space, at random. Raises
    RequestError for a run, file or sweep that is none, and for a configuration that is not in the space.
    """
    spec = source.read()
    first = FirstProposals(spec, seed)
    trials = []
    if beginning.extend is not None:
        old = extended(context, beginning.extend)
        trials = _copied(context, spec, old, first, repeats=repeats, folds=folds)
    known = [each for word in beginning.start_from for each in _known(context, spec, word)]
    repeated = 0
    for each in known:
        proposal = first.complete(each.values)
        if proposal is None:
            repeated += 1
            continue
        each.check_fixed(proposal.config)
        trials.append(NewTrial(proposal))
        if each.run is not None and (changes := _changes(each.run, proposal.config)):
            context.notify(f"trial {len(trials)} differs from run {each.place} in {changes}")
    if repeated:
        known_ones = counted(repeated, "known configuration")
        context.notify(f"{known_ones} {are(repeated)} left out: each is tried once")
    return trials


def extended(context: Context, word: str) -> Sweep:
    """Return the sweep to extend. Raises RequestError for one that is none, or a comparison."""
    sweep = read_sweep(context, find_sweep(context, word)).sweep
    if sweep.paired is not None:
        raise RequestError(
            f"sweep {sweep.id} compares values of {sweep.paired} in pairs, and cannot be extended",
            parameter="extend",
        )
    return sweep


@dataclass(frozen=True)
class _Known:
    """A known configuration: values of searched parameters, and the others that it gives, with its place.

    ``run`` is the whole configuration where it is that of a stored run.
    """

    place: str
    values: Mapping[str, Any]
    others: Mapping[str, Any]
    run: TrainConfig | None = None

    def check_fixed(self, config: TrainConfig) -> None:
        """Raise RequestError where a field that is not searched has another value in the sweep."""
        for name, value in self.others.items():
            condition = CONDITIONS.get(name)
            idle = condition is not None and not condition.holds(getattr(config, condition.governor))
            if not idle and getattr(config, name) != value:
                raise _outside(self.place, name, value, str(getattr(config, name)))


def _outside(place: str, name: str, value: Any, space: str) -> RequestError:
    text = ",".join(map(str, value)) if isinstance(value, tuple) else shown(value)
    return RequestError(
        f"{place}: {name} {text} lies outside the sweep's space, which is {space}",
        hint="Leave it out, or widen the space. From a stored run, only the searched values are taken.",
        parameter=_PARAMETER,
    )


def _known(context: Context, spec: SweepSpec, word: str) -> Iterator[_Known]:
    """Yield the configurations that a word stands for. Raises RequestError."""
    path = Path(word)
    if not _is_file(path):
        config = _config_of(context, word)
        values = {
            name: each.value(0) if each.size == 1 else getattr(config, name)
            for name, each in spec.parameters.items()
        }
        yield _Known(word, _in_space(spec, word, values, config), {}, config)
        return
    for settings in read_configs(path, f"{word}: "):
        config = validate(settings)
        given = {name: getattr(config, name) for name in settings}
        searched = {name: value for name, value in given.items() if name in spec.space}
        others = {name: value for name, value in given.items() if name not in spec.space}
        yield _Known(word, _in_space(spec, word, searched, config), others)


def _is_file(path: Path) -> bool:
    with suppress(OSError, ValueError):  # no name that a file could have
        return path.suffix.lower() in _FILES or (path.exists() and not path.is_dir())
    return False


def _config_of(context: Context, run: str) -> TrainConfig:
    """Return the configuration of a stored run. Raises RequestError where there is none."""
    record = context.runs.read(context.runs.find(run).name)
    try:
        return validate(record.config)
    except FfnnError as error:
        raise RequestError(f"the configuration of run {record.run_id} cannot be read: {error}") from None


def _in_space(spec: SweepSpec, place: str, values: Mapping[str, Any], config: TrainConfig) -> dict[str, Any]:
    """Return the values as the space has them, without those that have no effect.

    Raises RequestError for one that is not in the space.
    """
    found = {}
    for name, value in values.items():
        if not spec.distinct.has_effect(name, values):
            continue
        distribution = spec.parameters[name]
        spelled = [value]
        if name == "hidden_size":  # one size for all layers, or a list of equal ones
            sizes = config.hidden_sizes
            spelled += [sizes, *sizes[: len(set(sizes)) == 1]]
        inside = [at for each in spelled if (at := member(distribution, each)) is not None]
        if not inside:
            raise _outside(place, name, value, distribution.describe())
        found[name] = inside[0]
    return found


def _copied(
    context: Context, spec: SweepSpec, old: Sweep, first: FirstProposals, *, repeats: int, folds: int
) -> list[NewTrial]:
    """Return the trials of a sweep that are results of the new one too, and give notice of the others."""

    @cache
    def digest(dataset: str) -> str:
        return context.dataset(dataset).digest

    def is_stored(trial: Trial) -> bool:
        runs = members(trial.config, repeats, folds)
        pasts = (
            own_past(context, run_id, config, digest(config.dataset))
            for run_id in trial.run_ids
            for config in runs
        )
        return any(past is not None for past in pasts)

    trials, left = [], Counter[str]()
    known = counting(read_sweep(context, old.id).trials)
    for trial in known:
        values = {name: member(each, getattr(trial.config, name)) for name, each in spec.parameters.items()}
        outside = next((name for name, value in values.items() if value is None), None)
        if trial.state == "failed":
            left["failed"] += 1
        elif trial.state == "running":
            left["without an end"] += 1
        elif trial.state == "pruned" and spec.early_terminate is None:
            left["pruned, which this sweep does not do"] += 1
        elif outside is not None:
            left[f"outside the space ({_setting(outside, trial.config)})"] += 1
        elif changes := _changes(trial.config, spec.config(values)):
            left[f"outside the space ({changes})"] += 1
        elif not is_stored(trial):
            left["without a stored run on this data by this version"] += 1
        elif (proposal := first.whole(values, trial.config)) is not None:
            trials.append(NewTrial(proposal, copies=trial.run_ids))
    why = "".join(f", {count} {are(count)} {what}" for what, count in left.items())
    context.notify(
        f"{len(trials)} of {counted(len(known), 'trial')} of sweep {old.id} {are(len(trials))} copied{why}"
    )
    return trials


def _setting(name: str, config: TrainConfig) -> str:
    return f"{name} {shown(getattr(config, name))}"


def _changes(one: TrainConfig, other: TrainConfig) -> str:
    """Return which fields differ between two configurations, with both values."""
    names = [name for name in TrainConfig.model_fields if getattr(one, name) != getattr(other, name)]
    return ", ".join(f"{_setting(name, one)} → {shown(getattr(other, name))}" for name in names)
