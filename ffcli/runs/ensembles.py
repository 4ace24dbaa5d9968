"""The records of ensembles: one file each, below ``ensembles/`` in the folder of runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from ffcli.errors import FfnnError, RequestError
from ffcli.runs.ids import find_id, near
from ffcli.runs.layout import ENSEMBLES, RECORD, ensemble_ids
from ffcli.runs.record import Count, Finite
from ffcli.runs.store import new_run_id
from ffcli.util.atomic_files import json_text, write_atomic
from ffcli.util.safe_read import parse_json, read_file, shown


class _Member(BaseModel):
    """What a record says of a run alone."""

    run_id: str
    name: str
    val_acc: Finite | None
    accuracy: Finite
    views: Count


class _Class(BaseModel):
    """What a record says of a class."""

    name: str
    precision: Finite
    recall: Finite
    f1: Finite
    support: Count


class _Record(BaseModel):
    """What is shown of a record; the rest may be anything."""

    ensemble_id: str
    run_ids: list[str]
    dataset: str
    n: Count
    accuracy: Finite
    loss: Finite | None
    val_acc: Finite | None
    val_loss: Finite | None
    tta: bool
    members: list[_Member]
    per_class: list[_Class]


class EnsembleStore:
    """What ensembles of stored runs came to, under the folder of these runs. A record holds no weights."""

    def __init__(self, runs_dir: Path) -> None:
        self._runs_dir = runs_dir
        self.folder = runs_dir / ENSEMBLES

    def add(self, document: dict[str, Any]) -> dict[str, Any]:
        """Store a document under a new id and return it with {ensemble_id, path}. Raises OSError."""
        self.folder.mkdir(parents=True, exist_ok=True)
        ensemble_id = new_run_id(self.ids())
        path = self.folder / f"{ensemble_id}{RECORD}"
        document = {"ensemble_id": ensemble_id, **document, "path": str(path)}
        write_atomic(path, json_text(document))
        return document

    def ids(self) -> list[str]:
        """Return the ids of all ensembles, the oldest first."""
        return ensemble_ids(self._runs_dir)

    def read(self, word: str) -> dict[str, Any]:
        """Return the record of the ensemble with this id, or with the one id that starts or ends so.

        Raises RequestError where there is none or more than one, FfnnError where its file is damaged.
        """
        ids = self.ids()
        found = find_id("ensemble", word, ids)
        if found is None:
            raise RequestError(
                f"There is no ensemble '{shown(word)}' in {self.folder}.{near(word, ids)}",
                hint="ffnn evaluate RUN RUN --ensemble makes one; ffnn ensembles list shows them.",
            )
        path = self.folder / f"{found}{RECORD}"
        try:
            document = parse_json(read_file(path))
        except (OSError, ValueError) as error:
            raise FfnnError(f"The record of ensemble {found} is damaged: {error}") from None
        try:
            _Record.model_validate(document)
        except ValidationError as invalid:
            where = shown(".".join(map(str, invalid.errors()[0]["loc"])) or "no record")
            raise FfnnError(f"The record of ensemble {found} is damaged: {where}.") from None
        if document["ensemble_id"] != found:
            raise FfnnError(f"The record of ensemble {found} is damaged.")
        return {**document, "path": str(path)}  # the folder may have been moved
