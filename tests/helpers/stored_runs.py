"""Small runs for the tests of the run store: everything in memory or in a temporary folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from ffcli.config import TrainConfig
from ffcli.datasets import Dataset
from ffcli.runs.record import RunRecord
from ffcli.runs.store import SUMMARY
from ffcli.training.experiment import Experiment


def record(run_id: str = "20260101-000000-000-aaaa", **values: Any) -> RunRecord:
    """Return a finished run's record, with some values of one's own."""
    defaults: dict[str, Any] = {
        "run_id": run_id,
        "name": "a run",
        "status": "finished",
        "dataset": "fashion_mnist",
        "config": {"epochs": 2},
        "started": "2026-01-01T00:00:00.000Z",
    }
    return RunRecord(**{**defaults, **values})


def put(folder: Path, run_id: str, **values: Any) -> Path:
    """Store a run that has a record only, in place of one of this id, and return its folder."""
    path = folder / run_id
    path.mkdir(parents=True, exist_ok=True)
    (path / SUMMARY).write_text(json.dumps(record(run_id, **values).as_dict()))
    return path


def tiny_dataset() -> Dataset:
    """Return 60 images of 3×3 pixels in 3 classes that are hard to tell apart."""
    rng = np.random.default_rng(3)
    labels = np.arange(60, dtype=np.uint8) % 3
    images = rng.integers(0, 200, (60, 3, 3), dtype=np.uint8) + 20 * labels[:, None, None]
    images = images.astype(np.uint8)
    return Dataset("/tiny.npz", images, labels, images[:30], labels[:30], ("a", "b", "c"), "digest")


def tiny_experiment(**values: Any) -> Experiment:
    """Return a training of milliseconds."""
    defaults = {"dataset": "/tiny.npz", "epochs": 4, "hidden_size": 5, "num_layers": 1, "batch_size": 8}
    return Experiment(TrainConfig.model_validate({**defaults, **values}), tiny_dataset())
