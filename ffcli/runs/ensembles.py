"""Records of ensembles: one file each, in ``ensembles/`` in the directory of runs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from ffcli.errors import FfnnError, RequestError
from ffcli.runs.ids import find_id, near, new_run_id
from ffcli.runs.layout import ENSEMBLES, RECORD, ensemble_ids
from ffcli.runs.record import Count, Finite
from ffcli.runs.results import ClassReport, MeanReport
from ffcli.util.atomic_files import json_text, write_atomic
from ffcli.util.safe_read import parse_json, read_file, shown


@dataclass(frozen=True)
class EnsembleMember:
    """A run of an ensemble, evaluated alone."""

    run_id: str
    name: str
    val_acc: Finite | None
    accuracy: Finite
    """On the test images."""
    views: Count
    """Number of views of each image."""


@dataclass(frozen=True)
class Ensemble:
    """Several stored networks evaluated as one on the test images, by the mean of their probabilities."""

    ensemble_id: str | None
    """Null, as path, where it is not stored: its runs or their data have changed meanwhile."""
    run_ids: list[str]
    dataset: str
    n: Count
    """Number of test images."""
    loss: Finite | None
    """Mean loss over the test images: -log of the probability of the true class, in nats."""
    accuracy: Finite
    """Fraction of the test images that are classified correctly."""
    per_class: list[ClassReport]
    val_n: Count | None
    """Number of images that no member was trained on; null, as the next two, where that is not known."""
    val_loss: Finite | None
    val_acc: Finite | None
    tta: bool
    """Whether the probabilities of each member are the mean over several views of an image."""
    members: list[EnsembleMember]
    created: str
    """When it was evaluated, in UTC."""
    provenance: dict[str, Any]
    """Versions, machine, digest of the dataset and command line."""
    path: Path | None
    """The file of this record."""
    loss_name: str = "cross_entropy"
    macro: MeanReport | None = None
    """Means over the classes, each alike; null, as weighted, in an older record."""
    weighted: MeanReport | None = None
    """Means over the classes by their supports."""


class EnsembleStore:
    """The records of ensembles, in the directory of their runs. A record holds no weights."""

    def __init__(self, runs_dir: Path) -> None:
        self._runs_dir = runs_dir
        self.folder = runs_dir / ENSEMBLES

    def add(self, **figures: Any) -> Ensemble:
        """Store the figures of an ensemble under a new id and return it. Raises OSError."""
        self.folder.mkdir(parents=True, exist_ok=True)
        ensemble_id = new_run_id(self.ids())
        path = self.folder / f"{ensemble_id}{RECORD}"
        ensemble = Ensemble(ensemble_id=ensemble_id, **figures, path=path)
        write_atomic(path, json_text(ensemble))
        return ensemble

    def ids(self) -> list[str]:
        """Return the ids of all ensembles, the oldest first."""
        return ensemble_ids(self._runs_dir)

    def read(self, word: str) -> Ensemble:
        """Return the ensemble with this id, or with the only id that starts or ends so.

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
            values = parse_json(read_file(path))
            ensemble = _reader().validate_python(values)
        except ValidationError as invalid:
            where = shown(".".join(map(str, invalid.errors()[0]["loc"])) or "no record")
            raise FfnnError(f"The record of ensemble {found} is damaged: {where}.") from None
        except (OSError, ValueError) as error:
            raise FfnnError(f"The record of ensemble {found} is damaged: {error}") from None
        if ensemble.ensemble_id != found:
            raise FfnnError(f"The record of ensemble {found} is damaged: ensemble_id.")
        return replace(ensemble, path=path)  # the directory may have been moved


@cache
def _reader() -> TypeAdapter[Ensemble]:
    return TypeAdapter(Ensemble)
