"""The datasets that a node of a cluster keeps."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from ffcli.datasets import Dataset
from ffcli.datasets.base import dataset_digest
from ffcli.datasets.catalog import ARRAYS
from ffcli.datasets.streams import save
from ffcli.errors import FfnnError
from ffcli.execution.dask_data import blocks_of, header_of, obtain

Blobs = Callable[..., Dataset]


@pytest.fixture
def dataset(blobs: Blobs, tmp_path: Path) -> Dataset:
    """A dataset with its true digest."""
    made = blobs()
    saved = {
        name: save(iter([array]), array.shape, array.dtype, tmp_path / name)
        for name in ARRAYS
        for array in [getattr(made, name)]
    }
    return Dataset(
        made.name,
        made.x_train,
        made.y_train,
        made.x_test,
        made.y_test,
        made.class_names,
        dataset_digest({name: each.sha256 for name, each in saved.items()}),
    )


def nothing() -> Iterator[bytes]:
    """Yield no block: whoever asks for one fails."""
    raise AssertionError("the dataset is there")
    yield b""


def impatient() -> None:
    raise AssertionError("nobody else stores it")


def test_a_dataset_is_sent_once(dataset: Dataset, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    for blocks in (blocks_of(dataset), nothing()):
        got = obtain(header_of(dataset), cache, blocks, impatient)
        assert got.digest == dataset.digest
        assert all(np.array_equal(getattr(got, name), getattr(dataset, name)) for name in ARRAYS)
    assert [path.name for path in cache.iterdir()] == [dataset.digest]


def test_other_bytes_are_refused_and_asked_for_again(dataset: Dataset, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    other = (bytes([block[0] ^ 1]) + block[1:] for block in blocks_of(dataset))
    with pytest.raises(FfnnError, match=dataset.digest):
        obtain(header_of(dataset), cache, other, impatient)
    assert obtain(header_of(dataset), cache, blocks_of(dataset), impatient).digest == dataset.digest


def test_what_was_not_used_for_a_week_is_removed(dataset: Dataset, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    for name, days in (("old", 8), ("recent", 6)):
        (cache / name).mkdir(parents=True)
        (cache / name / "x_train.npy").write_bytes(b"")
        os.utime(cache / name, (time.time() - days * 86400,) * 2)
    obtain(header_of(dataset), cache, blocks_of(dataset), impatient)
    assert {path.name for path in cache.iterdir()} == {"recent", dataset.digest}
    os.utime(cache / dataset.digest, (0, 0))
    obtain(header_of(dataset), cache, nothing(), impatient)
    assert time.time() - (cache / dataset.digest).stat().st_mtime < 3600
