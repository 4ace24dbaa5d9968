"""Random changes of the training images: mirroring and small shifts."""

from __future__ import annotations

import numpy as np

from ffcli.core.buffers import Array


class Augmentation:
    """Mirrors images left to right with probability 1/2 and shifts them by up to ``shift`` pixels.

    Both shifts, down and right, are uniform over the integers -shift … shift; what comes in from outside is
    zero, the background of both datasets.
    """

    def __init__(self, image_shape: tuple[int, int], *, flip: bool, shift: int) -> None:
        self.image_shape, self.flip, self.shift = image_shape, flip, shift
        self._framed: Array | None = None

    def __call__(self, images: Array, rng: np.random.Generator) -> None:
        """Change ``images`` (n, height · width), of any type, in place."""
        height, width = self.image_shape
        pictures = images.reshape(len(images), height, width)
        if self.flip:
            mirrored = np.flatnonzero(rng.random(len(images)) < 0.5)
            pictures[mirrored] = pictures[mirrored, :, ::-1]
        if self.shift:
            self._shift(pictures, rng.integers(0, 2 * self.shift + 1, (2, len(images))))

    def _shift(self, pictures: Array, offsets: Array) -> None:
        """Cut each picture out of its frame of zeros at its own offset."""
        n, s = len(pictures), self.shift
        height, width = self.image_shape
        if self._framed is None or len(self._framed) < n:
            self._framed = np.zeros((n, height + 2 * s, width + 2 * s), pictures.dtype)
        framed = self._framed[:n]
        framed[:, s : s + height, s : s + width] = pictures
        windows = np.lib.stride_tricks.sliding_window_view(framed, self.image_shape, axis=(1, 2))
        pictures[...] = windows[np.arange(n), offsets[0], offsets[1]]
