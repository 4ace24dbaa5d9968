"""The validation split: the training images that a run validates on."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ffcli.datasets.base import Array
from ffcli.errors import RequestError
from ffcli.util.text import are, counted

# Fixed and the split's own, so that runs of any seed are evaluated on the same images.
_SEED = 20170825


def split_indices(
    labels: Array, val_fraction: float, *, seed: int = _SEED
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Divide the training images into those to train on and those to validate on.

    The split is random and stratified, and follows from the arguments alone. The validation part
    has as near to ``val_fraction`` · N images as can be; each class gives the same fraction of its
    images, rounded by largest remainders, and keeps at least one to train on.

    Args:
        labels: (N,) integers >= 0.
        val_fraction: between 0 and 1, both excluded.
        seed: of the split; the default is that of every validation split.

    Returns:
        Two disjoint arrays of indices, both ascending, that together are 0..N-1.

    Raises:
        RequestError: the fraction is out of bounds, or one of the parts would be empty.
    """
    if not 0 < val_fraction < 1:
        raise RequestError(f"val_fraction must be between 0 and 1, both excluded: got {val_fraction}")
    values = np.asarray(labels).astype(np.int64)
    counts = np.bincount(values)
    spare = np.maximum(counts - 1, 0)
    n_val = min(math.floor(val_fraction * len(values) + 0.5), int(spare.sum()))
    if n_val == 0:
        n_classes = int(np.count_nonzero(counts))
        raise RequestError(
            f"val_fraction {val_fraction} of {counted(len(values), 'training image')} leaves nothing to "
            f"validate on: each class, of which there {are(n_classes)} {n_classes}, keeps one image to "
            "train on, and at least one image must be left over",
            hint="Use a larger val_fraction, or more images.",
        )
    takes = _apportion(counts, spare, n_val)
    by_class = _by_class(values, seed)
    starts = np.cumsum(counts) - counts
    chosen = np.zeros(len(values), dtype=bool)
    for start, take in zip(starts, takes, strict=True):
        chosen[by_class[start : start + take]] = True
    return np.flatnonzero(~chosen), np.flatnonzero(chosen)


def fold_indices(
    labels: Array, fold: int, folds: int, *, seed: int = _SEED, parameter: str = "folds"
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Divide the training images into those to train on and those of one fold, to validate on.

    The folds are random and stratified, and follow from the arguments alone: each image is in one of the
    ``folds``, whose sizes differ by at most one, as do the numbers of images that they have of a class.

    Args:
        labels: (N,) integers >= 0.
        fold: from 1 to ``folds``.
        folds: at least 2.
        seed: of the folds; the default is that of every validation split.
        parameter: that the error names.

    Returns:
        Two disjoint arrays of indices, both ascending, that together are 0..N-1.

    Raises:
        RequestError: a class has fewer images than there are folds.
    """
    values = np.asarray(labels).astype(np.int64)
    counts = np.bincount(values)
    fewest = int(counts[counts > 0].min())
    if fewest < folds:
        raise RequestError(
            f"expected at most as many folds as a class has images, {fewest}, got {folds}",
            hint="Use fewer folds, or more images.",
            parameter=parameter,
        )
    is_validation = np.zeros(len(values), dtype=bool)
    is_validation[_by_class(values, seed)[fold - 1 :: folds]] = True
    return np.flatnonzero(~is_validation), np.flatnonzero(is_validation)


def _by_class(values: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Return the indices of the images class by class, within a class at random."""
    order = np.random.default_rng(seed).permutation(len(values))
    return order[np.argsort(values[order], kind="stable")]


def _apportion(counts: NDArray[np.int64], spare: NDArray[np.int64], total: int) -> NDArray[np.int64]:
    """Share ``total`` among the classes by their ``counts``, giving none more than its ``spare``."""
    shares = counts * total
    takes: NDArray[np.int64] = np.minimum(shares // counts.sum(), spare)
    by_remainder = np.argsort(-(shares % counts.sum()), kind="stable")
    while (missing := total - int(takes.sum())) > 0:
        open_classes = by_remainder[takes[by_remainder] < spare[by_remainder]]
        takes[open_classes[:missing]] += 1
    return takes
