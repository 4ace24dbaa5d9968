"""The feed-forward network: its parameters and the forward pass."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike

from ffcli.core.activations import ACTIVATIONS
from ffcli.core.buffers import Array, aligned_zeros, padded
from ffcli.core.initializers import INITIALIZERS
from ffcli.core.losses import softmax

_CHUNK = 1000  # images of one forward pass when predicting: bounds the memory, keeps the products large
BATCH_NORM_EPSILON = 1e-3  # added to a variance, as in Keras


def as_features(images: Array, out: Array | None = None, dtype: DTypeLike = np.float32) -> Array:
    """Return ``images`` (n, ...) as rows of features (n, features).

    uint8 pixels 0 … 255 become 0 … 1; floats are taken as they are. ``out`` receives the result; without it
    the result is a new array of ``dtype``.
    """
    flat = images.reshape(len(images), -1)
    if out is None:
        out = np.empty(flat.shape, dtype)
    np.copyto(out, flat)
    if images.dtype == np.uint8:
        np.multiply(out, 1 / 255, out)
    return out


@dataclass(frozen=True)
class Normalization:
    """Batch normalization of one hidden layer: its scale γ and the running statistics, each (units,)."""

    gamma: Array
    mean: Array
    variance: Array


class Network:
    """Fully connected layers: h₀ = x, z_l = h_{l-1} W_l + b_l, h_l = f(z_l), and the last z are the logits.

    With ``batch_norm`` each hidden layer normalizes in between:
    z_l = γ_l (h_{l-1} W_l - μ_l) / √(σ²_l + ε) + b_l.

    All parameters lie in one flat vector, ``params``: the weights of every layer, then all biases, then the
    γ, each block from a 64-byte boundary on (the gaps stay zero). ``weights[l]``, shape (fan_in, fan_out),
    and ``biases[l]``, shape (fan_out,), are views of it. ``state`` is the vector that ``params`` begins:
    after it come the running statistics, so that a copy of ``state`` is a copy of the network.
    """

    def __init__(
        self,
        layer_sizes: Sequence[int],
        activation: str = "relu",
        dtype: DTypeLike = np.float32,
        *,
        batch_norm: bool = False,
    ) -> None:
        """Make a network of zeros. ``layer_sizes``: features, hidden sizes …, classes."""
        if len(layer_sizes) < 2 or min(layer_sizes) < 1:
            raise ValueError(f"layer sizes must be at least two positive numbers, not {list(layer_sizes)}")
        self.layer_sizes = tuple(layer_sizes)
        self.activation_name = ACTIVATIONS.canonical(activation)
        self.activation = ACTIVATIONS[activation]()
        self.dtype = np.dtype(dtype)
        fans = list(zip(self.layer_sizes, self.layer_sizes[1:]))
        self.batch_norm = batch_norm
        units: list[tuple[int, ...]] = [(size,) for size in self.layer_sizes[1:-1]] if batch_norm else []
        self._shapes: list[tuple[int, ...]] = [*fans, *((fan_out,) for _, fan_out in fans), *units]
        self._sizes = [padded(math.prod(shape), dtype) for shape in self._shapes]
        self.n_weights = sum(self._sizes[: len(fans)])
        n_params, n_units = sum(self._sizes), sum(padded(size, dtype) for (size,) in units)
        self.state = aligned_zeros(n_params + 2 * n_units, dtype)
        self.params = self.state[:n_params]
        self.weights, self.biases = self.views(self.params)
        self.normalizations = [
            Normalization(gamma, mean, variance)
            for gamma, mean, variance in zip(
                self.scales(self.params),
                _blocks(self.state[n_params:], units, dtype),
                _blocks(self.state[n_params + n_units :], units, dtype),
            )
        ]
        for normal in self.normalizations:
            normal.gamma[...] = normal.variance[...] = 1

    def __repr__(self) -> str:
        return f"Network({list(self.layer_sizes)}, {self.activation_name!r})"

    def views(self, vector: Array) -> tuple[list[Array], list[Array]]:
        """Return the weights and the biases that a flat vector of this network's layout holds."""
        blocks = _blocks(vector, self._shapes, self.dtype)
        n_layers = len(self.layer_sizes) - 1
        return blocks[:n_layers], blocks[n_layers : 2 * n_layers]

    def scales(self, vector: Array) -> list[Array]:
        """Return the γ of the hidden layers that a flat vector of this network's layout holds."""
        return _blocks(vector, self._shapes, self.dtype)[2 * (len(self.layer_sizes) - 1) :]

    def initialize(self, weight_init: str, rng: np.random.Generator) -> None:
        """Draw new weights layer by layer, and set the biases to zero and every normalization to none."""
        initializer = INITIALIZERS[weight_init]
        for W in self.weights:
            W[...] = initializer(rng, *W.shape)
        for b in self.biases:
            b[...] = 0
        for normal in self.normalizations:
            normal.mean[...] = 0
            normal.gamma[...] = normal.variance[...] = 1

    @property
    def n_parameters(self) -> int:
        """The number of trained parameters, without the padding."""
        return sum(math.prod(shape) for shape in self._shapes)

    def logits(self, images: Array) -> Array:
        """Return the logits, shape (n, classes), of ``images`` (n, ...): uint8 pixels or float features."""
        network = self.folded()
        logits = np.empty((len(images), self.layer_sizes[-1]), self.dtype)
        for start in range(0, len(images), _CHUNK):
            part = slice(start, start + _CHUNK)
            logits[part] = network._forward(as_features(images[part], dtype=self.dtype))
        return logits

    def folded(self) -> Network:
        """Return the plain network that predicts the same: itself, or a copy with normalization folded in.

        With s = γ / √(σ² + ε): W' = W s and b' = b - μ s.
        """
        if not self.batch_norm:
            return self
        plain = Network(self.layer_sizes, self.activation_name, self.dtype)
        plain.params[: self.n_weights] = self.params[: self.n_weights]
        for b, mine in zip(plain.biases, self.biases):
            b[...] = mine
        for W, b, normal in zip(plain.weights, plain.biases, self.normalizations):
            s = normal.gamma / np.sqrt(normal.variance + BATCH_NORM_EPSILON)
            W *= s
            b -= normal.mean * s
        return plain

    def _forward(self, h: Array) -> Array:
        last = len(self.weights) - 1
        for layer, (W, b) in enumerate(zip(self.weights, self.biases)):
            h = h @ W
            h += b
            if layer < last:
                self.activation.forward(h)
        return h

    def predict_proba(self, images: Array) -> Array:
        """Return the class probabilities, shape (n, classes)."""
        return softmax(self.logits(images))

    def predict(self, images: Array) -> Array:
        """Return the most probable class of each image, shape (n,)."""
        classes: Array = self.logits(images).argmax(axis=1)
        return classes


def _blocks(vector: Array, shapes: Sequence[tuple[int, ...]], dtype: DTypeLike) -> list[Array]:
    """Return views of these shapes, one after the other, each from a 64-byte boundary of ``vector`` on."""
    blocks, start = [], 0
    for shape in shapes:
        size = math.prod(shape)
        blocks.append(vector[start : start + size].reshape(shape))
        start += padded(size, dtype)
    return blocks
