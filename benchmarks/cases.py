"""What is measured: five networks, each with its batch size and optimizer. Every peer reads this table."""

from __future__ import annotations

import math
from dataclasses import dataclass

INPUTS = 784
CLASSES = 10
VAL_FRACTION = 0.1  # of the 60,000 training images: 54,000 are left to train on

# With less than 0.5, four sigmoid layers learn nothing from plain SGD in these few epochs.
LEARNING_RATES = {"adam": 1e-3, "sgd": 0.5}
BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-7


@dataclass(frozen=True)
class Case:
    """One network and the way it is trained.

    Weights start Glorot-uniform and biases at zero; the loss is the softmax cross-entropy.
    ``epochs`` is how many epochs one process times, so that it lasts some seconds.
    """

    name: str
    hidden: tuple[int, ...]
    activation: str
    optimizer: str
    batch_size: int
    epochs: int = 1

    @property
    def sizes(self) -> tuple[int, ...]:
        """The units of every layer, from the pixels to the classes."""
        return (INPUTS, *self.hidden, CLASSES)

    @property
    def learning_rate(self) -> float:
        return LEARNING_RATES[self.optimizer]

    @property
    def title(self) -> str:
        """The case in words, such as ``3×128 relu adam batch 32``."""
        return (
            f"{len(self.hidden)}×{self.hidden[0]} {self.activation} {self.optimizer} batch {self.batch_size}"
        )

    def steps(self, images: int) -> int:
        """Return the steps of an epoch over ``images`` images; a last short batch is a step too."""
        return math.ceil(images / self.batch_size)


CASES = {
    case.name: case
    for case in (
        Case("A", (128,) * 3, "relu", "adam", 32, epochs=3),
        Case("B", (32,) * 3, "tanh", "adam", 16, epochs=3),
        Case("C", (128,) * 5, "relu", "adam", 64, epochs=3),
        Case("D", (64,) * 4, "sigmoid", "sgd", 32, epochs=3),
        Case("E", (1024,) * 2, "relu", "adam", 128, epochs=1),
    )
}
