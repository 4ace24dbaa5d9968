"""``import ffcli`` as a notebook uses it."""

from __future__ import annotations

import numpy as np
import pytest

import ffcli


@pytest.mark.parametrize("name", ffcli.__all__)
def test_public_names_are_there(name):
    assert getattr(ffcli, name) is not None
    assert name == "__version__" or getattr(ffcli, name).__doc__


def test_other_names_are_not():
    with pytest.raises(AttributeError, match="has no attribute 'trian'"):
        ffcli.trian  # noqa: B018
    assert not hasattr(ffcli, "numpy")


def test_a_notebook_trains_on_its_own_file(tmp_path, blobs):
    made = blobs()
    path = tmp_path / "mine.npz"
    np.savez(path, **{name: getattr(made, name) for name in ("x_train", "y_train", "x_test", "y_test")})
    dataset = ffcli.load_dataset(str(path), tmp_path / "data")
    config = ffcli.TrainConfig(
        dataset=str(path), epochs=10, hidden_size=[16], batch_size=16, optimizer="adam", learning_rate=0.01
    )
    training = ffcli.train(config, dataset)
    epochs = [result.epoch for result in training]
    assert epochs == list(range(1, 11))
    network = training.restore_best_weights()
    assert isinstance(network, ffcli.Network)
    accuracy = float((network.predict(dataset.x_test) == dataset.y_test).mean())
    assert accuracy > 0.8
    probabilities = network.predict_proba(dataset.x_test[:3])
    assert probabilities.shape == (3, 4)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-6)


def test_a_network_can_be_made_by_hand():
    network = ffcli.Network([784, 32, 10], "tanh")
    network.initialize("xavier", np.random.default_rng(0))
    assert network.predict(np.zeros((2, 28, 28), np.uint8)).shape == (2,)
