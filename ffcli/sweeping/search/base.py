"""Proposers: the interface of a search method."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from ffcli.config import TrainConfig
from ffcli.errors import FfnnError, RequestError
from ffcli.sweeping.spec.spec import SweepSpec

DRAWS = 100  # tries to draw a new or a valid combination


@dataclass(frozen=True)
class Known:
    """What a proposer may know of a trial; ``value`` is None while it is open and where it failed."""

    number: int
    is_open: bool
    value: float | None
    values: Mapping[str, Any]
    point: Mapping[str, float] | None


@dataclass(frozen=True)
class Proposal:
    """A configuration to train; ``point`` is the same as the proposer's coordinates, if it has such."""

    values: Mapping[str, Any]
    config: TrainConfig
    point: Mapping[str, float] | None = None


class Proposer(ABC):
    """Proposes configurations of a sweep, and none again that it has learned of while it finds another.

    All randomness follows from ``seed`` and the number of the trial, so that a resumed sweep proposes what it
    would have proposed.
    """

    def __init__(self, spec: SweepSpec, seed: int) -> None:
        self.spec = spec
        self._seed = seed
        self._tried: set[Any] = set()

    def learn(self, trial: Known) -> None:
        """Take in a trial that is new or has changed. Raises ValueError for one outside the space."""
        self._tried.add(self._key(trial.values))

    @abstractmethod
    def propose(self, number: int) -> Proposal:
        """Return the configuration of a trial. In a finite space one must be left.

        Raises FfnnError where no valid one is found.
        """

    def complete(self, number: int, given: Mapping[str, Any]) -> Proposal | None:
        """Return a configuration for a trial that has the values ``given``; the others are drawn.

        None where no such combination is left, or found. Raises FfnnError where no draw is valid.
        """
        part, rng = self.spec.with_fixed(given), self.generator(number)
        drawn = (part.sample(rng) for _ in range(DRAWS))
        others: Iterable[dict[str, Any]] = () if self.spec.size is None else part.combinations()
        for values in chain(drawn, others):
            proposal = self.proposal(values)
            if proposal is not None:
                return Proposal(proposal.values, proposal.config, self.point(proposal.values))
        if self.spec.size is None:
            self.repeated(part, rng)  # raises unless all was tried
        return None

    def point(self, values: Mapping[str, Any]) -> Mapping[str, float] | None:
        """Return values of the space as the proposer's coordinates, if it has such."""
        return None

    def generator(self, number: int) -> np.random.Generator:
        """Return the randomness of a trial."""
        return np.random.default_rng([self._seed % 2**64, number])

    def proposal(
        self, values: Mapping[str, Any], point: Mapping[str, float] | None = None, *, again: bool = False
    ) -> Proposal | None:
        """Return values as a proposal, None where they are refused, or tried before and not ``again``."""
        values = self.spec.distinct.effective(values)
        if not again and self.has_tried(values):
            return None
        try:
            config = self.spec.config(values)
        except RequestError:
            if self.spec.size is not None:
                raise
            return None  # a draw far out of an unbounded distribution
        return Proposal(values, config, point)

    def repeated(self, spec: SweepSpec, rng: np.random.Generator) -> Proposal:
        """Return any valid draw of an infinite space, tried or not: its ranges may have no effect.

        Raises FfnnError where none is found.
        """
        for _ in range(DRAWS):
            proposal = self.proposal(spec.sample(rng), again=True)
            if proposal is not None:
                return proposal
        raise FfnnError(f"None of {DRAWS} draws from the sweep's distributions is allowed.")

    def has_tried(self, values: Mapping[str, Any]) -> bool:
        """Whether a combination that trains like this one was learned of."""
        return self._key(values) in self._tried

    def _key(self, values: Mapping[str, Any]) -> Hashable:
        """Return what combinations that train alike have in common.

        The grid index (see `SweepSpec.combination`), in an infinite space the values that have an effect.
        """
        if self.spec.size is not None:
            return self.spec.distinct.index(values)
        effective = self.spec.distinct.effective(values)
        return tuple(effective[name] for name in self.spec.space)

    def untried(self, rng: np.random.Generator) -> dict[str, Any]:
        """Return any combination of a finite space that was not tried, all with the same probability."""
        left = (self.spec.size or 0) - len(self._tried)
        if left <= 0:
            raise FfnnError("No combination of the sweep's space is left.")
        index = int(rng.random() * left)  # of those left: step over the tried ones before it
        for tried in sorted(self._tried):
            index += tried <= index
        return self.spec.combination(index)
