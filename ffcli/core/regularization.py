"""Batch normalization and dropout, as they act while a hidden layer trains.

Shapes: every array of values is (batch, units). All work is done in place, in buffers made once.
"""

from __future__ import annotations

import numpy as np

from ffcli.core.buffers import Array, aligned_zeros
from ffcli.core.network import BATCH_NORM_EPSILON, Normalization

MOMENTUM = 0.99  # of the running statistics, as in Keras


class Dropout:
    """Inverted dropout: d = h ⊙ m / (1 - p) with m ~ Bernoulli(1 - p), so that E[d] = h.

    Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting", JMLR 15, 2014.
    A mask is drawn from 16 random bits a value; ``rate`` p is rounded to a multiple of 2⁻¹⁶, and that
    rounded rate is what the kept values are scaled by.
    """

    def __init__(self, shape: tuple[int, int], rate: float, rng: np.random.Generator, like: Array) -> None:
        self._threshold = min(round(rate * 2**16), 2**16 - 1)
        self._scale = 2**16 / (2**16 - self._threshold)
        self._draw = rng.bit_generator.random_raw
        self._n_words = -(-shape[0] * shape[1] // 4)
        self._shape = shape
        self._kept = np.empty(shape, np.bool_)
        self._mask = aligned_zeros(shape, like.dtype)
        self.out = aligned_zeros(shape, like.dtype)

    def forward(self, h: Array) -> Array:
        """Return ``h`` with some values dropped and the others scaled up; ``h`` itself stays."""
        n = self._shape[0] * self._shape[1]
        bits = self._draw(self._n_words).view(np.uint16)[:n].reshape(self._shape)
        np.greater_equal(bits, self._threshold, self._kept)
        np.multiply(self._kept, self._scale, self._mask)
        np.multiply(h, self._mask, self.out)
        return self.out

    def backward(self, delta: Array) -> None:
        """Turn the gradient with respect to d into that with respect to h."""
        np.multiply(delta, self._mask, delta)


class BatchNorm:
    """y = γ ⊙ x̂ + β with x̂ = (z - μ) / √(σ² + ε), μ and σ² the mean and the biased variance of the batch.

    Ioffe & Szegedy, "Batch normalization: accelerating deep network training", ICML 2015, with Keras' ε and
    momentum. β is the layer's bias. The running statistics that prediction uses follow the batches'.
    """

    def __init__(self, normal: Normalization, dgamma: Array, batch_size: int) -> None:
        self._normal, self._dgamma = normal, dgamma
        units = normal.gamma.size
        self._x_hat = aligned_zeros((batch_size, units), normal.gamma.dtype)
        self._scratch = aligned_zeros((batch_size, units), normal.gamma.dtype)
        self._scale = np.empty(units, normal.gamma.dtype)
        self._mean_of = np.full(batch_size, 1 / batch_size, normal.gamma.dtype)

    def forward(self, z: Array, beta: Array) -> None:
        """Overwrite ``z`` with y, and let the running statistics follow."""
        normal, x_hat, scratch = self._normal, self._x_hat, self._scratch
        mean = self._mean_of @ z
        np.subtract(z, mean, x_hat)
        np.multiply(x_hat, x_hat, scratch)
        variance = self._mean_of @ scratch
        inverse = 1 / np.sqrt(variance + BATCH_NORM_EPSILON)
        np.multiply(x_hat, inverse, x_hat)
        np.multiply(normal.gamma, inverse, self._scale)
        np.multiply(x_hat, normal.gamma, z)
        np.add(z, beta, z)
        for running, current in ((normal.mean, mean), (normal.variance, variance)):
            np.add(running, (1 - MOMENTUM) * (current - running), running)

    def backward(self, delta: Array) -> None:
        """Turn ∂L/∂y into ∂L/∂z = γ/√(σ² + ε) ⊙ (δ - mean δ - x̂ ⊙ mean(δ ⊙ x̂)), and keep ∂L/∂γ = Σ δ ⊙ x̂."""
        x_hat, scratch = self._x_hat, self._scratch
        np.multiply(delta, x_hat, scratch)
        mean_product = self._mean_of @ scratch
        np.multiply(mean_product, len(delta), self._dgamma)
        mean = self._mean_of @ delta
        np.multiply(x_hat, mean_product, scratch)
        np.subtract(delta, scratch, delta)
        np.subtract(delta, mean, delta)
        np.multiply(delta, self._scale, delta)
