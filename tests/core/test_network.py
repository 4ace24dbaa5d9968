from __future__ import annotations

import itertools

import numpy as np
import pytest

from ffcli.core.activations import ReLU
from ffcli.core.network import Network, as_features


def a_network(sizes=(6, 5, 4, 3), **more) -> Network:
    network = Network(sizes, **more)
    network.initialize("xavier", np.random.default_rng(0))
    for b in network.biases:
        b[...] = np.random.default_rng(1).normal(0, 1, b.shape)
    return network


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("sizes", [(6, 3), (1, 1, 1), (784, 32, 10), (6, *[3] * 50, 2)])
def test_one_vector_holds_weights_first_then_biases(sizes, dtype):
    network = Network(sizes, dtype=dtype)
    assert [W.shape for W in network.weights] == list(itertools.pairwise(sizes))
    assert [b.shape for b in network.biases] == [(n,) for n in sizes[1:]]
    blocks = [*network.weights, *network.biases]
    places = [(b.__array_interface__["data"][0] - network.params.ctypes.data) // b.itemsize for b in blocks]
    assert places == sorted(places)
    assert all(start + b.size <= after for start, b, after in zip(places, blocks, places[1:]))
    assert places[len(network.weights)] >= network.n_weights > places[len(network.weights) - 1]
    assert all(block.ctypes.data % 64 == 0 for block in blocks)
    assert network.params.dtype == dtype
    assert network.n_parameters == sum(b.size for b in blocks) <= network.params.size
    network.params[...] = 7
    assert all(np.all(block == 7) for block in blocks)
    network.weights[-1][...] = 8
    assert np.count_nonzero(network.params == 8) == network.weights[-1].size


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("sizes", [(6, 5, 4, 3), (3, 17, 1, 8, 2), (2, 3)])
def test_scales_and_statistics_lie_after_the_biases_and_apart(sizes, dtype):
    network = Network(sizes, dtype=dtype, batch_norm=True)
    normals, base = network.normalizations, network.state.ctypes.data
    gammas, means, variances = ([getattr(n, part) for n in normals] for part in ("gamma", "mean", "variance"))
    blocks = [*network.weights, *network.biases, *gammas, *means, *variances]
    places = [block.__array_interface__["data"][0] - base for block in blocks]
    assert places == sorted(places)
    assert all(place % 64 == 0 for place in places)
    ends = [place + block.nbytes for place, block in zip(places, blocks)]
    assert all(end <= after for end, after in zip(ends, [*places[1:], network.state.nbytes]))
    assert network.state.nbytes < ends[-1] + 64, "nothing but the last gap comes after the last block"
    n_trained = len(blocks) - len(means) - len(variances)
    assert ends[n_trained - 1] <= network.params.nbytes <= network.state.nbytes
    assert network.n_parameters == sum(block.size for block in blocks[:n_trained])
    assert [g.ctypes.data for g in network.scales(network.params)] == [g.ctypes.data for g in gammas]


def test_size_of_the_state_by_hand():
    # 3·2 and 2·2 weights, 2 + 2 biases and a γ, a μ and a σ² of 2: seven blocks, each a line of 16 floats
    network = Network([3, 2, 2], batch_norm=True)
    assert (network.params.size, network.state.size, network.n_weights) == (5 * 16, 7 * 16, 2 * 16)
    assert Network([3, 2, 2], batch_norm=True, dtype=np.float64).state.size == 7 * 8
    assert Network([3, 2, 2]).state.size == 4 * 16


def test_normalization_starts_as_none():
    network = Network([6, 5, 4, 3], batch_norm=True)
    spoilt = Network([6, 5, 4, 3], batch_norm=True)
    spoilt.state[...] = 9
    spoilt.initialize("random", np.random.default_rng(0))
    for each in (network, spoilt):
        assert len(each.normalizations) == 2
        for normal in each.normalizations:
            assert np.all(normal.gamma == 1)
            assert np.all(normal.variance == 1)
            assert not normal.mean.any()


def test_number_of_parameters_by_hand():
    # 784·128 + 128·10 weights, 128 + 10 biases
    assert Network([784, 128, 10]).n_parameters == 100_352 + 1_280 + 138


@pytest.mark.parametrize("sizes", [(), (3,), (3, 0, 2), (0, 2), (3, -1)])
def test_sizes_that_make_no_network_are_refused(sizes):
    with pytest.raises(ValueError, match="layer sizes"):
        Network(sizes)


def test_a_network_shows_its_sizes_and_its_activation():
    assert repr(Network((3, 4, 2), "TANH")) == "Network([3, 4, 2], 'tanh')"


def test_unknown_activation_is_refused_with_the_nearest():
    with pytest.raises(ValueError, match="Did you mean 'relu'"):
        Network([3, 2], "rellu")


def test_forward_pass_by_hand():
    """h = max((1, 2)·[[1, -1], [1, 1]] + (0, -2), 0) = (3, 0); logits = 3·(2, 0) + (1, 1) = (7, 1)."""
    network = Network([2, 2, 2], "relu")
    network.weights[0][...] = [[1, -1], [1, 1]]
    network.biases[0][...] = [0, -2]
    network.weights[1][...] = [[2, 0], [5, 5]]
    network.biases[1][...] = 1
    x = np.array([[1, 2]], np.float32)
    np.testing.assert_array_equal(network.logits(x), [[7, 1]])
    assert network.predict(x).tolist() == [0]
    assert network.predict_proba(x)[0, 0] == pytest.approx(1 / (1 + np.exp(-6)))


def test_many_images_go_through_in_chunks():
    network = a_network()
    images = np.random.default_rng(2).integers(0, 256, (2345, 2, 3)).astype(np.uint8)
    logits = network.logits(images)
    assert logits.shape == (2345, 3)
    for part in (slice(0, 3), slice(998, 1003), slice(2340, 2345)):
        np.testing.assert_allclose(logits[part], network.logits(images[part]), rtol=1e-5, atol=1e-6)
    assert network.logits(images[:0]).shape == (0, 3)


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_each_image_goes_through_once_in_the_type_of_the_network(dtype, batch_norm, monkeypatch):
    seen: list[tuple[int, np.dtype]] = []
    monkeypatch.setattr(ReLU, "forward", lambda _, z: seen.append((len(z), z.dtype)))
    network = a_network((6, 4, 3), dtype=dtype, batch_norm=batch_norm)
    images = np.random.default_rng(2).integers(0, 256, (2345, 6)).astype(np.uint8)
    logits = network.logits(images)
    assert logits.dtype == network.folded().dtype == dtype
    assert [dtype for _, dtype in seen] == [dtype] * len(seen)
    rows = [n for n, _ in seen]
    assert sum(rows) == 2345
    assert max(rows) <= 1000, "memory is bounded"
    assert len(rows) == 3


def test_predicting_changes_neither_images_nor_network():
    network = a_network(activation="relu")
    features = np.random.default_rng(2).normal(0, 1, (5, 6)).astype(np.float32)
    kept, params = features.copy(), network.params.copy()
    network.predict_proba(features)
    np.testing.assert_array_equal(features, kept)
    np.testing.assert_array_equal(network.params, params)
    features.flags.writeable = False  # as memory-mapped data is
    network.predict(features)


def test_a_float64_network_computes_in_float64():
    network = a_network(dtype=np.float64)
    x = np.random.default_rng(3).normal(0, 1, (4, 6))
    h = x
    for layer, (W, b) in enumerate(zip(network.weights, network.biases)):
        h = h @ W + b
        h = np.maximum(h, 0) if layer < 2 else h
    np.testing.assert_allclose(network.logits(x), h, rtol=1e-13)


def test_pixels_become_features_from_zero_to_one():
    images = np.arange(256, dtype=np.uint8).reshape(16, 4, 4)
    features = as_features(images)
    assert features.shape == (16, 16)
    assert features.dtype == np.float32
    assert (features.min(), features.max()) == (0, 1)
    np.testing.assert_allclose(features.ravel(), np.arange(256) / 255, rtol=1e-6)
    out = np.empty((16, 16), np.float64)
    assert as_features(images, out) is out
    np.testing.assert_allclose(out.ravel(), np.arange(256) / 255, rtol=1e-15)


def test_float_images_are_only_made_flat():
    images = np.random.default_rng(0).normal(0, 300, (5, 2, 3)).astype(np.float32)
    np.testing.assert_array_equal(as_features(images), images.reshape(5, 6))


def test_fifty_layers_pass_something_on():
    network = a_network((6, *[16] * 50, 3), activation="tanh")
    probabilities = network.predict_proba(np.eye(6, dtype=np.float32))
    assert np.isfinite(probabilities).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-6)
