"""What a reader of a format gives: rows that can be read block after block, and their labels."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ffcli.datasets.base import Array, BrokenDataError
from ffcli.datasets.files import File
from ffcli.datasets.streams import RawArray, blocks

# Far beyond what can be trained here, and near enough to keep a lying file from filling the memory.
MOST_FEATURES = 1 << 24
MOST_ROWS = 1 << 27
MOST_CLASSES = 1 << 16
MOST_NAME = 200  # letters of a label: NumPy gives each of an array's texts the room of the longest
_MOST_TEXT = 4096  # bytes that an array of texts has for each
_MISSING_LABELS = ("", "na", "n/a", "nan", "-nan", "+nan", "null", "?")
_MISSING_VALUES = (*_MISSING_LABELS, "none", "nil", "-")  # which may be classes: + and -, none and severe


@dataclass(frozen=True)
class Rows:
    """Images or features, read block after block as often as needed.

    Attributes:
        name: what messages call them.
        shape: (N, features...).
        dtype: of the blocks.
        blocks: yields C-ordered arrays (n, features...) that make N rows in all.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    blocks: Callable[[], Iterator[Array]]

    def __len__(self) -> int:
        return self.shape[0]


@dataclass(frozen=True)
class Part:
    """The training or the test part: rows and their labels as found, (N,), (N, 1) or one-hot (N, C)."""

    rows: Rows
    labels: Array
    labels_name: str


@dataclass(frozen=True)
class Found:
    """What a reader has found: its parts, and what is to be said of how they were read.

    ``class_names`` are those of the labels 0..C-1, where the format tells them. Without a test part one is
    split off later.
    """

    train: Part
    test: Part | None
    class_names: tuple[str, ...] | None = None
    notices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Bench:
    """What a reader works with: a folder for what has to lie on disk, and the column of labels, if given."""

    scratch: Path
    label: str | None = None


Reader = Callable[[Sequence[File], Bench], Found]

LABEL_NAMES = (
    *("label", "labels", "class", "classes", "target", "targets", "y", "category", "digit", "letter"),
    *("species", "variety", "output", "outcome", "classlabel", "classname"),
)
_KINDS = "(ing|set|data|images?|labels?|x|y)?"
_ROLES = (
    ("test", re.compile(rf"(?<![a-z])(t10k|test){_KINDS}(?![a-z])")),
    ("val", re.compile(rf"(?<![a-z])(validation|valid|val|dev|eval){_KINDS}(?![a-z])")),
    ("train", re.compile(rf"(?<![a-z])train{_KINDS}(?![a-z])")),
)


def role_of(name: str) -> str | None:
    """Return ``train``, ``test`` or ``val`` where a name has such a word, or else a folder above it."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    for part in reversed(words.split("/")):
        for role, pattern in _ROLES:
            if pattern.search(part):
                return role
    return None


def simplified(name: str) -> str:
    """Return a name in the form in which names are compared: lower case, letters and digits only."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def is_missing(word: str) -> bool:
    """Whether a text stands for a value that is not there, in a column of numbers."""
    return word.strip().lower() in _MISSING_VALUES


def check_present(labels: Iterable[Any], cell: Callable[[int], str]) -> None:
    """Raise BrokenDataError where a label is missing: None, or a text that stands for it.

    Args:
        labels: of some rows.
        cell: returns what messages call the label at an index.
    """
    for index, label in enumerate(labels):
        word = label.decode(errors="replace") if isinstance(label, bytes) else label
        if word is None or (isinstance(word, str) and word.strip().lower() in _MISSING_LABELS):
            shown = (word or "").strip() or "empty"
            raise BrokenDataError(
                f"{cell(index)}: expected the name of a class, the label is missing ({shown}); fill it in or "
                f"leave the row out, or if this is a class, give it another name such as class_{shown}"
            )


def rows_of(opened: Callable[[], AbstractContextManager[RawArray]], bench: Bench) -> Rows:
    """Return an array whose file has a header as rows; only the header is read here."""
    with opened() as raw:
        name, shape, dtype = raw.name, raw.shape, raw.dtype
    check_shape(name, shape)

    def read() -> Iterator[Array]:
        with opened() as raw:
            yield from blocks(raw, bench.scratch)

    return Rows(name, shape, dtype, read)


def labels_of(opened: Callable[[], AbstractContextManager[RawArray]], rows: Rows, bench: Bench) -> Array:
    """Return an array of labels, checked against the rows that it is for before it is read."""
    with opened() as raw:
        check_labels_shape(raw.name, raw.shape, rows)
        if raw.dtype.kind not in "iufbSU":
            raise BrokenDataError(f"{raw.name} holds {raw.dtype}: expected integers, whole floats or text")
        if raw.dtype.itemsize > _MOST_TEXT:
            raise BrokenDataError(
                f"{raw.name} holds {raw.dtype}: expected names of at most {MOST_NAME} letters"
            )
        labels = np.concatenate(list(blocks(raw, bench.scratch)))
        if labels.dtype.kind in "SU" and labels.shape[1:] in ((), (1,)):
            check_present(labels.reshape(-1).tolist(), lambda index: f"{raw.name}, row {index + 1}")
        return labels


def check_shape(name: str, shape: tuple[int, ...]) -> None:
    """Raise BrokenDataError where an array cannot be images or features."""
    if len(shape) not in (2, 3, 4) or 0 in shape:
        raise BrokenDataError(
            f"{name} has shape {shape}: expected (N, H, W), (N, H, W, C) or (N, F), none of them 0"
        )
    n_features = int(np.prod([float(size) for size in shape[1:]]))
    if n_features > MOST_FEATURES or shape[0] > MOST_ROWS:
        raise BrokenDataError(
            f"{name} has shape {shape}: expected at most {MOST_ROWS} rows of {MOST_FEATURES} features"
        )


def check_labels_shape(name: str, shape: tuple[int, ...], rows: Rows) -> None:
    """Raise BrokenDataError where an array cannot hold one label, or one one-hot row, for each row."""
    if (
        len(shape) not in (1, 2)
        or shape[0] != len(rows)
        or 0 in shape
        or (shape[1:] or (1,))[0] > MOST_CLASSES
    ):
        raise BrokenDataError(
            f"{name} has shape {shape}: expected one label for each of the {len(rows)} rows of {rows.name}"
        )


def in_memory(name: str, array: Array) -> Rows:
    """Return an array, memory-mapped or not, as rows."""
    check_shape(name, array.shape)
    step = max(1, (1 << 20) // max(1, array[:1].nbytes))

    def read() -> Iterator[Array]:
        for start in range(0, len(array), step):
            yield np.ascontiguousarray(array[start : start + step])

    return Rows(name, array.shape, array.dtype, read)


def selected(rows: Rows, chosen: Array) -> Rows:
    """Return the rows where the truth values ``chosen``, (N,), are true."""

    def read() -> Iterator[Array]:
        start = 0
        for block in rows.blocks():
            kept = block[chosen[start : start + len(block)]]
            start += len(block)
            if len(kept):
                yield kept

    return Rows(rows.name, (int(chosen.sum()), *rows.shape[1:]), rows.dtype, read)


def joined(parts: Sequence[Part]) -> Part:
    """Return several parts as one. Raises BrokenDataError where they do not go together."""
    first = parts[0]
    if len(parts) == 1:
        return first
    for part in parts[1:]:
        if part.rows.shape[1:] != first.rows.shape[1:] or part.rows.dtype != first.rows.dtype:
            raise BrokenDataError(
                f"{part.rows.name} holds rows of shape {part.rows.shape[1:]} of {part.rows.dtype} where "
                f"{first.rows.name} has {first.rows.shape[1:]} of {first.rows.dtype}"
            )
        if part.labels.shape[1:] != first.labels.shape[1:]:
            raise BrokenDataError(
                f"{part.labels_name} has shape {part.labels.shape} where {first.labels_name} has "
                f"{first.labels.shape}"
            )

    def read() -> Iterator[Array]:
        for part in parts:
            yield from part.rows.blocks()

    n = sum(len(part.rows) for part in parts)
    rows = Rows(first.rows.name, (n, *first.rows.shape[1:]), first.rows.dtype, read)
    return Part(rows, np.concatenate([part.labels for part in parts]), first.labels_name)


def by_role(parts: Sequence[tuple[str | None, Part]], notices: Sequence[str] = ()) -> Found:
    """Return parts, each with the role that its name tells, as training and test part.

    Validation images beside a training and a test part are trained on, of which a part is set aside for
    validation anyhow; without a test part they are that. Several parts without a role are one.
    """
    groups: dict[str, list[Part]] = {"train": [], "test": [], "val": []}
    for role, part in parts:
        groups[role or "train"].append(part)
    said = list(notices)
    if groups["val"] and groups["test"]:
        said.append("the validation part is added to the training part, of which val_fraction sets one aside")
        groups["train"] += groups.pop("val")
    elif groups["val"]:
        said.append("the validation part is taken as the test part")
        groups["test"] = groups.pop("val")
    if not groups["train"]:
        groups["train"], groups["test"] = groups["test"], []
    if not groups["train"]:
        raise BrokenDataError("it holds no images")
    test = joined(groups["test"]) if groups["test"] else None
    return Found(joined(groups["train"]), test, None, tuple(said))
