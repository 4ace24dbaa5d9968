"""The loop of a first course: float64, a list of layers, a new array for every result, no tricks.

It stands for the code that students write, and is correct: the tests check its gradient numerically.
"""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

from benchmarks.cases import BETA1, BETA2, CLASSES, EPSILON, Case
from benchmarks.data import Data
from benchmarks.peers import WARM_UP_STEPS

Array = NDArray[np.float64]


def activate(name: str, z: Array) -> Array:
    if name == "relu":
        return np.maximum(0.0, z)
    if name == "tanh":
        return np.tanh(z)
    return 1.0 / (1.0 + np.exp(-z))


def activation_derivative(name: str, z: Array) -> Array:
    if name == "relu":
        return (z > 0.0).astype(np.float64)
    a = activate(name, z)
    return 1.0 - a**2 if name == "tanh" else a * (1.0 - a)


def softmax(z: Array) -> Array:
    e: Array = np.exp(z - z.max(axis=1, keepdims=True))
    p: Array = e / e.sum(axis=1, keepdims=True)
    return p


class TextbookNetwork:
    """Lists of weights and biases, and an optimizer that keeps a dictionary a layer."""

    def __init__(self, case: Case, rng: np.random.Generator) -> None:
        self.case = case
        self.W: list[Array] = []
        self.b: list[Array] = []
        for inputs, outputs in zip(case.sizes, case.sizes[1:], strict=False):
            limit = np.sqrt(6.0 / (inputs + outputs))
            self.W.append(rng.uniform(-limit, limit, (inputs, outputs)))
            self.b.append(np.zeros(outputs))
        self.moments = [
            {"mW": np.zeros_like(W), "vW": np.zeros_like(W), "mb": np.zeros_like(b), "vb": np.zeros_like(b)}
            for W, b in zip(self.W, self.b, strict=True)
        ]
        self.t = 0

    def forward(self, x: Array) -> tuple[list[Array], list[Array]]:
        """Return the pre-activations of all layers, and the activations with the input first."""
        zs, activations = [], [x]
        for layer, (W, b) in enumerate(zip(self.W, self.b, strict=True)):
            z = activations[-1] @ W + b
            zs.append(z)
            is_last = layer == len(self.W) - 1
            activations.append(softmax(z) if is_last else activate(self.case.activation, z))
        return zs, activations

    def loss(self, x: Array, targets: Array) -> float:
        """Return the mean cross-entropy; ``targets`` (n, 10) are one-hot."""
        return float(-np.mean(np.sum(targets * np.log(self.forward(x)[1][-1]), axis=1)))

    def gradients(self, x: Array, targets: Array) -> list[dict[str, Array]]:
        """Return for each layer the loss's gradients by its weights and biases."""
        zs, activations = self.forward(x)
        gradients = []
        delta = (activations[-1] - targets) / len(x)
        for layer in reversed(range(len(self.W))):
            gradients.append({"W": activations[layer].T @ delta, "b": np.sum(delta, axis=0)})
            if layer > 0:
                delta = (delta @ self.W[layer].T) * activation_derivative(self.case.activation, zs[layer - 1])
        return gradients[::-1]

    def update(self, gradients: list[dict[str, Array]]) -> None:
        rate = self.case.learning_rate
        self.t += 1
        for layer, gradient in enumerate(gradients):
            if self.case.optimizer == "sgd":
                self.W[layer] = self.W[layer] - rate * gradient["W"]
                self.b[layer] = self.b[layer] - rate * gradient["b"]
            else:
                self.W[layer] = self.W[layer] - rate * self._adam(layer, "W", gradient["W"])
                self.b[layer] = self.b[layer] - rate * self._adam(layer, "b", gradient["b"])

    def _adam(self, layer: int, name: str, gradient: Array) -> Array:
        moments = self.moments[layer]
        moments["m" + name] = BETA1 * moments["m" + name] + (1 - BETA1) * gradient
        moments["v" + name] = BETA2 * moments["v" + name] + (1 - BETA2) * gradient**2
        m_hat = moments["m" + name] / (1 - BETA1**self.t)
        v_hat = moments["v" + name] / (1 - BETA2**self.t)
        update: Array = m_hat / (np.sqrt(v_hat) + EPSILON)
        return update


def train_epochs(case: Case, data: Data, epochs: int, seed: int) -> tuple[list[float], float]:
    """Train as ``benchmarks.peers`` describes."""
    rng = np.random.default_rng(seed)
    x = data.pixels("train") / 255.0
    targets = np.eye(CLASSES)[data.labels("train")]

    def run(network: TextbookNetwork, order: NDArray[np.int64]) -> None:
        for first in range(0, len(order), case.batch_size):
            batch = order[first : first + case.batch_size]
            network.update(network.gradients(x[batch], targets[batch]))

    run(TextbookNetwork(case, rng), rng.permutation(len(x))[: WARM_UP_STEPS * case.batch_size])
    network = TextbookNetwork(case, rng)
    seconds = []
    for _ in range(epochs):
        start = time.perf_counter()
        run(network, rng.permutation(len(x)))
        seconds.append(time.perf_counter() - start)
    predicted = network.forward(data.pixels("val") / 255.0)[1][-1].argmax(axis=1)
    return seconds, float((predicted == data.labels("val")).mean())
