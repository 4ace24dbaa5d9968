"""What every registered initializer must do."""

from __future__ import annotations

import numpy as np
import pytest

from ffcli.core.initializers import INITIALIZERS
from ffcli.core.network import Network

each_init = pytest.mark.parametrize("name", list(INITIALIZERS))


def drawn(name: str, fan_in: int = 300, fan_out: int = 200, seed: int = 0) -> np.ndarray:
    return INITIALIZERS[name](np.random.default_rng(seed), fan_in, fan_out)


@each_init
@pytest.mark.parametrize("fans", [(300, 200), (1, 1), (1, 7), (784, 10)])
def test_shape_and_bounds(name, fans):
    W = drawn(name, *fans)
    assert W.shape == fans
    assert np.isfinite(W).all()
    assert np.abs(W).max() < 3
    assert W.any()


@each_init
def test_mean_is_zero(name):
    W = drawn(name)
    assert abs(W.mean()) < 5 * W.std() / np.sqrt(W.size)
    assert abs((W > 0).mean() - 0.5) < 5 * 0.5 / np.sqrt(W.size)


@each_init
def test_a_seed_reproduces_and_another_differs(name):
    np.testing.assert_array_equal(drawn(name), drawn(name))
    assert not np.any(drawn(name) == drawn(name, seed=1))


@each_init
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
