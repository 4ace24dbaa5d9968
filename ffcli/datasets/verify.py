"""Verification of the files of a known dataset, and their conversion to ``.npy`` files."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from functools import partial
from math import prod
from pathlib import Path

import numpy as np

from ffcli.datasets.base import BrokenDataError
from ffcli.datasets.catalog import ARRAYS, KNOWN, DatasetSpec
from ffcli.datasets.idx import file_names, open_idx
from ffcli.datasets.npz import open_npy
from ffcli.datasets.streams import RawArray, Saved, blocks, save
from ffcli.datasets.user_data.arrays import array_pairs
from ffcli.datasets.user_data.idx_sets import idx_sets
from ffcli.datasets.user_data.layout import Layout, laid_out

Openers = Mapping[str, Callable[[], AbstractContextManager[RawArray]]]


def verify(path: Path, spec: DatasetSpec, work: Path) -> dict[str, Saved]:
    """Read a dataset from ``path``, write its arrays as ``.npy`` into ``work``, and compare their digests.

    ``path`` is a folder of IDX files (.gz or not), as deep as they lie, an ``.npz``, or a zip archive of
    either. Of several sets of files, as torchvision keeps them side by side, the one that fits is taken. What
    does not have the right shape is refused before it is unpacked.

    Raises:
        BrokenDataError: it is not this dataset; the message names the array.
    """
    scratch = work / "scratch"
    scratch.mkdir()
    failures = []
    try:
        with laid_out(path, scratch) as layout:
            for openers in _sets(layout):
                try:
                    return _verified(openers, spec, work, scratch)
                except BrokenDataError as error:
                    failures.append(error)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    if not failures:
        raise BrokenDataError("it holds no IDX files and no arrays: expected train-images-idx3-ubyte.gz, …")
    raise failures[0]


def _sets(layout: Layout) -> Iterator[Openers]:
    """Yield each set of files that may be the dataset, by array."""
    if layout.kind == "npy":
        pairs = array_pairs(layout.files)
        yield {
            f"{kind}_{role or 'train'}": partial(open_npy, file, f"{kind}_{role or 'train'}")
            for role, pair in pairs.items()
            for kind, file in pair.items()
        }
    elif layout.kind == "idx":
        for members in idx_sets(layout.files).values():
            yield {f"{kind}_{role}": partial(open_idx, file) for (role, kind), file in members.items()}


def _verified(openers: Openers, spec: DatasetSpec, work: Path, scratch: Path) -> dict[str, Saved]:
    saved = {}
    for array in ARRAYS:
        if array not in openers:
            raise BrokenDataError(
                f"{array} is missing: there is no file {file_names(array)[0]} (with or without .gz)"
            )
        with openers[array]() as raw:
            _check_shape(raw, array, spec)
            saved[array] = save(blocks(raw, scratch), spec.shapes[array], raw.dtype, work / f"{array}.npy")
    wrong = [array for array in ARRAYS if saved[array].sha256 != spec.digests[array]]
    if not wrong:
        return saved
    for other in KNOWN.values():
        if all(saved[array].sha256 == other.digests[array] for array in ARRAYS):
            raise BrokenDataError(f"it is not {spec.name}: these are {other.name}'s files")
    first = wrong[0]
    raise BrokenDataError(
        f"it is not {spec.name}: {', '.join(wrong)} {'differ' if len(wrong) > 1 else 'differs'} from the "
        f"published data (SHA-256 of {first}: {saved[first].sha256}, expected {spec.digests[first]})"
    )


def _check_shape(raw: RawArray, array: str, spec: DatasetSpec) -> None:
    expected = spec.shapes[array]
    if raw.dtype != np.uint8:
        raise BrokenDataError(f"{raw.name} holds {raw.dtype} where {spec.name} has uint8")
    # Flat images are the same bytes; anything else of another shape is another array.
    if raw.shape not in (expected, (expected[0], prod(expected[1:]))):
        swapped = len(raw.shape) != len(expected) and {len(raw.shape), len(expected)} == {1, 3}
        hint = " (images and labels swapped?)" if swapped else ""
        raise BrokenDataError(f"{raw.name} has shape {raw.shape} where {spec.name} has {expected}{hint}")
