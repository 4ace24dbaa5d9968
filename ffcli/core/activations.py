"""Activation functions of the hidden layers, each with its derivative."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from ffcli.core.buffers import Array
from ffcli.core.registry import Registry

# Arrays without axes, since a ufunc takes 0.3 µs to turn a Python number into one. Both are exact in float32,
# so that they serve float64 networks too.
ZERO, HALF, ONE = (np.array(value, np.float32) for value in (0, 0.5, 1))


class Activation(ABC):
    """An element-wise function f, applied in place: no large array is made in a training step."""

    @abstractmethod
    def forward(self, z: Array, slope: Array | None = None) -> None:
        """Overwrite the pre-activations ``z`` (any shape) with h = f(z).

        While training ``slope``, of the same shape, receives f'(z).
        """


ACTIVATIONS: Registry[type[Activation]] = Registry("activation")


@ACTIVATIONS.register("identity", "linear")
class Identity(Activation):
    """f(z) = z: the network stays a linear map."""

    def forward(self, z: Array, slope: Array | None = None) -> None:
        if slope is not None:
            slope[...] = 1


@ACTIVATIONS.register("sigmoid", "logistic")
class Sigmoid(Activation):
    """f(z) = 1 / (1 + e^-z) = (1 + tanh(z/2)) / 2, which cannot overflow; f' = h (1 - h)."""

    def forward(self, z: Array, slope: Array | None = None) -> None:
        np.multiply(z, HALF, z)
        np.tanh(z, z)
        np.multiply(z, HALF, z)
        np.add(z, HALF, z)
        if slope is not None:
            np.subtract(ONE, z, slope)
            np.multiply(slope, z, slope)


@ACTIVATIONS.register("tanh")
class Tanh(Activation):
    """f(z) = tanh z; f' = 1 - h²."""

    def forward(self, z: Array, slope: Array | None = None) -> None:
        np.tanh(z, z)
        if slope is not None:
            np.multiply(z, z, slope)
            np.subtract(ONE, slope, slope)


@ACTIVATIONS.register("relu")
class ReLU(Activation):
    """f(z) = max(z, 0); f' = 1 where z > 0, else 0 (at z = 0 too, as Keras and PyTorch have it)."""

    def forward(self, z: Array, slope: Array | None = None) -> None:
        if slope is None:
            np.maximum(z, 0, out=z)
        else:
            # A third of the time of np.maximum with a number, which is not vectorised. An infinite z becomes
            # NaN here: by then the training has diverged in any case.
            np.copyto(slope, np.greater(z, ZERO))
            np.multiply(z, slope, z)
