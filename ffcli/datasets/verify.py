"""From the files of a known dataset, in whatever packing, to verified ``.npy`` files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path

import numpy as np

from ffcli.datasets import idx, npz
from ffcli.datasets.base import BrokenDataError
from ffcli.datasets.catalog import ARRAYS, DatasetSpec
from ffcli.datasets.streams import RawArray, Saved, blocks, save


def verify(place: Path, spec: DatasetSpec, work: Path) -> dict[str, Saved]:
    """Read a dataset from ``place``, write its arrays as ``.npy`` into ``work``, and compare their digests.

    ``place`` is a folder of IDX files (.gz or not) or a Keras-style ``.npz``. What does not have
    the right shape is refused before it is unpacked.

    Raises:
        BrokenDataError: it is not this dataset; the message names the array.
    """
    saved = {}
    for array in ARRAYS:
        with _open(place, array) as raw:
            _check_shape(raw, array, spec)
            saved[array] = save(blocks(raw, work), spec.shapes[array], raw.dtype, work / f"{array}.npy")
    wrong = [array for array in ARRAYS if saved[array].sha256 != spec.digests[array]]
    if wrong:
        first = wrong[0]
        raise BrokenDataError(
            f"it is not {spec.name}: {', '.join(wrong)} {'differ' if len(wrong) > 1 else 'differs'} from the "
            f"published data (SHA-256 of {first}: {saved[first].sha256}, expected {spec.digests[first]})"
        )
    return saved


@contextmanager
def _open(place: Path, array: str) -> Iterator[RawArray]:
    if place.is_dir():
        with idx.open_idx(idx.find(place, array)) as raw:
            yield raw
    else:
        with npz.open_npz(place) as archive, npz.open_array(archive, array) as raw:
            yield raw


def _check_shape(raw: RawArray, array: str, spec: DatasetSpec) -> None:
    wanted = spec.shapes[array]
    if raw.dtype != np.uint8:
        raise BrokenDataError(f"{raw.name} holds {raw.dtype} where {spec.name} has uint8")
    # Flat images are the same bytes; anything else of another shape is another array.
    if raw.shape not in (wanted, (wanted[0], prod(wanted[1:]))):
        swapped = len(raw.shape) != len(wanted) and {len(raw.shape), len(wanted)} == {1, 3}
        hint = " (images and labels swapped?)" if swapped else ""
        raise BrokenDataError(f"{raw.name} has shape {raw.shape} where {spec.name} has {wanted}{hint}")
