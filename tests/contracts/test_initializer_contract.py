"""What every registered initializer must do."""

from __future__ import annotations

import numpy as np
import pytest

from ffcli.core.backprop import Backpropagation
from ffcli.core.initializers import INITIALIZERS
from ffcli.core.losses import LOSSES
from ffcli.core.network import Network

each_random_init = pytest.mark.parametrize("name", [name for name in INITIALIZERS if name != "zeros"])


def drawn(name: str, fan_in: int = 300, fan_out: int = 200, seed: int = 0) -> np.ndarray:
    return INITIALIZERS[name](np.random.default_rng(seed), fan_in, fan_out)


@each_random_init
@pytest.mark.parametrize("fans", [(300, 200), (1, 1), (1, 7), (784, 10)])
def test_shape_and_bounds(name, fans):
    W = drawn(name, *fans)
    assert W.shape == fans
    assert np.isfinite(W).all()
    assert np.abs(W).max() < 6
    assert W.any()


@each_random_init
def test_mean_is_zero(name):
    W = drawn(name)
    assert abs(W.mean()) < 5 * W.std() / np.sqrt(W.size)
    assert abs((W > 0).mean() - 0.5) < 5 * 0.5 / np.sqrt(W.size)


@each_random_init
def test_a_seed_reproduces_and_another_differs(name):
    np.testing.assert_array_equal(drawn(name), drawn(name))
    assert not np.any(drawn(name) == drawn(name, seed=1))


@each_random_init
def test_network_starts_with_fresh_weights_and_zero_biases(name):
    network = Network([5, 4, 4, 3])
    for b in network.biases:
        b[...] = 1
    network.initialize(name, np.random.default_rng(0))
    assert all(np.all(W != 0) for W in network.weights)
    assert not any(b.any() for b in network.biases)
    assert not np.array_equal(network.weights[1][:3, :3], network.weights[2][:3, :3])


# The variance of a uniform distribution on ±limit is limit² / 3.
@pytest.mark.parametrize(
    ("name", "fans", "limit"),
    [
        ("random", (300, 200), 0.1),
        ("random", (20, 3000), 0.1),
        ("xavier", (90, 60), 0.2),  # √(6 / 150) = √0.04
        ("xavier", (500, 100), 0.1),  # √(6 / 600) = √0.01
    ],
)
def test_uniform_within_its_limit(name, fans, limit):
    W = drawn(name, *fans)
    assert 0.998 * limit < np.abs(W).max() <= limit
    assert W.var() == pytest.approx(limit**2 / 3, rel=0.05)


@pytest.mark.parametrize(
    ("name", "fans", "deviation"),
    [
        ("he", (200, 300), 0.1),  # √(2 / 200)
        ("he", (50, 600), 0.2),
        ("xavier_normal", (100, 100), 0.1),  # √(2 / 200)
        ("xavier_normal", (20, 780), 0.05),
        ("random_normal", (300, 200), 0.05),
        ("random_normal", (20, 3000), 0.05),
    ],
)
def test_normal_with_its_deviation(name, fans, deviation):
    """A normal distribution has 68.27 % within one standard deviation and 95.45 % within two."""
    W = drawn(name, *fans)
    assert W.std() == pytest.approx(deviation, rel=0.05)
    assert (np.abs(W) < deviation).mean() == pytest.approx(0.6827, abs=0.02)
    assert (np.abs(W) < 2 * deviation).mean() == pytest.approx(0.9545, abs=0.01)


def test_zeros_start_every_weight_at_zero_and_only_the_last_bias_learns():
    network = Network([5, 4, 3], "tanh")
    network.initialize("zeros", np.random.default_rng(0))
    assert not network.state.any()
    backpropagation = Backpropagation(network, LOSSES["cross_entropy"]())
    x = np.random.default_rng(1).normal(0, 1, (8, 5)).astype(np.float32)
    backpropagation(x, np.eye(3, dtype=np.float32)[np.arange(8) % 3], np.empty((8, 3), np.float32))
    weights, (hidden, last) = network.views(backpropagation.gradient)
    assert not any(dW.any() for dW in weights)
    assert not hidden.any()
    assert last.any()
