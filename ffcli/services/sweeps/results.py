"""Results about sweeps. Each field is a key of the JSON."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ffcli.runs.record import Count, Finite
from ffcli.runs.results import HyperparameterEffect


@dataclass(frozen=True)
class RankedBy:
    """The metric by which a sweep ranks its trials."""

    name: str
    goal: str
    """minimize or maximize."""


@dataclass(frozen=True)
class TrialCounts:
    """Number of trials by the way they ended."""

    finished: Count
    pruned: Count
    failed: Count


@dataclass(frozen=True)
class BestTrial:
    """The trial with the best value of the metric: a finished one, else a pruned one."""

    run_id: str | None
    """Of several runs, the first."""
    run_ids: list[str]
    config: dict[str, Any]
    """All hyper-parameters, by their names."""
    metric: str
    value: Finite
    """The metric at the best epoch; of several runs, the mean."""


@dataclass(frozen=True)
class TrialSummary:
    """One of the best trials of a sweep, as its summary holds it."""

    number: Count
    """From 1, in the order in which they were proposed."""
    run_id: str | None
    """Of several runs, the first."""
    run_ids: list[str]
    state: str
    """finished or pruned."""
    value: Finite
    """The metric at the best epoch; of several runs, the mean."""
    best_epoch: Count | None
    """Null for several runs."""
    reused: str | None
    """The earlier run whose result was taken over."""
    values: dict[str, Any]
    """The hyper-parameters of the space."""
    config: dict[str, Any]
    """All hyper-parameters, by their names."""


@dataclass(frozen=True)
class TopTrial(TrialSummary):
    """One of the best trials of a sweep."""

    record: str | None
    """here or removed: whether the run is still stored; null without a run."""


@dataclass(frozen=True)
class SweepFacts:
    """What is known of a sweep, whatever its directory is and whoever runs it."""

    sweep_id: str
    name: str | None
    method: str
    """grid, random or bayes."""
    metric: RankedBy
    paired: str | None
    """The hyper-parameter whose values are compared, each configuration being trained with all of them."""
    repeats: Count
    """Number of seeds that each trial is trained with; its value is the mean over its runs."""
    folds: Count
    """Number of folds that each trial is trained on; 0: on its own split."""
    planned: Count | None
    """The most trials that were asked for, within run_cap and the space; null without an end."""
    counts: TrialCounts
    reused: Count
    """Number of trials whose result was taken over from an earlier run."""
    best: BestTrial | None


@dataclass(frozen=True)
class SweepSummary(SweepFacts):
    """What is stored of a sweep beside its study."""

    top: list[TrialSummary]
    is_over: bool


@dataclass(frozen=True)
class ListedSweep(SweepFacts):
    """A sweep of the store."""

    backend: str
    """local or wandb."""
    path: Path
    """The directory of the sweep."""
    state: str | None
    """running, ended or open (trials are left); null for W&B's."""
    top: list[TopTrial]
    """The best trials, the best first."""


@dataclass(frozen=True)
class Effects:
    """Which hyper-parameters mattered in a sweep."""

    importance: str
    """The method by which importances are computed."""
    correlation: str
    """The method by which correlations are computed."""
    trials: int
    """Number of trials with a value."""
    hyperparameters: list[HyperparameterEffect]
    """The most important first."""


@dataclass(frozen=True)
class SweepReport(ListedSweep):
    """A sweep with what mattered in it."""

    mattered: Effects


@dataclass(frozen=True)
class SweepOutcome(SweepReport):
    """A sweep after it was run or resumed."""

    ended: str | None
    """Why it ended: count, space, target, failures, time, or lost where W&B's server is gone."""
    message: str | None
    """The same in a sentence."""
    seconds: float
    """Duration of this call."""


@dataclass(frozen=True)
class WandbSweepOutcome(SweepOutcome):
    """A sweep of W&B's after agents ran it here."""

    url: str
    """The page of the sweep at W&B."""
    unsent: list[str]
    """The runs of this call of which W&B has not got everything."""


@dataclass(frozen=True)
class SearchSpace:
    """What a sweep would search, and how long it may take."""

    method: str
    metric: RankedBy | None
    parameters: dict[str, str]
    """The distribution of each parameter, in words."""
    combinations: int | None
    """Number of different combinations; null for infinitely many."""
    size: int | None
    """Number of different trainings; null for infinitely many."""
    runs: int | None
    """Number of trials; null without an end."""
    runs_a_trial: int
    """Number of runs of each trial: all seeds on all folds."""
    workers: int
    copied: int
    """Number of trials that are copied from the sweep that is extended."""
    start_from: list[dict[str, Any]]
    """The known configurations that come first: their searched hyper-parameters."""
    seconds_a_run: float
    """Estimated from some measured steps."""
    seconds_estimate: float | None
    """For all runs of all trials that are not copied."""
