"""The dataset, and the small types that this package shares."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, Protocol

from numpy.typing import NDArray

from ffcli.datasets.catalog import ARRAYS
from ffcli.errors import DataError

Array = NDArray[Any]
Notify = Callable[[str], None]


class BrokenDataError(DataError):
    """A file or an answer does not hold the arrays that it should."""


class NotOfferedError(BrokenDataError):
    """A source that did not have to be asked: what it would give is not there."""


class Progress(Protocol):
    """What draws the progress of one transfer after another; sizes are in bytes."""

    def start(self, label: str, total: int | None) -> None:
        """Begin a bar; ``total`` is None where the size is not known."""

    def advance(self, n: int) -> None:
        """Say that ``n`` more bytes have arrived."""

    def close(self) -> None:
        """End the bar, whether or not the transfer was completed."""


class NoProgress:
    """A `Progress` that draws nothing."""

    def start(self, label: str, total: int | None) -> None:
        """Draw nothing."""

    def advance(self, n: int) -> None:
        """Draw nothing."""

    def close(self) -> None:
        """Draw nothing."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Training and test images with their labels, memory-mapped read-only.

    Attributes:
        name: ``fashion_mnist``, ``mnist``, or the resolved path of the user's own
            with its options (see `datasets.reference`).
        x_train: (N, features...) uint8, to be scaled by 1/255, or float32, to be taken as it is.
        y_train: (N,) labels 0..C-1, uint8 where C <= 256, else int64.
        x_test: (M, features...), of the same type and features as ``x_train``.
        y_test: (M,) labels, of the same type as ``y_train``.
        class_names: the C names of the classes.
        digest: see `dataset_digest`.
        split: {test_fraction, seed} where the test part was split off by us, else None.
        white: by what float images were divided when they were read: the white of 16 bits, for example.
    """

    name: str
    x_train: Array
    y_train: Array
    x_test: Array
    y_test: Array
    class_names: tuple[str, ...]
    digest: str
    split: Mapping[str, float] | None = None
    white: int = 1

    @classmethod
    def of(
        cls,
        name: str,
        arrays: Mapping[str, Array],
        class_names: tuple[str, ...],
        digest: str,
        split: Mapping[str, float] | None = None,
        white: int = 1,
    ) -> Dataset:
        """Return the dataset of four arrays by their names."""
        x_train, y_train, x_test, y_test = (arrays[array] for array in ARRAYS)
        return cls(name, x_train, y_train, x_test, y_test, class_names, digest, split, white)

    @property
    def n_features(self) -> int:
        """The number of features of one image."""
        return prod(self.x_train.shape[1:])

    @property
    def input_scale(self) -> float:
        """By what the user's own images are multiplied before they come into a network."""
        return 1 / 255 if self.x_train.dtype.kind == "u" else 1 / self.white

    @property
    def n_classes(self) -> int:
        """The number of classes."""
        return len(self.class_names)

    @property
    def image_shape(self) -> tuple[int, ...] | None:
        """(height, width) or (height, width, channels); None where the features are flat."""
        return self.x_train.shape[1:] if self.x_train.ndim > 2 else None


def dataset_digest(digests: Mapping[str, str]) -> str:
    """Return one SHA-256 (hex) that stands for a whole dataset.

    It is taken over the hex digests of x_train, y_train, x_test and y_test, in this order, joined
    by newlines. Each of them is the SHA-256 of the array's raw bytes as prepared (uint8, or
    little-endian float32 or int64; C order; no header).
    """
    return hashlib.sha256("\n".join(digests[array] for array in ARRAYS).encode()).hexdigest()
