"""Metrics of runs, and the one function that ranks runs."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar

from ffcli.errors import RequestError, UnknownNameError
from ffcli.util.suggest import closest
from ffcli.util.text import counted

METRICS = ("train_loss", "train_acc", "val_loss", "val_acc", "val_f1")

_IMAGES = {"val": "val valid validation dev", "train": "train training", "test": "test testing"}
_MEASURES = {
    "loss": "loss cost",
    "acc": "acc accuracy categoricalaccuracy",
    "f1": "f1 f1score macrof1 f1macro macrof1score",
}

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


@dataclass(frozen=True)
class Metric:
    """What runs are ranked by: one of `METRICS`; ``target`` ends a sweep once a run reaches it."""

    name: str
    goal: Literal["minimize", "maximize"] = "minimize"
    target: float | None = None

    @classmethod
    def named(cls, word: str) -> Metric:
        """Return the metric that a word names, with its natural goal. Raises as `metric_name`."""
        name = metric_name(word)
        return cls(name, "minimize" if is_loss(name) else "maximize")

    def or_named(self, word: str | None) -> Metric:
        """Return this metric where ``word`` is None or names it, else the one that it names."""
        other = self if word is None else Metric.named(word)
        return self if other.name == self.name else other

    def of(self, epoch: object) -> float:
        """Return the value in the result of an epoch."""
        return float(getattr(epoch, self.name))

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
        items of several losses raise RequestError, or with ``mixed`` form one group for each loss, the
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
            raise RequestError(
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


def known_metric(name: str) -> str | None:
    """Return the metric that a name stands for, None for an unknown one.

    A name is compared without case and punctuation: ``val/acc``, ``Validation Accuracy``, ``accuracy_val``
    and ``accuracy`` alone, which is that of the validation images, are val_acc.

    Raises:
        RequestError: it is of the test images, which are never used to choose.
    """
    key = re.sub(r"[\W_]+", "", name).lower().removeprefix("best")
    metric = SPELLINGS.get(key)
    if metric is not None and metric.startswith("test_"):
        other = metric.replace("test_", "val_")
        raise RequestError(
            f"{name} is of the test images, which are never used to choose a run; "
            f"{other} is of the validation images."
        )
    return metric if metric in METRICS else None


def metric_name(name: str, place: str = "") -> str:
    """Return the metric that a name stands for; ``place`` comes before the message of an error.

    Raises RequestError as `known_metric`, and for an unknown name.
    """
    parameter = None if place else "metric"
    try:
        metric = known_metric(name)
    except RequestError as error:
        raise RequestError(f"{place}{error}", parameter=parameter) from None
    if metric is None:
        meant = [each for each in closest(name, SPELLINGS) if each in METRICS]
        raise UnknownNameError("metric", name, METRICS, meant=meant, place=place, parameter=parameter)
    return metric


def names_no_images(name: str) -> bool:
    """Whether the name of a metric leaves open which images it is of, as ``accuracy`` does."""
    return known_metric(name) is not None and not re.search("val|dev|train", name.lower())


def _spellings() -> dict[str, str]:
    spelled = {}
    for measure, words in _MEASURES.items():
        for word in words.split():
            spelled[word] = f"val_{measure}"
            for images, prefixes in _IMAGES.items():
                for prefix in prefixes.split():
                    spelled[prefix + word] = spelled[word + prefix] = f"{images}_{measure}"
    return spelled


SPELLINGS: Mapping[str, str] = _spellings()
"""The names of metrics without case and punctuation, with the metrics that they stand for."""
