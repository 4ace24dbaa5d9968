"""The one set of images that every peer trains on, prepared once and read from plain ``.npy`` files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Part = Literal["train", "val"]
AnyPart = Literal["all", "train", "val"]


@dataclass(frozen=True)
class Data:
    """A folder with the training and the validation images; each peer takes the form that suits it."""

    folder: Path

    def pixels(self, part: AnyPart) -> NDArray[np.uint8]:
        """Return the raw images, (n, 784) uint8, memory-mapped read-only; all: the training images first."""
        pixels: NDArray[np.uint8] = np.load(self.folder / "pixels.npy", mmap_mode="r")
        n_train = len(self.labels("train"))
        return {"all": pixels, "train": pixels[:n_train], "val": pixels[n_train:]}[part]

    def images(self, part: Part) -> NDArray[np.float32]:
        """Return the images scaled to [0, 1], (n, 784) float32, in memory."""
        images: NDArray[np.float32] = np.load(self.folder / f"{part}_images.npy")
        return images

    def labels(self, part: AnyPart) -> NDArray[np.int64]:
        """Return the classes, (n,) int64, in memory."""
        labels: NDArray[np.int64] = np.load(self.folder / f"{part}_labels.npy")
        return labels


def write(folder: Path, pixels: NDArray[np.uint8], labels: NDArray[np.integer[Any]], n_train: int) -> None:
    """Write ``pixels`` (n, …) and ``labels`` (n,) for ``Data``; the first ``n_train`` are to train on."""
    flat = pixels.reshape(len(pixels), -1)
    np.save(folder / "pixels.npy", flat)
    for part, rows in (("all", slice(None)), ("train", slice(n_train)), ("val", slice(n_train, None))):
        np.save(folder / f"{part}_labels.npy", labels[rows].astype(np.int64))
        if part != "all":
            np.save(folder / f"{part}_images.npy", flat[rows].astype(np.float32) / np.float32(255))


def prepare(data_dir: Path, val_fraction: float, folder: Path) -> None:
    """Fetch Fashion-MNIST where it is missing, split it as ``ffnn train`` does, and write it for the peers.

    Raises ``ffcli.errors.DataError`` where the data cannot be had.
    """
    from ffcli.datasets import load_dataset, split_indices

    dataset = load_dataset("fashion_mnist", data_dir)
    train, val = split_indices(dataset.y_train, val_fraction)
    order = np.concatenate((train, val))
    write(folder, dataset.x_train[order], dataset.y_train[order], len(train))
