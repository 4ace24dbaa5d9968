"""Datasets in parquet files, read by pyarrow: pictures as Hugging Face stores them, or a table of numbers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ffcli.datasets.base import Array, BrokenDataError
from ffcli.datasets.disk import is_full
from ffcli.datasets.files import File, spooled
from ffcli.datasets.pictures import MOST_BYTES
from ffcli.datasets.user_data.base import (
    LABEL_NAMES,
    MOST_NAME,
    MOST_ROWS,
    Bench,
    Found,
    Part,
    by_role,
    check_present,
    in_memory,
    role_of,
    simplified,
)
from ffcli.datasets.user_data.staging import Gallery, Stage
from ffcli.errors import RequestError
from ffcli.util.text import counted

if TYPE_CHECKING:
    from pyarrow import RecordBatch
    from pyarrow.parquet import ParquetFile

_BATCH = 256  # rows that are unpacked at a time
_PICTURES = 8  # of pictures: one that is stored once for many rows is unpacked for each of them
_MOST_GROUP = 1 << 32  # bytes of one row group, which pyarrow unpacks column by column


def read_parquet(files: Sequence[File], bench: Bench) -> Found:
    """Read parquet files; shards of one part are joined, the parts told by the files' names or folders.

    Raises:
        BrokenDataError: a file is damaged, or has no column of labels or of images.
        RequestError: pyarrow is not installed.
    """
    gallery, parts, bounds = Gallery(bench.scratch), [], []
    names: tuple[str, ...] | None = None
    unlabelled = []
    for file in files:
        with _opened(file, bench) as table:
            label = _label_column(table, file, bench.label)
            names = names or _class_names(table, label)
            image = _image_column(table, label)
            role = role_of(file.name)
            if image is None:
                part = _table_part(table, label, file, bench)
            else:
                start = len(gallery)
                labels = _add_pictures(table, image, label, gallery, file)
                bounds.append((role, start, len(gallery), labels, file))
                part = None
        if part is not None:
            parts.append((role, part))
    for role, start, stop, labels, file in bounds:
        rows = gallery.rows(file.parts[-1], start, stop)
        parts.append((role, Part(rows, labels, f"{file.parts[-1]}: labels")))
    kept = []
    for role, part in parts:
        if names is not None and part.labels.dtype.kind in "iu" and (part.labels == -1).all():
            unlabelled.append(part.labels_name)
        else:
            kept.append((role, part))
    notices = gallery.notices if len(gallery) else []
    notices += [f"{name} are all -1, which stands for none: this part is left out" for name in unlabelled]
    return replace(by_role(kept, notices), class_names=names)


@contextmanager
def _opened(file: File, bench: Bench) -> Iterator[ParquetFile]:
    try:
        import pyarrow
        from pyarrow import types
        from pyarrow.parquet import ParquetFile
    except ImportError:
        raise RequestError(
            f"{file.name} is a parquet file, for which pyarrow is missing",
            hint="Install it with: pip install 'ffnn[parquet]'",
        ) from None
    path = spooled(file, bench.scratch)
    try:
        with ParquetFile(path, page_checksum_verification=True) as table:
            groups = [table.metadata.row_group(index) for index in range(table.metadata.num_row_groups)]
            if table.metadata.num_rows > MOST_ROWS or any(
                group.total_byte_size > _MOST_GROUP for group in groups
            ):
                raise BrokenDataError(f"{file.name} is larger than can be read")
            texts = [field.name for field in table.schema_arrow if types.is_string(field.type)]
        # As dictionaries, for a text that is stored once would be unpacked for each row.
        with ParquetFile(path, read_dictionary=texts, page_checksum_verification=True) as table:
            yield table
    except (pyarrow.ArrowException, OSError, ValueError, LookupError) as error:
        if is_full(error):
            raise
        reason = " ".join(str(error).split())[:200]
        raise BrokenDataError(f"{file.name} is a damaged parquet file ({reason})") from error


def _label_column(table: ParquetFile, file: File, column_named: str | None) -> str:
    columns: list[str] = table.schema_arrow.names
    if column_named is not None:
        if column_named not in columns:
            raise BrokenDataError(f"{file.name} has no column {column_named!r}: it has {_listed(columns)}")
        return column_named
    known = [name for name in columns if simplified(name) in LABEL_NAMES]
    candidates = known or [
        name for name, feature in _features(table).items() if feature.get("_type") == "ClassLabel"
    ]
    if len(candidates) != 1:
        found = (
            f"several columns may hold the labels ({_listed(candidates)})"
            if candidates
            else (f"no column is called label, class or target: it has {_listed(columns)}")
        )
        raise BrokenDataError(f"{file.name}: {found}; name it as in PATH#label=COLUMN")
    return candidates[0]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (" …" if len(names) > 8 else "")


def _features(table: ParquetFile) -> dict[str, Any]:
    """Return what Hugging Face's library has noted of the columns."""
    try:
        noted = json.loads((table.schema_arrow.metadata or {}).get(b"huggingface", b"{}"))
        features = noted["info"]["features"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return {}
    return {k: v for k, v in features.items() if isinstance(v, dict)} if isinstance(features, dict) else {}


def _class_names(table: ParquetFile, label: str) -> tuple[str, ...] | None:
    names = _features(table).get(label, {}).get("names")
    if isinstance(names, list) and names and all(isinstance(name, str) for name in names):
        return tuple(names)
    return None


def _image_column(table: ParquetFile, label: str) -> str | None:
    """Return the column of pictures: binary, or a struct with a field ``bytes``."""
    from pyarrow import types

    for field in table.schema_arrow:
        kind = field.type
        holds = (
            kind.field("bytes").type if types.is_struct(kind) and kind.get_field_index("bytes") >= 0 else kind
        )
        if field.name != label and (types.is_binary(holds) or types.is_large_binary(holds)):
            return str(field.name)
    return None


def _values(batch: RecordBatch, name: str, file: File) -> list[Any]:
    """Return what a column holds. Raises BrokenDataError for texts that are longer than any label."""
    from pyarrow import compute, types

    column = batch.column(name)
    if types.is_dictionary(column.type) and types.is_string(column.type.value_type):
        longest = compute.max(compute.utf8_length(column.dictionary)).as_py() or 0
        if longest > MOST_NAME:
            raise BrokenDataError(
                f"{file.name}: the column {name} holds a text of {longest} letters: expected numbers, "
                f"or names of classes of at most {MOST_NAME} letters"
            )
    values: list[Any] = column.to_pylist()
    return values


def _add_pictures(table: ParquetFile, image: str, label: str, gallery: Gallery, file: File) -> Array:
    labels: list[Any] = []
    for batch in table.iter_batches(_PICTURES, columns=[image, label]):
        labels += _values(batch, label, file)
        for row, cell in enumerate(batch.column(image)):
            value = cell.as_py()
            content = value.get("bytes") if isinstance(value, dict) else value
            name = f"{file.parts[-1]}, row {len(labels) - len(batch) + row + 1}"
            if not isinstance(content, bytes) or len(content) > MOST_BYTES:
                raise BrokenDataError(f"{name}: the column {image} holds no picture")
            gallery.add(content, name)
    return _as_labels(labels, label, file)


def _table_part(table: ParquetFile, label: str, file: File, bench: Bench) -> Part:
    stage, labels, shape = Stage(bench.scratch, np.float32), list[Any](), None
    columns = [name for name in table.schema_arrow.names if name != label]
    for batch in table.iter_batches(_BATCH, columns=[*columns, label]):
        labels += _values(batch, label, file)
        try:
            values = [np.array(_values(batch, name, file), np.float64) for name in columns]
        except (TypeError, ValueError) as error:
            raise BrokenDataError(
                f"{file.name}: its columns ({_listed(columns)}) hold no pictures and not only numbers"
            ) from error
        block = np.stack(values, axis=1) if len(values) != 1 else values[0]
        block = block.reshape(len(batch), -1) if block.ndim > 4 else block
        if shape not in (None, block.shape[1:]):
            raise BrokenDataError(f"{file.name} has rows of shape {block.shape[1:]} after rows of {shape}")
        shape = block.shape[1:]
        with np.errstate(over="ignore"):  # what is too large is refused later
            stage.extend([block.astype(np.float32)])
    if shape is None or not labels:
        raise BrokenDataError(f"{file.name} has {counted(len(labels), 'row')} and {len(columns)} columns")
    rows = in_memory(file.parts[-1], stage.mapped(shape if shape else (1,)))
    return Part(rows, _as_labels(labels, label, file), f"{file.parts[-1]}: {label}")


def _as_labels(labels: list[Any], column: str, file: File) -> Array:
    check_present(labels, lambda index: f"{file.name}, row {index + 1}, column {column}")
    try:
        array = np.array(labels)
    except ValueError as error:
        raise BrokenDataError(f"the column {column} holds lists of different lengths") from error
    if array.dtype.kind not in "iufbU":
        raise BrokenDataError(f"the column {column} holds no labels, or not for each row")
    return array
