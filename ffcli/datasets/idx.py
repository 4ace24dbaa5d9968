"""IDX files, the format in which MNIST was published (http://yann.lecun.com/exdb/mnist, archived).

A file holds two zero bytes, one byte for the type (8: unsigned bytes), one for the number of
dimensions, each dimension as a big-endian 32-bit integer, then the values in C order.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from ffcli.datasets.base import BrokenDataError
from ffcli.datasets.streams import RawArray

_UNSIGNED_BYTE = 8
_STEMS = {
    "x_train": ("train-images", "idx3-ubyte"),
    "y_train": ("train-labels", "idx1-ubyte"),
    "x_test": ("t10k-images", "idx3-ubyte"),
    "y_test": ("t10k-labels", "idx1-ubyte"),
}


def file_names(array: str) -> tuple[str, ...]:
    """Return the names that the IDX file of ``array`` goes by, the commonest first."""
    stem, kind = _STEMS[array]
    return tuple(f"{stem}{sep}{kind}{gz}" for sep in "-." for gz in (".gz", ""))


def find(folder: Path, array: str) -> Path:
    """Return the IDX file of ``array`` in ``folder``.

    Raises:
        BrokenDataError: there is none, or the folder cannot be read.
    """
    try:
        for name in file_names(array):
            if (folder / name).is_file():
                return folder / name
    except OSError as error:
        raise BrokenDataError(f"the folder cannot be read: {error.strerror}") from error
    raise BrokenDataError(f"{array}: there is no file {file_names(array)[0]} (with or without .gz)")


@contextmanager
def open_idx(path: Path) -> Iterator[RawArray]:
    """Open an IDX file, gzipped (told by its content, not by its name) or not.

    Only the header is read here; a promise of any size costs no memory.

    Raises:
        BrokenDataError: it is no IDX file of unsigned bytes, or is damaged; also raised while reading.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise BrokenDataError(f"{path.name} cannot be read: {error.strerror}") from error
    with file as plain:
        packed = plain.read(2) == b"\x1f\x8b"
        plain.seek(0)
        read = _guarded(gzip.GzipFile(fileobj=plain).read if packed else plain.read, path.name)
        magic = read(4)
        if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] != _UNSIGNED_BYTE:
            raise BrokenDataError(
                f"{path.name} is not an IDX file of unsigned bytes: it begins with {magic.hex() or 'nothing'}"
            )
        header = read(4 * magic[3])
        if len(header) < 4 * magic[3]:
            raise BrokenDataError(f"{path.name} is cut short within its header")
        yield RawArray(path.name, struct.unpack(f">{magic[3]}I", header), np.dtype(np.uint8), read)


def _guarded(read: Callable[[int], bytes], name: str) -> Callable[[int], bytes]:
    def guarded(size: int) -> bytes:
        try:
            return read(size)
        except (EOFError, OSError, zlib.error) as error:
            raise BrokenDataError(f"{name} is damaged or cut short ({error})") from error

    return guarded
