"""Statistics of paired runs: differences with their intervals, and a verdict in words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ffcli.services.compare_loss.results import ComparedPair, ComparisonSummary, MeasureComparison
from ffcli.sweeping.spec import beta

LOSSES = ("cross_entropy", "squared_error")
CONFIDENCE = 0.95
METHOD = "paired t interval with n - 1 degrees of freedom"
VERDICT_BY = "test_acc"  # chosen beforehand: whoever looks at many measures finds one that differs
LEAST_PAIRS = 5  # for a conclusion: with fewer, the intervals are absurd or hang on a chance agreement

# Each measure of an evaluated network, and whether more of it is better.
MEASURES = {
    "test_acc": True,
    "test_nll": False,
    "test_brier": False,
    "val_acc": True,
    "val_nll": False,
    "val_brier": False,
}
GOALS = {"epochs_to_80": 0.80, "epochs_to_85": 0.85}  # of the validation accuracy; fewer epochs are better


@dataclass(frozen=True)
class Difference:
    """The mean of n differences and its interval, which takes two of them at least."""

    n: int
    mean: float
    low: float | None
    high: float | None

    @property
    def significant(self) -> bool | None:
        """Whether the interval leaves out zero; None where there is no interval."""
        return None if self.low is None or self.high is None else not self.low <= 0 <= self.high


def paired_difference(first: Sequence[float], second: Sequence[float]) -> Difference | None:
    """Return the mean of first - second with its 95 % interval, None where there are none.

    With d̄ the mean and s the standard deviation of the n differences (its divisor n - 1) the interval is
    d̄ ± t · s/√n, with t the 97.5 % quantile of Student's distribution with n - 1 degrees of freedom:
    NIST/SEMATECH e-Handbook 7.3.1.1, https://www.itl.nist.gov/div898/handbook/prc/section3/prc311.htm.
    """
    differences = np.subtract(first, second, dtype=np.float64)
    n = len(differences)
    if n == 0:
        return None
    mean = float(differences.mean())
    if n == 1:
        return Difference(n, mean, None, None)
    error = float(differences.std(ddof=1)) / math.sqrt(n)
    reach = t_quantile((1 + CONFIDENCE) / 2, n - 1) * error
    return Difference(n, mean, mean - reach, mean + reach)


def t_quantile(p: float, degrees: int) -> float:
    """Return the quantile of Student's distribution, 0 < p < 1.

    With b of the beta distribution whose both parameters are degrees/2, x = 2b - 1 has a density in
    proportion to (1 - x²)^(degrees/2 - 1), and √degrees · x/√(1 - x²) is Student's.
    """
    if p > 0.5:  # a small b has more digits than one next to 1
        return -t_quantile(1 - p, degrees)
    b = beta.quantile(p, degrees / 2, degrees / 2)
    return math.sqrt(degrees) * (2 * b - 1) / (2 * math.sqrt(b * (1 - b)))


def summarise(pairs: Sequence[ComparedPair]) -> ComparisonSummary:
    """Return what the pairs come to.

    A pair with a reason to be ``left_out`` counts for nothing else. Of the epochs to an accuracy only the
    pairs tell that reached it with both losses.
    """
    whole = [pair for pair in pairs if pair.left_out is None]
    measures = {name: _measure(whole, name) for name in (*MEASURES, *GOALS)}
    return ComparisonSummary(
        pairs=len(whole),
        left_out=len(pairs) - len(whole),
        few=len(whole) < LEAST_PAIRS,
        difference=" - ".join(LOSSES),
        method=METHOD,
        confidence=CONFIDENCE,
        measures=measures,
        verdict=verdict(paired_difference(*_values(whole, VERDICT_BY))),
    )


def _values(pairs: Sequence[ComparedPair], name: str) -> list[list[float]]:
    """Return a measure of both losses, of the pairs that have it with both."""
    first, second = LOSSES
    both = [(pair.value(first, name), pair.value(second, name)) for pair in pairs]
    known = [(x, y) for x, y in both if x is not None and y is not None]
    return [[x for x, _ in known], [y for _, y in known]]


def _measure(pairs: Sequence[ComparedPair], name: str) -> MeasureComparison:
    values = _values(pairs, name)
    means = [float(np.mean(each)) if each else None for each in values]
    found = paired_difference(*values)
    sign = 1 if MEASURES.get(name, False) else -1
    differences = np.subtract(values[0], values[1])
    gains = np.sign(differences) * sign
    return MeasureComparison(
        better="higher" if sign > 0 else "lower",
        pairs=len(values[0]),
        cross_entropy=means[0],
        squared_error=means[1],
        difference=found.mean if found else None,
        median_difference=float(np.median(differences)) if found else None,
        low=found.low if found else None,
        high=found.high if found else None,
        significant=found.significant if found else None,
        wins={loss: int((gains == turn).sum()) for loss, turn in zip(LOSSES, (1, -1))},
        reached={loss: sum(pair.value(loss, name) is not None for pair in pairs) for loss in LOSSES}
        if name in GOALS
        else None,
    )


def verdict(found: Difference | None) -> str:
    """Say in a sentence which loss gives the better test accuracy, or that nobody can tell."""
    if found is None:
        return "No verdict: no configuration finished with both losses."
    if found.low is None or found.high is None:
        return "No verdict: one pair says nothing about others; compare more runs."
    if found.n < LEAST_PAIRS:
        return (
            f"No verdict: {found.n} pairs are too few for a conclusion, whatever their interval is; "
            f"compare {len(LOSSES) * LEAST_PAIRS} runs or more."
        )
    if not found.significant:
        return (
            f"No significant difference: over {found.n} pairs the test accuracy differs by "
            f"{_points(found.mean):+.2f} percentage points on average (cross-entropy minus squared error), "
            f"and the 95 % interval, {_points(found.low):+.2f} to {_points(found.high):+.2f}, includes zero."
        )
    better, other = ("cross-entropy", "squared error")[:: 1 if found.mean > 0 else -1]
    least, most = sorted(abs(_points(bound)) for bound in (found.low, found.high))
    return (
        f"{better.capitalize()} is significantly better than {other}: over {found.n} pairs its test accuracy "
        f"is {abs(_points(found.mean)):.2f} percentage points higher on average, and the 95 % interval, "
        f"{least:.2f} to {most:.2f}, leaves out zero."
    )


def _points(difference: float) -> float:
    """Return a difference of accuracies in percentage points, without a minus before zero."""
    return round(100 * difference, 2) + 0.0
