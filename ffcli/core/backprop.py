"""Backpropagation: the gradient of the loss with respect to every parameter, into buffers made once."""

from __future__ import annotations

import numpy as np

from ffcli.core.buffers import Array, aligned_zeros
from ffcli.core.losses import Loss
from ffcli.core.network import Network


class _Layer:
    """One layer with what it holds while batches of one size go through: h = f(z), δ = ∂L/∂z."""

    def __init__(self, network: Network, index: int, batch_size: int, dW: Array, db: Array) -> None:
        self.W, self.b = network.weights[index], network.biases[index]
        self.dW, self.db = dW, db
        fan_out = self.W.shape[1]
        self.h = aligned_zeros((batch_size, fan_out), network.dtype)
        self.delta = aligned_zeros((batch_size, fan_out), network.dtype)
        self.scratch = aligned_zeros((batch_size, fan_out), network.activation.scratch_dtype or network.dtype)
        self.ones = np.ones(batch_size, network.dtype)
        # Made here once: at small sizes making a view costs as much as using it.
        self.W_T, self.h_T = self.W.T, self.h.T


class Backpropagation:
    """The gradient of a network's mean loss plus weight_decay/2 · ΣW², in the network's flat layout.

    With δ_l = ∂L/∂z_l: ∂L/∂W_l = h_{l-1}ᵀ δ_l + weight_decay · W_l, ∂L/∂b_l = Σ_batch δ_l and
    δ_{l-1} = δ_l W_lᵀ ⊙ f'(z_{l-1}).
    """

    def __init__(self, network: Network, loss: Loss, weight_decay: float = 0.0) -> None:
        self.network = network
        self.loss = loss
        self.weight_decay = weight_decay
        self.gradient = aligned_zeros(network.params.size, network.dtype)
        self._dW, self._db = network.views(self.gradient)
        self._layers: dict[int, list[_Layer]] = {}

    def __call__(self, x: Array, targets: Array, logits: Array) -> None:
        """Fill ``gradient`` for one batch: ``x`` (batch, features), ``targets`` (batch, classes).

        ``logits`` (batch, classes) receives the output of the forward pass.
        """
        layers = self._layers.get(len(x)) or self._make_layers(len(x))
        self._forward(x, logits, layers)
        self.loss.gradient(logits, targets, layers[-1].delta)
        self._backward(x, layers)
        if self.weight_decay:
            self._decay()

    def _make_layers(self, batch_size: int) -> list[_Layer]:
        gradients = enumerate(zip(self._dW, self._db))
        layers = [_Layer(self.network, index, batch_size, dW, db) for index, (dW, db) in gradients]
        self._layers[batch_size] = layers
        return layers

    def _forward(self, x: Array, logits: Array, layers: list[_Layer]) -> None:
        h, activate = x, self.network.activation.forward
        *hidden, last = layers
        for layer in hidden:
            np.dot(h, layer.W, layer.h)
            h = layer.h
            np.add(h, layer.b, h)
            activate(h)
        np.dot(h, last.W, logits)
        np.add(logits, last.b, logits)

    def _backward(self, x: Array, layers: list[_Layer]) -> None:
        multiply_by_slope = self.network.activation.backward
        for index in range(len(layers) - 1, -1, -1):
            layer = layers[index]
            inputs = layers[index - 1].h_T if index else x.T
            np.dot(inputs, layer.delta, layer.dW)
            np.dot(layer.ones, layer.delta, layer.db)
            if index:
                below = layers[index - 1]
                np.dot(layer.delta, layer.W_T, below.delta)
                multiply_by_slope(below.h, below.delta, below.scratch)

    def _decay(self) -> None:
        """Add weight_decay · W, layer by layer so that the temporary stays small."""
        for W, dW in zip(self.network.weights, self._dW):
            dW += self.weight_decay * W


def penalty(network: Network, weight_decay: float) -> float:
    """Return weight_decay/2 · ΣW², what L2 regularisation adds to a reported loss."""
    if not weight_decay:
        return 0.0
    weights = network.params[: network.n_weights]
    return 0.5 * weight_decay * float(np.dot(weights, weights))
