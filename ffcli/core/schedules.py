"""Learning-rate schedules: the factor on ``learning_rate``, from 1 down, during training.

Progress is counted in epochs as a real number: 2.5 is the middle of the third epoch.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

from ffcli.core.registry import Registry


class Schedule(ABC):
    """A factor for each moment of a training of ``epochs`` epochs.

    ``decay_epochs`` and ``decay_factor`` mean what the schedule says of them, if it uses them.
    """

    def __init__(self, epochs: int, decay_epochs: int, decay_factor: float) -> None:
        self.epochs, self.decay_epochs, self.decay_factor = epochs, decay_epochs, decay_factor

    @abstractmethod
    def factor(self, progress: float) -> float:
        """Return the factor at ``progress`` epochs, 0 ≤ progress < epochs."""

    def after_epoch(self, val_loss: float) -> None:
        """Take note of the loss of an epoch."""

    def state_dict(self) -> dict[str, float]:
        """Return what a checkpoint must hold."""
        return {}

    def load_state_dict(self, state: dict[str, float]) -> None:
        """Take over what a checkpoint held. Raises KeyError where a part of it is missing."""
        for name in self.state_dict():
            setattr(self, name, state[name])


SCHEDULES: Registry[type[Schedule]] = Registry("schedule")


@SCHEDULES.register("constant")
class Constant(Schedule):
    """The factor is 1."""

    def factor(self, progress: float) -> float:
        return 1.0


@SCHEDULES.register("cosine")
class Cosine(Schedule):
    """(1 + cos(π progress / epochs)) / 2: to zero at the end of the last epoch.

    Loshchilov & Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017, without restarts.
    """

    def factor(self, progress: float) -> float:
        return 0.5 * (1 + math.cos(math.pi * progress / self.epochs))


@SCHEDULES.register("step")
class Step(Schedule):
    """Multiply by ``decay_factor`` after every ``decay_epochs`` epochs."""

    def factor(self, progress: float) -> float:
        return float(self.decay_factor ** (int(progress) // self.decay_epochs))


@SCHEDULES.register("plateau", "reduce_on_plateau")
class Plateau(Schedule):
    """Multiply by ``decay_factor`` whenever ``decay_epochs`` epochs in a row brought no lower val_loss.

    As Keras' ReduceLROnPlateau with ``min_delta=0`` and no cooldown.
    """

    current = 1.0
    lowest = math.inf
    waited = 0

    def factor(self, progress: float) -> float:
        return self.current

    def after_epoch(self, val_loss: float) -> None:
        if val_loss < self.lowest:
            self.lowest, self.waited = val_loss, 0
            return
        self.waited += 1
        if self.waited >= self.decay_epochs:
            self.current *= self.decay_factor
            self.waited = 0

    def state_dict(self) -> dict[str, float]:
        return {"current": self.current, "lowest": self.lowest, "waited": self.waited}


def warm_up(progress: float, warmup_epochs: float) -> float:
    """Return the factor of a linear rise from zero to 1 over the first ``warmup_epochs`` epochs."""
    return min(1.0, progress / warmup_epochs) if warmup_epochs else 1.0
