"""Training in mini-batches, epoch by epoch, and the result of each epoch."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from ffcli.core.augmentation import Augmentation
from ffcli.core.backprop import Backpropagation, l2_penalty
from ffcli.core.buffers import Array, aligned_zeros
from ffcli.core.ema import WeightAverage
from ffcli.core.losses import Loss, PerExample
from ffcli.core.metrics import confusion_matrix, mean_score
from ffcli.core.network import Network, as_features
from ffcli.core.optimizers import Optimizer
from ffcli.core.schedules import Schedule, warm_up

# Raised whenever the same configuration and seed would train to other numbers than before.
CORE_VERSION = 1

_BLOCK = 512  # images gathered at a time: few calls, and they still lie in the cache when their batch comes

OnBatches = Callable[[int, int], None]
_Batch = tuple[Array, Array, Array]  # x, targets, memory for the logits
_Block = tuple[list[_Batch], Array, Array]  # its batches, and the targets and logits of all of them


@dataclass(frozen=True)
class TrainingData:
    """The images, all of them as stored, and which of them train and which validate.

    ``images`` (n, ...) uint8 or float32; ``labels`` (n,) integers below ``n_classes``; the index arrays are
    disjoint.
    """

    images: Array
    labels: Array
    train_indices: Array
    val_indices: Array
    n_classes: int


@dataclass(frozen=True)
class EpochResult:
    """One epoch: losses with their L2 term, accuracies and the macro F1 in [0, 1], and the seconds it took.

    The training figures are running ones: each batch counts as the network was when it came, and the L2 term
    is that of the weights at the epoch's end. ``train_seconds`` is the optimisation alone.
    """

    epoch: int
    train_loss: float
    train_acc: float
    val_loss: float
    val_acc: float
    seconds: float
    train_seconds: float
    val_f1: float

    @property
    def diverged(self) -> bool:
        """Whether a loss is no longer a finite number."""
        return not (math.isfinite(self.train_loss) and math.isfinite(self.val_loss))


@dataclass(frozen=True)
class Refinements:
    """What a plain training goes without.

    ``schedule`` with ``warmup_epochs`` scales the learning rate before each step. ``clip_norm``: a gradient
    whose norm ‖g‖ is larger is multiplied by clip_norm / ‖g‖ (0: never; Pascanu et al., ICML 2013).
    ``label_smoothing`` ε: training targets become (1 - ε) t + ε / classes (Szegedy et al., CVPR 2016), and
    train_loss is of these; val_loss is of the true ones. ``average`` is what is validated where it is given.
    """

    schedule: Schedule | None = None
    warmup_epochs: float = 0.0
    clip_norm: float = 0.0
    label_smoothing: float = 0.0
    augmentation: Augmentation | None = None
    average: WeightAverage | None = None


class _RunningMetrics:
    """Sums of loss and hits over blocks of examples."""

    def __init__(self, per_example: PerExample) -> None:
        self._per_example = per_example
        self._sum, self._hits, self._n = 0.0, 0, 0

    def add(self, logits: Array, targets: Array) -> bool:
        """Count a block in; return whether the sum of losses is still finite."""
        self._sum += float(np.add.reduce(self._per_example(logits, targets), dtype=np.float64))
        self._hits += int(np.count_nonzero(logits.argmax(axis=1) == targets.argmax(axis=1)))
        self._n += len(logits)
        return math.isfinite(self._sum)

    @property
    def loss(self) -> float:
        return self._sum / self._n

    @property
    def accuracy(self) -> float:
        return self._hits / self._n


def evaluate(network: Network, loss: Loss, data: TrainingData, indices: Array) -> tuple[float, float, float]:
    """Return the mean loss without an L2 term, the accuracy and the macro F1 of the images at ``indices``."""
    running = _RunningMetrics(loss.running(data.n_classes, network.dtype))
    predicted = np.empty(len(indices), np.int64)
    one_hot = np.eye(data.n_classes, dtype=network.dtype)
    for start in range(0, len(indices), _BLOCK):
        block = indices[start : start + _BLOCK]
        logits = network.logits(data.images[block])
        running.add(logits, one_hot[data.labels[block]])
        predicted[start : start + _BLOCK] = logits.argmax(axis=1)
    matrix = confusion_matrix(data.labels[indices], predicted, data.n_classes)
    return running.loss, running.accuracy, mean_score(matrix).f1


def train(
    network: Network,
    optimizer: Optimizer,
    backpropagation: Backpropagation,
    data: TrainingData,
    *,
    epochs: range,
    batch_size: int,
    rng: np.random.Generator,
    refinements: Refinements = Refinements(),
    on_batches: OnBatches | None = None,
) -> Iterator[EpochResult]:
    """Train ``network`` in place and yield a result after each of ``epochs`` (numbered from 1).

    The images are reshuffled with ``rng`` each epoch; a last short batch is used, not dropped. The generator
    keeps nothing between epochs: whoever holds the network, the optimizer and the generator can stop, save
    them after any epoch, and resume later with the same numbers. It ends after an epoch that diverged.
    ``on_batches(done, total)`` is called from time to time with the number of steps.
    """
    loss, weight_decay = backpropagation.loss, backpropagation.weight_decay
    batches = _Batches(network, data, batch_size, refinements, rng)
    schedule, average = refinements.schedule, refinements.average
    learning_rate = optimizer.learning_rate
    evaluated = network if average is None else average.network
    per_example = loss.running(data.n_classes, network.dtype)
    for epoch in epochs:
        # not around the loop: what a generator sets holds for its caller too, until it ends
        with np.errstate(over="ignore", invalid="ignore", divide="ignore", under="ignore"):
            started = time.perf_counter()
            running = _RunningMetrics(per_example)
            blocks = batches.blocks(rng.permutation(data.train_indices))
            _train_epoch(
                epoch, blocks, batches.steps, optimizer, backpropagation, refinements, running, on_batches
            )
            trained = time.perf_counter()
            val_loss, val_acc, val_f1 = evaluate(evaluated, loss, data, data.val_indices)
            l2 = l2_penalty(evaluated, weight_decay)
            if schedule is not None:
                schedule.after_epoch(val_loss)
                optimizer.learning_rate = learning_rate
        result = EpochResult(
            epoch=epoch,
            train_loss=running.loss + l2,
            train_acc=running.accuracy,
            val_loss=val_loss + l2,
            val_acc=val_acc,
            seconds=time.perf_counter() - started,
            train_seconds=trained - started,
            val_f1=val_f1,
        )
        yield result
        if result.diverged:
            return


def _train_epoch(
    epoch: int,
    blocks: Iterator[_Block],
    steps: int,
    optimizer: Optimizer,
    backpropagation: Backpropagation,
    refinements: Refinements,
    running: _RunningMetrics,
    on_batches: OnBatches | None,
) -> None:
    """Take the ``steps`` of an epoch, until a loss is no longer finite."""
    schedule, average, clip_norm = refinements.schedule, refinements.average, refinements.clip_norm
    learning_rate, first_step = optimizer.learning_rate, optimizer.steps
    for block, targets, logits in blocks:
        for batch in block:
            backpropagation(*batch)
            if clip_norm:
                _clip(backpropagation.gradient, clip_norm)
            if schedule is not None:
                progress = epoch - 1 + (optimizer.steps - first_step) / steps
                factor = schedule.factor(progress) * warm_up(progress, refinements.warmup_epochs)
                optimizer.learning_rate = learning_rate * factor
            optimizer.step()
            if average is not None:
                average.update(optimizer.steps)
        if not running.add(logits, targets):
            break
        if on_batches is not None:
            on_batches(optimizer.steps - first_step, steps)


def _clip(gradient: Array, clip_norm: float) -> None:
    norm = math.sqrt(float(np.dot(gradient, gradient)))
    if norm > clip_norm:
        np.multiply(gradient, clip_norm / norm, gradient)


class _Batches:
    """Gathers shuffled images a block at a time, augmented, as float features with their targets."""

    def __init__(
        self,
        network: Network,
        data: TrainingData,
        batch_size: int,
        refinements: Refinements,
        rng: np.random.Generator,
    ) -> None:
        n_images = len(data.train_indices)
        rows = min(n_images, max(1, _BLOCK // batch_size) * batch_size)
        self._images = np.asarray(data.images).reshape(len(data.images), -1)
        self._labels = data.labels
        smoothing = refinements.label_smoothing
        self._target_rows = np.eye(data.n_classes, dtype=network.dtype) * (1 - smoothing)
        self._target_rows += smoothing / data.n_classes
        self._augmentation, self._rng = refinements.augmentation, rng
        self._pixels = np.empty((rows, self._images.shape[1]), self._images.dtype)
        self._x = aligned_zeros(self._pixels.shape, network.dtype)
        self._targets = aligned_zeros((rows, data.n_classes), network.dtype)
        self._logits = aligned_zeros((rows, data.n_classes), network.dtype)
        self._rows, self._batch_size = rows, batch_size
        self._whole_block = self._cut(rows)
        self.steps = -(-n_images // batch_size)

    def _cut(self, n: int) -> list[_Batch]:
        """Return the batches of a block of ``n`` images: (x, targets, memory for the logits) each."""
        parts = [slice(start, min(start + self._batch_size, n)) for start in range(0, n, self._batch_size)]
        return [(self._x[part], self._targets[part], self._logits[part]) for part in parts]

    def blocks(self, order: Array) -> Iterator[_Block]:
        """Yield the batches of each block of the images in ``order``, with the block's targets and logits."""
        for start in range(0, len(order), self._rows):
            block = order[start : start + self._rows]
            n = len(block)
            # mode="clip" skips a bounds check that costs as much as the copy; the indices are our own
            np.take(self._images, block, 0, self._pixels[:n], "clip")
            np.take(self._target_rows, self._labels[block], 0, self._targets[:n], "clip")
            if self._augmentation is not None:
                self._augmentation(self._pixels[:n], self._rng)
            as_features(self._pixels[:n], self._x[:n])
            batches = self._whole_block if n == self._rows else self._cut(n)
            yield batches, self._targets[:n], self._logits[:n]
