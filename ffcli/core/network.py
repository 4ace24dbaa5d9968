"""The feed-forward network: its parameters and the forward pass."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import DTypeLike

from ffcli.core.activations import ACTIVATIONS
from ffcli.core.buffers import Array, aligned_zeros, padded
from ffcli.core.initializers import INITIALIZERS
from ffcli.core.losses import softmax

_CHUNK = 1000  # images of one forward pass when predicting: bounds the memory, keeps the products large


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


class Network:
    """Fully connected layers: h₀ = x, z_l = h_{l-1} W_l + b_l, h_l = f(z_l), and the last z are the logits.

    All parameters lie in one flat vector, ``params``: the weights of every layer, then all biases, each block
    from a 64-byte boundary on (the gaps stay zero). ``weights[l]``, shape (fan_in, fan_out), and
    ``biases[l]``, shape (fan_out,), are views of it.
    """

    def __init__(
        self, layer_sizes: Sequence[int], activation: str = "relu", dtype: DTypeLike = np.float32
    ) -> None:
        """Make a network of zeros. ``layer_sizes``: features, hidden sizes …, classes."""
        if len(layer_sizes) < 2 or min(layer_sizes) < 1:
            raise ValueError(f"layer sizes must be at least two positive numbers, not {list(layer_sizes)}")
        self.layer_sizes = tuple(layer_sizes)
        self.activation_name = ACTIVATIONS.canonical(activation)
        self.activation = ACTIVATIONS[activation]()
        self.dtype = np.dtype(dtype)
        fans = list(zip(self.layer_sizes, self.layer_sizes[1:]))
        self._shapes: list[tuple[int, ...]] = [*fans, *((fan_out,) for _, fan_out in fans)]
        self._sizes = [padded(math.prod(shape), dtype) for shape in self._shapes]
        self.n_weights = sum(self._sizes[: len(fans)])
        self.params = aligned_zeros(sum(self._sizes), dtype)
        self.weights, self.biases = self.views(self.params)

    def __repr__(self) -> str:
        return f"Network({list(self.layer_sizes)}, {self.activation_name!r})"

    def views(self, vector: Array) -> tuple[list[Array], list[Array]]:
        """Return the weights and the biases that a flat vector of this network's layout holds."""
        blocks, start = [], 0
        for shape, size in zip(self._shapes, self._sizes):
            blocks.append(vector[start : start + math.prod(shape)].reshape(shape))
            start += size
        n_layers = len(self.layer_sizes) - 1
        return blocks[:n_layers], blocks[n_layers:]

    def initialize(self, weight_init: str, rng: np.random.Generator) -> None:
        """Draw new weights layer by layer and set the biases to zero."""
        initializer = INITIALIZERS[weight_init]
        for W in self.weights:
            W[...] = initializer(rng, *W.shape)
        for b in self.biases:
            b[...] = 0

    @property
    def n_parameters(self) -> int:
        """The number of weights and biases, without the padding."""
        return sum(math.prod(shape) for shape in self._shapes)

    def logits(self, images: Array) -> Array:
        """Return the logits, shape (n, classes), of ``images`` (n, ...): uint8 pixels or float features."""
        logits = np.empty((len(images), self.layer_sizes[-1]), self.dtype)
        for start in range(0, len(images), _CHUNK):
            part = slice(start, start + _CHUNK)
            logits[part] = self._forward(as_features(images[part], dtype=self.dtype))
        return logits

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
