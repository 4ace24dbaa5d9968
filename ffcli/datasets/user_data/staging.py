"""Rows on their way: values of a format that has no header, or pictures, gathered in a file on disk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from ffcli.datasets.base import Array, BrokenDataError
from ffcli.datasets.disk import check_space
from ffcli.datasets.pictures import decode, fit, size_of
from ffcli.datasets.user_data.base import MOST_FEATURES, Rows, check_shape
from ffcli.util.text import counted

_LONGEST_SIDE = 64  # pixels, to which pictures of different sizes are brought
_RESERVE = 1 << 26  # bytes of the disk that are left


class Stage:
    """A file in ``scratch`` that grows by rows of one type, and is memory-mapped at its end."""

    def __init__(self, scratch: Path, dtype: Any) -> None:
        self._path = scratch / f"staged-{len(list(scratch.iterdir()))}"
        self._path.touch()
        self._dtype = np.dtype(dtype)
        self._scratch = scratch
        self._next_check = 0
        self.n_bytes = 0

    def extend(self, blocks: Iterable[Array]) -> None:
        """Append blocks of rows. Raises OSError where they would fill the disk."""
        with self._path.open("ab") as file:
            for block in blocks:
                data = np.ascontiguousarray(block, self._dtype).data
                if self.n_bytes + data.nbytes > self._next_check:
                    free = check_space(self._scratch, data.nbytes, more_follow=True, reserve=_RESERVE)
                    self._next_check = self.n_bytes + free // 2
                file.write(data)
                self.n_bytes += data.nbytes

    def mapped(self, shape: tuple[int, ...]) -> Array:
        """Return what was gathered as (N, *shape)."""
        return np.asarray(np.memmap(self._path, self._dtype, "r")).reshape(-1, *shape)


class Gallery:
    """Pictures gathered one after the other, and given back as rows of one size, gray if all are.

    Those in colour whose three channels are equal are gray. Where sizes differ, each picture is scaled to the
    commonest size, or where that is large to 64 pixels, and padded, not squeezed.
    """

    def __init__(self, scratch: Path) -> None:
        self._stage = Stage(scratch, np.uint8)
        self._shapes: list[tuple[int, ...]] = []
        self._starts: list[int] = []
        self._said: list[str] = []

    def __len__(self) -> int:
        return len(self._shapes)

    def add(self, content: bytes, name: str) -> None:
        """Decode one picture. Raises BrokenDataError where it is none."""
        pixels, notices = decode(content, name)
        if pixels.ndim == 3 and (pixels == pixels[..., :1]).all():
            pixels = pixels[..., 0]
        if pixels.size > MOST_FEATURES:
            raise BrokenDataError(f"{name} has {pixels.size} values: expected at most {MOST_FEATURES}")
        self._said += [f"{name}: {notice}" for notice in notices]
        self._shapes.append(pixels.shape)
        self._starts.append(self._stage.n_bytes)
        self._stage.extend([pixels.reshape(1, -1)])

    def rows(self, name: str, start: int, stop: int) -> Rows:
        """Return the pictures ``start`` to ``stop`` as rows; all pictures must have been added."""
        height, width = self.size
        coloured = any(len(shape) == 3 for shape in self._shapes)
        shape = (height, width, 3) if coloured else (height, width)
        check_shape(name, (stop - start, *shape))
        values = self._stage.mapped(())

        def picture(index: int) -> Array:
            begin, own = self._starts[index], self._shapes[index]
            pixels = values[begin : begin + prod(own)].reshape(own)
            if own[:2] != (height, width):
                pixels = fit(pixels, height, width)
            return np.repeat(pixels[..., np.newaxis], 3, axis=2) if coloured and pixels.ndim == 2 else pixels

        def read() -> Iterator[Array]:
            step = max(1, (1 << 20) // prod(shape))
            for first in range(start, stop, step):
                yield np.stack([picture(index) for index in range(first, min(first + step, stop))])

        return Rows(name, (stop - start, *shape), np.dtype(np.uint8), read)

    @property
    def size(self) -> tuple[int, int]:
        """The height and width to which all pictures are brought."""
        sizes = Counter(shape[:2] for shape in self._shapes)
        (height, width), _ = max(sizes.items(), key=lambda item: (item[1], item[0]))
        if len(sizes) > 1 and max(height, width) > _LONGEST_SIDE:
            scale = _LONGEST_SIDE / max(height, width)
            return max(1, round(height * scale)), max(1, round(width * scale))
        return height, width

    @property
    def notices(self) -> list[str]:
        """What is to be said of how the pictures were read."""
        said = []
        if self._said:
            others = len(self._said) - 1
            said.append(self._said[0] + (f" (and so with {counted(others, 'other')})" if others else ""))
        n_sizes = len({shape[:2] for shape in self._shapes})
        if n_sizes > 1:
            said.append(
                f"the pictures have {n_sizes} sizes: each is scaled and padded to {size_of(*self.size)}"
            )
        return said
