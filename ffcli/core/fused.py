"""The softmax of each row with a rule after it, compiled by Numba to the same bits as `losses.softmax` gives.

Only what trains imports this module.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ffcli.core.buffers import Array
from ffcli.core.compiled import compiled, prepare

# NumPy adds up to so many numbers with eight partial sums, as `_finish` does; more, by halves.
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


def _finish(rule: Callable[..., Any]) -> Callable[..., None]:
    def loop(out: Array, targets: Array, scale: float) -> None:
        """Divide each row by its sum, added up in NumPy's order, and apply the rule."""
        n = out.shape[1]
        whole = n - n % 8
        for row in range(out.shape[0]):
            total = out[row, 0]
            if n < 8:
                for column in range(1, n):
                    total += out[row, column]
            else:
                a, b, c, d = out[row, 0], out[row, 1], out[row, 2], out[row, 3]
                e, f, g, h = out[row, 4], out[row, 5], out[row, 6], out[row, 7]
                for column in range(8, whole, 8):
                    a += out[row, column]
                    b += out[row, column + 1]
                    c += out[row, column + 2]
                    d += out[row, column + 3]
                    e += out[row, column + 4]
                    f += out[row, column + 5]
                    g += out[row, column + 6]
                    h += out[row, column + 7]
                total = ((a + b) + (c + d)) + ((e + f) + (g + h))
                for column in range(whole, n):
                    total += out[row, column]
            for column in range(n):
                out[row, column] = rule(out[row, column] / total, targets[row, column], scale)

    return loop
