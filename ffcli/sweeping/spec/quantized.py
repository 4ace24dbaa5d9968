"""The distributions whose numbers lie at equal steps: int_uniform, and what W&B rounds to multiples of q."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from ffcli.sweeping.spec.distributions import Distribution, LogUniform, Uniform, within


@dataclass(frozen=True, kw_only=True)
class Steps(Distribution):
    """The ``count`` numbers low, low + step, …: int_uniform, and q_uniform on a grid."""

    low: float
    step: float
    count: int

    def from_uniform(self, u: float) -> float:
        return self.value(within(math.ceil(u * self.count) - 1, self.count))

    def describe(self) -> str:
        if self.step == 1 and isinstance(self.low, int):
            return f"integers {self.low} to {self.high}"
        return f"{self.low:g} to {self.high:g} in steps of {self.step:g}"

    def probes(self) -> list[tuple[str, Any]]:
        last = self.count - 1
        return [("min", self.low), ("max", self.value(last)), ("", self.value(min(1, last)))]

    @property
    def size(self) -> int:
        return self.count

    def value(self, index: int) -> float:
        return self.low + index * self.step

    def on_grid(self) -> Distribution:
        return self

    def in_integers(self) -> Distribution:
        return _whole(self)

    @property
    def is_whole(self) -> bool:
        return _is_whole(self.low) and (self.count == 1 or _is_whole(self.step))


@dataclass(frozen=True, kw_only=True)
class Quantized(Distribution):
    """round(x / step) · step for x of another distribution, halves to the even side.

    As W&B's, it may go beyond the bounds of x by up to half a step, and its values are integers where step is
    one. ``low`` and ``high`` are the first and the last value.
    """

    inner: Distribution
    step: float

    def from_uniform(self, u: float) -> float:
        nearest: int = round(self.inner.from_uniform(u) / self.step)
        if self._ends is not None:
            nearest = min(max(nearest, self._ends[0]), self._ends[1])
        return nearest * self.step

    @property
    def _ends(self) -> tuple[int, int] | None:
        """The first and the last multiple that x can round to other than exactly at its bounds."""
        low, high = self.inner.low, self.inner.high
        if low is None or high is None:
            return None
        first, last = round(low / self.step), round(high / self.step)
        first += (first + 0.5) * self.step <= low
        last -= (last - 0.5) * self.step >= high
        return first, max(first, last)

    def describe(self) -> str:
        bounded = isinstance(self.inner, (Uniform, LogUniform))
        inner = replace(self.inner, low=self.low, high=self.high) if bounded else self.inner
        return f"{inner.describe()}, in steps of {self.step:g}"

    def probes(self) -> list[tuple[str, Any]]:
        if self._ends is None:
            return [*super().probes(), ("", self.from_uniform(0.001) + self.step)]
        first, last = self._ends
        return [("", multiple * self.step) for multiple in (first, min(first + 1, last), last)]

    @property
    def size(self) -> int | None:
        return None if self._ends is None else self._ends[1] - self._ends[0] + 1

    def value(self, index: int) -> float:
        if self._ends is None:
            return float(super().value(index))
        return (self._ends[0] + index) * self.step

    def on_grid(self) -> Distribution | None:
        """W&B walks min, min + q, … short of max: not quite the multiples of q that random search draws."""
        if not isinstance(self.inner, Uniform):
            return None
        low, high = self.inner.low, self.inner.high
        count = max(math.ceil((high - low) / self.step), 1)
        return Steps(kind=self.kind, low=low, high=low + (count - 1) * self.step, step=self.step, count=count)

    def in_integers(self) -> Distribution:
        return _whole(self)

    @property
    def is_whole(self) -> bool:
        return _is_whole(self.step) or (self.size == 1 and _is_whole(self.value(0)))


def _is_whole(number: float) -> bool:
    return float(number).is_integer()


def _whole(distribution: Distribution) -> Distribution:
    """Turn 16.0 into 16, so that the values of a field of integers are integers."""
    numbers = {name: getattr(distribution, name) for name in ("low", "high", "step")}
    whole: dict[str, Any] = {
        name: int(x) for name, x in numbers.items() if isinstance(x, float) and x.is_integer()
    }
    return replace(distribution, **whole)
