"""Backpropagation: the gradient of the loss with respect to every parameter, into buffers made once."""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from ffcli.core.buffers import Array, aligned_zeros
from ffcli.core.losses import Loss
from ffcli.core.network import Network


class _Layers:
    """What the layers hold while one batch of a given size goes through: h, its gradient, scratch."""

    def __init__(self, network: Network, batch_size: int) -> None:
        def buffers(sizes: tuple[int, ...], dtype: DTypeLike = network.dtype) -> list[Array]:
            return [aligned_zeros((batch_size, size), dtype) for size in sizes]

        hidden = network.layer_sizes[1:-1]
        self.h = buffers(hidden)
        self.scratch = buffers(hidden, network.activation.scratch_dtype or network.dtype)
        self.delta = buffers(network.layer_sizes[1:])
        self.ones = np.ones(batch_size, network.dtype)


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
        self._layers: dict[int, _Layers] = {}

    def __call__(self, x: Array, targets: Array, logits: Array) -> None:
        """Fill ``gradient`` for one batch: ``x`` (batch, features), ``targets`` (batch, classes).

        ``logits`` (batch, classes) receives the output of the forward pass.
        """
        layers = self._layers.get(len(x))
        if layers is None:
            layers = self._layers[len(x)] = _Layers(self.network, len(x))
        self._forward(x, logits, layers)
        self.loss.gradient(logits, targets, layers.delta[-1])
        self._backward(x, layers)
        if self.weight_decay:
            self._decay()

    def _forward(self, x: Array, logits: Array, layers: _Layers) -> None:
        network, h = self.network, x
        for W, b, z in zip(network.weights, network.biases, layers.h):
            np.dot(h, W, z)
            np.add(z, b, z)
            network.activation.forward(z)
            h = z
        np.dot(h, network.weights[-1], logits)
        np.add(logits, network.biases[-1], logits)

    def _backward(self, x: Array, layers: _Layers) -> None:
        network, delta, ones = self.network, layers.delta, layers.ones
        for layer in range(len(delta) - 1, 0, -1):
            h, below = layers.h[layer - 1], delta[layer - 1]
            np.dot(h.T, delta[layer], self._dW[layer])
            np.dot(ones, delta[layer], self._db[layer])
            np.dot(delta[layer], network.weights[layer].T, below)
            network.activation.backward(h, below, layers.scratch[layer - 1])
        np.dot(x.T, delta[0], self._dW[0])
        np.dot(ones, delta[0], self._db[0])

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
