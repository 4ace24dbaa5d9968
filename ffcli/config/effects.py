"""Hyper-parameters that have no effect beside certain values of others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ffcli.config.train_config import TrainConfig
from ffcli.core.optimizers import OPTIMIZERS, hyperparameters


@dataclass(frozen=True)
class Condition:
    """A field has an effect where ``holds`` for the value of ``governor``; ``where`` says so in words."""

    governor: str
    holds: Callable[[Any], bool]
    where: str


def _by_optimizer(name: str) -> Condition:
    users = used_by(name)
    return Condition("optimizer", users.__contains__, f"only by {', '.join(users)}")


def used_by(name: str) -> list[str]:
    """Return the optimizers that use the field, or an empty list where it is none of theirs."""
    return [optimizer for optimizer in OPTIMIZERS if name in hyperparameters(optimizer)]


CONDITIONS: Mapping[str, Condition] = {
    **{
        name: _by_optimizer(name)
        for optimizer in OPTIMIZERS
        for name in hyperparameters(optimizer)
        if len(used_by(name)) < len(OPTIMIZERS)
    },
    **{
        name: Condition("num_layers", bool, "only by networks with hidden layers")
        for name in ("hidden_size", "activation", "dropout", "batch_norm")
    },
    **{
        name: Condition(
            "schedule", ("step", "plateau").__contains__, "only by the schedules step and plateau"
        )
        for name in ("decay_epochs", "decay_factor")
    },
    "val_fraction": Condition("fold", "none".__eq__, "the validation images are those of the fold"),
}
"""The fields that have an effect on some conditions only."""


def unused(config: TrainConfig, given: Iterable[str]) -> list[str]:
    """Return a notice for each of the ``given`` fields that has no effect under this configuration."""
    notices = []
    for name in given:
        condition = CONDITIONS.get(name)
        if condition is not None and not condition.holds(value := getattr(config, condition.governor)):
            notices.append(f"{name} is not used with {condition.governor} {value} ({condition.where})")
    return notices
