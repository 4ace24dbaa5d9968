"""Losses of the softmax output, each with its true gradient with respect to the logits.

Shapes: ``logits`` and ``targets`` are (batch, classes); ``targets`` rows are probabilities, usually one-hot.
A loss is a mean over the batch, so its gradient carries a factor 1 / batch.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from types import ModuleType

import numpy as np
from numpy.typing import DTypeLike

from ffcli.core.buffers import Array
from ffcli.core.registry import Registry
from ffcli.core.rules import compiles

Gradient = Callable[[Array, Array, Array], None]
PerExample = Callable[[Array, Array], Array]


def softmax(logits: Array, out: Array | None = None) -> Array:
    """Return p = e^z / Σ e^z over the last axis, with the largest logit taken off first: no overflow.

    ``out`` receives the result and may be ``logits`` itself.
    """
    p = np.subtract(logits, np.maximum.reduce(logits, axis=-1, keepdims=True), out=out)
    np.exp(p, p)
    np.divide(p, np.add.reduce(p, axis=-1, keepdims=True), p)
    return p


def log_softmax(logits: Array) -> Array:
    """Return log p = z - log Σ e^z, finite also where p itself underflows to zero."""
    shifted = logits - np.maximum.reduce(logits, axis=-1, keepdims=True)
    return shifted - np.log(np.add.reduce(np.exp(shifted), axis=-1, keepdims=True))


class Loss(ABC):
    """A mean loss over a batch of logits and its gradient."""

    @abstractmethod
    def per_example(self, logits: Array, targets: Array) -> Array:
        """Return the loss of each example, shape (batch,)."""

    @abstractmethod
    def gradient(self, logits: Array, targets: Array, out: Array) -> None:
        """Write ∂(mean loss)/∂logits, shape (batch, classes), into ``out``."""

    def training(self, n_classes: int, dtype: DTypeLike) -> Gradient:
        """Return the fastest form of ``gradient``, for contiguous arrays (batch, n_classes)."""
        return self.gradient

    def running(self, n_classes: int, dtype: DTypeLike) -> PerExample:
        """Return the fastest form of ``per_example``, for contiguous arrays (batch, n_classes)."""
        return self.per_example


LOSSES: Registry[type[Loss]] = Registry("loss")


def _fused(n_classes: int) -> ModuleType | None:
    """Return the module of compiled loops; None without Numba or where the bits would differ."""
    if not compiles():
        return None
    from ffcli.core import fused

    return fused if n_classes <= fused.MOST_CLASSES else None


@LOSSES.register(
    "cross_entropy",
    "ce",
    "cross_entropy_loss",
    "categorical_cross_entropy",
    "sparse_categorical_cross_entropy",
    "softmax_cross_entropy",
)
class CrossEntropy(Loss):
    """L = -Σ_c t_c log p_c. Its gradient is (p - t) / batch: the softmax Jacobian cancels."""

    def per_example(self, logits: Array, targets: Array) -> Array:
        losses: Array = -np.add.reduce(targets * log_softmax(logits), axis=-1)
        return losses

    def gradient(self, logits: Array, targets: Array, out: Array) -> None:
        softmax(logits, out)
        out[...] = self.rule(out, targets, 1 / len(logits))

    @staticmethod
    def rule(p: Array, t: Array, scale: float) -> Array:
        """Return the gradient by the probabilities, the targets and 1 / batch."""
        return (p - t) * scale

    def training(self, n_classes: int, dtype: DTypeLike) -> Gradient:
        fused = _fused(n_classes)
        return fused.softmax_gradient(self.rule, dtype) if fused else self.gradient

    def running(self, n_classes: int, dtype: DTypeLike) -> PerExample:
        fused = _fused(n_classes)
        return fused.cross_entropy(dtype) if fused else self.per_example


@LOSSES.register(
    "squared_error", "se", "mean_squared_error", "mse", "mse_loss", "squared_loss", "squared_error_loss"
)
class SquaredError(Loss):
    """L = Σ_c (p_c - t_c)², summed over the classes (Keras' MSE is the mean over them).

    With d = p - t, the chain through the softmax Jacobian diag(p) - p pᵀ gives
    ∂L/∂z = 2 p ⊙ (d - Σ_c d_c p_c).
    """

    def per_example(self, logits: Array, targets: Array) -> Array:
        losses: Array = np.add.reduce(np.square(softmax(logits) - targets), axis=-1)
        return losses

    def gradient(self, logits: Array, targets: Array, out: Array) -> None:
        p = softmax(logits)
        np.subtract(p, targets, out)
        np.subtract(out, np.add.reduce(out * p, axis=-1, keepdims=True), out)
        np.multiply(out, p, out)
        np.multiply(out, 2 / len(logits), out)
