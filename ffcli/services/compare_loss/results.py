"""Results of comparing losses. Each field is a key of the JSON."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ffcli.services.sweeps.results import TrialCounts


@dataclass(frozen=True)
class ComparedNetwork:
    """One network of a pair; its measures are null where it cannot be evaluated."""

    run_id: str | None
    status: str
    """running, finished, pruned or failed."""
    best_epoch: int | None
    val_acc_by_epoch: list[float]
    """The validation accuracy after each epoch."""
    test_acc: float | None = None
    test_nll: float | None = None
    """Mean negative log-likelihood."""
    test_brier: float | None = None
    """Brier score."""
    val_acc: float | None = None
    val_nll: float | None = None
    val_brier: float | None = None
    epochs_to_80: int | None = None
    """The first epoch with a validation accuracy of 0.80."""
    epochs_to_85: int | None = None
    """The first epoch with a validation accuracy of 0.85."""


@dataclass(frozen=True)
class ComparedPair:
    """A configuration, trained with each loss."""

    config: dict[str, Any]
    """All hyper-parameters but the loss, by their names."""
    seed: int
    cross_entropy: ComparedNetwork | None
    squared_error: ComparedNetwork | None
    left_out: str | None
    """Why the pair counts for nothing else; null where it does."""

    def network(self, loss: str) -> ComparedNetwork | None:
        """Return the network that was trained with a loss."""
        return {"cross_entropy": self.cross_entropy, "squared_error": self.squared_error}[loss]

    def value(self, loss: str, measure: str) -> float | None:
        """Return a measure of the network that was trained with a loss, None where it is not known."""
        return getattr(self.network(loss), measure, None)


@dataclass(frozen=True)
class MeasureComparison:
    """What a measure comes to over the pairs that have it with both losses."""

    better: str
    """higher or lower."""
    pairs: int
    """Number of these pairs."""
    cross_entropy: float | None
    """Mean with this loss."""
    squared_error: float | None
    """Mean with this loss."""
    difference: float | None
    """Mean of the differences within the pairs."""
    median_difference: float | None
    low: float | None
    """Lower end of the interval of the mean difference."""
    high: float | None
    """Upper end of the interval of the mean difference."""
    significant: bool | None
    """Whether the interval leaves out zero."""
    wins: dict[str, int]
    """Number of pairs in which a loss is better, by its name."""
    reached: dict[str, int] | None
    """Number of pairs whose network reaches the goal, by the name of the loss; null for other measures."""


@dataclass(frozen=True)
class ComparisonSummary:
    """What a comparison comes to."""

    pairs: int
    """Number of pairs that count."""
    left_out: int
    """Number of pairs that do not."""
    few: bool
    """Whether they are too few for a conclusion."""
    difference: str
    """What is subtracted from what."""
    method: str
    """How the intervals are computed."""
    confidence: float
    measures: dict[str, MeasureComparison]
    """By the name of the measure."""
    verdict: str
    """In a sentence."""


@dataclass(frozen=True)
class LossComparison:
    """The same configurations and seeds trained with each loss."""

    sweep_id: str
    path: Path
    """The directory of the sweep."""
    counts: TrialCounts
    ended: str | None
    """Why the training ended, as for a sweep."""
    message: str | None
    """The same in a sentence."""
    seconds: float
    """Duration of the training."""
    pairs: list[ComparedPair]
    summary: ComparisonSummary
    png: Path | None
    """Null where no pair counts."""
    csv: Path | None
