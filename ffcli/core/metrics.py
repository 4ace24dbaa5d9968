"""How good a classifier is, from its confusion matrix."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ffcli.core.buffers import Array


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


def _ratio(part: int, whole: int) -> float:
    return float(part / whole) if whole else 0.0
