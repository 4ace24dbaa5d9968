"""Keras on TensorFlow: one ``fit`` over arrays in memory.

``jit_compile`` and ``steps_per_execution`` stay at their defaults ("auto", which is off on a CPU, and 1), as
does the data pipeline that ``fit`` makes from arrays.
"""

from __future__ import annotations

import os

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import time
from typing import Any

import keras
import tensorflow as tf

from benchmarks.cases import BETA1, BETA2, CLASSES, EPSILON, Case
from benchmarks.data import Data
from benchmarks.peers import WARM_UP_STEPS


class EpochClock(keras.callbacks.Callback):
    """Takes the time of each epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.start = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.seconds.append(time.perf_counter() - self.start)


def build(case: Case) -> keras.Model:
    """Return the compiled network; Dense starts Glorot-uniform with zero biases by default."""
    layers = [keras.layers.Dense(size, activation=case.activation) for size in case.hidden]
    model = keras.Sequential([keras.Input((case.sizes[0],)), *layers, keras.layers.Dense(CLASSES)])
    optimizer = (
        keras.optimizers.Adam(case.learning_rate, BETA1, BETA2, EPSILON)
        if case.optimizer == "adam"
        else keras.optimizers.SGD(case.learning_rate)
    )
    model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def train_epochs(case: Case, data: Data, epochs: int, seed: int) -> tuple[list[float], float]:
    """Train as ``benchmarks.peers`` describes."""
    cores = len(os.sched_getaffinity(0))
    tf.config.threading.set_intra_op_parallelism_threads(cores)
    tf.config.threading.set_inter_op_parallelism_threads(cores)
    keras.utils.set_random_seed(seed)
    x, y = data.images("train"), data.labels("train")
    model = build(case)

    # The warm-up trains the same network, since the traced functions belong to it. It ends in a batch as
    # short as the epoch's last one, which has a trace of its own; so Keras trains some 1 % of an epoch more.
    some = WARM_UP_STEPS * case.batch_size + len(x) % case.batch_size
    model.fit(x[:some], y[:some], batch_size=case.batch_size, verbose=0)

    clock = EpochClock()
    model.fit(x, y, batch_size=case.batch_size, epochs=epochs, shuffle=True, verbose=0, callbacks=[clock])
    logits = model.predict(data.images("val"), batch_size=1000, verbose=0)
    return clock.seconds, float((logits.argmax(1) == data.labels("val")).mean())
