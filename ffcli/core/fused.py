"""The softmax of each row and what follows it, compiled by Numba to the same bits as `losses` gives.

Only what trains imports this module.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba.extending import register_jitable
from numpy.typing import DTypeLike

from ffcli.core.buffers import Array
from ffcli.core.compiled import compiled, prepare

# NumPy adds up to so many numbers with eight partial sums, as `_row_sum` does; more, by halves.
MOST_CLASSES = 128


def softmax_gradient(rule: Callable[..., Any], dtype: DTypeLike) -> Callable[[Array, Array, Array], None]:
    """Return what writes rule(p, target, 1 / batch) into ``out``, given logits, targets and ``out``.

    p is the softmax of the logits. All three are (batch, classes) and of ``dtype``, with no more than
    `MOST_CLASSES` classes.
    """
    shift, finish = compiled(_shift), compiled(_finish, rule)
    like = np.zeros((1, 1), dtype)
    number: Any = like.dtype.type
    prepare(shift, like, like)
    prepare(finish, like, like, number(0))

    def gradient(logits: Array, targets: Array, out: Array) -> None:
        shift(logits, out)
        np.exp(out, out)  # NumPy's is vectorised
        finish(out, targets, number(1 / len(logits)))

    return gradient


def cross_entropy(dtype: DTypeLike) -> Callable[[Array, Array], Array]:
    """Return what computes -Σ t log softmax(z) of each row of logits z and targets t, both of ``dtype``."""
    shift, row_sums, finish = compiled(_shift), compiled(_row_sums), compiled(_finish_cross_entropy)
    like = np.zeros((1, 1), dtype)
    prepare(shift, like, like)
    prepare(row_sums, like, like[0])
    prepare(finish, like, like[0], like, like, like[0])

    def per_example(logits: Array, targets: Array) -> Array:
        shifted, scratch = np.empty_like(logits), np.empty_like(logits)
        sums, losses = np.empty_like(logits[:, 0]), np.empty_like(logits[:, 0])
        shift(logits, shifted)
        np.exp(shifted, scratch)
        row_sums(scratch, sums)
        np.log(sums, sums)
        finish(shifted, sums, targets, scratch, losses)
        return losses

    return per_example


def _shift() -> Callable[..., None]:
    def loop(logits: Array, out: Array) -> None:
        """Take the largest logit of each row off."""
        for row in range(logits.shape[0]):
            top = logits[row, 0]
            for column in range(1, logits.shape[1]):
                top = max(top, logits[row, column])
            for column in range(logits.shape[1]):
                out[row, column] = logits[row, column] - top

    return loop


@register_jitable
def _row_sum(values: Array, row: int) -> Any:
    """Return the sum of a row, added up in NumPy's order."""
    n = values.shape[1]
    whole = n - n % 8
    total = values[row, 0]
    if n < 8:
        for column in range(1, n):
            total += values[row, column]
        return total
    a, b, c, d = values[row, 0], values[row, 1], values[row, 2], values[row, 3]
    e, f, g, h = values[row, 4], values[row, 5], values[row, 6], values[row, 7]
    for column in range(8, whole, 8):
        a += values[row, column]
        b += values[row, column + 1]
        c += values[row, column + 2]
        d += values[row, column + 3]
        e += values[row, column + 4]
        f += values[row, column + 5]
        g += values[row, column + 6]
        h += values[row, column + 7]
    total = ((a + b) + (c + d)) + ((e + f) + (g + h))
    for column in range(whole, n):
        total += values[row, column]
    return total


def _finish(rule: Callable[..., Any]) -> Callable[..., None]:
    def loop(out: Array, targets: Array, scale: float) -> None:
        """Divide each row by its sum and apply the rule."""
        for row in range(out.shape[0]):
            total = _row_sum(out, row)
            for column in range(out.shape[1]):
                out[row, column] = rule(out[row, column] / total, targets[row, column], scale)

    return loop


def _row_sums() -> Callable[..., None]:
    def loop(values: Array, sums: Array) -> None:
        for row in range(values.shape[0]):
            sums[row] = _row_sum(values, row)

    return loop


def _finish_cross_entropy() -> Callable[..., None]:
    def loop(shifted: Array, log_sums: Array, targets: Array, scratch: Array, losses: Array) -> None:
        for row in range(shifted.shape[0]):
            for column in range(shifted.shape[1]):
                log_p = shifted[row, column] - log_sums[row]
                scratch[row, column] = targets[row, column] * log_p
            losses[row] = -_row_sum(scratch, row)

    return loop
