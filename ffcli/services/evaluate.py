"""``ffnn evaluate``: a stored network judged on the test images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from ffcli.config import TrainConfig, validate
from ffcli.core.backprop import penalty
from ffcli.core.losses import LOSSES
from ffcli.core.metrics import class_scores, confusion_matrix
from ffcli.datasets import Dataset
from ffcli.errors import RequestError
from ffcli.services.best import best_with_weights
from ffcli.services.choosing import StoredRun, load_run
from ffcli.services.context import Context
from ffcli.services.documents import label_document
from ffcli.services.running import Watcher
from ffcli.services.tracked import attach
from ffcli.tracking.base import Additions


def evaluate(
    context: Context,
    runs: Sequence[str],
    *,
    best: bool,
    metric: str | None,
    dataset: str | None,
    sweep_id: str | None = None,
    storage: str | None = None,
    watcher: Watcher | None = None,
    command_line: tuple[str, ...] = (),
    track: bool = True,
) -> list[dict[str, Any]]:
    """Return {run_id, dataset, n, loss, accuracy, per_class} for each run.

    With ``track`` a run that W&B follows gets its figures there too.

    ``dataset`` limits which run is the best; with runs named by id it is what they are judged on instead of
    their own. ``loss`` is the run's own, with its L2 term. The best run is trained again where its weights
    are not in the store (see `best_with_weights`); ``watcher`` looks on then.
    """
    if best == bool(runs):
        raise RequestError(
            "Name the runs to evaluate or give --best, one of the two.", hint="ffnn runs list shows the runs."
        )
    if best:
        runs = [
            best_with_weights(
                context,
                metric=metric,
                dataset=dataset,
                sweep_id=sweep_id,
                storage=storage,
                watcher=watcher,
                command_line=command_line,
            )
        ]
    judged_on = None if best else dataset
    return [_evaluate(context, load_run(run, context.runs_dir), judged_on, track) for run in runs]


def _evaluate(context: Context, run: StoredRun, dataset_name: str | None, track: bool) -> dict[str, Any]:
    config = validate(run.record.config)
    dataset = context.dataset(dataset_name or config.dataset)
    check_fits(context, run, dataset)
    logits = run.network.logits(dataset.x_test)
    matrix = confusion_matrix(dataset.y_test, logits.argmax(axis=1), dataset.n_classes)
    document: dict[str, Any] = {
        "run_id": run.record.run_id,
        "name": run.record.name,
        "dataset": dataset.name,
        "n": len(dataset.y_test),
        "loss": _mean_loss(config, run, logits, dataset),
        "accuracy": float(matrix.trace() / matrix.sum()),
        "per_class": [
            {**label_document(label, dataset.class_names), **asdict(score)}
            for label, score in enumerate(class_scores(matrix))
        ],
    }
    if track and dataset.name == run.record.dataset:
        values = {"test_acc": document["accuracy"], "test_loss": document["loss"]}
        attach(
            context, run.record, Additions(values=values, confusion=(matrix.tolist(), dataset.class_names))
        )
    return document


def _mean_loss(config: TrainConfig, run: StoredRun, logits: np.ndarray, dataset: Dataset) -> float:
    targets = np.eye(dataset.n_classes, dtype=np.float32)[dataset.y_test]
    losses = LOSSES[config.loss]().per_example(logits, targets)
    return float(losses.mean(dtype=np.float64)) + penalty(run.network, config.weight_decay)


def check_fits(context: Context, run: StoredRun, dataset: Dataset) -> None:
    """Give notice where a run was trained on other data, or on other contents of it.

    Raises RequestError where the features or classes are not those of the run's network.
    """
    sizes = run.network.layer_sizes
    if (sizes[0], sizes[-1]) != (dataset.n_features, dataset.n_classes):
        raise RequestError(
            f"Run {run.record.run_id} takes {sizes[0]} features and knows {sizes[-1]} classes; "
            f"{dataset.name} has {dataset.n_features} and {dataset.n_classes}."
        )
    if dataset.name != run.record.dataset:
        context.notify(f"run {run.record.run_id} was trained on {run.record.dataset}, not on {dataset.name}")
    elif dataset.digest != run.record.provenance.get("dataset_digest"):
        context.notify(f"{dataset.name} has changed since run {run.record.run_id} was trained on it")
