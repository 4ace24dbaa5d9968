"""``.npy`` arrays, alone or in an ``.npz``, read without pickles and without trust in their sizes."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from ffcli.datasets.base import BrokenDataError
from ffcli.datasets.files import File, opened
from ffcli.datasets.streams import RawArray

_HEADER_LIMIT = 16384


@contextmanager
def open_npy(file: File, name: str | None = None) -> Iterator[RawArray]:
    """Open an array; only its header is read here. ``name`` is what messages call it.

    Raises:
        BrokenDataError: it holds a pickle, or is damaged; also raised while reading.
    """
    name = name or file.parts[-1].removesuffix(".npy")
    with opened(file) as stream:
        raw = _parse(stream, name)
        if not 0 <= file.size - raw.n_bytes <= _HEADER_LIMIT:
            raise BrokenDataError(
                f"{name} has a header that does not fit its size: {raw.shape} of {raw.dtype}"
            )
        yield raw


def _parse(stream: io.BufferedReader, name: str) -> RawArray:
    # The header is parsed from a bounded piece, since its length field can promise gigabytes.
    head = io.BytesIO(stream.read(_HEADER_LIMIT))
    try:
        version = np.lib.format.read_magic(head)
        parse = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            shape, fortran_order, dtype = parse[version](head)
    # The parser compiles the header as a literal, and damage makes that fail in a dozen ways.
    except Exception:
        raise BrokenDataError(f"{name} is not a plain NumPy array") from None
    if dtype.hasobject:
        raise BrokenDataError(
            f"{name} holds pickled Python objects, which are never loaded: "
            "save numbers, or text as numpy.array(labels, dtype=str)"
        )
    if dtype.names or dtype.subdtype or dtype.itemsize == 0 or any(n < 0 for n in shape):
        raise BrokenDataError(f"{name} is not an array of plain numbers")

    def read_on(size: int) -> bytes:
        piece = head.read(size)
        return piece + stream.read(size - len(piece)) if len(piece) < size else piece

    return RawArray(name, tuple(map(int, shape)), dtype, read_on, fortran_order)
