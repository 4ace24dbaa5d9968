"""Results about runs. Each field is a key of the JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from ffcli.runs.record import Count, Finite, HistoryRow, RunRecord, Status


@dataclass(frozen=True)
class EpochRow:
    """One epoch of a run."""

    epoch: int
    """From 1."""
    train_loss: float
    """Mean loss over the training images, with the L2 term."""
    train_acc: float
    """Fraction of the training images that are classified correctly."""
    val_loss: float
    """Mean loss over the validation images, with the L2 term."""
    val_acc: float
    """Fraction of the validation images that are classified correctly."""
    val_f1: float
    """Macro F1 over the classes of the validation images."""
    seconds: float
    """Duration with validation."""
    train_seconds: float
    """Duration of the optimisation alone."""
    time: str
    """When the epoch ended, in UTC."""


@dataclass(frozen=True)
class RunResult:
    """A stored run."""

    run_id: str
    name: str
    status: Status
    """running, finished, diverged, pruned, failed or interrupted."""
    dataset: str
    config: dict[str, Any]
    """All hyper-parameters, by their names."""
    started: str
    """When the run started, in UTC."""
    tags: list[str]
    sweep_id: str | None
    recipe: str | None
    epochs_done: int
    best_epoch: int | None
    """The epoch with the highest val_acc, the earlier on a tie; the stored weights are of this epoch."""
    best_val_acc: float | None
    test_acc: float | None
    """Test accuracy at the last evaluation; null before the first."""
    test_acc_tta: float | None
    """The same with test-time averaging."""
    model_sha256: str | None
    """Digest of the model file."""
    seconds: float
    """Duration of all epochs with validation."""
    ended: str | None
    """When the run ended, in UTC."""
    error: str | None
    """Why it did not finish."""
    parameters: int
    """Number of weights and biases."""
    threads: int
    """BLAS threads."""
    wandb: dict[str, Any]
    """What is known of the run at W&B."""
    provenance: dict[str, Any]
    """Versions, machine, digest of the dataset and command line."""
    path: Path
    """The run directory."""
    epochs: list[EpochRow]

    @classmethod
    def of(cls, record: RunRecord, rows: Sequence[HistoryRow], path: Path) -> RunResult:
        """Return the result of a run from what its directory holds."""
        names = [field.name for field in fields(cls) if field.name not in ("path", "epochs")]
        known = {name: getattr(record, name) for name in names}
        known |= {"wandb": record.wandb.as_dict(), "provenance": record.provenance.as_dict()}
        return cls(**known, path=path, epochs=[EpochRow(**row.as_dict()) for row in rows])


@dataclass(frozen=True)
class ClassLabel:
    """A class of a dataset."""

    label: int
    name: str

    @classmethod
    def of(cls, label: int, class_names: Sequence[str]) -> ClassLabel:
        """Return the class with this label."""
        return ClassLabel(int(label), class_names[int(label)])


@dataclass(frozen=True)
class ClassReport:
    """How well one class is recognised."""

    label: int
    name: str
    precision: Finite
    """Fraction of the images predicted as this class that are of it."""
    recall: Finite
    """Fraction of the images of this class that are predicted as it."""
    f1: Finite
    """Harmonic mean of precision and recall."""
    support: Count
    """Number of images of this class."""


@dataclass(frozen=True)
class HyperparameterEffect:
    """How much one searched hyper-parameter mattered; null is what cannot be said."""

    name: str
    importance: float | None
    """Fraction of the importance of all, which sum to 1."""
    correlation: float | None = None
    """With the metric, from -1 to 1, where the values are numbers."""
    by_value: Mapping[str, float | None] | None = None
    """Elsewhere, the correlation of having a value, for each value."""


@dataclass(frozen=True)
class MeanReport:
    """Mean scores over the classes that occur or are predicted; the precision of one never predicted is 0."""

    precision: Finite
    recall: Finite
    f1: Finite
