"""Activation functions of the hidden layers, each with its derivative.

The names and parameters follow Keras 3.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import numpy as np

from ffcli.core.buffers import Array
from ffcli.core.registry import Registry

# Arrays without axes, since a ufunc takes 0.3 µs to turn a Python number into one. Both are exact in float32,
# so that they serve float64 networks too.
ZERO, HALF, ONE = (np.array(value, np.float32) for value in (0, 0.5, 1))

_GELU_A = math.sqrt(2 / math.pi)


class Activation(ABC):
    """An element-wise function f, applied in place."""

    @abstractmethod
    def forward(self, z: Array, derivative: Array | None = None) -> None:
        """Overwrite the pre-activations ``z`` (any shape) with h = f(z).

        While training ``derivative``, of the same shape, receives f'(z).
        """


ACTIVATIONS: Registry[type[Activation]] = Registry("activation")


@ACTIVATIONS.register("identity", "linear")
class Identity(Activation):
    """f(z) = z: the network stays a linear map."""

    def forward(self, z: Array, derivative: Array | None = None) -> None:
        if derivative is not None:
            derivative[...] = 1


@ACTIVATIONS.register("sigmoid", "logistic")
class Sigmoid(Activation):
    """f(z) = 1 / (1 + e^-z) = (1 + tanh(z/2)) / 2, which cannot overflow; f' = h (1 - h)."""

    def forward(self, z: Array, derivative: Array | None = None) -> None:
        np.multiply(z, HALF, z)
        np.tanh(z, z)
        np.multiply(z, HALF, z)
        np.add(z, HALF, z)
        if derivative is not None:
            np.subtract(ONE, z, derivative)
            np.multiply(derivative, z, derivative)


@ACTIVATIONS.register("tanh")
class Tanh(Activation):
    """f(z) = tanh z; f' = 1 - h²."""

    def forward(self, z: Array, derivative: Array | None = None) -> None:
        np.tanh(z, z)
        if derivative is not None:
            np.multiply(z, z, derivative)
            np.subtract(ONE, derivative, derivative)


@ACTIVATIONS.register("relu")
class ReLU(Activation):
    """f(z) = max(z, 0); f' = 1 where z > 0, else 0 (at z = 0 too, as Keras and PyTorch have it)."""

    def forward(self, z: Array, derivative: Array | None = None) -> None:
        if derivative is None:
            np.maximum(z, 0, out=z)
        else:
            # A third of the time of np.maximum with a number, which is not vectorised. An infinite z becomes
            # NaN here: by then the training has diverged in any case.
            np.copyto(derivative, np.greater(z, ZERO))
            np.multiply(z, derivative, z)


@ACTIVATIONS.register("gelu")
class GELU(Activation):
    """f(z) = z (1 + t) / 2 with t = tanh u, u = √(2/π) (z + 0.044715 z³): z Φ(z) to within 5e-4.

    Then f' = (1 + t) / 2 + z (1 - t²) u' / 2. Hendrycks & Gimpel, "Gaussian error linear units", 2016. This
    is Keras' gelu(approximate=True) and PyTorch's GELU(approximate="tanh"); both use the exact Φ by default.
    """

    def forward(self, z: Array, derivative: Array | None = None) -> None:
        square = np.multiply(z, z)
        t = np.multiply(square, _GELU_A * 0.044715)
        np.add(t, _GELU_A, t)
        np.multiply(t, z, t)
        np.tanh(t, t)
        if derivative is not None:  # (1 - t²) u' z
            np.multiply(square, _GELU_A * 3 * 0.044715, derivative)
            np.add(derivative, _GELU_A, derivative)
            np.multiply(derivative, z, derivative)
            np.multiply(t, t, square)
            np.subtract(ONE, square, square)
            np.multiply(derivative, square, derivative)
        np.add(t, ONE, t)
        np.multiply(t, HALF, t)
        np.multiply(z, t, z)
        if derivative is not None:
            np.multiply(derivative, HALF, derivative)
            np.add(derivative, t, derivative)


@ACTIVATIONS.register("silu", "swish")
class SiLU(Activation):
    """f(z) = z σ(z) with the logistic function σ; f' = σ + h (1 - σ).

    Elfwing et al., "Sigmoid-weighted linear units", Neural Networks 107, 2018; Ramachandran et al. 2017 call
    it swish.
    """

    def forward(self, z: Array, derivative: Array | None = None) -> None:
        sigma = np.multiply(z, HALF)
        np.tanh(sigma, sigma)
        np.multiply(sigma, HALF, sigma)
        np.add(sigma, HALF, sigma)
        np.multiply(z, sigma, z)
        if derivative is not None:
            np.subtract(ONE, sigma, derivative)
            np.multiply(derivative, z, derivative)
            np.add(derivative, sigma, derivative)


@ACTIVATIONS.register("leaky_relu", "lrelu")
class LeakyReLU(Activation):
    """f(z) = z where z > 0, else 0.2 z; f' = 1 or 0.2 (0.2 at z = 0).

    Maas et al., "Rectifier nonlinearities improve neural network acoustic models", ICML 2013. 0.2 is Keras'
    value; PyTorch's and the paper's is 0.01.
    """

    negative_slope = 0.2

    def forward(self, z: Array, derivative: Array | None = None) -> None:
        factor = np.empty_like(z) if derivative is None else derivative
        np.copyto(factor, np.greater(z, ZERO))
        np.maximum(factor, self.negative_slope, out=factor)
        np.multiply(z, factor, z)


@ACTIVATIONS.register("elu")
class ELU(Activation):
    """f(z) = z where z > 0, else e^z - 1; f' = 1 or e^z = h + 1.

    Clevert et al., "Fast and accurate deep network learning by exponential linear units", ICLR 2016, with
    α = 1 as in Keras and PyTorch.
    """

    def forward(self, z: Array, derivative: Array | None = None) -> None:
        below = np.minimum(z, ZERO)
        np.expm1(below, below)
        np.maximum(z, ZERO, out=z)
        np.add(z, below, z)
        if derivative is not None:
            np.add(below, ONE, derivative)
