"""Datasets of NumPy arrays: an ``.npz``, or ``.npy`` files in a folder, under any usual names."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from ffcli.datasets.base import BrokenDataError
from ffcli.datasets.files import File
from ffcli.datasets.npz import open_npy
from ffcli.datasets.user_data.base import (
    Bench,
    Found,
    Part,
    by_role,
    labels_of,
    role_of,
    rows_of,
    simplified,
)

_ROLE_WORDS = ("training", "train", "testing", "test", "t10k", "validation", "valid", "val", "dev")
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
    return by_role(parts)


def array_pairs(files: Sequence[File]) -> dict[str, Pair]:
    """Return for each role ("train", "test", "val", or "" for none) its file of images and of labels.

    Raises:
        BrokenDataError: an array is missing, or two go by the same name.
    """
    pairs: dict[str, Pair] = {}
    named = _positional(files) or [(file, _array_name(file)) for file in files]
    for file, name in named:
        role, kind = _meaning(file, name)
        if kind is None:
            continue
        pair = pairs.setdefault(role, {})
        if kind in pair:
            raise BrokenDataError(f"{_array_name(pair[kind])} and {_array_name(file)} may both be meant")
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
    role = role_of(name) or role_of("/".join(file.parts[:-1])) or ""
    word = simplified(name)
    for role_word in _ROLE_WORDS:
        if role_word in word:
            word = word.replace(role_word, "", 1)
            break
    kind = "x" if word in _IMAGES else "y" if word in _LABELS else None
    return role, kind
