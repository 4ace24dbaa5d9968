"""``.npz`` files (zip archives of ``.npy`` files), read without pickles and without trust in their sizes."""

from __future__ import annotations

import io
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np

from ffcli.datasets.base import BrokenDataError
from ffcli.datasets.streams import RawArray

_HEADER_LIMIT = 16384
# Deflate packs at most 1032 bytes into one; an entry that promises more is lying about its size.
_DEFLATE_LIMIT = 1040
_PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# What the zip module raises for damage; a ValueError where a name that it repeats is no text.
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError, ValueError)


@contextmanager
def open_npz(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open an ``.npz`` file.

    Raises:
        BrokenDataError: it cannot be read, or is not a zip archive.
    """
    if path.exists() and not path.is_file():  # a pipe would be waited for
        raise BrokenDataError("it is not an ordinary file")
    try:
        archive = zipfile.ZipFile(path)
    except OSError as error:
        raise BrokenDataError(f"it cannot be read: {error.strerror}") from error
    except _DAMAGE as error:
        raise BrokenDataError(f"it is not an .npz file ({error})") from error
    with archive:
        yield archive


@contextmanager
def open_array(archive: zipfile.ZipFile, array: str) -> Iterator[RawArray]:
    """Open one array of an ``.npz`` archive; only its header is read here.

    Raises:
        BrokenDataError: it is missing, holds a pickle, or is damaged; also raised while reading.
    """
    try:
        entry = archive.getinfo(f"{array}.npy")
    except KeyError:
        held = ", ".join(name.removesuffix(".npy") for name in archive.namelist()[:8]) or "nothing"
        raise BrokenDataError(f"{array} is missing (the file holds {held})") from None
    if entry.compress_type not in _PACKINGS:
        raise BrokenDataError(f"{array} is packed in a way that NumPy does not write")
    try:
        member = archive.open(entry)
    except _DAMAGE as error:
        raise BrokenDataError(f"{array} cannot be unpacked ({error})") from error
    with member:
        read = _guarded(member, array)
        raw = _parse(read, array)
        header = entry.file_size - raw.n_bytes
        if not 0 <= header <= _HEADER_LIMIT or entry.file_size > _DEFLATE_LIMIT * entry.compress_size:
            raise BrokenDataError(
                f"{array} has a header that does not fit its size: {raw.shape} of {raw.dtype}"
            )
        yield raw


def _parse(read: Callable[[int], bytes], array: str) -> RawArray:
    # The header is parsed from a bounded piece, since its length field can promise gigabytes.
    head = io.BytesIO(read(_HEADER_LIMIT))
    try:
        version = np.lib.format.read_magic(head)
        parse = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            shape, fortran_order, dtype = parse[version](head)
    # The parser compiles the header as a literal, and damage makes that fail in a dozen ways.
    except Exception:
        raise BrokenDataError(f"{array} is not a plain NumPy array") from None
    if dtype.hasobject:
        raise BrokenDataError(
            f"{array} holds pickled Python objects, which are never loaded: save plain numbers"
        )
    if dtype.names or dtype.subdtype or dtype.itemsize == 0 or any(n < 0 for n in shape):
        raise BrokenDataError(f"{array} is not an array of plain numbers")

    def read_on(size: int) -> bytes:
        return head.read(size) or read(size)

    return RawArray(array, tuple(map(int, shape)), dtype, read_on, fortran_order)


def _guarded(member: IO[bytes], array: str) -> Callable[[int], bytes]:
    def read(size: int) -> bytes:
        try:
            return member.read(size)
        except _DAMAGE as error:
            raise BrokenDataError(f"{array} is damaged or cut short ({error})") from error

    return read
