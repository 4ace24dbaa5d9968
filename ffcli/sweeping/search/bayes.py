"""Bayesian search: Optuna's tree-structured Parzen estimator (TPE), told of the trials of the sweep.

Optuna sees coordinates in place of values: the position in a finite distribution, else the quantile u of
`Distribution.from_uniform`. So every distribution is its own prior, unbounded ones too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

from ffcli.sweeping.search.base import DRAWS, Known, Proposal
from ffcli.sweeping.search.random import RandomProposer
from ffcli.sweeping.spec.distinct import position
from ffcli.sweeping.spec.distributions import Categorical, Distribution
from ffcli.sweeping.spec.spec import SweepSpec

Point = Mapping[str, float]

_STARTUP = 10  # trials that must have a value before there is a model
_ASKS = 4
_MOVES = 32
_HALVINGS = 53  # after which doubles are no closer

# An ask takes time in proportion to the trials known. So past 1,000 it is the 100 best and the latest 400 to
# 900: TPE counts the 25 best at most as good anyway, and the others only for the density of the rest.
_MOST, _BEST, _LATEST, _BLOCK = 1000, 100, 400, 500


class _Sampler(optuna.samplers.TPESampler):
    """Optuna's, told what the parameters are: to find it out from all trials takes most of the time."""

    def __init__(self, coordinates: Mapping[str, BaseDistribution], seed: int) -> None:
        super().__init__(seed=seed, n_startup_trials=0, multivariate=True, constant_liar=True)
        self._space = {name: each for name, each in coordinates.items() if not each.single()}

    def infer_relative_search_space(
        self, study: optuna.Study, trial: optuna.trial.FrozenTrial
    ) -> dict[str, BaseDistribution]:
        return self._space


class BayesProposer(RandomProposer):
    """TPE, aware of the trials that still run (constant_liar) and of parameters that go together.

    Where it repeats a combination of a finite space it is asked anew a few times; then one is taken that
    differs from its last answer in one parameter, then any that was not tried. A pruned trial counts with its
    value.
    """

    def __init__(self, spec: SweepSpec, seed: int) -> None:
        super().__init__(spec, seed)
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._sign = -1.0 if spec.metric is not None and spec.metric.goal == "maximize" else 1.0
        self._coordinates = {name: _coordinate(each) for name, each in spec.parameters.items()}
        self._points: dict[int, Point] = {}
        self._open: set[int] = set()
        self._losses: list[tuple[int, float]] = []  # trial and value, less is better, as they ended
        self._start = self._told = 0  # of the losses: the study began there, and knows those before this one
        self._begin_study(0)

    def learn(self, trial: Known) -> None:
        super().learn(trial)
        if trial.point is None:
            return
        for name, each in self.spec.parameters.items():
            if not _has(each, at := trial.point[name]):
                raise ValueError(f"its coordinate of {name} is {at}")
        self._points[trial.number] = trial.point
        if trial.is_open:
            self._open.add(trial.number)
            return
        self._open.discard(trial.number)
        if trial.value is not None:
            self._losses.append((trial.number, self._sign * trial.value))

    def propose(self, number: int) -> Proposal:
        rng = self.generator(number)
        for point in self._points_to_try(rng):
            values = {name: _value(each, point[name]) for name, each in self.spec.parameters.items()}
            proposal = self.proposal(values, point)
            if proposal is not None:
                return proposal
        return self.last_resort(rng)

    def last_resort(self, rng: np.random.Generator) -> Proposal:
        proposal = super().last_resort(rng)
        return Proposal(proposal.values, proposal.config, self.point(proposal.values))

    def point(self, values: Mapping[str, Any]) -> Point:
        return {name: _of_value(each, values[name]) for name, each in self.spec.parameters.items()}

    def _points_to_try(self, rng: np.random.Generator) -> Iterator[Point]:
        if len(self._losses) < _STARTUP:
            for _ in range(DRAWS):
                yield {name: _draw(each, rng) for name, each in self.spec.parameters.items()}
            return
        self._catch_up()
        point: Point = {}
        for _ in range(_ASKS):
            point = self._ask(rng)
            yield point
        names = list(self._coordinates)
        for _ in range(_MOVES):
            name = names[rng.integers(len(names))]
            yield {**point, name: _draw(self.spec.parameters[name], rng)}

    def _ask(self, rng: np.random.Generator) -> Point:
        # The sampler is made anew, so that its randomness is that of this trial and of no process.
        self._study.sampler = _Sampler(self._coordinates, int(rng.integers(2**32)))
        trial = self._study.ask(self._coordinates)
        self._study.tell(trial, state=TrialState.FAIL)  # it comes back from the sweep, if at all
        self._size += 1
        return dict(trial.params)

    def _catch_up(self) -> None:
        """Tell the study what it does not know."""
        n = len(self._losses)
        start = n // _BLOCK * _BLOCK if n > _MOST else 0
        if start > self._start:
            self._begin_study(start)
        for number, loss in self._losses[self._told :]:
            if number in self._running:
                self._study.tell(self._running.pop(number), loss)
            else:
                self._add(number, loss)
        self._told = n
        for number in self._running.keys() - self._open:  # they failed
            self._study.tell(self._running.pop(number), state=TrialState.FAIL)
        for number in sorted(self._open - self._running.keys()):
            self._running[number] = self._size
            self._add(number, None)

    def _begin_study(self, start: int) -> None:
        """Begin a new study with the best and the latest of the first ``start`` trials that ended."""
        self._study = optuna.create_study()
        self._size = 0
        self._running: dict[int, int] = {}  # Optuna's numbers of the open trials
        self._start = self._told = start
        before = range(start)
        best = sorted(before, key=lambda index: self._losses[index][1])[:_BEST]
        for index in sorted({*best, *before[-_LATEST:]}):
            self._add(*self._losses[index])

    def _add(self, number: int, loss: float | None) -> None:
        self._study.add_trial(
            create_trial(
                state=TrialState.RUNNING if loss is None else TrialState.COMPLETE,
                value=loss,
                params=dict(self._points[number]),
                distributions=self._coordinates,
            )
        )
        self._size += 1


def _coordinate(distribution: Distribution) -> BaseDistribution:
    n = distribution.size
    if n is None:
        return FloatDistribution(0.0, 1.0)
    if isinstance(distribution, Categorical):
        return CategoricalDistribution(range(n))
    first = _first(distribution)
    return IntDistribution(first, first + n - 1, log=first > 0)


def _has(distribution: Distribution, coordinate: float) -> bool:
    """Whether a distribution has a value at this coordinate."""
    if distribution.size is None:
        return 0 <= coordinate <= 1
    first = _first(distribution)
    return coordinate % 1 == 0 and first <= coordinate < first + distribution.size


def _first(distribution: Distribution) -> int:
    """Return the coordinate of a finite distribution's first value: on a logarithmic scale it matters."""
    if not distribution.log or distribution.step is None or distribution.low is None:
        return 0
    return max(round(distribution.low / distribution.step), 1)


def _of_value(distribution: Distribution, value: Any) -> float:
    """Return the coordinate of a value: of a continuous distribution, by bisection of its quantiles."""
    if distribution.size is not None:
        return position(distribution, value) + _first(distribution)
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if distribution.from_uniform(middle) < value:
            low = middle
        else:
            high = middle
    return high


def _value(distribution: Distribution, coordinate: float) -> Any:
    if distribution.size is None:
        return distribution.from_uniform(coordinate)
    return distribution.value(int(coordinate) - _first(distribution))


def _draw(distribution: Distribution, rng: np.random.Generator) -> float:
    """Return the coordinate of a value drawn by the distribution itself."""
    u = float(rng.random())
    if distribution.size is None:
        return u
    return _of_value(distribution, distribution.from_uniform(u))
