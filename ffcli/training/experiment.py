"""The training of a configuration on a dataset, which can be observed, stopped, saved and resumed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ffcli.config import TrainConfig, validation_split
from ffcli.core.augmentation import Augmentation
from ffcli.core.backprop import Backpropagation
from ffcli.core.buffers import Array
from ffcli.core.ema import WeightAverage
from ffcli.core.losses import LOSSES
from ffcli.core.network import Network
from ffcli.core.optimizers import OPTIMIZERS
from ffcli.core.schedules import SCHEDULES
from ffcli.core.training import EpochResult, OnBatches, Refinements, TrainingData
from ffcli.core.training import train as train_epochs
from ffcli.datasets import KNOWN, Dataset
from ffcli.datasets.pictures import size_of
from ffcli.errors import RequestError


def untrained_network(config: TrainConfig, dataset: Dataset) -> Network:
    """Return the network as the configuration's seed starts it."""
    sizes = [dataset.n_features, *config.hidden_sizes, dataset.n_classes]
    network = Network(sizes, config.activation, batch_norm=config.batch_norm)
    network.initialize(config.weight_init, _generators(config.seed)[0])
    return network


def _generators(seed: int) -> tuple[np.random.Generator, np.random.Generator]:
    """Return independent generators for the initial weights and the shuffling; any integer is a seed."""
    initial, shuffling = np.random.SeedSequence(seed % 2**64).spawn(2)
    return np.random.default_rng(initial), np.random.default_rng(shuffling)


def _refinements(config: TrainConfig, dataset: Dataset, network: Network) -> Refinements:
    scheduled = config.schedule != "constant" or config.warmup_epochs > 0
    return Refinements(
        schedule=SCHEDULES[config.schedule](config.epochs, config.decay_epochs, config.decay_factor)
        if scheduled
        else None,
        warmup_epochs=config.warmup_epochs,
        clip_norm=config.clip_norm,
        label_smoothing=config.label_smoothing,
        augmentation=augmentation(config, dataset),
        average=WeightAverage(network, config.ema) if config.ema else None,
    )


def augmentation(config: TrainConfig, dataset: Dataset) -> Augmentation | None:
    """Return how the configuration changes training images, None where it does not.

    Raises RequestError where that makes no sense on the dataset.
    """
    if not (config.flip or config.shift):
        return None
    shape = dataset.x_train.shape[1:]
    _check_augmentation(config, dataset.name, shape)
    return Augmentation((shape[0], shape[1]), flip=config.flip, shift=config.shift)


def check_before_loading(config: TrainConfig) -> None:
    """Raise RequestError where the configuration makes no sense on a known dataset, fetched or not."""
    if config.dataset in KNOWN and (config.flip or config.shift):
        _check_augmentation(config, config.dataset, KNOWN[config.dataset].shapes["x_train"][1:])


def _check_augmentation(config: TrainConfig, name: str, shape: tuple[int, ...]) -> None:
    if len(shape) != 2:
        reason = f"flip and shift are for gray images (height, width); {name} holds rows of shape {shape}"
        hint = "The option grayscale converts colour images to gray." if len(shape) == 3 else None
    elif config.flip and name == "mnist":
        reason = "flip is not for mnist: a mirrored digit is another one or none"
        hint = "Try shift."
    elif config.shift >= min(shape):
        reason = f"{config.shift} pixels would empty the images of {size_of(*shape[:2])}"
        hint = None
    else:
        return
    raise RequestError(f"got {config.augment}, but {reason}", parameter="augment", hint=hint)


def l2_rate(config: TrainConfig) -> float:
    """Return the weight decay that is part of the loss: none where the optimizer decays by itself."""
    return 0.0 if OPTIMIZERS[config.optimizer].decouples_weight_decay else config.weight_decay


class Experiment:
    """One training run in memory. Iterating over it trains and yields an ``EpochResult`` per epoch.

    Attributes:
        network: as after the last epoch.
        best: the result of the epoch with the highest val_acc so far (the earliest on a tie), or None.
        evaluated: what is validated and stored: the network, or with ``ema`` the average of its weights.
        best_state: the ``state`` of ``evaluated`` after that epoch.
        epoch: the number of epochs done.
    """

    def __init__(self, config: TrainConfig, dataset: Dataset) -> None:
        self.config = config
        self.dataset = dataset
        train_indices, val_indices = validation_split(config, dataset.y_train)
        self.data = TrainingData(
            dataset.x_train, dataset.y_train, train_indices, val_indices, dataset.n_classes
        )
        self.network = untrained_network(config, dataset)
        self.rng = _generators(config.seed)[1]
        self.backpropagation = Backpropagation(
            self.network,
            LOSSES[config.loss](),
            l2_rate(config),
            dropout=config.dropout,
            input_dropout=config.input_dropout,
            rng=self.rng,
        )
        self.optimizer = OPTIMIZERS[config.optimizer](
            self.network.params, self.backpropagation.gradient, **config.optimizer_arguments()
        )
        if self.optimizer.decouples_weight_decay:
            self.optimizer.decay(self.network.params[: self.network.n_weights], config.weight_decay)
        self.refinements = _refinements(config, dataset, self.network)
        average = self.refinements.average
        self.evaluated = self.network if average is None else average.network
        self.epoch = 0
        self.best: EpochResult | None = None
        self.best_state: Array = self.evaluated.state.copy()

    @property
    def steps_per_epoch(self) -> int:
        """The number of batches per epoch, including a shorter last one."""
        return math.ceil(len(self.data.train_indices) / self.config.batch_size)

    def __iter__(self) -> Iterator[EpochResult]:
        return self.run()

    def run(self, on_batches: OnBatches | None = None) -> Iterator[EpochResult]:
        """Train on from the epochs already done to the configuration's last; see `core.training.train`.

        With ``patience`` it ends early, after so many epochs without a higher val_acc.
        """
        if self._out_of_patience():
            return
        results = train_epochs(
            self.network,
            self.optimizer,
            self.backpropagation,
            self.data,
            epochs=range(self.epoch + 1, self.config.epochs + 1),
            batch_size=self.config.batch_size,
            rng=self.rng,
            refinements=self.refinements,
            on_batches=on_batches,
        )
        for result in results:
            self.epoch = result.epoch
            if not result.diverged and (self.best is None or result.val_acc > self.best.val_acc):
                self.best = result
                self.best_state[...] = self.evaluated.state
            yield result
            if self._out_of_patience():
                return

    def _out_of_patience(self) -> bool:
        patience = self.config.patience
        return bool(patience) and self.best is not None and self.epoch - self.best.epoch >= patience

    def restore_best_weights(self) -> Network:
        """Give the network the weights of its best epoch, and return it."""
        self.network.state[...] = self.best_state
        return self.network

    def state_dict(self) -> tuple[dict[str, Array], dict[str, Any]]:
        """Return what a checkpoint holds: vectors, and the rest in types that JSON keeps exactly.

        The vectors are the network's own, its average's and the optimizer's, not copies.
        """
        average = {} if self.evaluated is self.network else {"average": self.evaluated.state}
        schedule = self.refinements.schedule
        arrays = {"params": self.network.state, **average, **self.optimizer.state}
        return arrays, {
            "epoch": self.epoch,
            "optimizer": self.optimizer.state_dict(),
            "schedule": schedule.state_dict() if schedule else {},
            "generator": self.rng.bit_generator.state,
        }

    def load_state_dict(
        self,
        arrays: Mapping[str, Array],
        scalars: Mapping[str, Any],
        best: EpochResult | None,
        best_state: Array | None,
    ) -> None:
        """Take over a checkpoint, with the best epoch so far and its state (None: the checkpoint's own)."""
        self.network.state[...] = arrays["params"]
        if self.evaluated is not self.network:
            self.evaluated.state[...] = arrays["average"]
        if self.refinements.schedule is not None:
            self.refinements.schedule.load_state_dict(scalars["schedule"])
        self.optimizer.load_state_dict(arrays, scalars["optimizer"])
        self.rng.bit_generator.state = scalars["generator"]
        self.epoch = scalars["epoch"]
        self.best = best
        self.best_state[...] = self.evaluated.state if best_state is None else best_state


def train(config: TrainConfig, dataset: Dataset) -> Experiment:
    """Return a training that runs as it is iterated over: one ``EpochResult`` per epoch.

    >>> training = train(TrainConfig(epochs=2), load_dataset("fashion_mnist"))  # doctest: +SKIP
    >>> for result in training:                                                 # doctest: +SKIP
    ...     print(result.epoch, result.val_acc)
    """
    return Experiment(config, dataset)
