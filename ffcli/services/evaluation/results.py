"""Results of evaluating a network. Each field is a key of the JSON."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ffcli.runs.results import ClassLabel, ClassReport, MeanReport


@dataclass(frozen=True)
class Evaluation:
    """A stored network evaluated on the test images."""

    run_id: str
    name: str
    dataset: str
    n: int
    """Number of test images."""
    loss: float
    """Mean loss over the test images, with the L2 term."""
    loss_name: str
    """The loss function, which is that of the training."""
    accuracy: float
    """Fraction of the test images that are classified correctly."""
    per_class: list[ClassReport]
    macro: MeanReport
    """Mean over the classes that occur or are predicted."""
    weighted: MeanReport
    """Mean over the classes, each weighted by its support."""
    val_n: int | None
    """Number of validation images; null, as the next two, where the run was trained on other data."""
    val_loss: float | None
    val_acc: float | None
    tta: bool
    """Whether the figures are of the mean of the probabilities over several views of each image."""
    views: int
    """Number of views of each image."""


@dataclass(frozen=True)
class Confusion:
    """How often one class is predicted as another."""

    true: ClassLabel
    predicted: ClassLabel
    count: int


@dataclass(frozen=True)
class ConfusionMatrix:
    """The confusion matrix of a stored network on the test images."""

    run_id: str
    name: str
    dataset: str
    n: int
    """Number of test images."""
    accuracy: float
    """Fraction of the test images that are classified correctly."""
    labels: list[str]
    """Names of the classes, in the order of rows and columns."""
    matrix: list[list[float]]
    """A row for each true class, a column for each predicted one: counts, or fractions of the row."""
    normalized: bool
    """Whether the matrix holds fractions."""
    per_class: list[ClassReport]
    macro: MeanReport
    """Mean over the classes that occur or are predicted."""
    weighted: MeanReport
    """Mean over the classes, each weighted by its support."""
    confusions: list[Confusion]
    """The most frequent ones."""
    png: Path
    csv: Path | None


@dataclass(frozen=True)
class Prediction:
    """The class probabilities of one image."""

    run_id: str | None
    """Null for an untrained network."""
    dataset: str
    index: int | None
    """From 1, the training images first; null for an image file."""
    split: str | None
    """train or test."""
    true: ClassLabel | None
    predicted: ClassLabel
    probabilities: dict[str, float]
    """By the names of the classes."""
    png: Path | None


@dataclass(frozen=True)
class Sample:
    """An image of a dataset."""

    label: int
    name: str
    """The name of the class."""
    index: int
    """From 1, the training images first."""
    split: str
    """train or test."""


@dataclass(frozen=True)
class Samples:
    """Images of a dataset."""

    dataset: str
    png: Path
    samples: list[Sample]


@dataclass(frozen=True)
class Mistake(Sample):
    """A test image that a network misclassifies."""

    predicted: ClassLabel
    probability: float
    """Of the predicted class."""


@dataclass(frozen=True)
class Mistakes:
    """The test images that a stored network misclassifies with the highest probability."""

    run_id: str
    dataset: str
    n: int
    """Number of test images."""
    mistakes: int
    """Number of misclassified test images."""
    png: Path | None
    """Null where there is no mistake."""
    samples: list[Mistake]
