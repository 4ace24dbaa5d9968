"""From a configuration and a dataset to a training that can be watched, stopped, saved and continued."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ffcli.config import TrainConfig
from ffcli.core.backprop import Backpropagation
from ffcli.core.buffers import Array
from ffcli.core.losses import LOSSES
from ffcli.core.network import Network
from ffcli.core.optimizers import OPTIMIZERS
from ffcli.core.training import EpochResult, OnBatches, TrainingData
from ffcli.core.training import train as train_epochs
from ffcli.datasets import Dataset, split_indices


def untrained_network(config: TrainConfig, dataset: Dataset) -> Network:
    """Return the network as the configuration's seed starts it."""
    network = Network([dataset.n_features, *config.hidden_sizes, dataset.n_classes], config.activation)
    network.initialize(config.weight_init, _generators(config.seed)[0])
    return network


def _generators(seed: int) -> tuple[np.random.Generator, np.random.Generator]:
    """Return independent generators for the initial weights and the shuffling; any integer is a seed."""
    initial, shuffling = np.random.SeedSequence(seed % 2**64).spawn(2)
    return np.random.default_rng(initial), np.random.default_rng(shuffling)


class Experiment:
    """One training run in memory. Iterating over it trains and yields an ``EpochResult`` an epoch.

    Attributes:
        network: as after the last epoch.
        best: the result of the epoch with the highest val_acc so far (the earliest on a tie), or None.
        best_params: the network's parameter vector after that epoch.
        epoch: the number of epochs done.
    """

    def __init__(self, config: TrainConfig, dataset: Dataset) -> None:
        self.config = config
        self.dataset = dataset
        train_indices, val_indices = split_indices(dataset.y_train, config.val_fraction)
        self.data = TrainingData(
            dataset.x_train, dataset.y_train, train_indices, val_indices, dataset.n_classes
        )
        self.network = untrained_network(config, dataset)
        self.backpropagation = Backpropagation(self.network, LOSSES[config.loss](), config.weight_decay)
        self.optimizer = OPTIMIZERS[config.optimizer](
            self.network.params, self.backpropagation.gradient, **config.optimizer_arguments()
        )
        self.rng = _generators(config.seed)[1]
        self.epoch = 0
        self.best: EpochResult | None = None
        self.best_params: Array = self.network.params.copy()

    @property
    def steps_per_epoch(self) -> int:
        """The number of batches an epoch, the last short one counted."""
        return math.ceil(len(self.data.train_indices) / self.config.batch_size)

    def __iter__(self) -> Iterator[EpochResult]:
        return self.run()

    def run(self, on_batches: OnBatches | None = None) -> Iterator[EpochResult]:
        """Train on from the epochs already done to the configuration's last; see `core.training.train`."""
        results = train_epochs(
            self.network,
            self.optimizer,
            self.backpropagation,
            self.data,
            epochs=range(self.epoch + 1, self.config.epochs + 1),
            batch_size=self.config.batch_size,
            rng=self.rng,
            on_batches=on_batches,
        )
        for result in results:
            self.epoch = result.epoch
            if not result.diverged and (self.best is None or result.val_acc > self.best.val_acc):
                self.best = result
                self.best_params[...] = self.network.params
            yield result

    def keep_best(self) -> Network:
        """Give the network the weights of its best epoch, and return it."""
        self.network.params[...] = self.best_params
        return self.network

    def arrays(self) -> dict[str, Array]:
        """Return the vectors of a checkpoint: the parameters and the optimizer's state."""
        return {"params": self.network.params, **self.optimizer.state}

    def scalars(self) -> dict[str, Any]:
        """Return the rest of a checkpoint, in types that JSON keeps exactly."""
        return {
            "epoch": self.epoch,
            "optimizer": self.optimizer.scalars(),
            "generator": self.rng.bit_generator.state,
        }

    def restore(
        self,
        arrays: Mapping[str, Array],
        scalars: Mapping[str, Any],
        best: EpochResult | None,
        best_params: Array,
    ) -> None:
        """Take over a checkpoint, with the best epoch so far and its parameters."""
        self.network.params[...] = arrays["params"]
        self.optimizer.restore(arrays, scalars["optimizer"])
        self.rng.bit_generator.state = scalars["generator"]
        self.epoch = scalars["epoch"]
        self.best = best
        self.best_params[...] = best_params


def train(config: TrainConfig, dataset: Dataset) -> Experiment:
    """Return a training that runs as it is iterated over: one ``EpochResult`` an epoch.

    >>> training = train(TrainConfig(epochs=2), load_dataset("fashion_mnist"))  # doctest: +SKIP
    >>> for result in training:                                                 # doctest: +SKIP
    ...     print(result.epoch, result.val_acc)
    """
    return Experiment(config, dataset)
