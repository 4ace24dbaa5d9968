"""A network as a .keras file of Keras 3."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import warnings
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ffcli.core.activations import LEAK
from ffcli.services.export.model import Model, unknown_activation


def _activations(keras: Any) -> dict[str, Callable[[Any], Any]]:
    return {
        "identity": lambda z: z,
        "sigmoid": keras.ops.sigmoid,
        "tanh": keras.ops.tanh,
        "relu": keras.ops.relu,
        "gelu": lambda z: keras.ops.gelu(z, approximate=True),
        "silu": keras.ops.silu,
        "leaky_relu": lambda z: keras.ops.leaky_relu(z, negative_slope=float(LEAK)),
        "elu": keras.ops.elu,
    }


def keras_bytes(model: Model) -> bytes:
    """Return a .keras file: ``images`` (n, …), pixels 0 … 255 or features, to ``probabilities`` (n, classes).

    Beside Keras' own members the archive holds ``ffnn.json`` with the names of the classes.
    """
    with _quiet_tensorflow(), tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        _keras_model(model).save(path)
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr("ffnn.json", json.dumps({**model.metadata, "class_names": model.class_names}))
        return path.read_bytes()


def _keras_model(model: Model) -> Any:
    import keras

    activate = _activations(keras).get(model.network.activation_name)
    if activate is None:
        raise unknown_activation(model, "keras")
    images = keras.Input(model.input_shape, name="images")
    h = images if model.scale == 1 else keras.layers.Rescaling(model.scale)(images)
    if len(model.input_shape) > 1:
        h = keras.layers.Flatten()(h)
    last = len(model.network.weights) - 1
    for index, (W, b) in enumerate(zip(model.network.weights, model.network.biases)):
        dense = keras.layers.Dense(len(b))
        h = dense(h)
        dense.set_weights([W, b])
        if index < last:
            h = activate(h)
    return keras.Model(images, keras.layers.Softmax(name="probabilities")(h), name="ffnn")


@contextmanager
def _quiet_tensorflow() -> Iterator[None]:
    """Drop what the C++ code of TensorFlow prints to stderr, and the warnings of its imports."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
