"""A user's own dataset, read once and kept as four arrays.

It is converted into ``custom/`` in the data folder, so that it is memory-mapped like any other dataset
afterwards. The folder's name is made of the path, the options, and the names, sizes and times of the files;
once one of them changes, it is read again and the old copy removed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from ffcli.datasets.base import Array, BrokenDataError, Notify
from ffcli.datasets.catalog import ARRAYS
from ffcli.datasets.disk import check_space
from ffcli.datasets.files import File
from ffcli.datasets.reference import Reference
from ffcli.datasets.split import split_indices
from ffcli.datasets.store import (
    Prepared,
    open_arrays,
    plain_errors,
    publish,
    read_manifest,
    to_be_made,
    workspace,
)
from ffcli.datasets.streams import Saved, save
from ffcli.datasets.user_data.base import Bench, Found, Part, Rows, selected
from ffcli.datasets.user_data.labels import as_codes
from ffcli.datasets.user_data.layout import READERS, laid_out, members
from ffcli.datasets.user_data.pixels import convert
from ffcli.errors import DataError, RequestError
from ffcli.util.text import counted

TEST_FRACTION, TEST_SEED = 0.2, 20260731
_VERSION = 3  # of the conversion: with another one everything is read again
_LARGE = 1 << 24  # bytes of files that take seconds to read, which is said before
_CLASSES, _SPLIT, _WHITE = "class_names", "split", "white"


def prepare(reference: Reference, data_dir: Path, notify: Notify) -> tuple[Prepared, dict[str, Array]]:
    """Return the user's dataset as prepared arrays, reading and converting it the first time.

    The manifest's details hold ``class_names``, ``format``, ``notices``, ``white`` (see `convert`) and
    ``split``, None where the dataset has a test part of its own.

    Raises:
        RequestError: the files cannot be read or do not fit; the message names the array, line or file.
        DataError: the copy cannot be written, as where the disk is full.
    """
    folder = _folder(reference, data_dir)
    with plain_errors(data_dir):
        ready = _open(folder)
        if ready is None:
            made = to_be_made(data_dir)
            with workspace(data_dir) as work:
                prepared, notices = _converted(reference, work, notify)
                notify(f"{reference.path.name}: read into {folder}{made}")
                for notice in notices:
                    notify(f"{reference.path.name}: {notice}")
                publish(work, folder, prepared)
            for old in folder.parent.glob(f"{folder.name.partition('-')[0]}-*"):
                if old != folder:
                    shutil.rmtree(old, ignore_errors=True)
            ready = _open(folder)
    if ready is None:
        raise DataError(f"the copy of {reference} in {folder} has just been removed or damaged")
    return ready


def _folder(reference: Reference, data_dir: Path) -> Path:
    try:
        files = members(reference.path)
    except (BrokenDataError, OSError) as error:
        raise _refused(reference, error) from error
    versions = "\n".join(f"{file.name} {file.stamp}" for file in files)
    version = f"{_VERSION}\n{TEST_FRACTION} {TEST_SEED}\n{versions}"
    return data_dir / "custom" / f"{_short_hash(str(reference))}-{_short_hash(version)}"


def _refused(reference: Reference, error: BrokenDataError | OSError) -> RequestError:
    reason = getattr(error, "strerror", None) or str(error)
    return RequestError(f"the dataset {reference.path}: {reason}", hint=getattr(error, "hint", None))


def _short_hash(text: str) -> str:
    return hashlib.sha256(os.fsencode(text)).hexdigest()[:16]


def _open(folder: Path) -> tuple[Prepared, dict[str, Array]] | None:
    prepared = read_manifest(folder)
    arrays = open_arrays(folder, prepared) if prepared else None
    if prepared is None or arrays is None:
        return None
    names, split = prepared.details.get(_CLASSES), prepared.details.get(_SPLIT)
    labels = [arrays[array] for array in ("y_train", "y_test")]
    if (
        not isinstance(names, list)
        or not isinstance(split, (dict, type(None)))
        or not isinstance(prepared.details.get(_WHITE), int)
        or any(y.dtype.kind not in "iu" or not len(y) for y in labels)
    ):
        return None
    sound = all(isinstance(name, str) for name in names) and all(
        int(y.min()) >= 0 and int(y.max()) < len(names) for y in labels
    )
    return (prepared, arrays) if sound else None


def _converted(reference: Reference, work: Path, notify: Notify) -> tuple[Prepared, list[str]]:
    """Read the user's files and write the arrays into ``work``; return also what is to be said of it."""
    scratch = work / "scratch"
    scratch.mkdir()
    try:
        with laid_out(reference.path, scratch) as layout:
            if sum(file.size for file in layout.files) > _LARGE:
                notify(f"reading {reference} …")
            bench = Bench(scratch, reference.label)
            found = READERS[layout.kind](layout.files, bench)
            notices = [*_named_companions(reference.path, layout.files), *found.notices]
            prepared = _written(reference, found, layout.kind, work, notices)
    except BrokenDataError as error:
        raise _refused(reference, error) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return prepared, notices


def _named_companions(path: Path, files: Sequence[File]) -> list[str]:
    others = [file.name for file in files if file.path is not None and file.path != path]
    return [f"read together with {', '.join(sorted(others))}"] if others and path.is_file() else []


def _written(reference: Reference, found: Found, kind: str, work: Path, notices: list[str]) -> Prepared:
    parts = [found.train] if found.test is None else [found.train, found.test]
    codes, names = as_codes([(part.labels_name, part.labels) for part in parts], found.class_names)
    rows, white, said = convert([part.rows for part in parts], grayscale=reference.grayscale)
    notices += said
    split = None
    if found.test is None:
        rows, codes = _split(found.train, rows[0], codes[0])
        split = {"test_fraction": TEST_FRACTION, "seed": TEST_SEED}
        notices.append(
            f"there is no test part: {counted(len(rows[1]), 'row')} of {len(found.train.labels)} are split "
            f"off as one, stratified by class, from seed {TEST_SEED}"
        )
    missing = np.setdiff1d(np.arange(len(names)), codes[0]).tolist()
    if missing:
        notices.append(f"no training image is of class {_listed([names[code] for code in missing])}")
    check_space(work, sum(prod(part.shape) * part.dtype.itemsize for part in rows))
    saved: dict[str, Saved] = {}
    for array, values in zip(("x_train", "x_test"), rows):
        saved[array] = save(values.blocks(), values.shape, values.dtype, work / f"{array}.npy")
    dtype: np.dtype[Any] = np.dtype(np.uint8 if len(names) <= 256 else "<i8")
    for array, labels in zip(("y_train", "y_test"), codes):
        saved[array] = save(iter([labels.astype(dtype)]), labels.shape, dtype, work / f"{array}.npy")
    details = {
        _CLASSES: list(names),
        "format": kind,
        "notices": list(notices),
        _SPLIT: split,
        _WHITE: white,
    }
    return Prepared({array: saved[array] for array in ARRAYS}, "file", str(reference), details)


def _split(train: Part, rows: Rows, codes: Array) -> tuple[list[Rows], list[Array]]:
    """Return training and test part of rows that come without one."""
    try:
        _, test = split_indices(codes, TEST_FRACTION, seed=TEST_SEED)
    except RequestError as error:
        raise BrokenDataError(
            f"{train.labels_name}: {counted(len(codes), 'row')} are too few to split a test part off: "
            "each class keeps one row to train on"
        ) from error
    chosen = np.zeros(len(codes), bool)
    chosen[test] = True
    parts = [replace(selected(rows, mask), name=rows.name) for mask in (~chosen, chosen)]
    return parts, [codes[~chosen], codes[chosen]]


def _listed(names: list[str]) -> str:
    rest = len(names) - 5
    return ", ".join(names[:5]) + (f" and {counted(rest, 'other')}" if rest > 0 else "")
