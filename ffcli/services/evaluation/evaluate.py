"""``ffnn evaluate``: stored networks evaluated on the test images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from ffcli.config import TrainConfig, validate
from ffcli.core.backprop import l2_penalty
from ffcli.core.buffers import Array
from ffcli.core.losses import LOSSES
from ffcli.core.metrics import class_scores, confusion_matrix, mean_score
from ffcli.datasets import Dataset
from ffcli.errors import RequestError
from ffcli.runs.evaluated import note_test_acc
from ffcli.runs.record import RunRecord
from ffcli.runs.results import ClassReport, MeanReport
from ffcli.services.evaluation.best import RunChoice, chosen_run
from ffcli.services.evaluation.inference import (
    Views,
    as_logits,
    mean_probabilities,
    own_views,
    unseen_indices,
)
from ffcli.services.evaluation.results import Evaluation
from ffcli.services.runs.select import StoredRun
from ffcli.tracking.base import Additions
from ffcli.training.attaching import attach
from ffcli.training.context import Context
from ffcli.training.experiment import l2_rate


def evaluate(
    context: Context, choices: Sequence[RunChoice], *, tta: bool = False, track: bool = True
) -> list[Evaluation]:
    """Evaluate runs on the test images; with ``track`` W&B gets the figures of a run that it tracks.

    These are the figures that the run's record keeps, too (see `read_evaluated`). With ``tta`` all
    figures are of the mean of the probabilities over several views of each image (see `own_views`). Raises
    RequestError where no run is chosen, and errors as `chosen_run` does.
    """
    if not choices:
        raise RequestError(
            "Expected either runs or the best one, got neither.",
            hint="ffnn runs list shows the runs; ffnn evaluate --best evaluates the best one.",
        )
    evaluations: list[Evaluation] = []
    found: list[tuple[RunRecord, Additions]] = []
    for choice in choices:
        evaluation, matrix, dataset, record = _evaluate(context, choice, tta)
        evaluations.append(evaluation)
        if track and record is not None:
            found.append((record, _additions(evaluation, matrix, dataset)))
    attach(context, found, command=None if tta else "ffnn evaluate")
    return evaluations


def own_test_acc(context: Context, run_id: str) -> float | None:
    """Return the test accuracy of a run; None where its data have changed since, or its network meanwhile."""
    evaluation, _, _, record = _evaluate(context, RunChoice(run_id), tta=False)
    return None if record is None else evaluation.accuracy


def _evaluate(
    context: Context, choice: RunChoice, tta: bool
) -> tuple[Evaluation, np.ndarray, Dataset, RunRecord | None]:
    """Return the figures of a run, the confusion matrix, the data, and the record that keeps them, if any."""
    run, dataset = chosen_run(context, choice)
    config = validate(run.record.config)
    over = own_views(context, run, dataset) if tta else Views()
    logits = _logits(run, dataset.x_test, over)
    matrix = confusion_matrix(dataset.y_test, logits.argmax(axis=1), dataset.n_classes)
    evaluation = Evaluation(
        run_id=run.record.run_id,
        name=run.record.name,
        dataset=dataset.name,
        n=len(dataset.y_test),
        loss=_mean_loss(config, run, logits, dataset.y_test),
        loss_name=config.loss,
        accuracy=matrix_accuracy(matrix),
        **by_class(matrix, dataset.class_names),
        **_validation(config, run, dataset, over),
        tta=tta,
        views=over.count,
    )
    record = note_test_acc(
        context.runs, run.record, dataset.digest, evaluation.accuracy, tta=tta, notify=context.notify
    )
    return evaluation, matrix, dataset, record


def _logits(run: StoredRun, images: Array, over: Views) -> Array:
    if over.count == 1:
        return run.network.logits(images)
    return as_logits(mean_probabilities(run.network, images, over))


def _validation(config: TrainConfig, run: StoredRun, dataset: Dataset, over: Views) -> dict[str, Any]:
    """Return the figures of the validation images of the run."""
    val = unseen_indices(config, run, dataset)
    if val is None:
        return {"val_n": None, "val_loss": None, "val_acc": None}
    labels = dataset.y_train[val]
    logits = _logits(run, dataset.x_train[val], over)
    return {
        "val_n": len(val),
        "val_loss": _mean_loss(config, run, logits, labels),
        "val_acc": accuracy(logits, labels),
    }


def matrix_accuracy(matrix: np.ndarray) -> float:
    """Return the fraction of a confusion matrix that lies on its diagonal."""
    return float(matrix.trace() / matrix.sum())


def by_class(matrix: np.ndarray, class_names: Sequence[str]) -> dict[str, Any]:
    """Return the scores of each class of a confusion matrix and the two means over them, as per_class, …."""
    reports = [
        ClassReport(label, class_names[label], **asdict(score))
        for label, score in enumerate(class_scores(matrix))
    ]
    macro, weighted = (mean_score(matrix, weighted=each) for each in (False, True))
    return {
        "per_class": reports,
        "macro": MeanReport(macro.precision, macro.recall, macro.f1),
        "weighted": MeanReport(weighted.precision, weighted.recall, weighted.f1),
    }


def accuracy(logits: Array, labels: Array) -> float:
    """Return the fraction of the logits or probabilities (n, classes) whose maximum is at the label."""
    return float(np.mean(logits.argmax(axis=1) == labels))


def _additions(evaluation: Evaluation, matrix: np.ndarray, dataset: Dataset) -> Additions:
    """Return what W&B gets; figures with test-time averaging have names of their own."""
    if evaluation.tta:
        return Additions(values={"test_acc_tta": evaluation.accuracy, "test_loss_tta": evaluation.loss})
    values = {"test_acc": evaluation.accuracy, "test_loss": evaluation.loss}
    return Additions(values=values, confusion=(matrix.tolist(), dataset.class_names))


def _mean_loss(config: TrainConfig, run: StoredRun, logits: Array, labels: Array) -> float:
    targets = np.eye(logits.shape[1], dtype=logits.dtype)[labels]
    losses = LOSSES[config.loss]().per_example(logits, targets)
    return float(losses.mean(dtype=np.float64)) + l2_penalty(run.network, l2_rate(config))
