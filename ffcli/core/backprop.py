"""Backpropagation: the gradient of the loss with respect to every parameter, into buffers made once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ffcli.core.buffers import Array, aligned_zeros
from ffcli.core.losses import Loss
from ffcli.core.network import Network
from ffcli.core.regularization import BatchNorm, Dropout
from ffcli.core.rules import bind


class _Layer:
    """One layer with what it holds while batches of one size go through: h = f(z), f'(z), δ = ∂L/∂z."""

    def __init__(self, network: Network, index: int, batch_size: int, dW: Array, db: Array) -> None:
        self.W, self.b = network.weights[index], network.biases[index]
        self.dW, self.db = dW, db
        fan_out = self.W.shape[1]
        self.h = aligned_zeros((batch_size, fan_out), network.dtype)
        self.delta = aligned_zeros((batch_size, fan_out), network.dtype)
        self.derivative = aligned_zeros((batch_size, fan_out), network.dtype)
        self.ones = np.ones(batch_size, network.dtype)
        # Made here once: at small sizes making a view costs as much as using it.
        self.W_T = self.W.T
        self.activate: Callable[[], None] = lambda: None
        self.batch_norm: BatchNorm | None = None
        self.dropout: Dropout | None = None
        self.out_T = self.h.T  # what the next layer takes in

    def drop(self, rate: float, rng: np.random.Generator) -> None:
        """Let the layer drop values at ``rate``."""
        self.dropout = Dropout(self.h.shape, rate, rng, self.h)
        self.out_T = self.dropout.out.T


class Backpropagation:
    """The gradient of a network's mean loss plus weight_decay/2 · ΣW², in the network's flat layout.

    With δ_l = ∂L/∂z_l: ∂L/∂W_l = h_{l-1}ᵀ δ_l + weight_decay · W_l, ∂L/∂b_l = Σ_batch δ_l and
    δ_{l-1} = δ_l W_lᵀ ⊙ f'(z_{l-1}). ``dropout`` is the rate of the hidden layers, ``input_dropout`` that of
    the features; their masks are drawn from ``rng``.
    """

    def __init__(
        self,
        network: Network,
        loss: Loss,
        weight_decay: float = 0.0,
        *,
        dropout: float = 0.0,
        input_dropout: float = 0.0,
        rng: np.random.Generator | None = None,
    ) -> None:
        self.network = network
        self.loss = loss
        self._loss_gradient = loss.training(network.layer_sizes[-1], network.dtype)
        self.weight_decay = weight_decay
        self.dropout, self.input_dropout = dropout, input_dropout
        self._rng = rng or np.random.default_rng()
        self.gradient = aligned_zeros(network.params.size, network.dtype)
        if weight_decay:
            weights = slice(network.n_weights)
            self._add_decay = bind(_decayed, [self.gradient[weights]], [network.params[weights]])
        self._dW, self._db = network.views(self.gradient)
        self._dgamma = network.scales(self.gradient)
        self._input_dropouts: dict[int, Dropout] = {}
        self._layers: dict[int, list[_Layer]] = {}

    def __call__(self, x: Array, targets: Array, logits: Array) -> None:
        """Fill ``gradient`` for one batch: ``x`` (batch, features), ``targets`` (batch, classes).

        ``logits`` (batch, classes) receives the output of the forward pass.
        """
        layers = self._layers.get(len(x)) or self._make_layers(len(x))
        if self.input_dropout:
            x = self._input_dropouts[len(x)].forward(x)
        self._forward(x, logits, layers)
        self._loss_gradient(logits, targets, layers[-1].delta)
        self._backward(x, layers)
        if self.weight_decay:
            self._add_decay(self.weight_decay)

    def _make_layers(self, batch_size: int) -> list[_Layer]:
        gradients = enumerate(zip(self._dW, self._db))
        layers = [_Layer(self.network, index, batch_size, dW, db) for index, (dW, db) in gradients]
        for layer, normal, dgamma in zip(layers, self.network.normalizations, self._dgamma):
            layer.batch_norm = BatchNorm(normal, dgamma, batch_size)
        for layer in layers[:-1]:
            bias = layer.b if layer.batch_norm is None else None
            layer.activate = self.network.activation.training(layer.h, layer.derivative, bias)
            if self.dropout:
                layer.drop(self.dropout, self._rng)
        if self.input_dropout:
            shape = (batch_size, self.network.layer_sizes[0])
            self._input_dropouts[batch_size] = Dropout(shape, self.input_dropout, self._rng, self.gradient)
        self._layers[batch_size] = layers
        return layers

    def _forward(self, x: Array, logits: Array, layers: list[_Layer]) -> None:
        h = x
        *hidden, last = layers
        for layer in hidden:
            np.dot(h, layer.W, layer.h)
            h = layer.h
            if layer.batch_norm is not None:
                layer.batch_norm.forward(h, layer.b)
            layer.activate()
            if layer.dropout is not None:
                h = layer.dropout.forward(h)
        np.dot(h, last.W, logits)
        np.add(logits, last.b, logits)

    def _backward(self, x: Array, layers: list[_Layer]) -> None:
        for index in range(len(layers) - 1, -1, -1):
            layer = layers[index]
            np.dot(layer.ones, layer.delta, layer.db)
            if layer.batch_norm is not None:
                layer.batch_norm.backward(layer.delta)
            inputs = layers[index - 1].out_T if index else x.T
            np.dot(inputs, layer.delta, layer.dW)
            if index:
                below = layers[index - 1]
                np.dot(layer.delta, layer.W_T, below.delta)
                if below.dropout is not None:
                    below.dropout.backward(below.delta)
                np.multiply(below.delta, below.derivative, below.delta)


def _decayed(dW: Array, W: Array, weight_decay: float) -> Array:
    return dW + weight_decay * W


def l2_penalty(network: Network, weight_decay: float) -> float:
    """Return weight_decay/2 · ΣW², what L2 regularisation adds to a reported loss."""
    if not weight_decay:
        return 0.0
    weights = network.params[: network.n_weights]
    return 0.5 * weight_decay * float(np.dot(weights, weights))
