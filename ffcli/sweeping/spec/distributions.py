"""The distributions of a sweep file, under W&B's names and with W&B's meaning.

https://docs.wandb.ai/models/sweeps/sweep-config-keys#distribution-options-for-random-and-bayesian-search

A value is drawn by putting one uniform number through the inverse of the distribution function, as W&B does.
Where we differ: a draw never leaves the bounds by a rounding error of exp; unbounded distributions end at the
quantiles 2⁻⁵³ and 1 - 2⁻⁵³ (8.2 standard deviations of a normal one) instead of at infinity; and what W&B
accepts but draws NaN from (sigma, a or b of 0) is refused.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from statistics import NormalDist
from typing import Any

import numpy as np

from ffcli.sweeping.spec import beta

_EDGE = 2.0**-53


@dataclass(frozen=True, kw_only=True)
class Distribution(ABC):
    """What one parameter of a sweep is drawn from.

    ``kind`` is W&B's name of it. For an engine: the values lie in ``low`` … ``high`` (None where there is no
    bound), on a logarithmic scale where ``log``, at multiples of ``step`` if there is one; or they are the
    ``choices``, in their canonical form, with their ``probabilities`` (empty where all are alike).
    """

    kind: str
    low: float | None = None
    high: float | None = None
    log: bool = False
    step: float | None = None
    choices: tuple[Any, ...] = ()
    probabilities: tuple[float, ...] = ()

    @abstractmethod
    def from_uniform(self, u: float) -> Any:
        """Return the quantile at ``u``, 0 ≤ u ≤ 1: the value, canonical, below which the share u lies."""

    @abstractmethod
    def describe(self) -> str:
        """Return the distribution in a few words."""

    def probes(self) -> list[tuple[str, Any]]:
        """Return values that stand for all when a field checks them, each with its key in the file or "".

        These are all choices, or both bounds and a value one step beside, or the quantiles at 0.1 %, 50 % and
        99.9 %, between which a draw of an unbounded distribution nearly always lies.
        """
        return [("", self.from_uniform(u)) for u in (0.001, 0.5, 0.999)]

    def sample(self, rng: np.random.Generator) -> Any:
        """Draw a value."""
        return self.from_uniform(rng.random())

    @property
    def size(self) -> int | None:
        """How many values there are, None where they are infinitely many."""
        return None

    def value(self, index: int) -> Any:
        """Return a value of a finite distribution, 0 ≤ index < size: choices as listed, numbers rising."""
        raise IndexError(f"{self.kind} has infinitely many values")

    def values(self) -> Iterator[Any]:
        """Yield all values of a finite distribution, in the order of `value`."""
        return map(self.value, range(self.size or 0))

    def on_grid(self) -> Distribution | None:
        """Return what W&B's grid search walks through for this one, None where it refuses to."""
        return None

    def in_integers(self) -> Distribution:
        """Return the same for a field of integers."""
        return self

    @property
    def is_whole(self) -> bool:
        """Whether it is certain that all values are integers."""
        return False


@dataclass(frozen=True, kw_only=True)
class Categorical(Distribution):
    """One of the choices: constant, categorical, categorical_w_probabilities."""

    def from_uniform(self, u: float) -> Any:
        n = len(self.choices)
        if self.probabilities:
            index = bisect_right(list(accumulate(self.probabilities)), u)
        else:
            index = math.ceil(u * n) - 1
        return self.choices[within(index, n)]

    def describe(self) -> str:
        words = [",".join(map(str, item)) if isinstance(item, tuple) else str(item) for item in self.choices]
        if self.probabilities:
            words = [f"{word} ({100 * share:g} %)" for word, share in zip(words, self.probabilities)]
        return (" or " if any("," in word for word in words) else ", ").join(words)

    def probes(self) -> list[tuple[str, Any]]:
        if self.kind == "constant":
            return [("value", self.choices[0])]
        return [(f"values[{index}]", choice) for index, choice in enumerate(self.choices)]

    @property
    def size(self) -> int:
        return len(self.choices)

    def value(self, index: int) -> Any:
        return self.choices[index]

    def on_grid(self) -> Distribution | None:
        return None if self.probabilities else self


@dataclass(frozen=True, kw_only=True)
class Uniform(Distribution):
    """All numbers from low to high alike."""

    low: float
    high: float

    def from_uniform(self, u: float) -> float:
        return min(max(self.low + u * (self.high - self.low), self.low), self.high)

    def describe(self) -> str:
        return f"{self.low:g} to {self.high:g}"

    def probes(self) -> list[tuple[str, Any]]:
        return [("min", self.low), ("max", self.high), *super().probes()]


@dataclass(frozen=True, kw_only=True)
class LogUniform(Distribution):
    """All orders of magnitude from low to high alike: the logarithm is uniform."""

    low: float
    high: float
    log: bool = True

    def from_uniform(self, u: float) -> float:
        start = math.log(self.low)
        return min(max(math.exp(start + u * (math.log(self.high) - start)), self.low), self.high)

    def describe(self) -> str:
        return f"{self.low:g} to {self.high:g}, log-uniform"

    def probes(self) -> list[tuple[str, Any]]:
        ends = ("min", "max") if self.kind.endswith("_values") else ("", "")
        return [*zip(ends, (self.low, self.high)), *super().probes()]


@dataclass(frozen=True, kw_only=True)
class Normal(Distribution):
    """A normal distribution of the value, or where ``log`` of its natural logarithm."""

    mu: float
    sigma: float

    def from_uniform(self, u: float) -> float:
        x = NormalDist(self.mu, self.sigma).inv_cdf(min(max(u, _EDGE), 1 - _EDGE))
        return math.exp(x) if self.log else x

    def describe(self) -> str:
        shape = "log-normal" if self.log else "normal"
        return f"{shape}, mean {self.mu:g}, deviation {self.sigma:g}" + " of the logarithm" * self.log


@dataclass(frozen=True, kw_only=True)
class Beta(Distribution):
    """A beta distribution, on 0 … 1; its quantiles by bisection (see `ffcli.sweeping.spec.beta`)."""

    low: float = 0.0
    high: float = 1.0
    a: float
    b: float

    def from_uniform(self, u: float) -> float:
        return beta.quantile(u, self.a, self.b)

    def describe(self) -> str:
        return f"beta({self.a:g}, {self.b:g})"


def within(index: int, n: int) -> int:
    """Return the index of 0 … n - 1 that is nearest."""
    return min(max(index, 0), n - 1)
