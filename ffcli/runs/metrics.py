"""The metrics of a run, recorded once per epoch, and the names that people give them."""

from __future__ import annotations

import re

from ffcli.errors import RequestError, UnknownNameError
from ffcli.util.suggest import closest

METRICS = ("train_loss", "train_acc", "val_loss", "val_acc", "val_f1")

_IMAGES = {"val": "val valid validation dev", "train": "train training", "test": "test testing"}
_MEASURES = {
    "loss": "loss cost",
    "acc": "acc accuracy categoricalaccuracy",
    "f1": "f1 f1score macrof1 f1macro macrof1score",
}


def is_loss(metric: str) -> bool:
    """Whether less is better."""
    return metric.endswith("_loss")


def known_metric(name: str) -> str | None:
    """Return the metric that a name stands for, None for an unknown one.

    A name is compared without case and punctuation: ``val/acc``, ``Validation Accuracy``, ``accuracy_val``
    and ``accuracy`` alone, which is that of the validation images, are val_acc.

    Raises:
        RequestError: it is of the test images, which are never used to choose.
    """
    key = re.sub(r"[\W_]+", "", name).lower().removeprefix("best")
    metric = _SPELLED.get(key)
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
    try:
        metric = known_metric(name)
    except RequestError as error:
        raise RequestError(f"{place}{error}") from None
    if metric is None:
        meant = [each for each in closest(name, _SPELLED) if each in METRICS]
        raise UnknownNameError("metric", name, METRICS, meant=meant, place=place)
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


_SPELLED = _spellings()
