"""Labels of any form as the codes 0..C-1, without loss: the classes keep their names."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ffcli.datasets.base import Array, BrokenDataError
from ffcli.datasets.user_data.base import MOST_CLASSES, MOST_NAME
from ffcli.util.text import are, counted


def as_codes(
    labels: Sequence[tuple[str, Array]], names: tuple[str, ...] | None = None
) -> tuple[list[Array], tuple[str, ...]]:
    """Return the codes of several arrays of labels, which share their classes, and the classes' names.

    Taken are integers of any range, floats that are whole, truth values, text, and one-hot rows (N, C), whose
    classes are 0..C-1; also as (N, 1). The codes follow the order of the labels: that of numbers where all of
    them are numbers, else that of text.

    Args:
        labels: (name, array) of each part, the training part first.
        names: the names of the labels 0..C-1, where the format tells them.

    Raises:
        BrokenDataError: they are no labels; the message names the array.
    """
    columns = [(name, _column(name, array)) for name, array in labels]
    widths = {array.shape[1] if array.ndim == 2 else 1 for _, array in labels} - {1}
    if names is None and len(widths) == 1:
        names = tuple(map(str, range(widths.pop())))
    if names is not None:
        return _named(columns, names)
    kinds = {array.dtype.kind == "U" for _, array in columns}
    if len(kinds) == 2:
        columns = [(name, array.astype(str)) for name, array in columns]
    classes = _ordered(np.unique(np.concatenate([np.unique(array) for _, array in columns])))
    _check_count(len(classes), labels[0])
    codes = [_search(classes, array) for _, array in columns]
    return codes, tuple(map(_checked_name, map(str, classes.tolist())))


def _column(name: str, array: Array) -> Array:
    """Return labels as (N,), integers or text."""
    if array.ndim == 2 and array.shape[1] > 1:
        return _hot(name, array)
    array = array.reshape(-1)
    if array.dtype.kind == "S":
        try:
            return np.char.decode(array, "utf-8")
        except UnicodeDecodeError as error:
            raise BrokenDataError(f"{name} holds text that is not UTF-8") from error
    if array.dtype.kind == "U":
        return _numbers_in(name, np.char.strip(array))
    if array.dtype.kind == "b":
        return array.astype(str)
    if array.dtype.kind == "f":
        return _whole(name, array)
    return array.astype(np.int64 if int(array.max()) < 1 << 63 else str)


def _whole(name: str, array: Array) -> Array:
    array = array.astype(np.float64, copy=False)  # the bound is none of float16's numbers
    bad = ~np.isfinite(array) | (np.abs(array) > 2.0**53) | (array != np.rint(array))
    if bad.any():
        raise BrokenDataError(
            f"{name} holds {array[bad][0]!s}: expected labels of classes, whole numbers or text "
            "(numbers to be predicted, as in regression, are no labels)"
        )
    return array.astype(np.int64)


def _numbers_in(name: str, array: Array) -> Array:
    """Return text as integers where all of it is numbers ("1.0" is 1), unless two spellings would be one."""
    values = np.unique(array)
    try:
        numbers = _whole(name, np.array([float(value) for value in values.tolist()]))
    except ValueError:
        return array
    if len(np.unique(numbers)) < len(values):
        return array
    return numbers[np.searchsorted(values, array)]


def _hot(name: str, array: Array) -> Array:
    if array.dtype.kind not in "iufb":
        raise BrokenDataError(f"{name} has shape {array.shape} of text: expected one label for each row")
    hot = array == 1
    if not (hot.sum(axis=1) == 1).all() or (array[~hot] != 0).any():
        raise BrokenDataError(
            f"{name} has shape {array.shape}, and not every row is one-hot: expected one 1 and else 0"
        )
    return np.asarray(hot.argmax(axis=1))


def _named(
    columns: Sequence[tuple[str, Array]], names: tuple[str, ...]
) -> tuple[list[Array], tuple[str, ...]]:
    for name, array in columns:
        if array.dtype.kind not in "iu" or int(array.min()) < 0 or int(array.max()) >= len(names):
            raise BrokenDataError(
                f"{name} holds {array.min()} to {array.max()}: expected 0 to {len(names) - 1}, "
                f"the numbers of the {counted(len(names), 'class', 'classes')}"
            )
    if len(set(names)) < len(names):
        raise BrokenDataError(f"two classes have the same name: expected {len(names)} different ones")
    return [array.astype(np.int64) for _, array in columns], tuple(map(_checked_name, names))


def _ordered(classes: Array) -> Array:
    """Return text classes in the order of numbers where all are numbers (1, 2, 10), else as they are."""
    if classes.dtype.kind != "U" or not all(name.lstrip("-").isdecimal() for name in classes.tolist()):
        return classes
    return np.array(sorted(classes.tolist(), key=lambda name: (int(name), name)))


def _search(classes: Array, array: Array) -> Array:
    order = np.argsort(classes, kind="stable")
    return np.asarray(order[np.searchsorted(classes, array, sorter=order)])


def _check_count(n_classes: int, train: tuple[str, Array]) -> None:
    n_train = len(train[1])
    if n_classes > min(n_train, MOST_CLASSES):
        raise BrokenDataError(
            f"{train[0]} holds {counted(n_classes, 'class', 'classes')}, yet there {are(n_train)} "
            f"{counted(n_train, 'training row')}: expected labels of classes that repeat, at most "
            f"{MOST_CLASSES}"
        )


def _checked_name(name: str) -> str:
    if len(name) > MOST_NAME:
        raise BrokenDataError(f"the class {name[:40]!r}… has a name of more than {MOST_NAME} letters")
    return name or "(empty)"
