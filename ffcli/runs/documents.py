"""The documents that several commands share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ffcli.runs.record import HistoryRow, RunRecord


def run_document(record: RunRecord, rows: Sequence[HistoryRow], path: Path) -> dict[str, Any]:
    """Return train's document: the record, where it lies, and its epochs."""
    document = record.as_dict()
    del document["best"]
    return {**document, "path": str(path), "epochs": [row.as_dict() for row in rows]}


def label_document(label: int, class_names: Sequence[str]) -> dict[str, Any]:
    """Return a class as {label, name}."""
    return {"label": int(label), "name": class_names[int(label)]}
