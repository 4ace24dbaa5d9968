"""Keras and TensorFlow as the oracle of the refinements of a training."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from keras_later import keras, tf

from ffcli.config import TrainConfig
from ffcli.core.backprop import Backpropagation
from ffcli.core.ema import WeightAverage
from ffcli.core.losses import LOSSES
from ffcli.core.network import Network
from ffcli.core.schedules import SCHEDULES
from ffcli.core.training import _clip
from ffcli.training.experiment import Experiment


class KeptAs:
    """A generator of random bits with which our dropout keeps what Keras' has kept, layer after layer."""

    def __init__(self) -> None:
        self.bit_generator = self
        self.masks: list[np.ndarray] = []

    def random_raw(self, n: int) -> np.ndarray:
        bits = np.zeros(4 * n, np.uint16)
        mask = self.masks.pop(0)
        bits[: mask.size] = np.where(mask.reshape(-1), 2**16 - 1, 0)
        return bits.view(np.uint64)


def test_gradients_under_keras_own_dropout():
    rng = np.random.default_rng(0)
    network = Network([8, 6, 5, 3], "tanh", dtype=np.float64)
    network.initialize("xavier", rng)
    x, targets = rng.normal(0, 1, (16, 8)), np.eye(3)[rng.integers(3, size=16)]
    weights = [tf.Variable(W) for W in network.weights]
    drops = [keras.layers.Dropout(0.25, seed=seed, dtype="float64") for seed in range(3)]
    bits = KeptAs()
    with tf.GradientTape() as tape:
        h = drops[0](tf.constant(x), training=True)
        bits.masks.append(h.numpy() != 0)
        for W, drop in zip(weights, drops[1:]):
            h = drop(tf.tanh(h @ W), training=True)
            bits.masks.append(h.numpy() != 0)
        z = h @ weights[-1]
        value = tf.reduce_mean(keras.losses.categorical_crossentropy(targets, z, from_logits=True))
    assert all(0.5 < mask.mean() < 0.95 for mask in bits.masks)
    logits, loss = np.empty((16, 3)), LOSSES["cross_entropy"]()
    backpropagation = Backpropagation(network, loss, dropout=0.25, input_dropout=0.25, rng=bits)
    backpropagation(x, targets, logits)
    assert bits.masks == []
    np.testing.assert_allclose(logits, z.numpy(), rtol=1e-11, atol=1e-14)
    dW, _ = network.views(backpropagation.gradient)
    for ours, theirs in zip(dW, tape.gradient(value, weights)):
        np.testing.assert_allclose(ours, theirs.numpy(), rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("share", [0.3, 1.5], ids=["longer", "shorter"])
def test_clipping_by_the_norm_of_all(share):
    rng = np.random.default_rng(1)
    gradient = rng.normal(0, 1, 40)
    limit = share * float(np.linalg.norm(gradient))
    expected, _ = tf.clip_by_global_norm([tf.constant(gradient[:30]), tf.constant(gradient[30:])], limit)
    _clip(gradient, limit)
    np.testing.assert_allclose(gradient, np.concatenate([part.numpy() for part in expected]), rtol=1e-12)


@pytest.mark.parametrize("decay", [0.5, 0.99])
def test_average_of_the_weights(decay):
    network = Network([3, 2], dtype=np.float64)
    rng = np.random.default_rng(2)
    network.initialize("xavier", rng)
    average = WeightAverage(network, decay)
    variable, steps = tf.Variable(network.weights[0]), tf.Variable(0, dtype=tf.int64)
    theirs = tf.train.ExponentialMovingAverage(decay, num_updates=steps)
    theirs.apply([variable])  # begins with the initial weights
    for step in range(1, 60):
        network.weights[0][...] = rng.normal(0, 1, (3, 2))
        variable.assign(network.weights[0])
        steps.assign(step)
        theirs.apply([variable])
        average.update(step)
        # TensorFlow takes the decay through float32
        np.testing.assert_allclose(
            average.network.weights[0], theirs.average(variable).numpy(), rtol=1e-4, atol=1e-6
        )


def test_step_schedule():
    theirs = keras.optimizers.schedules.ExponentialDecay(1.0, 3, 0.5, staircase=True)
    ours = SCHEDULES["step"](12, 3, 0.5)
    for epoch in range(12):
        assert ours.factor(epoch + 0.4) == float(theirs(epoch))


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras' own
def test_plateau_schedule():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(1.0), "mse")
    callback = keras.callbacks.ReduceLROnPlateau("val_loss", factor=0.5, patience=2, min_delta=0)
    callback.set_model(model)
    callback.on_train_begin()
    ours = SCHEDULES["plateau"](40, 2, 0.5)
    rng = np.random.default_rng(3)
    for epoch, val_loss in enumerate(
        rng.choice([0.9, 0.8, 0.7, 0.6, 0.5], 40, p=[0.4, 0.3, 0.15, 0.1, 0.05])
    ):
        callback.on_epoch_end(epoch, {"val_loss": float(val_loss)})
        ours.after_epoch(float(val_loss))
        assert ours.factor(epoch + 1) == float(model.optimizer.learning_rate.numpy())
    assert 0 < ours.factor(40) < 0.1


def test_patience_is_early_stopping(blobs):
    values: dict[str, Any] = {
        "dataset": "b.npz",
        "hidden_size": [9, 7],
        "batch_size": 16,
        "learning_rate": 0.02,
    }
    dataset = blobs(n_train=100)
    whole = [result.val_acc for result in Experiment(TrainConfig(**values, epochs=40), dataset)]
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    callback = keras.callbacks.EarlyStopping("val_acc", mode="max", patience=4, restore_best_weights=True)
    model.stop_training = False
    callback.set_model(model)
    callback.on_train_begin()
    epochs = 0
    while not model.stop_training:
        callback.on_epoch_end(epochs, {"val_acc": whole[epochs]})
        epochs += 1
    patient = Experiment(TrainConfig(**values, epochs=40, patience=4), dataset)
    assert len(list(patient)) == epochs < 40
    assert patient.best is not None
    assert patient.best.epoch == callback.best_epoch + 1
