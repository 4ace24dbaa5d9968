"""Ensembles: several runs evaluated as one, by the mean of their probabilities."""

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
from ffcli.runs.ensembles import Ensemble, EnsembleMember, EnsembleStore
from ffcli.runs.evaluated import read_evaluated
from ffcli.runs.provenance import provenance
from ffcli.runs.record import utc_now
from ffcli.services.evaluation.best import check_fits
from ffcli.services.evaluation.evaluate import accuracy, by_class, matrix_accuracy
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
) -> Ensemble:
    """Evaluate the mean of the runs' probabilities, store the record below ``ensembles/``, and return it.

    As those of a single run, figures are not kept where the data of the runs, or a network, have changed.
    The losses are the negative log-likelihood of the mean. The validation figures are of the images that none
    of the runs was trained on, so that an ensemble can be chosen without the test images. With ``tta`` each
    run predicts the mean over its own views of an image. Raises RequestError for fewer than two runs, for a
    run that is named twice, and for runs on several datasets or on several contents of one.
    """
    members = _members(context, runs)
    data = context.dataset(dataset or members[0].record.dataset)
    for run in members:
        check_fits(context, run, data)
    over = [own_views(context, run, data) if tta else Views() for run in members]
    val = _unseen(members, data)
    predicted = [_probabilities(run, data, val, views) for run, views in zip(members, over)]
    probabilities = np.mean([test for test, _ in predicted], axis=0)
    matrix = confusion_matrix(data.y_test, probabilities.argmax(axis=1), data.n_classes)
    figures: dict[str, Any] = dict(
        run_ids=[run.record.run_id for run in members],
        dataset=data.name,
        n=len(data.y_test),
        loss=_nll(probabilities, data.y_test),
        accuracy=matrix_accuracy(matrix),
        **by_class(matrix, data.class_names),
        **_validation(predicted, data, val),
        tta=tta,
        members=[
            EnsembleMember(
                run_id=run.record.run_id,
                name=run.record.name,
                val_acc=None if val is None else accuracy(validation, data.y_train[val]),
                accuracy=accuracy(test, data.y_test),
                views=views.count,
            )
            for run, views, (test, validation) in zip(members, over, predicted)
        ],
        created=utc_now(),
        provenance=provenance(data.digest, command_line).as_dict(),
    )
    if _are_unchanged(context, members, data):
        return EnsembleStore(context.runs_dir).add(**figures)
    context.notify("this ensemble is not stored: its runs or their data have changed meanwhile")
    return Ensemble(ensemble_id=None, **figures, path=None)


def _are_unchanged(context: Context, members: Sequence[StoredRun], data: Dataset) -> bool:
    """Whether the runs still have these networks, and the data are those that they were trained on.

    Another dataset than theirs was asked for by its name, with which the figures are stored.
    """
    return all(
        read_evaluated(
            context.runs,
            run.record,
            data.digest if data.name == run.record.dataset else run.record.provenance.dataset_digest,
        )
        for run in members
    )


def list_ensembles(context: Context) -> list[Ensemble]:
    """Return all ensembles, the latest first; notice is given of damaged ones."""
    store, found = EnsembleStore(context.runs_dir), []
    for ensemble_id in reversed(store.ids()):
        try:
            found.append(store.read(ensemble_id))
        except FfnnError as error:
            context.notify(f"{error} It is left out.")
    return found


def show_ensemble(context: Context, word: str) -> Ensemble:
    """Return one ensemble; see `EnsembleStore.read`."""
    return EnsembleStore(context.runs_dir).read(word)


def _members(context: Context, words: Sequence[str]) -> list[StoredRun]:
    if len(words) < 2:
        raise RequestError(
            f"expected two or more runs, got {len(words)}",
            hint="ffnn runs list shows the runs.",
            parameter="ensemble",
        )
    members: dict[str, StoredRun] = {}
    for word in words:
        run = load_run(word, context.runs_dir)
        if members.setdefault(run.record.run_id, run) is not run:
            raise RequestError(f"run {run.record.run_id} is named twice", parameter="ensemble")
        first = next(iter(members.values())).record
        if run.record.dataset != first.dataset:
            raise RequestError(
                f"all runs must be of one dataset, got run {first.run_id} on {first.dataset} and run "
                f"{run.record.run_id} on {run.record.dataset}",
                parameter="ensemble",
            )
        if run.record.provenance.dataset_digest != first.provenance.dataset_digest:
            raise RequestError(
                f"all runs must be of the same data, but {first.dataset} has changed between the "
                f"trainings of run {first.run_id} and run {run.record.run_id}",
                hint="Leave one of the two out, or train its configuration again on the present data.",
                parameter="ensemble",
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


def _probabilities(run: StoredRun, data: Dataset, val: Array | None, over: Views) -> tuple[Array, Array]:
    """Return a run's probabilities for the test images and for the validation images."""
    rows = np.empty(0, np.intp) if val is None else val
    with np.errstate(over="ignore", invalid="ignore"):  # reported below
        found = [
            mean_probabilities(run.network, images, over) for images in (data.x_test, data.x_train[rows])
        ]
    if not all(np.isfinite(each).all() for each in found):
        raise FfnnError(f"Run {run.record.run_id} predicts numbers that are not finite for some images.")
    return found[0], found[1]


def _validation(predicted: Sequence[tuple[Array, Array]], data: Dataset, val: Array | None) -> dict[str, Any]:
    if val is None:
        return {"val_n": None, "val_loss": None, "val_acc": None}
    probabilities, labels = np.mean([validation for _, validation in predicted], axis=0), data.y_train[val]
    return {
        "val_n": len(val),
        "val_loss": _nll(probabilities, labels),
        "val_acc": accuracy(probabilities, labels),
    }


def _nll(probabilities: Array, labels: Array) -> float:
    return negative_log_likelihood(as_logits(probabilities), labels.astype(np.intp))
