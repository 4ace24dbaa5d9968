"""ffnn itself: the only file here that knows the core's interface."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from benchmarks.cases import BETA1, BETA2, CLASSES, EPSILON, INPUTS, Case
from benchmarks.data import Data
from benchmarks.peers import WARM_UP_STEPS
from ffcli.core.backprop import Backpropagation
from ffcli.core.losses import LOSSES
from ffcli.core.network import Network
from ffcli.core.optimizers import OPTIMIZERS
from ffcli.core.training import EpochResult, TrainingData, train

BETAS = {"adam": {"beta1": BETA1, "beta2": BETA2, "epsilon": EPSILON}}


def start(case: Case, data: TrainingData, epochs: int, rng: np.random.Generator) -> Iterator[EpochResult]:
    """Return the epochs of a new network's training, run as they are asked for."""
    network = Network(case.sizes, case.activation)
    network.initialize("xavier", rng)
    backpropagation = Backpropagation(network, LOSSES["cross_entropy"]())
    optimizer = OPTIMIZERS[case.optimizer](
        network.params,
        backpropagation.gradient,
        learning_rate=case.learning_rate,
        **BETAS.get(case.optimizer, {}),
    )
    return train(
        network,
        optimizer,
        backpropagation,
        data,
        epochs=range(1, epochs + 1),
        batch_size=case.batch_size,
        rng=rng,
    )


def train_epochs(case: Case, data: Data, epochs: int, seed: int) -> tuple[list[float], float]:
    """Train as ``benchmarks.peers`` describes. The running loss and accuracy are part of the time here."""
    rng = np.random.default_rng(seed)
    pixels, labels = data.pixels("all"), data.labels("all")
    everything = np.arange(len(labels))
    n_train = len(data.labels("train"))

    def part(n: int) -> TrainingData:
        return TrainingData(pixels, labels, everything[:n], everything[n_train:], CLASSES)

    next(start(case, part(min(n_train, WARM_UP_STEPS * case.batch_size)), 1, rng))
    results = list(start(case, part(n_train), epochs, rng))
    return [result.train_seconds for result in results], results[-1].val_acc


def step_timer(case: Case, steps: int = 8, images: int = 54_000) -> Callable[[], float]:
    """Return a function that trains ``steps`` batches and returns the seconds of one.

    The batches come from ``images`` random pixel images, as far apart in memory as real ones.
    """
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (images, INPUTS), dtype=np.uint8)
    labels = rng.integers(0, CLASSES, images)
    some = rng.permutation(images)[: steps * case.batch_size]
    data = TrainingData(pixels, labels, some, np.arange(1), CLASSES)
    epochs = start(case, data, 1_000_000, rng)
    return lambda: next(epochs).train_seconds / steps
