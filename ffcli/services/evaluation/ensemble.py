"""``ffnn evaluate RUN RUN … --ensemble``: several runs judged as one, by the mean of their probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np

from ffcli.config import validate
from ffcli.core.buffers import Array
from ffcli.core.metrics import confusion_matrix, negative_log_likelihood
from ffcli.datasets import Dataset
from ffcli.errors import FfnnError, RequestError
from ffcli.runs.ensembles import EnsembleStore
from ffcli.runs.provenance import provenance
from ffcli.runs.record import utc_now
from ffcli.services.evaluation.evaluate import accuracy, check_fits, scores
from ffcli.services.evaluation.inference import (
    Views,
    as_logits,
    mean_probabilities,
    own_views,
    unseen_indices,
)
from ffcli.services.runs.select import StoredRun, load_run
from ffcli.training.context import Context


def evaluate_ensemble(
    context: Context,
    runs: Sequence[str],
    *,
    dataset: str | None = None,
    tta: bool = False,
    command_line: tuple[str, ...] = (),
) -> dict[str, Any]:
    """Judge the mean of the runs' probabilities, store the record below ``ensembles/``, and return it.

    The document is that of `evaluate` with {ensemble_id, run_ids, members, path, created, provenance} for
    run_id and name: ``members`` tells of each run alone {run_id, name, val_acc, accuracy, views}. The losses
    are the negative log-likelihood of the mean. ``val_…`` are of the images that none of the runs was trained
    on, None where the data is not theirs: what chooses an ensemble need not look at the test images. With
    ``tta`` each run sees its own views of an image. Raises RequestError for fewer than two runs, for a run
    named twice, and for runs on several datasets.
    """
    members = _members(context, runs)
    data = context.dataset(dataset or members[0].record.dataset)
    for run in members:
        check_fits(context, run, data)
    over = [own_views(context, run, data) if tta else Views() for run in members]
    val = _unseen(members, data)
    judged = [_judge(run, data, val, views) for run, views in zip(members, over)]
    probabilities = np.mean([test for test, _ in judged], axis=0)
    matrix = confusion_matrix(data.y_test, probabilities.argmax(axis=1), data.n_classes)
    document = {
        "run_ids": [run.record.run_id for run in members],
        "dataset": data.name,
        "n": len(data.y_test),
        "loss": _nll(probabilities, data.y_test),
        **scores(matrix, data),
        **_validation(judged, data, val),
        "tta": tta,
        "members": [
            {
                "run_id": run.record.run_id,
                "name": run.record.name,
                "val_acc": None if val is None else accuracy(validation, data.y_train[val]),
                "accuracy": accuracy(test, data.y_test),
                "views": views.count,
            }
            for run, views, (test, validation) in zip(members, over, judged)
        ],
        "created": utc_now(),
        "provenance": provenance(data.digest, command_line).as_dict(),
    }
    return EnsembleStore(context.runs_dir).add(document)


def list_ensembles(context: Context) -> list[dict[str, Any]]:
    """Return the records of all ensembles, the latest first; notice is given of damaged ones."""
    store, documents = EnsembleStore(context.runs_dir), []
    for ensemble_id in reversed(store.ids()):
        try:
            documents.append(store.read(ensemble_id))
        except FfnnError as error:
            context.notify(f"{error} It is left out.")
    return documents


def show_ensemble(context: Context, word: str) -> dict[str, Any]:
    """Return the record of one ensemble; see `EnsembleStore.read`."""
    return EnsembleStore(context.runs_dir).read(word)


def _members(context: Context, words: Sequence[str]) -> list[StoredRun]:
    if len(words) < 2:
        raise RequestError(
            "--ensemble needs two runs at least.", hint="ffnn evaluate RUN RUN … --ensemble; ffnn runs list"
        )
    members: dict[str, StoredRun] = {}
    for word in words:
        run = load_run(word, context.runs_dir)
        if members.setdefault(run.record.run_id, run) is not run:
            raise RequestError(f"--ensemble: run {run.record.run_id} is named twice.")
        first = next(iter(members.values())).record
        if run.record.dataset != first.dataset:
            raise RequestError(
                f"--ensemble: run {first.run_id} was trained on {first.dataset}, run {run.record.run_id} on "
                f"{run.record.dataset}; all must be of one dataset."
            )
    return list(members.values())


def _unseen(members: Sequence[StoredRun], data: Dataset) -> Array | None:
    """Return which training images all the runs were validated on; None where that is not known, or none."""
    each = [unseen_indices(validate(run.record.config), run, data) for run in members]
    known = [indices for indices in each if indices is not None]
    if len(known) < len(each):
        return None
    shared: Array = reduce(np.intersect1d, known)
    return shared if len(shared) else None


def _judge(run: StoredRun, data: Dataset, val: Array | None, over: Views) -> tuple[Array, Array]:
    """Return a run's probabilities for the test images and for the validation images."""
    rows = np.empty(0, np.intp) if val is None else val
    with np.errstate(over="ignore", invalid="ignore"):  # told below, in words
        found = [
            mean_probabilities(run.network, images, over) for images in (data.x_test, data.x_train[rows])
        ]
    if not all(np.isfinite(each).all() for each in found):
        raise FfnnError(f"Run {run.record.run_id} gives no finite numbers for some images.")
    return found[0], found[1]


def _validation(
    judged: Sequence[tuple[Array, Array]], data: Dataset, val: Array | None
) -> dict[str, float | None]:
    if val is None:
        return {"val_n": None, "val_loss": None, "val_acc": None}
    probabilities, labels = np.mean([validation for _, validation in judged], axis=0), data.y_train[val]
    return {
        "val_n": len(val),
        "val_loss": _nll(probabilities, labels),
        "val_acc": accuracy(probabilities, labels),
    }


def _nll(probabilities: Array, labels: Array) -> float:
    return negative_log_likelihood(as_logits(probabilities), labels.astype(np.intp))
