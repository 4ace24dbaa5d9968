"""The distributions of a sweep as Optuna has them: there a list of sizes is one text (see `joined`)."""

from __future__ import annotations

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from ffcli.sweeping.spec.distributions import Distribution
from ffcli.util.atomic_files import joined


def published(distribution: Distribution) -> BaseDistribution:
    """Return the distribution as Optuna has it."""
    if distribution.choices:
        return CategoricalDistribution([joined(choice) for choice in distribution.choices])
    # Optuna knows no unbounded ones; these end at the quantiles 2⁻⁵³ and 1 - 2⁻⁵³.
    low = distribution.from_uniform(0.0) if distribution.low is None else distribution.low
    high = distribution.from_uniform(1.0) if distribution.high is None else distribution.high
    log = distribution.log and low > 0
    if isinstance(low, int) and isinstance(high, int):
        return IntDistribution(low, high, log=log, step=1 if log else int(distribution.step or 1))
    return FloatDistribution(low, high, log=log)
