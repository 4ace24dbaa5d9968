"""The messages to a tracker, and its answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PROJECT = "ffnn"  # where neither the user nor W&B's settings name one
EVALUATED = (
    *("test_acc", "test_loss", "test_acc_tta", "test_loss_tta"),
    *("confusion matrix", "confusion_matrix", "confusion_matrix_table", "misclassified", "mistakes"),
)
"""What a run's summary holds of evaluations of its network, as the commands that evaluate name it."""
NO_ANSWER = "the server does not answer"
TEMPORARY = "tmp"  # in the folder of the process that alone imports wandb


@dataclass(frozen=True)
class TrackedRun:
    """A run as W&B shows it. ``started`` is a UTC time such as 2026-01-31T12:00:00.123Z.

    ``sweep`` is the id of the W&B sweep that it belongs to; ``config`` then also holds the sweep's
    parameters. Without a name and a configuration, those that W&B has stay.
    """

    id: str
    started: str
    name: str | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    group: str | None = None
    sweep: str | None = None
    tags: tuple[str, ...] = ()
    project: str | None = None
    entity: str | None = None
    job_type: str | None = None
    metric_names: Mapping[str, str] = field(default_factory=dict)
    """Names that the metric of the run's sweep may have, compact, with ours: it is logged under both."""


Row = Mapping[str, Any]
"""An epoch: {epoch, train_loss, train_acc, val_loss, val_acc, val_f1, time}, the time in UTC."""


@dataclass(frozen=True)
class Bars:
    """A bar chart as W&B draws it itself: a value for each name; ``label`` and ``value`` say what they are.

    ``key`` is what each of these charts is logged under: plain words, since W&B names files after it.
    """

    key: str
    title: str
    label: str
    value: str
    bars: Mapping[str, float]


@dataclass(frozen=True)
class Lines:
    """A line chart as W&B draws it itself: each line, by its name, from ``x`` = 1 on."""

    key: str
    title: str
    x: str
    lines: Mapping[str, Sequence[float | None]]


@dataclass(frozen=True)
class Rows:
    """A table as W&B shows it itself, to be sorted and filtered there. A cell is a number, a text or None."""

    key: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]


@dataclass(frozen=True, kw_only=True)
class Additions:
    """What a finished run can be given later.

    Attributes:
        values: go into the run's summary.
        images: PNG files by the title under which they are shown.
        pages: HTML files, likewise.
        confusion: counts (rows: true class, columns: predicted) and the names of the classes.
        charts: what W&B can draw of the same itself.
    """

    values: Mapping[str, float] = field(default_factory=dict)
    images: Mapping[str, Path] = field(default_factory=dict)
    pages: Mapping[str, Path] = field(default_factory=dict)
    confusion: tuple[Sequence[Sequence[int]], Sequence[str]] | None = None
    charts: Sequence[Bars | Lines | Rows] = ()


@dataclass(frozen=True)
class Model:
    """A stored network, to be kept as an artifact."""

    path: Path
    name: str
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Assigned:
    """The run at W&B that a sweep there has assigned, with the sweep's own parameters."""

    id: str
    sweep: str
    project: str
    entity: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """How the tracking of a run ended. ``problem`` says why W&B has not got everything, None where it has.

    ``interrupted``: the problem is a Ctrl-C while W&B was waited for.
    """

    problem: str | None = None
    interrupted: bool = False


@dataclass(frozen=True)
class Facts:
    """What W&B has made of a run, all None until it has begun: ``folder`` is where it is kept offline."""

    id: str | None = None
    project: str | None = None
    entity: str | None = None
    sweep: str | None = None
    url: str | None = None
    folder: str | None = None
