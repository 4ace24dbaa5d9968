"""Optimizers in order of increasing complexity, each by Keras 3's definition.

An optimizer is bound to two flat vectors, the parameters w and their gradient g, and knows no shapes.
``step()`` changes w in place; it may overwrite g, which the next backpropagation fills anew.
Every update is elementwise, so it runs over cache-sized pieces of the vectors, which for large networks
is faster than ten passes over memory.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from ffcli.core.buffers import Array, aligned_zeros
from ffcli.core.registry import Registry

# Vectors up to this many elements are updated in one piece: the calls would cost more than the cache gains.
_ONE_PIECE = 1 << 18
_PIECE = 1 << 16
# Moments of weights whose gradient stays at zero decay into denormal numbers, on which some processors are
# many times slower. Adding and taking off 1e-25 rounds what is below 3e-33 to zero; nothing moves by more.
_FLUSH_EVERY = 100
_FLUSH = 1e-25


class Optimizer(ABC):
    """The base: state vectors, the split into pieces, and what a checkpoint needs."""

    state_names: ClassVar[tuple[str, ...]] = ()
    decouples_weight_decay: ClassVar[bool] = False

    def __init__(self, params: Array, gradient: Array, *, learning_rate: float) -> None:
        self.learning_rate = learning_rate
        self.steps = 0
        self.state = {name: aligned_zeros(params.size, params.dtype) for name in self.state_names}
        piece = params.size if params.size <= _ONE_PIECE else _PIECE
        scratch = aligned_zeros(min(piece, params.size), params.dtype)
        self._pieces = []
        for start in range(0, params.size, piece):
            part = slice(start, start + piece)
            views = [vector[part] for vector in (params, gradient, *self.state.values())]
            self._pieces.append((*views[:2], scratch[: views[0].size], *views[2:]))

    def step(self) -> None:
        """Change the parameters once by their gradient."""
        self.steps += 1
        self._prepare()
        for piece in self._pieces:
            self._update(*piece)
        if self.steps % _FLUSH_EVERY == 0:
            for vector in self.state.values():
                np.add(vector, _FLUSH, vector)
                np.subtract(vector, _FLUSH, vector)

    def _prepare(self) -> None:
        """Compute the step's scalars, once for all pieces."""

    @abstractmethod
    def _update(self, w: Array, g: Array, t: Array, *state: Array) -> None:
        """Update one piece: parameters ``w``, gradient ``g``, scratch ``t`` and the state vectors."""

    def decay(self, weights: Array, weight_decay: float) -> None:
        """Take over the decay of the weights, where the optimizer decouples it from the gradient."""
        raise NotImplementedError(f"{type(self).__name__} takes weight decay by the gradient")

    def scalars(self) -> dict[str, float]:
        """Return what a checkpoint must hold beside ``state``."""
        return {"steps": self.steps}

    def restore(self, state: Mapping[str, Array], scalars: Mapping[str, float]) -> None:
        """Take over the state of a checkpoint. Raises KeyError where a part of it is missing."""
        for name, vector in self.state.items():
            vector[...] = state[name]
        for name in self.scalars():
            setattr(self, name, scalars[name])


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

    def _update(self, w: Array, g: Array, t: Array, *state: Array) -> None:
        np.multiply(g, self.learning_rate, g)
        np.subtract(w, g, w)


@OPTIMIZERS.register("momentum", "sgdm", "sgd_momentum", "momentum_sgd", "mgd", "momentum_gd")
class Momentum(Optimizer):
    """u ← μ u - η g; w ← w + u. Polyak, "Some methods of speeding up the convergence", 1964."""

    state_names = ("velocity",)

    def __init__(
        self, params: Array, gradient: Array, *, learning_rate: float = 0.01, momentum: float = 0.9
    ) -> None:
        super().__init__(params, gradient, learning_rate=learning_rate)
        self.momentum = momentum

    def _update(self, w: Array, g: Array, t: Array, *state: Array) -> None:
        (u,) = state
        np.multiply(u, self.momentum, u)
        np.multiply(g, self.learning_rate, g)
        np.subtract(u, g, u)
        np.add(w, u, w)


@OPTIMIZERS.register("nesterov", "nag", "nesterov_momentum", "nesterov_accelerated_gradient", "sgd_nesterov")
class Nesterov(Momentum):
    """u ← μ u - η g; w ← w + μ u - η g.

    The form of Keras and PyTorch, in which w is the look-ahead point itself and the gradient is taken at w:
    Sutskever et al., "On the importance of initialization and momentum in deep learning", ICML 2013.
    """

    def _update(self, w: Array, g: Array, t: Array, *state: Array) -> None:
        (u,) = state
        np.multiply(u, self.momentum, u)
        np.multiply(g, self.learning_rate, g)
        np.subtract(u, g, u)
        np.multiply(u, self.momentum, t)
        np.subtract(t, g, t)
        np.add(w, t, w)


@OPTIMIZERS.register("rmsprop", "rms")
class RMSprop(Optimizer):
    """v ← β v + (1 - β) g²; w ← w - η g / √(v + ε).

    Hinton, "Neural networks for machine learning", lecture 6e, 2012. ε stands inside the root, as in Keras;
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

    def _update(self, w: Array, g: Array, t: Array, *state: Array) -> None:
        (v,) = state
        np.multiply(v, self.beta, v)
        np.multiply(g, g, t)
        np.multiply(t, 1 - self.beta, t)
        np.add(v, t, v)
        np.add(v, self.epsilon, t)
        np.sqrt(t, t)
        np.multiply(g, self.learning_rate, g)
        np.divide(g, t, t)
        np.subtract(w, t, w)


@OPTIMIZERS.register("adam")
class Adam(Optimizer):
    """m ← β₁ m + (1 - β₁) g; v ← β₂ v + (1 - β₂) g²; w ← w - η √(1 - β₂ᵗ) / (1 - β₁ᵗ) · m / (√v + ε).

    Kingma & Ba, "Adam: a method for stochastic optimization", ICLR 2015, in the efficient form at the end of
    their section 2, which is Keras': ε is added to the uncorrected √v.

    The state holds the sums M = m / (1 - β₁) and V = v / (1 - β₂): M ← β₁ M + g and V ← β₂ V + g² need two
    passes over memory fewer, and the factors move into the step's scalars.
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

    def _prepare(self) -> None:
        corrected = np.sqrt(1 - self.beta2**self.steps) / (1 - self.beta1**self.steps)
        scale_v = (1 - self.beta2) ** 0.5
        self._rate = float(self.learning_rate * corrected * (1 - self.beta1) / scale_v)
        self._epsilon = self.epsilon / scale_v

    def _update(self, w: Array, g: Array, t: Array, *state: Array) -> None:
        m, v = state
        np.multiply(m, self.beta1, m)
        np.add(m, g, m)
        np.multiply(v, self.beta2, v)
        # From here on g's memory serves as scratch: one vector fewer in the cache is 10 % of the time.
        np.multiply(g, g, g)
        np.add(v, g, v)
        np.sqrt(v, g)
        np.add(g, self._epsilon, g)
        np.divide(m, g, g)
        np.multiply(g, self._rate, g)
        np.subtract(w, g, w)


@OPTIMIZERS.register("adamw")
class AdamW(Adam):
    """w ← w - η λ w, for weights only, then Adam's step: the decay λ does not go through the moments.

    Loshchilov & Hutter, "Decoupled weight decay regularization", ICLR 2019. As in Keras and PyTorch η scales
    the decay too.
    """

    decouples_weight_decay = True
    _weights: Array
    _weight_decay = 0.0

    def decay(self, weights: Array, weight_decay: float) -> None:
        """Let each step decay ``weights``, the part of the parameters that weights are."""
        self._weights, self._weight_decay = weights, weight_decay

    def _prepare(self) -> None:
        super()._prepare()
        if self._weight_decay:
            np.multiply(self._weights, 1 - self.learning_rate * self._weight_decay, self._weights)


@OPTIMIZERS.register("nadam")
class Nadam(Adam):
    """Adam with Nesterov's momentum and a momentum schedule μ_t = β₁ (1 - 0.96ᵗ / 2).

    With m and v as in Adam and Π_t = μ₁ … μ_t:
    m̂ = μ_{t+1} m / (1 - Π_{t+1}) + (1 - μ_t) g / (1 - Π_t); v̂ = v / (1 - β₂ᵗ); w ← w - η m̂ / (√v̂ + ε).

    Dozat, "Incorporating Nesterov momentum into Adam", ICLR 2016 workshop, as in Keras: ε is added to the
    corrected √v̂. As in Adam, the state holds the sums M and V.
    """

    momentum_product = 1.0  # Π_t

    def _prepare(self) -> None:
        momentum = self.beta1 * (1 - 0.5 * 0.96**self.steps)
        next_momentum = self.beta1 * (1 - 0.5 * 0.96 ** (self.steps + 1))
        self.momentum_product *= momentum
        # √v̂ + ε = (√V + ε c) / c with c² = (1 - β₂ᵗ) / (1 - β₂)
        c = ((1 - self.beta2**self.steps) / (1 - self.beta2)) ** 0.5
        self._epsilon = self.epsilon * c
        rate = self.learning_rate * c
        self._rate_m = rate * next_momentum * (1 - self.beta1) / (1 - self.momentum_product * next_momentum)
        self._rate_g = rate * (1 - momentum) / (1 - self.momentum_product)

    def scalars(self) -> dict[str, float]:
        return {**super().scalars(), "momentum_product": self.momentum_product}

    def _update(self, w: Array, g: Array, t: Array, *state: Array) -> None:
        m, v = state
        np.multiply(m, self.beta1, m)
        np.add(m, g, m)
        np.multiply(v, self.beta2, v)
        np.multiply(g, g, t)
        np.add(v, t, v)
        np.multiply(g, self._rate_g, g)
        np.multiply(m, self._rate_m, t)
        np.add(g, t, g)
        np.sqrt(v, t)
        np.add(t, self._epsilon, t)
        np.divide(g, t, t)
        np.subtract(w, t, w)
