"""Datasets of NumPy arrays: an ``.npz``, or ``.npy`` files in a folder, under any usual names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from ffcli.datasets.base import Array, BrokenDataError
from ffcli.datasets.files import File
from ffcli.datasets.npz import open_npy
from ffcli.datasets.streams import blocks
from ffcli.datasets.user_data.base import (
    MOST_CLASSES,
    Bench,
    Found,
    Part,
    by_role,
    labels_of,
    role_of,
    rows_of,
    simplified,
)

_ROLE_WORDS = {
    **{"training": "train", "train": "train", "testing": "test", "test": "test", "t10k": "test"},
    **{"validation": "val", "valid": "val", "val": "val", "dev": "val"},
}
_CLASS_NAMES = {"classnames", "labelnames", "targetnames"}
_IMAGES = {"x", "image", "images", "img", "imgs", "data", "feature", "features", "input", "inputs", "pixels"}
_LABELS = {"y", "label", "labels", "target", "targets", "class", "classes", "output", "outputs"}
_POSITIONAL = {2: ("x", "y"), 4: ("x_train", "y_train", "x_test", "y_test")}

Pair = dict[str, File]


def read_arrays(files: Sequence[File], bench: Bench) -> Found:
    """Read arrays such as x_train and y_train, train_images and train_labels, or X and y alone.

    Raises:
        BrokenDataError: images or labels are missing or do not fit; the message names the array.
    """
    pairs = array_pairs(files)
    parts = []
    for role, pair in pairs.items():
        name = {kind: _array_name(file) for kind, file in pair.items()}
        rows = rows_of(partial(open_npy, pair["x"], name["x"]), bench)
        labels = labels_of(partial(open_npy, pair["y"], name["y"]), rows, bench)
        parts.append((role or None, Part(rows, labels, name["y"])))
    return replace(by_role(parts), class_names=_class_names(files, parts, bench))


def _class_names(
    files: Sequence[File], parts: Sequence[tuple[str | None, Part]], bench: Bench
) -> tuple[str, ...] | None:
    """Return the names of the classes where an array lists them and all labels are numbers of them."""
    for file in files:
        if simplified(_array_name(file)) in _CLASS_NAMES:
            with open_npy(file) as raw:
                if raw.dtype.kind != "U" or len(raw.shape) != 1 or not 0 < raw.shape[0] <= MOST_CLASSES:
                    continue
                names = [str(name) for block in blocks(raw, bench.scratch) for name in block]
            if all(_are_numbers(part.labels, len(names)) for _, part in parts):
                return tuple(names)
    return None


def _are_numbers(labels: Array, n_classes: int) -> bool:
    is_one = labels.ndim == 1 or labels.shape[1] == 1
    return is_one and labels.dtype.kind in "iu" and int(labels.min()) >= 0 and int(labels.max()) < n_classes


def array_pairs(files: Sequence[File]) -> dict[str, Pair]:
    """Return for each role ("train", "test", "val", or "" for none) its file of images and of labels.

    Raises:
        BrokenDataError: an array is missing, or two have the same meaning.
    """
    pairs: dict[str, Pair] = {}
    named = _positional(files) or [(file, _array_name(file)) for file in files]
    for file, name in named:
        role, kind = _meaning(file, name)
        if kind is None:
            continue
        pair = pairs.setdefault(role, {})
        if kind in pair:
            raise BrokenDataError(
                f"{_array_name(pair[kind])} and {_array_name(file)} mean the same: expected one of them"
            )
        pair[kind] = file
    held = ", ".join(_array_name(file) for file in files[:8]) or "nothing"
    for role, pair in pairs.items():
        for kind in ("x", "y"):
            if kind not in pair:
                missing = f"{kind}_{role}" if role else kind
                raise BrokenDataError(f"{missing} is missing (the file holds {held})")
    if not pairs or ("test" in pairs and not {"train", ""} & pairs.keys()):
        raise BrokenDataError(f"x_train is missing (the file holds {held})")
    return pairs


def _array_name(file: File) -> str:
    return file.parts[-1].removesuffix(".npy")


def _positional(files: Sequence[File]) -> list[tuple[File, str]]:
    """Return the arrays of ``numpy.savez(file, a, b, …)`` with the names that their order means."""
    names = [f"arr_{number}" for number in range(len(files))]
    if len(files) not in _POSITIONAL or sorted(map(_array_name, files)) != names:
        return []
    return list(zip(sorted(files, key=_array_name), _POSITIONAL[len(files)]))


def _meaning(file: File, name: str) -> tuple[str, str | None]:
    """Return the role of an array, "" for none, and whether it is images ("x"), labels ("y") or neither."""
    role = role_of("/".join(file.parts[:-1])) or ""
    word = simplified(name)
    for role_word, its_role in _ROLE_WORDS.items():
        if role_word in word:
            word, role = word.replace(role_word, "", 1), its_role
            break
    kind = "x" if word in _IMAGES else "y" if word in _LABELS else None
    return role, kind
