"""Metrics of runs, and the one rule by which runs are ranked."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, TypeVar

from ffcli.errors import RequestError
from ffcli.util.suggest import unknown
from ffcli.util.text import counted

METRICS = ("train_loss", "train_acc", "val_loss", "val_acc", "val_f1")

Item = TypeVar("Item")


def is_loss(metric: str) -> bool:
    """Whether a metric is a loss: less is better, and only values of one loss can be compared."""
    return metric.endswith("_loss")


@dataclass(frozen=True)
class Standing:
    """What decides the rank of a run or trial.

    ``value`` is the metric at its best epoch, None where there is none; ``loss`` the name of the loss that it
    was trained with, None where that is not known; ``pruned`` says that it was stopped before its end.
    """

    value: float | None
    loss: str | None
    pruned: bool = False


class IncomparableError(RequestError):
    """Runs that were trained with different losses are to be ranked by a loss."""


@dataclass(frozen=True)
class Metric:
    """What runs are ranked by: one of `METRICS`; ``target`` ends a sweep once a run reaches it."""

    name: str
    goal: Literal["minimize", "maximize"] = "minimize"
    target: float | None = None

    @classmethod
    def named(cls, word: str) -> Metric:
        """Return the metric that a word names, with its natural goal. Raises RequestError for another."""
        name = word.strip().lower().replace("-", "_")
        if name not in METRICS:
            raise RequestError(unknown("metric", word, METRICS), parameter="metric")
        return cls(name, "minimize" if is_loss(name) else "maximize")

    def or_named(self, word: str | None) -> Metric:
        """Return this metric where ``word`` is None or names it, else the one that it names."""
        other = self if word is None else Metric.named(word)
        return self if other.name == self.name else other

    def better(self, value: float, other: float) -> bool:
        """Whether a value beats another."""
        return value > other if self.goal == "maximize" else value < other

    def reached(self, value: float) -> bool:
        """Whether a value is at the target or beyond; NaN never is."""
        return self.target is not None and (value == self.target or self.better(value, self.target))

    def best(self, values: Iterable[float]) -> float | None:
        """Return the best of the finite values, None where there is none."""
        pick = max if self.goal == "maximize" else min
        return pick(filter(math.isfinite, values), default=None)

    def ranked(
        self, items: Iterable[Item], standing: Callable[[Item], Standing], *, mixed: bool = False
    ) -> list[Item]:
        """Return the items that have a value, the best first and the earlier first on a tie.

        Finished ones come before pruned ones. Losses of different kinds are never compared: ranked by a loss,
        items of several losses raise IncomparableError, or with ``mixed`` form one group for each loss, the
        groups in the order of the losses' names.
        """
        known = [(item, standing(item)) for item in items]
        known = [(item, at) for item, at in known if at.value is not None and math.isfinite(at.value)]
        kinds = sorted({at.loss or "" for _, at in known}) if is_loss(self.name) else []
        if len(kinds) > 1 and not mixed:
            trained = ", ".join(
                f"{counted(sum((at.loss or '') == kind for _, at in known), 'run')} with {kind or 'another'}"
                for kind in kinds
            )
            raise IncomparableError(
                f"Runs with different losses cannot be ranked by {self.name} ({trained}).",
                hint=f"Rank them by {'train_acc' if self.name.startswith('train') else 'val_acc'}.",
            )
        sign = -1 if self.goal == "maximize" else 1

        def place(pair: tuple[Item, Standing]) -> tuple[str, bool, float]:
            at = pair[1]
            assert at.value is not None
            return (at.loss or "") if kinds else "", at.pruned, sign * at.value

        return [item for item, _ in sorted(known, key=place)]


BY_VAL_ACC = Metric("val_acc", "maximize")
