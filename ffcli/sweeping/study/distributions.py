"""The values and distributions of a sweep as Optuna has them."""

from __future__ import annotations

from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from ffcli.sweeping.spec.distributions import Distribution


def plain(value: Any) -> Any:
    """Return a value of the kinds that Optuna knows: a list of sizes becomes text."""
    return ",".join(map(str, value)) if isinstance(value, tuple) else value


def published(distribution: Distribution) -> BaseDistribution:
    """Return the distribution as Optuna has it."""
    if distribution.choices:
        return CategoricalDistribution([plain(choice) for choice in distribution.choices])
    # Optuna knows no unbounded ones; these end at the quantiles 2⁻⁵³ and 1 - 2⁻⁵³.
    low = distribution.from_uniform(0.0) if distribution.low is None else distribution.low
    high = distribution.from_uniform(1.0) if distribution.high is None else distribution.high
    log = distribution.log and low > 0
    if isinstance(low, int) and isinstance(high, int):
        return IntDistribution(low, high, log=log, step=1 if log else int(distribution.step or 1))
    return FloatDistribution(low, high, log=log)
