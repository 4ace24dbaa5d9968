"""A network is trained in its own type: a wider one costs memory and speed, a narrower one digits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from ffcli.core.activations import ACTIVATIONS
from ffcli.core.augmentation import Augmentation
from ffcli.core.backprop import Backpropagation
from ffcli.core.ema import WeightAverage
from ffcli.core.losses import LOSSES
from ffcli.core.network import Network
from ffcli.core.optimizers import OPTIMIZERS
from ffcli.core.training import Refinements, TrainingData, train


def arrays_in(thing: Any, seen: set[int]) -> Iterator[tuple[str, np.ndarray]]:
    """Yield every array that can be reached through attributes and containers, with the way there."""
    if id(thing) in seen:
        return
    seen.add(id(thing))
    if isinstance(thing, np.ndarray):
        yield "", thing
    elif isinstance(thing, dict):
        for key, value in thing.items():
            yield from ((f"[{key!r}]{way}", array) for way, array in arrays_in(value, seen))
    elif isinstance(thing, (list, tuple)):
        for index, value in enumerate(thing):
            yield from ((f"[{index}]{way}", array) for way, array in arrays_in(value, seen))
    elif any(kind.__module__.startswith("ffcli.") for kind in type(thing).__mro__):
        for name, value in vars(thing).items():
            yield from ((f".{name}{way}", array) for way, array in arrays_in(value, seen))


class Watched(Backpropagation):
    """Keeps the arrays of every batch that it was given."""

    def __call__(self, x: np.ndarray, targets: np.ndarray, logits: np.ndarray) -> None:
        self.batch = (x, targets, logits)
        super().__call__(x, targets, logits)


@pytest.mark.parametrize("loss_name", list(LOSSES))
@pytest.mark.parametrize("activation", list(ACTIVATIONS))
@pytest.mark.parametrize("optimizer_name", ["momentum", "adamw", "nadam"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_array_is_of_the_type_of_the_network(dtype, optimizer_name, activation, loss_name):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (60, 4, 4)).astype(np.uint8)
    data = TrainingData(images, np.arange(60) % 3, np.arange(50), np.arange(50, 60), 3)
    network = Network([16, 8, 6, 3], activation, dtype, batch_norm=True)
    network.initialize("xavier", rng)
    backpropagation = Watched(network, LOSSES[loss_name](), 0.01, dropout=0.2, input_dropout=0.1, rng=rng)
    optimizer = OPTIMIZERS[optimizer_name](network.params, backpropagation.gradient, learning_rate=0.01)
    augmentation, average = Augmentation((4, 4), flip=True, shift=1), WeightAverage(network, 0.9)
    refinements = Refinements(augmentation=augmentation, average=average, label_smoothing=0.1, clip_norm=0.5)
    for _ in train(
        network, optimizer, backpropagation, data,
        epochs=range(1, 3), batch_size=16, rng=rng, refinements=refinements,
    ):  # fmt: skip
        assert np.isfinite(network.state).all()
    kept = {"backpropagation": backpropagation, "optimizer": optimizer, "average": average}
    found = list(arrays_in(kept, set()))
    assert len(found) > 50, "buffers of every layer, for two sizes of batch"
    # beside it only what relu or dropout let through, as booleans
    assert not {way: array.dtype.name for way, array in found if array.dtype not in (dtype, np.bool_)}
    # pictures are moved about as the bytes that they are
    assert {array.dtype for _, array in arrays_in(augmentation, set())} == {np.dtype(np.uint8)}
