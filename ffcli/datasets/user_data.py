"""A user's own dataset: an ``.npz`` with x_train, y_train, x_test and y_test.

It is checked and unpacked once, into ``custom/`` in the data folder, so that it is memory-mapped
like any other dataset and never unpacked in memory. The folder's name is made of the file's path,
size and times; once the file changes, it is checked and unpacked again and the old copy removed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import zipfile
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from ffcli.datasets.base import Array, BrokenDataError, Notify
from ffcli.datasets.catalog import ARRAYS
from ffcli.datasets.npz import open_array, open_npz
from ffcli.datasets.store import (
    Prepared,
    open_arrays,
    plain_errors,
    publish,
    read_manifest,
    to_be_made,
    workspace,
)
from ffcli.datasets.streams import RawArray, Saved, blocks, save
from ffcli.errors import DataError, RequestError
from ffcli.util.text import are, counted

# Far beyond what can be trained here, and near enough to keep a lying file from filling the memory.
_MAX_FEATURES = 1 << 24
_MAX_ROWS = 1 << 27


def prepare(path: Path, data_dir: Path, notify: Notify) -> tuple[Prepared, dict[str, Array]]:
    """Return the user's file as prepared arrays, checking and unpacking it the first time.

    Images are uint8, or features are of a floating type and finite; labels are integers >= 0, the largest
    below the number of training images. (N, 1) labels are taken as (N,). There is a notice of classes up to
    the largest label that no training image shows.

    Raises:
        RequestError: the file cannot be read or its arrays do not fit; the message names the array.
        DataError: the unpacked copy cannot be written.
    """
    folder = _folder(path, data_dir)
    with plain_errors(data_dir):
        ready = _open(folder)
        if ready is None:
            notify(f"checking and unpacking {path} into {folder} …{to_be_made(data_dir)}")
            with workspace(data_dir) as work:
                saved, n_classes, missing = _unpack(path, work)
                if missing:
                    notify(f"{path}: no training image is of class {_listed(missing)}")
                publish(work, folder, Prepared(saved, "file", str(path), {"n_classes": n_classes}))
            for old in folder.parent.glob(f"{folder.name.partition('-')[0]}-*"):
                if old != folder:
                    shutil.rmtree(old, ignore_errors=True)
            ready = _open(folder)
    if ready is None:
        raise DataError(f"the unpacked copy of {path} in {folder} has just been removed or damaged")
    return ready


def _folder(path: Path, data_dir: Path) -> Path:
    try:
        if path.is_dir():
            raise RequestError(f"the dataset {path} is a folder: an .npz file is wanted")
        state = path.stat()
    except OSError as error:
        raise RequestError(f"the dataset {path} cannot be read: {error.strerror}") from error
    version = f"{state.st_size} {state.st_mtime_ns} {state.st_ctime_ns}"
    return data_dir / "custom" / f"{_short_hash(str(path))}-{_short_hash(version)}"


def _short_hash(text: str) -> str:
    return hashlib.sha256(os.fsencode(text)).hexdigest()[:16]


def _open(folder: Path) -> tuple[Prepared, dict[str, Array]] | None:
    prepared = read_manifest(folder)
    arrays = open_arrays(folder, prepared) if prepared else None
    if prepared is None or arrays is None:
        return None
    n_classes = prepared.details.get("n_classes")
    labels = [arrays[array] for array in ("y_train", "y_test")]
    if not isinstance(n_classes, int) or any(y.dtype.kind not in "iu" or not len(y) for y in labels):
        return None
    return (prepared, arrays) if n_classes == 1 + max(int(y.max()) for y in labels) else None


def _listed(labels: list[int]) -> str:
    rest = len(labels) - 5
    return ", ".join(map(str, labels[:5])) + (f" and {counted(rest, 'other')}" if rest > 0 else "")


def _unpack(path: Path, work: Path) -> tuple[dict[str, Saved], int, list[int]]:
    """Check the user's file and write its arrays into ``work``.

    Returns them, the number of classes, and those that no training image shows.
    """
    try:
        with open_npz(path) as archive:
            raws = {}
            for array in ARRAYS:
                with open_array(archive, array) as raw:
                    raws[array] = raw
            _check_headers(raws)
            needed = sum(raw.n_bytes for raw in raws.values())
            free = shutil.disk_usage(work).free
            if needed > free:
                raise DataError(
                    f"{path} unpacks to {needed} bytes, but only {free} are free in {work.parent}"
                )
            labels = {array: _read_labels(archive, array, work) for array in ("y_train", "y_test")}
            n_classes, missing = _check_labels(labels)
            saved = {}
            for array in ("x_train", "x_test"):
                with open_array(archive, array) as raw:
                    dtype: np.dtype[Any] = np.dtype(np.uint8 if raw.dtype == np.uint8 else "<f4")
                    rows = _features(raw, dtype, work)
                    saved[array] = save(rows, raw.shape, dtype, work / f"{array}.npy")
            dtype = np.dtype(np.uint8 if n_classes <= 256 else "<i8")
            for array, values in labels.items():
                saved[array] = save(iter([values.astype(dtype)]), values.shape, dtype, work / f"{array}.npy")
    except BrokenDataError as error:
        raise RequestError(f"the dataset {path}: {error}", hint=_hint()) from error
    return {array: saved[array] for array in ARRAYS}, n_classes, missing


def _hint() -> str:
    return (
        "It needs x_train and x_test (uint8 images, or float features) of shape (N, …), "
        "and y_train and y_test (integer labels from 0) of shape (N,)."
    )


def _check_headers(raws: dict[str, RawArray]) -> None:
    for images, labels in (("x_train", "y_train"), ("x_test", "y_test")):
        x, y = raws[images], raws[labels]
        if x.dtype != np.uint8 and x.dtype.kind != "f":
            raise BrokenDataError(
                f"{images} holds {x.dtype}: save images as uint8 (to be scaled by 1/255) "
                "or features as float32 (to be taken as they are)"
            )
        if len(x.shape) not in (2, 3, 4) or prod(x.shape) == 0:
            raise BrokenDataError(
                f"{images} has shape {x.shape}: (N, H, W), (N, H, W, C) or (N, F) is wanted, none of them 0"
            )
        if prod(x.shape[1:]) > _MAX_FEATURES or x.shape[0] > _MAX_ROWS:
            raise BrokenDataError(
                f"{images} has shape {x.shape}: at most {_MAX_ROWS} images "
                f"of {_MAX_FEATURES} features are taken"
            )
        if y.dtype.kind not in "iu":
            raise BrokenDataError(f"{labels} holds {y.dtype}: integer labels from 0 are wanted")
        if y.shape not in ((x.shape[0],), (x.shape[0], 1)):
            raise BrokenDataError(
                f"{labels} has shape {y.shape}: one label for each of the "
                f"{counted(x.shape[0], 'image')} of {images} is wanted"
            )
    train, test = raws["x_train"], raws["x_test"]
    if train.shape[1:] != test.shape[1:]:
        raise BrokenDataError(
            f"x_test has images of shape {test.shape[1:]} where x_train has {train.shape[1:]}"
        )
    if (train.dtype == np.uint8) != (test.dtype == np.uint8):
        raise BrokenDataError(f"x_test holds {test.dtype} where x_train holds {train.dtype}")


def _read_labels(archive: zipfile.ZipFile, array: str, work: Path) -> Array:
    with open_array(archive, array) as raw:
        return np.concatenate([block.reshape(-1) for block in blocks(raw, work)])


def _check_labels(labels: dict[str, Array]) -> tuple[int, list[int]]:
    """Return the number of classes, which is the largest label plus one, and those missing in training."""
    for array, values in labels.items():
        if (lowest := int(values.min())) < 0:
            raise BrokenDataError(f"{array} holds the label {lowest}: labels count from 0")
    n_classes = max(int(values.max()) for values in labels.values()) + 1
    if n_classes > (n_train := len(labels["y_train"])):
        raise BrokenDataError(
            f"labels go up to {n_classes - 1}, yet there {are(n_train)} "
            f"{counted(n_train, 'training image')}: labels count the classes from 0"
        )
    return n_classes, np.setdiff1d(np.arange(n_classes), labels["y_train"]).tolist()


def _features(raw: RawArray, dtype: np.dtype[Any], work: Path) -> Iterator[Array]:
    """Yield blocks of rows as ``dtype``, refusing what is not finite in it."""
    for block in blocks(raw, work):
        if dtype.kind == "f":
            with np.errstate(over="ignore"):
                rows = block.astype(dtype)
            if not np.isfinite(rows).all():
                raise BrokenDataError(
                    f"{raw.name} holds values that are NaN, infinite, or too large for float32"
                )
            yield rows
        else:
            yield block
