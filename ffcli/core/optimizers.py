"""Optimizers in order of increasing complexity, each by Keras 3's definition.

An optimizer is bound to two flat vectors, the parameters w and their gradient g, and knows no shapes. An
elementwise rule (`core.rules`) defines its step: (w, *state) ← rule(w, *state, g, *coefficients), in place.
"""

from __future__ import annotations

import inspect
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np

from ffcli.core.buffers import Array, aligned_zeros
from ffcli.core.registry import Registry
from ffcli.core.rules import bind

# Moments of weights whose gradient stays at zero decay into denormal numbers, on which some processors are
# many times slower. Adding and taking off 1e-25 rounds what is below 3e-33 to zero; nothing moves by more.
_FLUSH_EVERY = 100
_FLUSH = 1e-25


class Optimizer(ABC):
    """The base: the state vectors, the step, and what a checkpoint holds."""

    state_names: ClassVar[tuple[str, ...]] = ()
    decouples_weight_decay: ClassVar[bool] = False
    rule: ClassVar[Callable[..., Any]]

    def __init__(self, params: Array, gradient: Array, *, learning_rate: float) -> None:
        self.learning_rate = learning_rate
        self.steps = 0
        self.state = {name: aligned_zeros(params.size, params.dtype) for name in self.state_names}
        self._params, self._gradient = params, gradient
        self._update = self._bound(slice(None))

    def _bound(self, part: slice) -> Callable[..., None]:
        """Return what updates a part of the parameters, given the rule's coefficients."""
        updated = [vector[part] for vector in (self._params, *self.state.values())]
        return bind(type(self).rule, updated, [self._gradient[part]])

    def step(self) -> None:
        """Change the parameters once by their gradient."""
        self.steps += 1
        self._step()
        if self.steps % _FLUSH_EVERY == 0:
            for vector in self.state.values():
                np.add(vector, _FLUSH, vector)
                np.subtract(vector, _FLUSH, vector)

    def _step(self) -> None:
        self._update(*self.coefficients())

    @abstractmethod
    def coefficients(self) -> tuple[float, ...]:
        """Return the numbers that the rule takes after its vectors in the step number ``steps``."""

    def decay(self, weights: Array, weight_decay: float) -> None:
        """Decay ``weights``, which the parameters begin with, apart from the gradient.

        Raises NotImplementedError where the optimizer takes the decay by the gradient.
        """
        raise NotImplementedError(f"{type(self).__name__} takes weight decay by the gradient")

    def state_dict(self) -> dict[str, float]:
        """Return the numbers that a checkpoint must hold beside ``state``."""
        return {"steps": self.steps}

    def load_state_dict(self, state: Mapping[str, Array], numbers: Mapping[str, float]) -> None:
        """Take over the state of a checkpoint. Raises KeyError where a part of it is missing."""
        for name, vector in self.state.items():
            vector[...] = state[name]
        for name in self.state_dict():
            setattr(self, name, numbers[name])


OPTIMIZERS: Registry[type[Optimizer]] = Registry("optimizer")


def hyperparameters(name: str) -> dict[str, Any]:
    """Return the hyper-parameters that the optimizer ``name`` uses, with their defaults."""
    parameters = inspect.signature(OPTIMIZERS[name]).parameters.values()
    return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}


@OPTIMIZERS.register("sgd", "gd", "vanilla", "vanilla_sgd", "gradient_descent", "stochastic_gradient_descent")
class SGD(Optimizer):
    """w ← w - η g."""

    def __init__(self, params: Array, gradient: Array, *, learning_rate: float = 0.01) -> None:
        super().__init__(params, gradient, learning_rate=learning_rate)

    @staticmethod
    def rule(w: Array, g: Array, rate: float) -> Array:
        return w - rate * g

    def coefficients(self) -> tuple[float, ...]:
        return (self.learning_rate,)


@OPTIMIZERS.register("momentum", "sgdm", "sgd_momentum", "momentum_sgd", "mgd", "momentum_gd")
class Momentum(Optimizer):
    """u ← μ u - η g; w ← w + u. Polyak, "Some methods of speeding up the convergence", 1964."""

    state_names = ("velocity",)

    def __init__(
        self, params: Array, gradient: Array, *, learning_rate: float = 0.01, momentum: float = 0.9
    ) -> None:
        super().__init__(params, gradient, learning_rate=learning_rate)
        self.momentum = momentum

    @staticmethod
    def rule(w: Array, u: Array, g: Array, rate: float, momentum: float) -> tuple[Array, Array]:
        u = momentum * u - rate * g
        return w + u, u

    def coefficients(self) -> tuple[float, ...]:
        return self.learning_rate, self.momentum


@OPTIMIZERS.register("nesterov", "nag", "nesterov_momentum", "nesterov_accelerated_gradient", "sgd_nesterov")
class Nesterov(Momentum):
    """u ← μ u - η g; w ← w + μ u - η g.

    The form of Keras and PyTorch, in which w is the look-ahead point itself and the gradient is taken at w:
    Sutskever et al., "On the importance of initialization and momentum in deep learning", ICML 2013.
    """

    @staticmethod
    def rule(w: Array, u: Array, g: Array, rate: float, momentum: float) -> tuple[Array, Array]:
        u = momentum * u - rate * g
        return w + (momentum * u - rate * g), u


@OPTIMIZERS.register("rmsprop", "rms")
class RMSprop(Optimizer):
    """v ← β v + (1 - β) g²; w ← w - η g / √(v + ε).

    Hinton, "Neural networks for machine learning", lecture 6e, 2012. ε is inside the root, as in Keras;
    PyTorch adds it to the root.
    """

    state_names = ("v",)

    def __init__(
        self,
        params: Array,
        gradient: Array,
        *,
        learning_rate: float = 0.001,
        beta: float = 0.9,
        epsilon: float = 1e-7,
    ) -> None:
        super().__init__(params, gradient, learning_rate=learning_rate)
        self.beta, self.epsilon = beta, epsilon

    @staticmethod
    def rule(
        w: Array, v: Array, g: Array, rate: float, beta: float, rest: float, epsilon: float
    ) -> tuple[Array, Array]:
        v = beta * v + rest * (g * g)
        return w - rate * g / np.sqrt(v + epsilon), v

    def coefficients(self) -> tuple[float, ...]:
        return self.learning_rate, self.beta, 1 - self.beta, self.epsilon


@OPTIMIZERS.register("adam")
class Adam(Optimizer):
    """m ← β₁ m + (1 - β₁) g; v ← β₂ v + (1 - β₂) g²; w ← w - η √(1 - β₂ᵗ) / (1 - β₁ᵗ) · m / (√v + ε).

    Kingma & Ba, "Adam: a method for stochastic optimization", ICLR 2015, in the efficient form at the end of
    their section 2, which is Keras': ε is added to the uncorrected √v.

    The state holds the sums M = m / (1 - β₁) and V = v / (1 - β₂): M ← β₁ M + g and V ← β₂ V + g² need two
    operations fewer, and the factors move into the step's coefficients.
    """

    state_names = ("m_sum", "v_sum")

    def __init__(
        self,
        params: Array,
        gradient: Array,
        *,
        learning_rate: float = 0.001,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-7,
    ) -> None:
        super().__init__(params, gradient, learning_rate=learning_rate)
        self.beta1, self.beta2, self.epsilon = beta1, beta2, epsilon

    @staticmethod
    def rule(
        w: Array, m: Array, v: Array, g: Array, rate: float, beta1: float, beta2: float, epsilon: float
    ) -> tuple[Array, Array, Array]:
        m = beta1 * m + g
        v = beta2 * v + g * g
        return w - m / (np.sqrt(v) + epsilon) * rate, m, v

    def coefficients(self) -> tuple[float, ...]:
        corrected = math.sqrt(1 - self.beta2**self.steps) / (1 - self.beta1**self.steps)
        scale_v = (1 - self.beta2) ** 0.5
        rate = self.learning_rate * corrected * (1 - self.beta1) / scale_v
        return rate, self.beta1, self.beta2, self.epsilon / scale_v


@OPTIMIZERS.register("adamw")
class AdamW(Adam):
    """w ← w - η λ w, for weights only, then Adam's step: the decay λ does not go through the moments.

    Loshchilov & Hutter, "Decoupled weight decay regularization", ICLR 2019. As in Keras and PyTorch η scales
    the decay too.
    """

    decouples_weight_decay = True
    _weight_decay = 0.0
    _update_weights: Callable[..., None] | None = None

    @staticmethod
    def rule(  # type: ignore[override]
        w: Array,
        m: Array,
        v: Array,
        g: Array,
        rate: float,
        beta1: float,
        beta2: float,
        epsilon: float,
        kept: float,
    ) -> tuple[Array, Array, Array]:
        m = beta1 * m + g
        v = beta2 * v + g * g
        return kept * w - m / (np.sqrt(v) + epsilon) * rate, m, v

    def decay(self, weights: Array, weight_decay: float) -> None:
        self._weight_decay = weight_decay
        self._update = self._bound(slice(weights.size, None))
        self._update_weights = self._bound(slice(weights.size))

    def _step(self) -> None:
        coefficients = self.coefficients()
        self._update(*coefficients, 1.0)
        if self._update_weights is not None:
            self._update_weights(*coefficients, 1 - self.learning_rate * self._weight_decay)


@OPTIMIZERS.register("nadam")
class Nadam(Adam):
    """Adam with Nesterov's momentum and a momentum schedule μ_t = β₁ (1 - 0.96ᵗ / 2).

    With m and v as in Adam and Π_t = μ₁ … μ_t:
    m̂ = μ_{t+1} m / (1 - Π_{t+1}) + (1 - μ_t) g / (1 - Π_t); v̂ = v / (1 - β₂ᵗ); w ← w - η m̂ / (√v̂ + ε).

    Dozat, "Incorporating Nesterov momentum into Adam", ICLR 2016 workshop, as in Keras: ε is added to the
    corrected √v̂. As in Adam, the state holds the sums M and V.
    """

    momentum_product = 1.0  # Π_t

    @staticmethod
    def rule(  # type: ignore[override]
        w: Array,
        m: Array,
        v: Array,
        g: Array,
        rate_m: float,
        rate_g: float,
        beta1: float,
        beta2: float,
        epsilon: float,
    ) -> tuple[Array, Array, Array]:
        m = beta1 * m + g
        v = beta2 * v + g * g
        return w - (rate_g * g + rate_m * m) / (np.sqrt(v) + epsilon), m, v

    def _step(self) -> None:
        self.momentum_product *= self._momentum(self.steps)
        super()._step()

    def _momentum(self, step: int) -> float:
        return float(self.beta1 * (1 - 0.5 * 0.96**step))

    def coefficients(self) -> tuple[float, ...]:
        momentum, next_momentum = self._momentum(self.steps), self._momentum(self.steps + 1)
        # √v̂ + ε = (√V + ε c) / c with c² = (1 - β₂ᵗ) / (1 - β₂)
        c = ((1 - self.beta2**self.steps) / (1 - self.beta2)) ** 0.5
        rate = self.learning_rate * c
        rate_m = rate * next_momentum * (1 - self.beta1) / (1 - self.momentum_product * next_momentum)
        rate_g = rate * (1 - momentum) / (1 - self.momentum_product)
        return rate_m, rate_g, self.beta1, self.beta2, self.epsilon * c

    def state_dict(self) -> dict[str, float]:
        return {**super().state_dict(), "momentum_product": self.momentum_product}
