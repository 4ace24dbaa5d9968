"""Augmentation of images that keeps their class: mirroring and small shifts.

Random ones for training (`Augmentation`), and a fixed set of them to average a prediction over (`views`).
"""

from __future__ import annotations

from collections.abc import Iterator

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


_MOVES = ((0, 0), (-1, 0), (1, 0), (0, -1), (0, 1))  # (down, right)


def views(images: Array, *, flip: bool, shift: int) -> Iterator[Array]:
    """Yield ``images`` (n, height, width) as they are, then in other views, each (n, height, width).

    With ``shift`` they come moved by so many pixels up, down, left and right as well, with zeros from
    outside; with ``flip`` all of that once more mirrored. Without either, images of any shape will do.
    """
    for source in (images, images[:, :, ::-1]) if flip else (images,):
        for down, right in _MOVES if shift else _MOVES[:1]:
            yield _moved(source, down * shift, right * shift) if down or right else source


def count_views(*, flip: bool, shift: int) -> int:
    """Return how many `views` there are."""
    return (2 if flip else 1) * (len(_MOVES) if shift else 1)


def _moved(pictures: Array, down: int, right: int) -> Array:
    height, width = pictures.shape[1:]
    moved = np.zeros_like(pictures)
    moved[:, max(down, 0) : height + min(down, 0), max(right, 0) : width + min(right, 0)] = pictures[
        :, max(-down, 0) : height + min(-down, 0), max(-right, 0) : width + min(-right, 0)
    ]
    return moved
