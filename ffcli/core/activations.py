"""Activation functions of the hidden layers, each with its derivative written in terms of its output.

With h = f(z), every derivative here is a function of h alone, so a layer keeps one array, not two.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np

from ffcli.core.buffers import Array
from ffcli.core.registry import Registry


class Activation(ABC):
    """An element-wise function. Both methods work in place: no array is made in a training step."""

    # The type of the scratch array that `backward` wants; None is that of the network.
    scratch_dtype: ClassVar[type[np.generic] | None] = None

    @abstractmethod
    def forward(self, z: Array) -> None:
        """Overwrite the pre-activations ``z`` (any shape) with h = f(z)."""

    @abstractmethod
    def backward(self, h: Array, delta: Array, scratch: Array) -> None:
        """Multiply ``delta``, the gradient with respect to h, by f'(z): it becomes that with respect to z.

        ``h``, ``delta`` and ``scratch`` have one shape; ``scratch`` is overwritten.
        """


ACTIVATIONS: Registry[type[Activation]] = Registry("activation")


@ACTIVATIONS.register("identity", "linear")
class Identity(Activation):
    """f(z) = z: the network stays a linear map."""

    def forward(self, z: Array) -> None:
        pass

    def backward(self, h: Array, delta: Array, scratch: Array) -> None:
        pass


@ACTIVATIONS.register("sigmoid", "logistic")
class Sigmoid(Activation):
    """f(z) = 1 / (1 + e^-z) = (1 + tanh(z/2)) / 2, which cannot overflow; f' = h (1 - h)."""

    def forward(self, z: Array) -> None:
        np.multiply(z, 0.5, z)
        np.tanh(z, z)
        np.multiply(z, 0.5, z)
        np.add(z, 0.5, z)

    def backward(self, h: Array, delta: Array, scratch: Array) -> None:
        np.subtract(1, h, scratch)
        np.multiply(scratch, h, scratch)
        np.multiply(delta, scratch, delta)


@ACTIVATIONS.register("tanh")
class Tanh(Activation):
    """f(z) = tanh z; f' = 1 - h²."""

    def forward(self, z: Array) -> None:
        np.tanh(z, z)

    def backward(self, h: Array, delta: Array, scratch: Array) -> None:
        np.multiply(h, h, scratch)
        np.subtract(1, scratch, scratch)
        np.multiply(delta, scratch, delta)


@ACTIVATIONS.register("relu")
class ReLU(Activation):
    """f(z) = max(z, 0); f' = 1 where h > 0, else 0 (at z = 0 too, as Keras and PyTorch have it)."""

    scratch_dtype = np.bool_

    def forward(self, z: Array) -> None:
        np.maximum(z, 0, out=z)

    def backward(self, h: Array, delta: Array, scratch: Array) -> None:
        np.greater(h, 0, scratch)
        np.multiply(delta, scratch, delta)
