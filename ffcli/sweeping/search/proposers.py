"""What configuration comes next: a proposer for each method of a sweep file."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ffcli.config import TrainConfig
from ffcli.core.registry import Registry
from ffcli.errors import FfnnError, RequestError
from ffcli.sweeping.spec.distributions import Categorical, Distribution
from ffcli.sweeping.spec.spec import SweepSpec

DRAWS = 100  # tries at a new or a valid one


@dataclass(frozen=True)
class Known:
    """What a proposer may know of a trial; ``value`` is None while it is open and where it failed."""

    number: int
    is_open: bool
    value: float | None
    place: int | None
    point: Mapping[str, float] | None


@dataclass(frozen=True)
class Proposal:
    """A configuration to train.

    ``place`` is the number of its combination (see `SweepSpec.combination`) or None in an infinite space, and
    ``point`` the same as the proposer's coordinates, for it to learn from later.
    """

    values: Mapping[str, Any]
    config: TrainConfig
    place: int | None
    point: Mapping[str, float] | None = None


class Proposer(ABC):
    """Proposes configurations of a sweep. Where the space is finite, none that it has learned of.

    ``seed`` and the number of the trial alone feed the chance, so that a sweep that is resumed goes on as it
    would have.
    """

    def __init__(self, spec: SweepSpec, base: Mapping[str, Any], seed: int) -> None:
        self.spec = spec
        self._base = base
        self._seed = seed
        self._tried: set[int] = set()

    def learn(self, trial: Known) -> None:
        """Take in a trial that is new or has changed."""
        if trial.place is not None:
            self._tried.add(trial.place)

    @abstractmethod
    def propose(self, number: int) -> Proposal:
        """Return the configuration of a trial. In a finite space one must be left.

        Raises FfnnError where nothing valid is to be found.
        """

    def generator(self, number: int) -> np.random.Generator:
        """Return the randomness of a trial."""
        return np.random.default_rng([self._seed % 2**64, number])

    def proposal(
        self, values: Mapping[str, Any], point: Mapping[str, float] | None = None
    ) -> Proposal | None:
        """Return values as a proposal, or None where they were tried before or are refused."""
        place = self.place(values)
        if place is not None and place in self._tried:
            return None
        try:
            config = self.spec.config(values, self._base)
        except RequestError:
            if self.spec.size is not None:
                raise
            return None  # a draw far out of an unbounded distribution
        return Proposal(values, config, place, point)

    def place(self, values: Mapping[str, Any]) -> int | None:
        """Return the number of a combination, None in an infinite space."""
        if self.spec.size is None:
            return None
        place = 0
        for name in sorted(self.spec.space, key=lambda name: self.spec.space[name].key):
            distribution = self.spec.space[name].distribution
            place = place * (distribution.size or 1) + position(distribution, values[name])
        return place

    def untried(self, rng: np.random.Generator) -> dict[str, Any]:
        """Return any combination of a finite space that was not tried, all alike."""
        left = (self.spec.size or 0) - len(self._tried)
        if left <= 0:
            raise FfnnError("No combination of the sweep's space is left.")
        place = int(rng.random() * left)  # of those left: step over the tried ones before it
        for tried in sorted(self._tried):
            place += tried <= place
        return self.spec.combination(place)


def position(distribution: Distribution, value: Any) -> int:
    """Return the index of a value of a finite distribution, the reverse of `Distribution.value`."""
    if isinstance(distribution, Categorical):
        return distribution.choices.index(value)
    steps: float = (value - distribution.value(0)) / (distribution.step or 1)
    return round(steps)


PROPOSERS: Registry[Callable[[SweepSpec, Mapping[str, Any], int], Proposer]] = Registry("method")


@PROPOSERS.register("grid")
class GridProposer(Proposer):
    """Every combination once, in W&B's order."""

    _next = 0

    def propose(self, number: int) -> Proposal:
        while self._next in self._tried:
            self._next += 1
        proposal = self.proposal(self.spec.combination(self._next))
        assert proposal is not None
        return proposal


@PROPOSERS.register("random")
class RandomProposer(Proposer):
    """Each parameter by its own distribution; over a finite space without repeats."""

    def propose(self, number: int) -> Proposal:
        rng = self.generator(number)
        for _ in range(DRAWS):
            proposal = self.proposal(self.spec.sample(rng))
            if proposal is not None:
                return proposal
        return self.last_resort(rng)

    def last_resort(self, rng: np.random.Generator) -> Proposal:
        """Return any that was not tried. Raises FfnnError in an infinite space."""
        proposal = self.proposal(self.untried(rng)) if self.spec.size is not None else None
        if proposal is None:
            raise FfnnError(f"None of {DRAWS} draws from the sweep's distributions is allowed.")
        return proposal


@PROPOSERS.register("bayes")
def _bayes(spec: SweepSpec, base: Mapping[str, Any], seed: int) -> Proposer:
    from ffcli.sweeping.search.bayes import BayesProposer  # Optuna loads only where it is used

    return BayesProposer(spec, base, seed)
