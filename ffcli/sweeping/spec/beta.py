"""Quantiles of the beta distribution, for which the standard library and NumPy have no function."""

from __future__ import annotations

import math

_MAX_TERMS = 10_000  # it converges in about sqrt(max(a, b)) terms
_TINY = 1e-300  # stands in for a denominator of zero


def quantile(u: float, a: float, b: float) -> float:
    """Return x with I_x(a, b) = u, 0 ≤ u ≤ 1, by bisection down to neighbouring floats. Rises with u."""
    if u <= 0 or u >= 1:
        return float(u >= 1)
    low, high = 0.0, 1.0
    while low < (middle := (low + high) / 2) < high:
        if cdf(middle, a, b) < u:
            low = middle
        else:
            high = middle
    return high


def cdf(x: float, a: float, b: float) -> float:
    """Return the regularised incomplete beta function I_x(a, b), 0 ≤ x ≤ 1, a, b > 0.

    By its continued fraction, DLMF 8.17.22 (https://dlmf.nist.gov/8.17#v), on the side of the mean where that
    converges fast; the other side follows from I_x(a, b) = 1 - I_{1-x}(b, a), DLMF 8.17.4.
    """
    if x <= 0 or x >= 1:
        return float(x >= 1)
    log_front = a * math.log(x) + b * math.log1p(-x) + math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    front = math.exp(log_front)
    if x <= (a + 1) / (a + b + 2):
        return front / (a * _fraction(x, a, b))
    return 1 - front / (b * _fraction(1 - x, b, a))


def _fraction(x: float, a: float, b: float) -> float:
    """Return 1 + d₁/(1 + d₂/(1 + …)), by Lentz's method as modified by Thompson and Barnett (1986)."""
    value = numerator = 1.0
    denominator = 0.0
    for term in range(1, _MAX_TERMS):
        m = term // 2
        if term % 2:
            d = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            d = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        denominator = 1 / ((1 + d * denominator) or _TINY)
        numerator = (1 + d / numerator) or _TINY
        value *= numerator * denominator
        if abs(numerator * denominator - 1) < 1e-15:
            break
    return value
