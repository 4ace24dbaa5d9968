"""Activation functions of the hidden layers, each with its derivative.

The names and parameters follow Keras 3.
"""

from __future__ import annotations

import math
from abc import ABC
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from ffcli.core import rules, tape
from ffcli.core.buffers import Array
from ffcli.core.registry import Registry
from ffcli.core.rules import HALF, ONE, ZERO


class Activation(ABC):
    """An elementwise function h = f(z) with its derivative, by elementwise rules (`core.rules`).

    ``rule(z)`` returns (f(z), f'(z)). Where f needs ``function``, one of NumPy's, t = function(u) is computed
    in between: ``before(z)`` returns u, and ``rule(t)`` follows; or, with ``keeps_z``, ``before(z)`` returns
    (z, u) and ``rule(z, t)`` follows.
    """

    before: ClassVar[Callable[..., Any] | None] = None
    function: ClassVar[np.ufunc | None] = None
    keeps_z: ClassVar[bool] = False
    rule: ClassVar[Callable[..., Any]]

    def forward(self, z: Array) -> None:
        """Overwrite the pre-activations ``z`` (any shape) with f(z)."""
        function, kind = self.function, type(self)
        t = np.empty_like(z) if self.keeps_z else z
        if kind.before is not None:
            tape.bind(kind.before, [z], [], [t] if self.keeps_z else [])()
        if function is not None:
            function(t, out=t)
        tape.bind(kind.rule, [z], [t] if self.keeps_z else [])()

    def training(self, z: Array, derivative: Array, bias: Array | None = None) -> Callable[[], None]:
        """Return what overwrites ``z`` with f(z + bias), and ``derivative`` with f' there.

        ``z`` and ``derivative`` are (batch, units), ``bias`` is (units,).
        """
        function, kind = self.function, type(self)
        if function is None:
            return rules.bind_biased(kind.rule, z, bias, derivative)
        flat, flat_derivative = z.reshape(-1), derivative.reshape(-1)
        t = derivative if self.keeps_z else z
        before = rules.bind_biased(kind.before, z, bias, t if self.keeps_z else None)
        after = (
            rules.bind(kind.rule, [flat, flat_derivative])
            if self.keeps_z
            else rules.bind(kind.rule, [flat], written=[flat_derivative])
        )

        def activate() -> None:
            before()
            function(t, out=t)
            after()

        return activate


ACTIVATIONS: Registry[type[Activation]] = Registry("activation")


@ACTIVATIONS.register("identity", "linear")
class Identity(Activation):
    """f(z) = z: the network stays a linear map."""

    @staticmethod
    def rule(z: Array) -> tuple[Array, Any]:
        return z, ONE


@ACTIVATIONS.register("sigmoid", "logistic")
class Sigmoid(Activation):
    """f(z) = 1 / (1 + e^-z) = (1 + tanh(z/2)) / 2, which cannot overflow; f' = h (1 - h)."""

    function = np.tanh

    @staticmethod
    def before(z: Array) -> Any:
        return z * HALF

    @staticmethod
    def rule(t: Array) -> tuple[Array, Array]:
        h = t * HALF + HALF
        return h, (ONE - h) * h


@ACTIVATIONS.register("tanh")
class Tanh(Activation):
    """f(z) = tanh z; f' = 1 - h²."""

    function = np.tanh

    @staticmethod
    def rule(t: Array) -> tuple[Array, Array]:
        return t, ONE - t * t


@ACTIVATIONS.register("relu")
class ReLU(Activation):
    """f(z) = max(z, 0); f' = 1 where z > 0, else 0 (at z = 0 too, as Keras and PyTorch have it)."""

    @staticmethod
    def rule(z: Array) -> tuple[Array, Array]:
        above = np.greater(z, ZERO)  # NumPy's maximum with a number is not vectorised
        return np.multiply(z, above), above


_ROOT = np.float32(math.sqrt(2 / math.pi))
_CUBIC = np.float32(0.044715)
_THREE = np.float32(3)


@ACTIVATIONS.register("gelu")
class GELU(Activation):
    """f(z) = z (1 + t) / 2 with t = tanh u, u = √(2/π) (z + 0.044715 z³): z Φ(z) to within 5e-4.

    Then f' = (1 + t) / 2 + z (1 - t²) u' / 2. Hendrycks & Gimpel, "Gaussian error linear units", 2016.
    As Keras' gelu(approximate=True) and PyTorch's GELU(approximate="tanh"); both use the exact Φ by default.
    """

    function = np.tanh
    keeps_z = True

    @staticmethod
    def before(z: Array) -> tuple[Array, Array]:
        return z, _ROOT * (z + _CUBIC * (z * z) * z)

    @staticmethod
    def rule(z: Array, t: Array) -> tuple[Array, Array]:
        phi = t * HALF + HALF
        du = _ROOT * (ONE + _THREE * (_CUBIC * (z * z)))
        return z * phi, phi + HALF * z * (ONE - t * t) * du


@ACTIVATIONS.register("silu", "swish")
class SiLU(Activation):
    """f(z) = z σ(z) with the logistic function σ; f' = σ + h (1 - σ).

    Elfwing et al., "Sigmoid-weighted linear units", Neural Networks 107, 2018; Ramachandran et al. 2017 call
    it swish.
    """

    function = np.tanh
    keeps_z = True

    @staticmethod
    def before(z: Array) -> tuple[Array, Array]:
        return z, z * HALF

    @staticmethod
    def rule(z: Array, t: Array) -> tuple[Array, Array]:
        sigma = t * HALF + HALF
        h = z * sigma
        return h, sigma + h * (ONE - sigma)


LEAK = np.float32(0.2)


@ACTIVATIONS.register("leaky_relu", "lrelu")
class LeakyReLU(Activation):
    """f(z) = z where z > 0, else 0.2 z; f' = 1 or 0.2 (0.2 at z = 0).

    Maas et al., "Rectifier nonlinearities improve neural network acoustic models", ICML 2013. 0.2 is Keras'
    value; PyTorch's and the paper's is 0.01.
    """

    @staticmethod
    def rule(z: Array) -> tuple[Array, Array]:
        derivative = np.maximum(np.multiply(ONE, np.greater(z, ZERO)), LEAK)
        return z * derivative, derivative


@ACTIVATIONS.register("elu")
class ELU(Activation):
    """f(z) = z where z > 0, else e^z - 1; f' = 1 or e^z = h + 1.

    Clevert et al., "Fast and accurate deep network learning by exponential linear units", ICLR 2016, with
    α = 1 as in Keras and PyTorch.
    """

    function = np.expm1
    keeps_z = True

    @staticmethod
    def before(z: Array) -> tuple[Array, Array]:
        return z, np.minimum(z, ZERO)

    @staticmethod
    def rule(z: Array, t: Array) -> tuple[Array, Array]:
        return np.maximum(z, ZERO) + t, t + ONE
