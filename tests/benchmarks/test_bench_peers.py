"""The textbook loop is correct, and every installed peer really learns, in a process that is pinned."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from benchmarks.cases import Case
from benchmarks.data import Data, write
from benchmarks.measure import MeasurementError, measure
from benchmarks.peers import PEERS
from benchmarks.peers.textbook import TextbookNetwork

needs_affinity = pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="pins by CPU affinity")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    """Noisy images of ten classes, each with its own bright band: easy to learn, impossible to guess."""
    rng = np.random.default_rng(7)
    folder = tmp_path_factory.mktemp("arrays")
    labels = rng.integers(0, 10, 850)
    pixels = rng.integers(0, 80, (850, 28, 28), dtype=np.uint8)
    for image, label in zip(pixels, labels, strict=True):
        image[2 * label : 2 * label + 4] += 150
    write(folder, pixels, labels, 650)
    return Data(folder)


def test_data_comes_in_three_forms(data: Data) -> None:
    pixels, images = data.pixels("train"), data.images("train")
    assert pixels.shape == images.shape == (650, 784)
    assert (pixels.dtype, images.dtype) == (np.uint8, np.float32)
    np.testing.assert_array_equal(images, (np.asarray(pixels, np.float64) / 255).astype(np.float32))
    assert data.labels("val").shape == (200,)
    np.testing.assert_array_equal(data.pixels("all"), np.concatenate((pixels, data.pixels("val"))))
    np.testing.assert_array_equal(
        data.labels("all"), np.concatenate((data.labels("train"), data.labels("val")))
    )


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid"])
def test_textbook_gradient_is_the_numerical_one(activation: str) -> None:
    rng = np.random.default_rng(1)
    network = TextbookNetwork(Case("small", (7, 5), activation, "sgd", 4), rng)
    network.b = [rng.normal(size=b.shape) for b in network.b]
    x, targets = rng.uniform(size=(4, 784)), np.eye(10)[rng.integers(0, 10, 4)]
    gradients = network.gradients(x, targets)
    step = 1e-6
    for layer, gradient in enumerate(gradients):
        for name, values in (("W", network.W[layer]), ("b", network.b[layer])):
            for place in rng.choice(values.size, size=5, replace=False):
                entry = np.unravel_index(place, values.shape)
                before = values[entry]
                values[entry] = before + step
                above = network.loss(x, targets)
                values[entry] = before - step
                below = network.loss(x, targets)
                values[entry] = before
                assert gradient[name][entry] == pytest.approx(
                    (above - below) / (2 * step), rel=1e-4, abs=1e-8
                )


def test_textbook_adam_first_step_by_hand() -> None:
    # In the first step the corrected moments are g and g², so every parameter moves by rate·sign(g).
    network = TextbookNetwork(Case("small", (3,), "relu", "adam", 4), np.random.default_rng(1))
    before = [W.copy() for W in network.W]
    gradients = [
        {"W": np.full_like(W, 0.5), "b": np.full_like(b, -2.0)}
        for W, b in zip(network.W, network.b, strict=True)
    ]
    network.update(gradients)
    for old, W, b in zip(before, network.W, network.b, strict=True):
        np.testing.assert_allclose(W, old - 1e-3, rtol=0, atol=1e-9)
        np.testing.assert_allclose(b, 1e-3, rtol=1e-6)


@needs_affinity
@pytest.mark.parametrize("name", PEERS)
def test_peer_learns_on_the_core_it_was_given(name: str, data: Data) -> None:
    if not PEERS[name].installed:
        pytest.skip(f"{PEERS[name].package} is not installed")
    taken = measure(name, "A", cores=1, seed=0, epochs=4, folder=data.folder)
    assert taken["val_accuracy"] > 0.9
    assert len(taken["cpus"]) == 1
    assert (taken["epochs"], taken["steps_per_epoch"], len(taken["epoch_seconds"])) == (4, 21, 4)
    assert all(seconds > 0 for seconds in taken["epoch_seconds"])
    assert {pool["num_threads"] for pool in taken["thread_pools"]} <= {1}
    assert 20 < taken["peak_memory_mb"] < 4000
    assert set(taken["versions"]) == set(PEERS[name].versions)


@needs_affinity
def test_a_peer_that_fails_is_named(tmp_path: Path) -> None:
    with pytest.raises(MeasurementError, match=r"(?s)textbook, case A: the process ended with 1.*pixels.npy"):
        measure("textbook", "A", cores=1, seed=0, epochs=1, folder=tmp_path)


@needs_affinity
def test_more_cores_than_there_are_is_refused(data: Data) -> None:
    with pytest.raises(MeasurementError, match="4096 cores were asked for"):
        measure("textbook", "A", cores=4096, seed=0, epochs=1, folder=data.folder)
