"""Backpropagation against central differences of the loss, for all that is registered."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from ffcli.core.activations import ACTIVATIONS
from ffcli.core.backprop import Backpropagation, l2_penalty
from ffcli.core.losses import LOSSES
from ffcli.core.network import Network

HIDDEN = [5, 4, 3]
N_FEATURES, N_CLASSES, BATCH = 6, 4, 7


def network_off_the_kinks(activation: str, depth: int) -> tuple[Network, np.ndarray]:
    """Return a network and inputs whose pre-activations all keep off zero, where relu has its kink."""
    for seed in itertools.count():
        rng = np.random.default_rng(seed)
        network = Network([N_FEATURES, *HIDDEN[:depth], N_CLASSES], activation, dtype=np.float64)
        for block in (*network.weights, *network.biases):
            block[...] = rng.normal(0, 0.7, block.shape)
        x = rng.normal(0, 1, (BATCH, N_FEATURES))
        h, nearest = x, np.inf
        for W, b in zip(network.weights[:-1], network.biases[:-1]):
            z = h @ W + b
            nearest = min(nearest, float(np.abs(z).min()))
            h = z.copy()
            network.activation.forward(h)
        if nearest > 1e-3:
            return network, x
    raise AssertionError


def some_targets(soft: bool) -> np.ndarray:
    rng = np.random.default_rng(3)
    if soft:
        return rng.dirichlet(np.ones(N_CLASSES), BATCH)
    return np.eye(N_CLASSES)[rng.integers(N_CLASSES, size=BATCH)]


@pytest.mark.parametrize("weight_decay", [0.0, 0.3])
@pytest.mark.parametrize("depth", [0, 1, 2, 3])
@pytest.mark.parametrize("loss_name", list(LOSSES))
@pytest.mark.parametrize("activation", list(ACTIVATIONS))
def test_gradient_is_the_central_difference(activation, loss_name, depth, weight_decay):
    network, x = network_off_the_kinks(activation, depth)
    targets = some_targets(soft=depth % 2 == 1)
    loss = LOSSES[loss_name]()
    backpropagation = Backpropagation(network, loss, weight_decay)
    logits = np.empty((BATCH, N_CLASSES))

    def objective() -> float:
        backpropagation(x, targets, logits)
        weights = sum(float((W**2).sum()) for W in network.weights)
        return float(loss.per_example(logits, targets).mean()) + weight_decay / 2 * weights

    objective()
    analytic = backpropagation.gradient.copy()
    numeric = np.zeros_like(analytic)
    step = 1e-5  # truncation about step², round-off about 1e-16 / step: both near 1e-10
    weights, biases = network.views(numeric)
    blocks = [*zip(network.weights, weights), *zip(network.biases, biases)]
    for values, slopes in blocks:
        for place in np.ndindex(values.shape):
            kept = values[place]
            values[place] = kept + step
            above = objective()
            values[place] = kept - step
            below = objective()
            values[place] = kept
            slopes[place] = (above - below) / (2 * step)
    assert np.abs(numeric).max() > 1e-2
    np.testing.assert_allclose(analytic, numeric, rtol=1e-6, atol=1e-8)


def test_weight_decay_leaves_biases_and_gaps_alone():
    network, x = network_off_the_kinks("tanh", 2)
    targets, logits = some_targets(soft=False), np.empty((BATCH, N_CLASSES))
    gradients = []
    for weight_decay in (0.0, 2.5):
        backpropagation = Backpropagation(network, LOSSES["cross_entropy"](), weight_decay)
        backpropagation(x, targets, logits)
        gradients.append(backpropagation.gradient)
    plain, decayed = map(network.views, gradients)
    for W, before, dW in zip(network.weights, plain[0], decayed[0]):
        np.testing.assert_allclose(dW - before, 2.5 * W, rtol=1e-12, atol=1e-14)
    for before, db in zip(plain[1], decayed[1]):
        np.testing.assert_array_equal(db, before)
    known = np.zeros(network.params.size, bool)
    for block in itertools.chain(*network.views(known)):
        block[...] = True
    assert not gradients[1][~known].any()


def test_penalty_is_half_the_sum_of_squared_weights():
    network = Network([2, 1, 2], dtype=np.float64)
    network.weights[0][...] = [[1], [2]]
    network.weights[1][...] = [[3, 4]]
    network.biases[0][...] = 100
    assert l2_penalty(network, 0.1) == pytest.approx(0.05 * 30)
    assert l2_penalty(network, 0) == 0


def test_gradient_is_filled_anew_for_every_batch_size():
    network, x = network_off_the_kinks("sigmoid", 2)
    targets = some_targets(soft=False)
    backpropagation = Backpropagation(network, LOSSES["cross_entropy"](), 0.1)
    seen = []
    for size in (BATCH, 1, 3, BATCH):
        backpropagation.gradient[...] = 9  # an optimizer may overwrite it
        fresh = Backpropagation(network, LOSSES["cross_entropy"](), 0.1)
        for each in (backpropagation, fresh):
            each(x[:size], targets[:size], np.empty((size, N_CLASSES)))
        for filled, expected in zip(*map(network.views, (backpropagation.gradient, fresh.gradient))):
            for ours, theirs in zip(filled, expected):
                np.testing.assert_array_equal(ours, theirs)
        seen.append(fresh.gradient.copy())
    assert not np.array_equal(seen[0], seen[1])
    np.testing.assert_array_equal(seen[0], seen[3])
