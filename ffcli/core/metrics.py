"""Metrics of a classifier, from its confusion matrix or its probabilities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ffcli.core.buffers import Array
from ffcli.core.losses import log_softmax, softmax


def confusion_matrix(true: Array, predicted: Array, n_classes: int) -> Array:
    """Return counts, shape (classes, classes): row the true class, column the predicted one."""
    pairs = true.astype(np.int64) * n_classes + predicted
    return np.bincount(pairs, minlength=n_classes * n_classes).reshape(n_classes, n_classes)


@dataclass(frozen=True)
class ClassScore:
    """One class: of those predicted so, the right ones; of those that are so, the found ones; both; how many.

    A ratio whose denominator is zero counts as 0, as scikit-learn has it.
    """

    precision: float
    recall: float
    f1: float
    support: int


def class_scores(matrix: Array) -> list[ClassScore]:
    """Return the scores of each class of a confusion matrix; F1 = 2·TP / (2·TP + FP + FN)."""
    scores = []
    for hits, actual, predicted in zip(matrix.diagonal(), matrix.sum(axis=1), matrix.sum(axis=0)):
        scores.append(
            ClassScore(
                precision=_ratio(hits, predicted),
                recall=_ratio(hits, actual),
                f1=_ratio(2 * hits, actual + predicted),
                support=int(actual),
            )
        )
    return scores


def mean_score(matrix: Array, *, weighted: bool = False) -> ClassScore:
    """Return the means over the classes of a confusion matrix, and the number of all examples as support.

    A class that neither occurs nor is predicted does not count, as in scikit-learn. With ``weighted`` each
    class counts by its support; f1 is the mean of the classes' own, not that of the mean ratios.
    """
    counted = matrix.sum(axis=0) + matrix.sum(axis=1) > 0
    each = [score for score, counts in zip(class_scores(matrix), counted) if counts]
    weights = [score.support for score in each] if weighted else None
    precision, recall, f1 = (
        float(np.average([getattr(score, name) for score in each], weights=weights))
        for name in ("precision", "recall", "f1")
    )
    return ClassScore(precision, recall, f1, int(matrix.sum()))


def _ratio(part: int, whole: int) -> float:
    return float(part / whole) if whole else 0.0


def negative_log_likelihood(logits: Array, labels: Array) -> float:
    """Return the mean over the examples of -log p_label, in nats; less is better.

    ``logits`` (n, classes), all finite; ``labels`` (n,) integers. Cross-entropy is this with one-hot targets.
    """
    log_p = log_softmax(logits.astype(np.float64))
    return -float(log_p[np.arange(len(labels)), labels].mean())


def brier_score(logits: Array, labels: Array) -> float:
    """Return the mean over the examples of Σ_c (p_c - y_c)², y one-hot; less is better, from 0 to 2.

    Summed over all classes as Brier 1950 (Monthly Weather Review 78, 1) has it: with two classes this is
    twice what libraries call so that look at the positive class only. Shapes as above.
    """
    p = softmax(logits.astype(np.float64))
    p[np.arange(len(labels)), labels] -= 1
    return float(np.square(p).sum(axis=1).mean())
