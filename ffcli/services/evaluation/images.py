"""Numbering and display of images, for the commands that show some."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np

from ffcli.core.buffers import Array
from ffcli.datasets import Dataset
from ffcli.errors import RequestError
from ffcli.util.text import counted

Result = TypeVar("Result")


@dataclass(frozen=True)
class Illustrated(Generic[Result]):
    """The result of a command, and its images: uint8, (height, width) or (height, width, 3)."""

    result: Result
    images: list[Array]


def dataset_image(data: Dataset, index: int) -> tuple[Array, str, int]:
    """Return the pixels, the split and the label of image 1 … N, the training images first."""
    n_train, n_test = len(data.x_train), len(data.x_test)
    if not 1 <= index <= n_train + n_test:
        raise RequestError(
            f"There is no image {index}: {data.name} has the images 1 to {n_train + n_test} "
            f"(1 to {n_train} train, the rest test)."
        )
    if index <= n_train:
        return data.x_train[index - 1], "train", int(data.y_train[index - 1])
    return data.x_test[index - 1 - n_train], "test", int(data.y_test[index - 1 - n_train])


def is_pictorial(data: Dataset) -> bool:
    """Whether the features of an image are pixels that can be shown: gray, or of three colours."""
    shape = data.image_shape
    return shape is not None and (len(shape) == 2 or shape[2] in (1, 3))


def check_pictorial(data: Dataset) -> None:
    """Raise RequestError where there is nothing to be seen in a dataset."""
    if data.image_shape is None:
        raise RequestError(
            f"{data.name} holds {counted(data.n_features, 'feature')} per example and no images: "
            "nothing can be drawn.",
            hint="Images are saved with the shape (N, height, width) or (N, height, width, 3).",
        )
    if not is_pictorial(data):
        raise RequestError(
            f"{data.name} holds images of {data.image_shape[2]} channels; gray (1) or coloured (3) ones "
            "can be drawn."
        )


def as_pictures(images: Sequence[Array]) -> list[Array]:
    """Return images as uint8, without a channel for gray.

    Floats are taken to run from 0 (black) to 1 (white), or as far beyond as these images do.
    """
    pixels = np.stack(images)
    if pixels.dtype != np.uint8:
        low, high = min(0.0, float(pixels.min())), max(1.0, float(pixels.max()))
        pixels = np.rint((pixels - low) * (255 / (high - low))).astype(np.uint8)
    if pixels.ndim == 4 and pixels.shape[3] == 1:
        pixels = pixels[..., 0]
    return list(pixels)


def file_stem(name: str) -> str:
    """Return a dataset's name as part of a file's: that of a user's file without folder and ending."""
    return re.sub(r"[^\w.-]+", "_", Path(name).stem)
