"""Sending a dataset to the nodes of a cluster: once to each that lacks it, verified there by its digest."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np

from ffcli.datasets import Dataset
from ffcli.datasets.base import Array, dataset_digest
from ffcli.datasets.catalog import ARRAYS
from ffcli.datasets.store import Prepared, open_arrays, publish, read_manifest, workspace
from ffcli.datasets.streams import save
from ffcli.errors import FfnnError
from ffcli.util.atomic_files import lock_folder, unlock

_BLOCK = 8 << 20  # bytes in one message
_UNUSED = 7 * 86400.0  # seconds after which a node forgets a dataset that no task has used


@dataclass(frozen=True)
class Header:
    """A dataset without its arrays: ``arrays`` holds the shape and type of each, in the order of `ARRAYS`."""

    name: str
    class_names: tuple[str, ...]
    digest: str
    arrays: tuple[tuple[tuple[int, ...], str], ...]
    split: Mapping[str, float] | None = None
    white: int = 1

    @property
    def n_bytes(self) -> int:
        """The size of all arrays."""
        return sum(prod(shape) * np.dtype(dtype).itemsize for shape, dtype in self.arrays)


def header_of(dataset: Dataset) -> Header:
    """Return what describes a dataset."""
    arrays = tuple((array.shape, array.dtype.str) for array in _arrays(dataset))
    return Header(dataset.name, dataset.class_names, dataset.digest, arrays, dataset.split, dataset.white)


def blocks_of(dataset: Dataset) -> Iterator[bytes]:
    """Yield the bytes of all arrays in order; no block holds bytes of two arrays."""
    for array in _arrays(dataset):
        raw = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        for start in range(0, len(raw), _BLOCK):
            yield raw[start : start + _BLOCK].tobytes()


def _arrays(dataset: Dataset) -> list[Array]:
    return [getattr(dataset, name) for name in ARRAYS]


def obtain(header: Header, cache: Path, blocks: Iterator[bytes], pause: Callable[[], None]) -> Dataset:
    """Return a dataset from a folder of datasets, filled from ``blocks`` where it is not there yet.

    Of several processes of a node one does that, while the others call ``pause`` until it is there. Datasets
    that were not used for a week are removed then. Raises FfnnError where what came is another dataset.
    """
    folder = cache / header.digest
    while (dataset := _open(header, folder)) is None:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock = lock_folder(folder, patient=False)
        except BlockingIOError:
            pause()
            continue
        try:
            if _open(header, folder) is None:
                _remove_unused(cache, folder)
                _store(header, folder, blocks)
        finally:
            unlock(lock)
    with suppress(OSError):  # another user's
        os.utime(folder)
    return dataset


def _remove_unused(cache: Path, kept: Path) -> None:
    """Remove the datasets that no task has used for long, whole or not, except for one folder."""
    for folder in cache.iterdir():
        with suppress(OSError):  # just removed by another process, or another user's
            if folder != kept and time.time() - folder.stat().st_mtime > _UNUSED:
                shutil.rmtree(folder)


def _open(header: Header, folder: Path) -> Dataset | None:
    prepared = read_manifest(folder)
    if prepared is None or dataset_digest(prepared.digests) != header.digest:
        return None
    arrays = open_arrays(folder, prepared)
    if arrays is None:
        return None
    return Dataset.of(header.name, arrays, header.class_names, header.digest, header.split, header.white)


def _store(header: Header, folder: Path, blocks: Iterator[bytes]) -> None:
    with workspace(folder.parent) as work:
        saved = {}
        for name, (shape, dtype_name) in zip(ARRAYS, header.arrays):
            dtype = np.dtype(dtype_name)
            rows = _of_one(blocks, prod(shape) * dtype.itemsize, dtype)
            saved[name] = save(rows, shape, dtype, work / f"{name}.npy")
        prepared = Prepared(saved, "coordinator", header.name, {})
        digest = dataset_digest(prepared.digests)
        if digest != header.digest:
            raise FfnnError(
                f"The dataset {header.name} did not arrive whole: "
                f"expected digest {header.digest}, got {digest}."
            )
        publish(work, folder, prepared)


def _of_one(blocks: Iterator[bytes], n_bytes: int, dtype: np.dtype[np.generic]) -> Iterator[Array]:
    """Yield the blocks of one array."""
    while n_bytes > 0:
        block = next(blocks)
        n_bytes -= len(block)
        yield np.frombuffer(block, dtype)
