"""Images and features of any layout and scale as training takes them: uint8 of 0…255, or float32."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import isqrt, prod
from typing import Any

import numpy as np

from ffcli.datasets.base import Array, BrokenDataError
from ffcli.datasets.pictures import size_of, to_gray, white_level
from ffcli.datasets.user_data.base import Rows

_LEAST_WHITE = 128  # the brightest value of images that run to 255; tables of small numbers stay below
_LEAST_SIDE = 8  # of a square as which flat pixels are read


@dataclass(frozen=True)
class _Range:
    """What values an array holds."""

    low: float
    high: float
    whole: bool

    def __or__(self, other: _Range) -> _Range:
        return _Range(min(self.low, other.low), max(self.high, other.high), self.whole and other.whole)


def convert(parts: list[Rows], *, grayscale: bool) -> tuple[list[Rows], int, list[str]]:
    """Return the training rows, and the test rows if any, as uint8 or float32.

    With them come the number by which they were divided, their white, or 1, and what is to be said of it.

    - One channel, (N, H, W, 1) or (N, 1, H, W), is left out; channels that come first go last.
    - With ``grayscale`` colours become gray: 0.299 R + 0.587 G + 0.114 B, ITU-R BT.601, as Pillow does.
    - Bytes stay. Whole numbers of 0…255 that reach 128 become bytes, others of 0…255 are divided by 255
      where they are images, and images of more bits by their white. All else is taken as it is.
    - Flat bytes whose number is a square become images.

    Raises:
        BrokenDataError: the parts do not go together, or hold what is no finite number of single precision.
    """
    notices: list[str] = []
    parts = [_channels_last(rows) for rows in parts]
    if grayscale:
        parts = [_gray(rows) for rows in parts]
    first, *rest = parts
    for rows in rest:
        if rows.shape[1:] != first.shape[1:]:
            raise BrokenDataError(
                f"{rows.name} has rows of shape {rows.shape[1:]} where {first.name} has {first.shape[1:]}"
            )
    parts, white = _scaled(parts, notices)
    if parts[0].dtype == np.uint8:
        parts = _square(parts, notices)
    if len(shape := parts[0].shape) == 4:
        notices.append(
            f"the images have {shape[3]} channels, of {size_of(*shape[1:3])}, and are taken as "
            f"{prod(shape[1:])} features; augment (flip, shift) needs gray images, as grayscale makes"
        )
    return parts, white, notices


def _mapped(rows: Rows, change: Callable[[Array], Array], shape: tuple[int, ...], dtype: Any = None) -> Rows:
    """Return rows of which each block is changed; ``shape`` is that of a row afterwards."""

    def read() -> Iterator[Array]:
        for block in rows.blocks():
            yield np.ascontiguousarray(change(block))

    return Rows(rows.name, (len(rows), *shape), np.dtype(dtype or rows.dtype), read)


def _channels_last(rows: Rows) -> Rows:
    if len(rows.shape) != 4:
        return rows
    _, a, b, c = rows.shape
    if c == 1:
        return _mapped(rows, lambda block: block[..., 0], (a, b))
    if a == 1:
        return _mapped(rows, lambda block: block[:, 0], (b, c))
    if a == 3 and min(b, c) > 4:
        return _mapped(rows, lambda block: np.moveaxis(block, 1, 3), (b, c, a))
    return rows


def _gray(rows: Rows) -> Rows:
    if len(rows.shape) == 3:
        return rows
    if len(rows.shape) != 4 or rows.shape[3] not in (3, 4):
        raise BrokenDataError(
            f"{rows.name} has shape {rows.shape}: grayscale needs colour images (N, H, W, 3), got others"
        )
    return _mapped(rows, lambda block: to_gray(block[..., :3]), rows.shape[1:3])


def _scaled(parts: list[Rows], notices: list[str]) -> tuple[list[Rows], int]:
    for rows in parts:
        if rows.dtype.kind not in "iufb":
            raise BrokenDataError(f"{rows.name} holds {rows.dtype}: expected numbers")
    if all(rows.dtype == np.uint8 for rows in parts):
        return parts, 1
    ranges = [_range(rows) for rows in parts]
    _check_same_scale(parts, ranges)
    values = ranges[0] if len(ranges) == 1 else ranges[0] | ranges[1]
    pictorial = len(parts[0].shape) > 2
    if values.low >= 0 and values.whole and _LEAST_WHITE <= values.high <= 255:
        if any(rows.dtype.kind == "f" for rows in parts):
            notices.append("the values are whole numbers of 0…255 and are scaled like bytes, by 1/255")
        return [_mapped(rows, lambda b: b.astype(np.uint8), rows.shape[1:], np.uint8) for rows in parts], 1
    if any(rows.dtype == np.uint8 for rows in parts):
        other = next(rows for rows in parts if rows.dtype != np.uint8)
        raise BrokenDataError(f"{other.name} holds {other.dtype} where the other part holds bytes of 0…255")
    if pictorial and values.low >= 0 and (_LEAST_WHITE <= values.high <= 255):
        white = 255
    elif pictorial and values.low >= 0 and values.whole and 255 < values.high <= 65535:
        white = white_level(int(values.high))
    else:
        return [_as_floats(rows, 1) for rows in parts], 1
    notices.append(f"the images run to {values.high:g} and are scaled by 1/{white}")
    return [_as_floats(rows, white) for rows in parts], white


def _as_floats(rows: Rows, white: int) -> Rows:
    return _mapped(rows, lambda block: (block / white).astype("<f4"), rows.shape[1:], "<f4")


def _range(rows: Rows) -> _Range:
    """Read all rows. Raises BrokenDataError where one holds what single precision cannot."""
    found: _Range | None = None
    for block in rows.blocks():
        with np.errstate(over="ignore"):
            finite = bool(np.isfinite(block.astype(np.float32)).all())
        if not finite:
            raise BrokenDataError(
                f"{rows.name} holds values that are NaN, infinite, or too large for float32"
            )
        whole = block.dtype.kind in "iub" or bool((block == np.rint(block)).all())
        here = _Range(float(block.min()), float(block.max()), whole)
        found = here if found is None else found | here
    assert found is not None
    return found


def _check_same_scale(parts: list[Rows], ranges: list[_Range]) -> None:
    """Refuse one part of 0…1 beside one of 0…255."""
    if len(ranges) < 2:
        return
    pairs = list(zip(parts, ranges))
    for (dark, low), (bright, high) in (pairs, pairs[::-1]):
        if low.low >= 0 and 0 < low.high <= 1 and high.low >= 0 and _LEAST_WHITE <= high.high <= 255:
            raise BrokenDataError(
                f"{dark.name} runs to {low.high:g} where {bright.name} runs to {high.high:g}: "
                "expected one scale"
            )


def _square(parts: list[Rows], notices: list[str]) -> list[Rows]:
    shape = parts[0].shape
    side = isqrt(shape[1])
    if len(shape) != 2 or side * side != shape[1] or side < _LEAST_SIDE:
        return parts
    notices.append(f"the {shape[1]} pixels of a row are taken as an image of {side}×{side}")
    return [_mapped(rows, lambda b: b.reshape(-1, side, side), (side, side)) for rows in parts]
