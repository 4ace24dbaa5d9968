"""Arrays as streams of raw bytes, so that no source has to be unpacked in memory."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from ffcli.datasets.base import Array, BrokenDataError
from ffcli.util.text import counted

_BLOCK = 1 << 20


@dataclass(frozen=True)
class RawArray:
    """An array whose header has been read and whose bytes are still to come.

    ``read`` returns the given number of bytes, fewer at the end only, and raises `BrokenDataError`
    where the packing around them is damaged. ``name`` is what messages call it.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    read: Callable[[int], bytes]
    fortran_order: bool = False

    @property
    def n_bytes(self) -> int:
        """The size that the header promises, in bytes."""
        return prod(self.shape) * self.dtype.itemsize


@dataclass(frozen=True)
class Saved:
    """What `save` has written: the array's shape and type, and the SHA-256 of its raw bytes."""

    shape: tuple[int, ...]
    dtype: str
    sha256: str


def blocks(raw: RawArray, scratch: Path) -> Iterator[Array]:
    """Yield ``raw`` as C-ordered blocks of whole rows, about a megabyte each.

    An array in Fortran order has its rows all over the file, so it goes through a file in the
    folder ``scratch``.

    Raises:
        BrokenDataError: there are fewer or more bytes than the header promises.
    """
    row_shape = raw.shape[1:]
    row_bytes = max(1, prod(row_shape) * raw.dtype.itemsize)
    step = max(1, _BLOCK // row_bytes)
    if raw.fortran_order and len(raw.shape) > 1:
        spool = scratch / "fortran.raw"
        with spool.open("wb") as file:
            for piece in _pieces(raw, _BLOCK):
                file.write(piece)
        whole = np.memmap(spool, raw.dtype, "r", shape=raw.shape, order="F")
        for start in range(0, raw.shape[0], step):
            yield np.array(whole[start : start + step], order="C")
        del whole
        spool.unlink()
    else:
        for piece in _pieces(raw, step * row_bytes):
            yield np.frombuffer(piece, raw.dtype).reshape(-1, *row_shape)


def _pieces(raw: RawArray, size: int) -> Iterator[bytes]:
    """Yield exactly the promised bytes, in pieces of ``size`` and a last shorter one."""
    left = raw.n_bytes
    while left:
        piece = raw.read(min(size, left))
        left -= len(piece)
        if len(piece) < min(size, left + len(piece)):
            raise BrokenDataError(
                f"{raw.name} is cut short: {left} of the {counted(raw.n_bytes, 'byte')} "
                "that its header announces are missing"
            )
        yield piece
    if raw.read(1):
        raise BrokenDataError(
            f"{raw.name} continues after the {counted(raw.n_bytes, 'byte')} that its header announces"
        )


def save(arrays: Iterator[Array], shape: tuple[int, ...], dtype: np.dtype[Any], target: Path) -> Saved:
    """Write blocks of rows as one ``.npy`` file, safely on disk when this returns.

    ``shape`` and ``dtype`` are those of the whole array, and all blocks must be of this type.
    """
    sha256 = hashlib.sha256()
    with target.open("wb") as file:
        header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        for block in arrays:
            data = np.ascontiguousarray(block).data
            sha256.update(data)
            file.write(data)
        file.flush()
        os.fsync(file.fileno())
    return Saved(shape, dtype.str, sha256.hexdigest())
