from __future__ import annotations

import hashlib
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ffcli.datasets import fold_indices, split_indices
from ffcli.errors import RequestError

LABELS = st.lists(st.integers(0, 6), min_size=2, max_size=300).map(np.array)
FRACTIONS = st.floats(0.001, 0.999)


@given(LABELS, FRACTIONS)
def test_split_is_disjoint_complete_and_stratified(labels, fraction):
    n = len(labels)
    classes, counts = np.unique(labels, return_counts=True)
    wanted = min(math.floor(fraction * n + 0.5), n - len(classes))
    if wanted == 0:
        with pytest.raises(RequestError, match="val_fraction"):
            split_indices(labels, fraction)
        return
    train, val = split_indices(labels, fraction)
    assert len(val) == wanted
    assert np.array_equal(np.sort(np.concatenate([train, val])), np.arange(n))
    assert np.all(np.diff(train) > 0)
    assert np.all(np.diff(val) > 0)
    # Where every class can give its share rounded up, it gives it rounded up or down.
    roomy = all(math.ceil(wanted * count / n) < count for count in counts)
    for label, count in zip(classes, counts, strict=True):
        in_val = np.count_nonzero(labels[val] == label)
        assert count - in_val >= 1
        if roomy:
            assert abs(in_val - wanted * count / n) < 1


def test_the_usual_split_is_exact_and_always_the_same():
    labels = (np.arange(60000) % 10).astype(np.uint8)
    train, val = split_indices(labels, 0.1)
    assert (len(train), len(val)) == (54000, 6000)
    assert np.all(np.bincount(labels[val]) == 600)
    # A change here would make runs before and after it incomparable.
    digest = hashlib.sha256(val.astype("<i8").tobytes()).hexdigest()
    assert digest == "d7139cc880a2c04835d1a0c2441cf85bbef15e5ca4a6db6d857b0f020842c8b8"


def test_the_split_is_random_but_depends_on_no_other_generator():
    labels = np.repeat(np.arange(4), 100)
    np.random.seed(1)
    first = split_indices(labels, 0.25)[1]
    np.random.seed(2)
    again = split_indices(labels, 0.25)[1]
    assert np.array_equal(first, again)
    inside = first[labels[first] == 0]
    assert not np.array_equal(inside, np.arange(25))
    assert len(np.unique(np.diff(inside))) > 2


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.uint16])
def test_the_type_of_the_labels_does_not_matter(dtype):
    labels = np.arange(200) % 7
    assert np.array_equal(split_indices(labels.astype(dtype), 0.3)[1], split_indices(labels, 0.3)[1])


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1, 1.5, math.nan, math.inf])
def test_a_fraction_out_of_bounds_is_refused(fraction):
    with pytest.raises(RequestError, match="val_fraction must be between 0 and 1"):
        split_indices(np.arange(10) % 2, fraction)


def test_a_split_that_would_be_empty_is_refused():
    with pytest.raises(RequestError, match="nothing to validate on"):
        split_indices(np.arange(10), 0.5)
    with pytest.raises(RequestError, match=r"val_fraction 0\.01 of 10"):
        split_indices(np.zeros(10, int), 0.01)


@given(st.lists(st.integers(2, 40), min_size=1, max_size=6), st.integers(2, 12))
def test_folds_are_a_stratified_partition(counts, folds):
    labels = np.repeat(np.arange(len(counts)), counts)
    np.random.default_rng(0).shuffle(labels)
    if min(counts) < folds:
        with pytest.raises(RequestError) as caught:
            fold_indices(labels, 1, folds)
        assert (caught.value.parameter, str(min(counts)) in str(caught.value)) == ("folds", True)
        return
    parts = [fold_indices(labels, fold, folds) for fold in range(1, folds + 1)]
    for train, val in parts:
        assert np.array_equal(np.sort(np.concatenate([train, val])), np.arange(len(labels)))
        assert np.all(np.diff(train) > 0)
        assert np.all(np.diff(val) > 0)
    validated = [val for _, val in parts]
    assert np.array_equal(np.sort(np.concatenate(validated)), np.arange(len(labels)))
    sizes = [len(val) for val in validated]
    assert max(sizes) - min(sizes) <= 1
    of_classes = np.array([np.bincount(labels[val], minlength=len(counts)) for val in validated])
    assert np.all(of_classes.max(axis=0) - of_classes.min(axis=0) <= 1)


def test_folds_are_random_and_always_the_same():
    labels = (np.arange(60000) % 10).astype(np.uint8)
    val = fold_indices(labels, 2, 4)[1]
    assert np.all(np.bincount(labels[val]) == 1500)
    assert len(np.unique(np.diff(val[labels[val] == 0]))) > 3
    # A change here would make runs before and after it incomparable.
    digest = hashlib.sha256(val.astype("<i8").tobytes()).hexdigest()
    assert digest == "08d291237ca518263db7659ea9728510bffaf78728077f53cc6fde35e7ae5056"
