from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ffcli.core.metrics import (
    brier_score,
    class_scores,
    confusion_matrix,
    mean_score,
    negative_log_likelihood,
)


def test_rows_are_true_and_columns_predicted():
    true = np.array([0, 0, 0, 1, 2, 2], np.uint8)
    predicted = np.array([0, 1, 1, 1, 0, 2])
    assert confusion_matrix(true, predicted, 3).tolist() == [[1, 2, 0], [0, 1, 0], [1, 0, 1]]


def test_labels_stored_in_a_byte_do_not_overflow():
    true, predicted = np.array([199, 3], np.uint8), np.array([198, 3])
    matrix = confusion_matrix(true, predicted, 200)
    assert matrix[199, 198] == matrix[3, 3] == 1
    assert matrix.sum() == 2


def test_scores_by_hand():
    # class 0: 6 of 8 predicted are right, 6 of 10 found: F1 = 12/18; class 2 never occurs nor is predicted
    first, second, third = class_scores(np.array([[6, 4, 0], [2, 8, 0], [0, 0, 0]]))
    assert (first.precision, first.recall, first.support) == (0.75, 0.6, 10)
    assert first.f1 == pytest.approx(2 / 3)
    assert (second.precision, second.recall) == (pytest.approx(2 / 3), 0.8)
    assert (third.precision, third.recall, third.f1, third.support) == (0, 0, 0, 0)
    assert {type(value) for value in (first.precision, third.f1)} == {float}


def test_macro_f1_by_hand():
    # class 0: 12/18, class 1: 16/22; class 2 never occurs nor is predicted
    # in the second, it is predicted once
    assert mean_score(np.array([[6, 4, 0], [2, 8, 0], [0, 0, 0]])).f1 == pytest.approx(23 / 33)
    assert mean_score(np.array([[6, 4, 0], [2, 8, 0], [0, 1, 0]])).f1 == pytest.approx(
        (12 / 18 + 16 / 23) / 3
    )


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=12))
def test_means_agree_with_scikit_learn(pairs):
    oracle = pytest.importorskip("sklearn.metrics").precision_recall_fscore_support
    matrix = confusion_matrix(*map(np.array, zip(*pairs)), 5)
    for average in ("macro", "weighted"):
        mean = mean_score(matrix, weighted=average == "weighted")
        expected = oracle(*zip(*pairs), average=average, zero_division=0)[:3]
        assert (mean.precision, mean.recall, mean.f1) == pytest.approx(expected)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=60))
def test_scores_agree_with_counting(pairs):
    true, predicted = map(np.array, zip(*pairs))
    matrix = confusion_matrix(true, predicted, 5)
    assert matrix.sum() == len(pairs)
    for label, score in enumerate(class_scores(matrix)):
        hits = sum(t == p == label for t, p in pairs)
        said, is_so = sum(p == label for _, p in pairs), sum(t == label for t, _ in pairs)
        assert score.precision == (hits / said if said else 0)
        assert score.recall == (hits / is_so if is_so else 0)
        both = score.precision + score.recall
        assert score.f1 == pytest.approx(2 * score.precision * score.recall / both if both else 0)
        assert score.support == is_so


def test_likelihood_and_brier_score_by_hand():
    # p = (1/2, 1/4, 1/4) with the true class first, and (1/4, 1/4, 1/2) with it second
    logits = np.log(np.array([[2, 1, 1], [1, 1, 2]], np.float32))
    labels = np.array([0, 1], np.uint8)
    # (log 2 + log 4) / 2, and ((1/4 + 1/16 + 1/16) + (1/16 + 9/16 + 1/4)) / 2
    assert negative_log_likelihood(logits, labels) == pytest.approx(1.5 * math.log(2), abs=1e-7)
    assert brier_score(logits, labels) == pytest.approx(0.625, abs=1e-7)


def test_brier_score_from_never_wrong_to_always_wrong():
    sure = np.array([[80.0, 0.0], [0.0, 80.0]], np.float32)
    assert brier_score(sure, np.array([0, 1])) == pytest.approx(0, abs=1e-12)
    assert brier_score(sure, np.array([1, 0])) == pytest.approx(2, abs=1e-12)
    assert negative_log_likelihood(sure, np.array([1, 0])) == pytest.approx(80)
    assert brier_score(np.zeros((3, 10), np.float32), np.arange(3)) == pytest.approx(0.9)  # 0.81 + 9 · 0.01


def test_likelihood_of_what_is_all_but_impossible_is_finite():
    logits = np.array([[1e30, 0.0]], np.float32)
    assert negative_log_likelihood(logits, np.array([1], np.uint8)) == pytest.approx(1e30)
