"""IDX files, the format in which MNIST was published (http://yann.lecun.com/exdb/mnist, archived).

A file holds two zero bytes, one byte for the type (8: unsigned bytes), one for the number of
dimensions, each dimension as a big-endian 32-bit integer, then the values in C order.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from ffcli.datasets.base import BrokenDataError
from ffcli.datasets.files import File, opened
from ffcli.datasets.kinds import kind_of
from ffcli.datasets.streams import RawArray

_TYPES = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
_STEMS = {
    "x_train": ("train-images", "idx3-ubyte"),
    "y_train": ("train-labels", "idx1-ubyte"),
    "x_test": ("t10k-images", "idx3-ubyte"),
    "y_test": ("t10k-labels", "idx1-ubyte"),
}


def file_names(array: str) -> tuple[str, ...]:
    """Return the usual names of the IDX file of ``array``, the commonest first."""
    stem, kind = _STEMS[array]
    return tuple(f"{stem}{sep}{kind}{gz}" for sep in "-." for gz in (".gz", ""))


@contextmanager
def open_idx(file: File) -> Iterator[RawArray]:
    """Open an IDX file, gzipped (told by its content, not by its name) or not.

    Only the header is read here; a promise of any size costs no memory.

    Raises:
        BrokenDataError: it is no IDX file, or is damaged; also raised while reading.
    """
    name = file.parts[-1]
    with opened(file) as stream:
        magic = stream.read(4)
        if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in _TYPES:
            raise BrokenDataError(f"{name} is {kind_of(magic + stream.read(512)).what}, not an IDX file")
        header = stream.read(4 * magic[3])
        if len(header) < 4 * magic[3]:
            raise BrokenDataError(f"{name} ends within its header")
        shape = struct.unpack(f">{magic[3]}I", header)
        yield RawArray(name, shape, np.dtype(_TYPES[magic[2]]), stream.read)
