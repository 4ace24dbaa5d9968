"""scikit-learn's ``MLPClassifier``: one ``partial_fit`` over all images is one epoch of shuffled batches."""

from __future__ import annotations

import time

import numpy as np
from sklearn.neural_network import MLPClassifier

from benchmarks.cases import BETA1, BETA2, CLASSES, EPSILON, Case
from benchmarks.data import Data
from benchmarks.peers import WARM_UP_STEPS

ACTIVATIONS = {"relu": "relu", "tanh": "tanh", "sigmoid": "logistic"}


def train_epochs(case: Case, data: Data, epochs: int, seed: int) -> tuple[list[float], float]:
    """Train as ``benchmarks.peers`` describes."""
    x, y = data.images("train"), data.labels("train")
    model = MLPClassifier(
        case.hidden,
        activation=ACTIVATIONS[case.activation],
        solver=case.optimizer,
        alpha=0.0,
        batch_size=case.batch_size,
        learning_rate_init=case.learning_rate,
        beta_1=BETA1,
        beta_2=BETA2,
        epsilon=EPSILON,
        momentum=0.0,
        nesterovs_momentum=False,
        shuffle=True,
        early_stopping=False,
        random_state=seed,
    )
    # `partial_fit` alone keeps the optimizer's state from one epoch to the next, so it must also warm up the
    # same network. Its own start has random biases and, for the logistic function, narrower weights, so the
    # start that all peers share is put in place afterwards.
    some = WARM_UP_STEPS * case.batch_size
    model.partial_fit(x[:some], y[:some], classes=np.arange(CLASSES))
    rng = np.random.default_rng(seed)
    for W, b in zip(model.coefs_, model.intercepts_, strict=True):
        limit = np.sqrt(6.0 / sum(W.shape))
        W[...] = rng.uniform(-limit, limit, W.shape)
        b[...] = 0.0

    seconds = []
    for _ in range(epochs):
        start = time.perf_counter()
        model.partial_fit(x, y)
        seconds.append(time.perf_counter() - start)
    return seconds, float((model.predict(data.images("val")) == data.labels("val")).mean())
