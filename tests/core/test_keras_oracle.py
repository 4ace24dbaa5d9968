"""Keras 3 as the oracle: activations, losses, forward passes, optimizers and whole trainings agree with it.

All comparisons run in float64 on both sides, so that the tolerances can be tight: what remains is round-off,
about 1e-16 a step, enlarged where an optimizer divides by a small root. Keras takes some Python numbers
through float32 all the same, so both sides get hyper-parameters that are float32 numbers already.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from keras_later import keras, tf

from ffcli.core.activations import ACTIVATIONS
from ffcli.core.backprop import Backpropagation
from ffcli.core.initializers import INITIALIZERS
from ffcli.core.losses import LOSSES, log_softmax, softmax
from ffcli.core.network import Network
from ffcli.core.optimizers import OPTIMIZERS, hyperparameters

# Our names for Keras' arguments.
_ARGUMENTS = {
    "learning_rate": "learning_rate",
    "momentum": "momentum",
    "beta": "rho",
    "beta1": "beta_1",
    "beta2": "beta_2",
    "epsilon": "epsilon",
}


def _optimizers() -> dict[str, Callable[..., Any]]:
    return {
        "sgd": keras.optimizers.SGD,
        "momentum": keras.optimizers.SGD,
        "nesterov": lambda **settings: keras.optimizers.SGD(nesterov=True, **settings),
        "rmsprop": keras.optimizers.RMSprop,
        "adam": keras.optimizers.Adam,
        "adamw": lambda **settings: keras.optimizers.AdamW(weight_decay=0.0, **settings),
        "nadam": keras.optimizers.Nadam,
    }


def _activations() -> dict[str, Callable[[Any], Any]]:
    return {
        "identity": keras.activations.linear,
        "sigmoid": keras.activations.sigmoid,
        "tanh": keras.activations.tanh,
        "relu": keras.activations.relu,
        "gelu": lambda z: keras.activations.gelu(z, approximate=True),
        "silu": keras.activations.silu,
        "leaky_relu": keras.activations.leaky_relu,
        "elu": keras.activations.elu,
    }


# Its constants are float32 numbers in both, but not the same ones: 1e-8 apart.
_ROUNDED = {"gelu": 1e5}
_LOSSES: dict[str, Callable[[Any, Any], Any]] = {
    "cross_entropy": lambda t, z: keras.losses.categorical_crossentropy(t, z, from_logits=True),
    # Keras' mean over the classes, ours a sum
    "squared_error": lambda t, z: (
        keras.losses.MeanSquaredError(reduction=None)(t, tf.nn.softmax(z)) * t.shape[1]
    ),
}


def _initializers() -> dict[str, Callable[[], Any]]:
    return {
        "random": lambda: keras.initializers.RandomUniform(-0.1, 0.1, seed=0),
        "xavier": lambda: keras.initializers.GlorotUniform(seed=0),
        # Keras' HeNormal and GlorotNormal are truncated: their variance scaling, without the truncation
        "he": lambda: keras.initializers.VarianceScaling(2.0, "fan_in", "untruncated_normal", seed=0),
        "xavier_normal": lambda: keras.initializers.VarianceScaling(
            1.0, "fan_avg", "untruncated_normal", seed=0
        ),
        "random_normal": lambda: keras.initializers.RandomNormal(seed=0),
        "zeros": keras.initializers.Zeros,
    }


# Nadam's own 0.96 goes through float32 in Keras too and is off by 2e-8, which its schedule adds up.
_LOOSER = {"nadam": 1e4}
OTHER_SETTINGS = {
    "learning_rate": 0.03,
    "momentum": 0.6,
    "beta": 0.8,
    "beta1": 0.7,
    "beta2": 0.95,
    "epsilon": 1e-3,
}


@pytest.fixture(autouse=True, scope="module")
def float64() -> Iterator[None]:
    before = keras.config.floatx()
    keras.config.set_floatx("float64")
    yield
    keras.config.set_floatx(before)


def counterpart(table: dict[str, Any], name: str, kind: str) -> Any:
    if name not in table:
        pytest.fail(f"the {kind} '{name}' has no Keras counterpart in this module: add it to its table")
    return table[name]


def settings_of(name: str, other: bool) -> dict[str, float]:
    """Return all hyper-parameters of an optimizer: the defaults, or others; as float32 has them."""
    settings = hyperparameters(name)
    if other:
        settings = {key: counterpart(OTHER_SETTINGS, key, "setting") for key in settings}
    return {key: float(np.float32(value)) for key, value in settings.items()}


def keras_optimizer(name: str, settings: dict[str, float]) -> Any:
    make = counterpart(_optimizers(), name, "optimizer")
    return make(**{counterpart(_ARGUMENTS, key, "hyper-parameter"): value for key, value in settings.items()})


@pytest.mark.parametrize("other", [False, True], ids=["defaults", "others"])
@pytest.mark.parametrize("name", list(OPTIMIZERS))
def test_fifty_steps_along_the_same_gradients(name, other):
    settings = settings_of(name, other)
    theirs = keras_optimizer(name, settings)
    rng = np.random.default_rng(4)
    params = rng.normal(0, 1, 40)
    variable = keras.Variable(params, dtype="float64")
    theirs.build([variable])
    gradient = np.zeros(40)
    ours = OPTIMIZERS[name](params, gradient, **settings)
    loose = _LOOSER.get(name, 1)
    scale = 10.0 ** rng.integers(-4, 2, 40)  # ε shows where gradients are small
    for step in range(50):
        gradient[...] = rng.normal(0, 1, 40) * scale
        gradient[step % 40] = 0
        theirs.apply([tf.constant(gradient)])
        ours.step()
        np.testing.assert_allclose(
            params, variable.numpy(), rtol=1e-11 * loose, atol=1e-12 * loose, err_msg=f"step {step + 1}"
        )


def test_adamw_with_its_decay():
    settings, weight_decay = settings_of("adamw", other=True), 2.0**-4
    rng = np.random.default_rng(5)
    params = rng.normal(0, 1, 40)
    weights, biases = keras.Variable(params[:30]), keras.Variable(params[30:])
    theirs = keras.optimizers.AdamW(
        weight_decay=weight_decay,
        **{_ARGUMENTS[key]: value for key, value in settings.items()},
    )
    theirs.exclude_from_weight_decay(var_list=[biases])
    theirs.build([weights, biases])
    gradient = np.zeros(40)
    ours = OPTIMIZERS["adamw"](params, gradient, **settings)
    ours.decay(params[:30], weight_decay)
    for step in range(50):
        gradient[...] = rng.normal(0, 1, 40)
        theirs.apply([tf.constant(gradient[:30]), tf.constant(gradient[30:])])
        ours.step()
        np.testing.assert_allclose(
            params, np.concatenate([weights.numpy(), biases.numpy()]), rtol=1e-11, err_msg=f"step {step + 1}"
        )


@pytest.mark.parametrize("soft", [False, True], ids=["one-hot", "soft"])
@pytest.mark.parametrize("name", list(LOSSES))
def test_loss_and_its_gradient(name, soft):
    function = counterpart(_LOSSES, name, "loss")
    rng = np.random.default_rng(2)
    logits = rng.normal(0, 3, (9, 5))
    targets = rng.dirichlet(np.ones(5), 9) if soft else np.eye(5)[rng.integers(5, size=9)]
    z = tf.Variable(logits)
    with tf.GradientTape() as tape:
        values = function(tf.constant(targets), z)
        mean = tf.reduce_mean(values)
    loss, gradient = LOSSES[name](), np.empty_like(logits)
    loss.gradient(logits, targets, gradient)
    np.testing.assert_allclose(loss.per_example(logits, targets), values.numpy(), rtol=1e-12)
    np.testing.assert_allclose(gradient, tape.gradient(mean, z).numpy(), rtol=1e-10, atol=1e-15)


def test_softmax_and_its_logarithm():
    logits = np.random.default_rng(0).normal(0, 20, (50, 7))
    np.testing.assert_allclose(softmax(logits), tf.nn.softmax(logits).numpy(), rtol=1e-12)
    np.testing.assert_allclose(log_softmax(logits), tf.nn.log_softmax(logits).numpy(), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", list(ACTIVATIONS))
def test_activation_and_its_derivative(name):
    function = counterpart(_activations(), name, "activation")
    values = np.concatenate([np.linspace(-6, 6, 121), [0.0]])
    z = tf.Variable(values)
    with tf.GradientTape() as tape:
        expected = function(z)
    h, derivative = values[:, None].copy(), np.empty((len(values), 1))
    ACTIVATIONS[name]().training(h, derivative)()
    loose = _ROUNDED.get(name, 1)
    np.testing.assert_allclose(h[:, 0], expected.numpy(), rtol=1e-11 * loose, atol=1e-13 * loose)
    np.testing.assert_allclose(
        derivative[:, 0], tape.gradient(expected, z).numpy(), rtol=1e-10 * loose, atol=1e-9
    )


def models(sizes: list[int], activation: str, weight_decay: float) -> tuple[Network, Any]:
    """Return our network and Keras' with the same random weights and biases."""
    network = Network(sizes, activation, dtype=np.float64)
    rng = np.random.default_rng(1)
    network.initialize("xavier", rng)
    for b in network.biases:
        b[...] = rng.normal(0, 0.1, b.shape)
    names = [counterpart(_activations(), activation, "activation")] * (len(sizes) - 2) + [None]
    l2 = keras.regularizers.L2(weight_decay / 2)  # Keras' L2(λ) is λ ΣW²
    model = keras.Sequential(
        [
            keras.Input((sizes[0],)),
            *(keras.layers.Dense(n, name, kernel_regularizer=l2) for n, name in zip(sizes[1:], names)),
        ]
    )
    model.set_weights([block for pair in zip(network.weights, network.biases) for block in pair])
    return network, model


@pytest.mark.parametrize("hidden", [[], [6], [6, 5, 4]], ids=str)
@pytest.mark.parametrize("activation", list(ACTIVATIONS))
def test_forward_pass_with_the_same_weights(activation, hidden):
    network, model = models([8, *hidden, 3], activation, 0)
    x = np.random.default_rng(3).normal(0, 1, (20, 8))
    expected = model(x).numpy()
    loose = _ROUNDED.get(activation, 1)
    np.testing.assert_allclose(network.logits(x), expected, rtol=1e-11 * loose, atol=1e-13 * loose)
    np.testing.assert_allclose(network.predict_proba(x), tf.nn.softmax(expected).numpy(), rtol=1e-11 * loose)
    np.testing.assert_array_equal(network.predict(x), expected.argmax(axis=1))


@pytest.mark.parametrize("loss_name", list(LOSSES))
@pytest.mark.parametrize("name", list(OPTIMIZERS))
def test_fifty_batches_of_training_with_weight_decay(name, loss_name):
    settings, weight_decay = settings_of(name, other=True), 2.0**-5
    network, model = models([10, 8, 6, 4], "tanh", weight_decay)
    function, loss = counterpart(_LOSSES, loss_name, "loss"), LOSSES[loss_name]()
    theirs = keras_optimizer(name, settings)
    backpropagation = Backpropagation(network, loss, weight_decay)
    ours = OPTIMIZERS[name](network.params, backpropagation.gradient, **settings)

    @tf.function
    def keras_step(x: Any, t: Any) -> Any:
        with tf.GradientTape() as tape:
            value = tf.reduce_mean(function(t, model(x, training=True)))
            total = value + tf.add_n(model.losses)
        gradients = tape.gradient(total, model.trainable_variables)
        theirs.apply(gradients, model.trainable_variables)
        return value

    rng = np.random.default_rng(6)
    truth = rng.normal(0, 1, (10, 4))
    values, loose = [], _LOOSER.get(name, 1)
    for _ in range(50):
        x = rng.normal(0, 1, (16, 10))
        targets, logits = np.eye(4)[(x @ truth).argmax(axis=1)], np.empty((16, 4))
        backpropagation(x, targets, logits)
        ours.step()
        values.append(float(loss.per_example(logits, targets).mean()))
        expected = float(keras_step(tf.constant(x), tf.constant(targets)))
        assert values[-1] == pytest.approx(expected, rel=1e-11 * loose)
    assert np.mean(values[-5:]) < np.mean(values[:5]), "nothing was learnt, so nothing was compared"
    for ours_now, theirs_now in zip(zip(network.weights, network.biases), model.layers):
        for block, weights in zip(ours_now, theirs_now.get_weights()):
            np.testing.assert_allclose(block, weights, rtol=1e-10 * loose, atol=1e-11 * loose)


def test_training_with_batch_norm():
    """Thirty steps of adam through two normalized layers, then prediction by the running statistics."""
    network = Network([8, 6, 5, 3], "tanh", dtype=np.float64, batch_norm=True)
    network.initialize("xavier", np.random.default_rng(1))
    layers = []
    for units in (6, 5):
        layers += [keras.layers.Dense(units, use_bias=False), keras.layers.BatchNormalization()]
        layers += [keras.layers.Activation("tanh")]
    model = keras.Sequential([keras.Input((8,)), *layers, keras.layers.Dense(3)])
    dense = [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)]
    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    for layer, W in zip(dense, network.weights):
        layer.set_weights([W] if layer is not dense[-1] else [W, network.biases[-1]])
    settings, loss = settings_of("adam", other=True), LOSSES["cross_entropy"]()
    theirs = keras_optimizer("adam", settings)
    backpropagation = Backpropagation(network, loss)
    ours = OPTIMIZERS["adam"](network.params, backpropagation.gradient, **settings)
    rng = np.random.default_rng(6)
    for _ in range(30):
        x = rng.normal(0.3, 2, (16, 8))
        targets, logits = np.eye(3)[rng.integers(3, size=16)], np.empty((16, 3))
        backpropagation(x, targets, logits)
        ours.step()
        with tf.GradientTape() as tape:
            z = model(x, training=True)
            value = tf.reduce_mean(_LOSSES["cross_entropy"](tf.constant(targets), z))
        theirs.apply(tape.gradient(value, model.trainable_variables), model.trainable_variables)
        np.testing.assert_allclose(logits, z.numpy(), rtol=1e-8, atol=1e-10)
    for normal, b, layer in zip(network.normalizations, network.biases, norms):
        # in Keras' order: gamma, beta, moving mean, moving variance
        for block, expected in zip((normal.gamma, b, normal.mean, normal.variance), layer.get_weights()):
            np.testing.assert_allclose(block, expected, rtol=1e-7, atol=1e-9)
    x = rng.normal(0.3, 2, (50, 8))
    np.testing.assert_allclose(network.logits(x), model(x, training=False).numpy(), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("name", list(INITIALIZERS))
def test_initial_weights_are_spread_alike(name):
    theirs = np.asarray(counterpart(_initializers(), name, "weight_init")()(shape=(400, 250)))
    ours = INITIALIZERS[name](np.random.default_rng(0), 400, 250)
    # 100,000 draws: of a uniform distribution the largest lies within 1e-4 of the limit; the largest of a
    # normal one varies; quantiles vary by about 1 % of either
    if name in ("random", "xavier"):
        assert np.abs(ours).max() == pytest.approx(np.abs(theirs).max(), rel=1e-3)
    assert ours.std() == pytest.approx(theirs.std(), rel=0.01)
    levels = np.linspace(0.05, 0.95, 19)
    np.testing.assert_allclose(
        np.quantile(ours, levels), np.quantile(theirs, levels), atol=0.02 * np.abs(theirs).max()
    )
