"""Batch normalization and dropout: gradients by central differences, averages by counting."""

from __future__ import annotations

import numpy as np
import pytest

from ffcli.core.activations import ACTIVATIONS
from ffcli.core.backprop import Backpropagation
from ffcli.core.losses import LOSSES
from ffcli.core.network import Network
from ffcli.core.regularization import Dropout


@pytest.mark.parametrize("settings", [{}, {"dropout": 0.4}, {"dropout": 0.4, "input_dropout": 0.3}], ids=str)
@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("activation", ["identity", "sigmoid", "tanh"])
def test_gradient_is_the_central_difference_under_the_same_masks(activation, batch_norm, settings):
    rng = np.random.default_rng(0)
    network = Network([6, 5, 4, 3], activation, dtype=np.float64, batch_norm=batch_norm)
    network.params[...] = rng.normal(0, 0.7, network.params.size)
    x, targets = rng.normal(0, 1, (7, 6)), rng.dirichlet(np.ones(3), 7)
    loss, logits = LOSSES["cross_entropy"](), np.empty((7, 3))
    masks = np.random.default_rng(1)
    backpropagation = Backpropagation(network, loss, 0.1, rng=masks, **settings)
    before = masks.bit_generator.state

    def objective() -> float:
        masks.bit_generator.state = before
        backpropagation(x, targets, logits)
        weights = sum(float((W**2).sum()) for W in network.weights)
        return float(loss.per_example(logits, targets).mean()) + 0.05 * weights

    objective()
    analytic, numeric = backpropagation.gradient.copy(), np.zeros(network.params.size)
    inside = np.zeros(network.params.size, bool)  # the gaps between the blocks are no parameters
    weights, biases = network.views(inside)
    for block in (*weights, *biases, *network.scales(inside)):
        block[...] = True
    for place in np.flatnonzero(inside):
        kept = network.params[place]
        network.params[place] = kept + 1e-5
        above = objective()
        network.params[place] = kept - 1e-5
        numeric[place] = (above - objective()) / 2e-5
        network.params[place] = kept
    assert np.abs(numeric).max() > 1e-2
    np.testing.assert_allclose(analytic[inside], numeric[inside], rtol=2e-6, atol=1e-8)


def test_relu_with_dropout_passes_only_what_was_kept_and_positive():
    network = Network([2, 4, 2], "relu", dtype=np.float64)
    network.weights[0][...] = [[1, 1, -1, 1], [1, 1, -1, 1]]
    network.weights[1][...] = [[1, 0], [0, 1], [1, 0], [2, 0]]
    masks = np.random.default_rng(3)
    backpropagation = Backpropagation(network, LOSSES["cross_entropy"](), dropout=0.5, rng=masks)
    seen = set()
    for _ in range(40):
        backpropagation(np.ones((1, 2)), np.array([[1.0, 0.0]]), np.empty((1, 2)))
        dW, _ = network.views(backpropagation.gradient)
        assert not dW[0][:, 2].any(), "relu was shut"
        seen.add(tuple(dW[0][0] != 0))
    assert len(seen) == 8, "three open units, each kept or dropped"


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_dropped_share_and_kept_mean(rate):
    h = np.full((500, 401), 2.0, np.float32)
    layer = Dropout(h.shape, rate, np.random.default_rng(0), h)
    out = layer.forward(h)
    n, dropped = out.size, np.count_nonzero(out == 0)
    assert abs(dropped / n - rate) < 4 * (rate * (1 - rate) / n) ** 0.5, "four standard errors"
    np.testing.assert_allclose(np.unique(out), [0, 2 / (1 - rate)], rtol=1e-4)
    assert np.all(h == 2)
    by_column = (out == 0).mean(axis=0)
    assert abs(by_column - rate).max() < 5 * (rate * (1 - rate) / 500) ** 0.5


def test_a_rate_all_but_one_still_keeps_one_value_in_65536():
    h = np.ones((1024, 1024), np.float64)
    out = Dropout(h.shape, 1 - 1e-9, np.random.default_rng(0), h).forward(h)
    np.testing.assert_array_equal(np.unique(out), [0, 65536])
    assert 4 <= np.count_nonzero(out) <= 28, "16 are expected, three standard errors either way"


def test_every_hidden_layer_drops():
    """Three units in a row, each passing on what it gets: 8 times the input where all are kept, else 0."""
    network = Network([1, 1, 1, 1, 1], "identity", dtype=np.float64)
    for W in network.weights:
        W[...] = 1
    backpropagation = Backpropagation(
        network, LOSSES["cross_entropy"](), dropout=0.5, rng=np.random.default_rng(0)
    )
    logits = np.empty((4000, 1))
    backpropagation(np.ones((4000, 1)), np.ones((4000, 1)), logits)
    assert np.unique(logits).tolist() == [0, 8]
    assert 416 < np.count_nonzero(logits) < 584, "500 are expected, four standard errors either way"


def test_masks_differ_from_step_to_step():
    h = np.ones((20, 20), np.float32)
    layer = Dropout(h.shape, 0.5, np.random.default_rng(0), h)
    first = layer.forward(h).copy()
    agreement = np.mean(first == layer.forward(h))
    assert 0.35 < agreement < 0.65


def test_normalized_values_have_the_mean_and_the_spread_asked_for():
    network = Network([3, 50, 2], "identity", dtype=np.float64, batch_norm=True)
    rng = np.random.default_rng(0)
    network.initialize("xavier", rng)
    network.weights[1][...] = 0
    network.weights[1][0, 0] = 1  # the first hidden unit is the first logit
    network.normalizations[0].gamma[...] = 3
    network.biases[0][...] = -2
    logits = np.empty((400, 2))
    backpropagation = Backpropagation(network, LOSSES["cross_entropy"]())
    backpropagation(rng.normal(7, 100, (400, 3)), np.tile([1.0, 0.0], (400, 1)), logits)
    assert logits[:, 0].mean() == pytest.approx(-2)
    assert logits[:, 0].std() == pytest.approx(3, rel=1e-4)


def batch_norm_of(values: list[list[float]], steps: int = 1) -> tuple[Network, np.ndarray]:
    """Send one batch through a network that only normalizes; return it and the logits of the last time."""
    batch = np.array(values)
    n_units = batch.shape[1]
    network = Network([n_units, n_units, n_units], "identity", dtype=np.float64, batch_norm=True)
    for W in network.weights:
        W[...] = np.eye(n_units)
    logits = np.empty(batch.shape)
    for _ in range(steps):
        Backpropagation(network, LOSSES["cross_entropy"]())(batch, np.zeros(batch.shape), logits)
    return network, logits


def test_running_statistics_by_hand():
    """Means 2 and 4, biased variances 1 and 9; they start at 0 and 1 and take in a hundredth a batch."""
    network, _ = batch_norm_of([[1, 7], [3, 1]])
    (normal,) = network.normalizations
    np.testing.assert_allclose(normal.mean, [0.02, 0.04], rtol=1e-12)
    np.testing.assert_allclose(normal.variance, [0.99 + 0.01, 0.99 + 0.09], rtol=1e-12)
    network, _ = batch_norm_of([[1, 7], [3, 1]], steps=2)
    (normal,) = network.normalizations
    np.testing.assert_allclose(normal.mean, [0.99 * 0.02 + 0.02, 0.99 * 0.04 + 0.04], rtol=1e-12)
    np.testing.assert_allclose(normal.variance, [1, 0.99 * 1.08 + 0.09], rtol=1e-12)


def test_a_unit_that_is_always_the_same_is_normalized_to_zero():
    _, logits = batch_norm_of([[5, 1], [5, 3], [5, 5]])
    assert not logits[:, 0].any()
    # variance 8/3; ε = 0.001 stands beside it in the root
    np.testing.assert_allclose(logits[:, 1], np.array([-2, 0, 2]) / np.sqrt(8 / 3 + 0.001), rtol=1e-12)


@pytest.mark.parametrize("activation", list(ACTIVATIONS))
def test_folding_predicts_the_same(activation):
    rng = np.random.default_rng(2)
    network = Network([6, 5, 4, 3], activation, dtype=np.float64, batch_norm=True)
    network.params[...] = rng.normal(0, 1, network.params.size)
    for normal in network.normalizations:
        normal.mean[...] = rng.normal(0, 1, normal.mean.size)
        normal.variance[...] = rng.uniform(0.5, 3, normal.variance.size)
    x = rng.normal(0, 1, (9, 6))
    h = x
    for W, b, normal in zip(network.weights, network.biases, network.normalizations):
        h = normal.gamma * (h @ W - normal.mean) / np.sqrt(normal.variance + 1e-3) + b
        network.activation.forward(h)
    plain = network.folded()
    assert not plain.batch_norm
    np.testing.assert_allclose(plain.logits(x), h @ network.weights[-1] + network.biases[-1], rtol=1e-12)
    np.testing.assert_array_equal(network.logits(x), plain.logits(x))
    assert plain.folded() is plain


def test_prediction_drops_nothing_and_moves_no_statistics():
    network = Network([6, 5, 3], "tanh", batch_norm=True)
    network.initialize("xavier", np.random.default_rng(0))
    before, x = network.state.copy(), np.random.default_rng(1).random((9, 6))
    assert np.array_equal(network.logits(x), network.logits(x))
    assert np.array_equal(network.state, before)
