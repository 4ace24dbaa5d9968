"""The distinct trainings among a sweep's combinations; momentum, for example, changes nothing with adam."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from functools import cached_property
from itertools import product
from math import prod
from typing import Any

from ffcli.config import CONDITIONS, FIELDS
from ffcli.sweeping.spec.distributions import Categorical, Distribution

Values = Mapping[str, Any]

_ROUNDING = 1e-9


class Distinct:
    """The combinations of ``distributions``, by their fields; those that train alike count once.

    Of a parameter without effect a combination has the first value, or the median of infinitely many.
    """

    def __init__(self, distributions: Mapping[str, Distribution]) -> None:
        self._all = distributions
        sizes = distributions.get("hidden_size")
        lists = sizes is not None and any(isinstance(size, tuple) for size in sizes.choices)
        self._conditions = {
            name: condition
            for name, condition in CONDITIONS.items()
            if name in distributions and not (lists and condition.governor == "num_layers")
        }

    def effective(self, values: Values) -> dict[str, Any]:
        """Return a combination with the parameters that have no effect in it at their fixed value."""
        return {
            name: value if self.has_effect(name, values) else self._fixed(name)
            for name, value in values.items()
        }

    def has_effect(self, name: str, values: Values) -> bool:
        """Whether a parameter has an effect, or can have one, beside these values of others."""
        condition = self._conditions.get(name)
        if condition is None or (condition.governor in self._all and condition.governor not in values):
            return True
        return condition.holds(values.get(condition.governor, FIELDS[condition.governor].default))

    def _fixed(self, name: str) -> Any:
        distribution = self._all[name]
        return distribution.value(0) if distribution.size is not None else distribution.from_uniform(0.5)

    @property
    def combinations(self) -> int | None:
        """The number of combinations, whether they differ or not; None where there are infinitely many."""
        sizes = [distribution.size for distribution in self._all.values()]
        return prod(size for size in sizes if size is not None) if None not in sizes else None

    @cached_property
    def size(self) -> int | None:
        """The number of distinct trainings, None where there are infinitely many."""
        return None if self.combinations is None else sum(size for _, size in self._blocks)

    @cached_property
    def _governors(self) -> dict[str, list[tuple[int, int]]]:
        """The parameters on which the effect of others depends, and their values in ranges that do alike."""
        ranges = {}
        for name in sorted(
            {condition.governor for condition in self._conditions.values()} & self._all.keys()
        ):
            distribution = self._all[name]
            size = distribution.size or 0
            if isinstance(distribution, Categorical):
                ranges[name] = [(index, index + 1) for index in range(size)]
            else:  # numbers that rise: the least alone can be zero
                ranges[name] = [(0, 1), (1, size)] if size > 1 else [(0, size)]
        return ranges

    @property
    def governing(self) -> tuple[list[str], int]:
        """The parameters on which the effect of others depends, and how many combinations they have."""
        return list(self._governors), prod(map(len, self._governors.values()))

    @cached_property
    def _blocks(self) -> list[tuple[dict[str, tuple[int, int]], int]]:
        """The ranges of the governors' values, with the number of distinct trainings of each."""
        found = []
        for ranges in product(*self._governors.values()):
            block = dict(zip(self._governors, ranges))
            found.append((block, prod(size for _, _, size in self._digits(block))))
        return found

    def _digits(self, block: Mapping[str, tuple[int, int]]) -> Iterator[tuple[str, int, int]]:
        """Yield (name, first index, number of values) of each parameter in a block, governors first."""
        values = {name: self._all[name].value(start) for name, (start, _) in block.items()}
        for name, (start, stop) in block.items():
            yield name, start, stop - start
        for name in sorted(self._all.keys() - block.keys()):
            yield name, 0, (self._all[name].size or 0) if self.has_effect(name, values) else 1

    def combination(self, index: int) -> dict[str, Any]:
        """Return a distinct training of a finite space, 0 ≤ index < size. Raises IndexError outside.

        Where all combinations differ, they come in the order of W&B's grid search: parameters sorted by name,
        the last changing fastest. Otherwise those on which the effect of others depends change slowest.
        """
        if self.size is None or not 0 <= index < self.size:
            raise IndexError(f"{index} is none of {self.size or 'infinitely many'} combinations")
        for digits, size in self._laid_out():
            if index >= size:
                index -= size
                continue
            drawn = {}
            for name, start, count in reversed(digits):
                index, offset = divmod(index, count)
                drawn[name] = self._all[name].value(start + offset)
            return {name: drawn[name] for name in self._all}
        raise AssertionError("unreachable")

    def index(self, values: Values) -> int | None:
        """Return the index of the training that a combination is, None in an infinite space.

        Raises ValueError for values that the space does not have.
        """
        if self.size is None:
            return None
        values = self.effective(values)
        places = {name: position(distribution, values[name]) for name, distribution in self._all.items()}
        before = 0
        for digits, size in self._laid_out():
            if all(start <= places[name] < start + count for name, start, count in digits):
                index = 0
                for name, start, count in digits:
                    index = index * count + places[name] - start
                return before + index
            before += size
        raise ValueError("its values lie outside the sweep's space")

    def _laid_out(self) -> Iterator[tuple[list[tuple[str, int, int]], int]]:
        """Yield the digits of the trainings that lie one behind the other, with their number."""
        if self.size == self.combinations:
            yield [(name, 0, self._all[name].size or 1) for name in sorted(self._all)], self.size or 0
        else:
            yield from ((list(self._digits(block)), size) for block, size in self._blocks)

    def without_effect(self) -> dict[str, str]:
        """Return in words, by parameter, with which values of another it has no effect."""
        found = {}
        for name, condition in self._conditions.items():
            ranges = self._governors.get(condition.governor)
            if ranges is None:
                values = [FIELDS[condition.governor].default]
            else:
                values = [self._all[condition.governor].value(start) for start, _ in ranges]
            idle = [str(value) for value in values if not condition.holds(value)]
            if idle and self._all[name].size != 1:
                found[name] = f"{condition.governor} {' or '.join(idle)}"
        return found


def position(distribution: Distribution, value: Any) -> int:
    """Return the index of a value of a finite distribution, the reverse of `Distribution.value`."""
    if isinstance(distribution, Categorical):
        return distribution.choices.index(value)
    steps: float = (value - distribution.value(0)) / (distribution.step or 1)
    return round(steps)


def member(distribution: Distribution, value: Any) -> Any:
    """Return the value of a distribution that equals a canonical one up to rounding, None where none does."""
    if distribution.choices:
        return next((choice for choice in distribution.choices if choice == value), None)
    if not isinstance(value, (int, float)):
        return None
    step = distribution.step or 0.0
    nearest: float | None = value
    if distribution.size is not None:
        index = position(distribution, value)
        nearest = distribution.value(index) if 0 <= index < distribution.size else None
    elif step:
        nearest = round(value / step) * step
    low = distribution.from_uniform(0.0) if distribution.low is None else distribution.low
    high = distribution.from_uniform(1.0) if distribution.high is None else distribution.high
    if nearest is None or not low <= nearest <= high:
        return None
    return nearest if math.isclose(nearest, value, rel_tol=_ROUNDING, abs_tol=_ROUNDING * step) else None
