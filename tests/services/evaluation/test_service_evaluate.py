from __future__ import annotations

import errno
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_runs import Place, Watcher, put_other_test_labels, write_dataset

from ffcli.config import TrainConfig
from ffcli.core.metrics import class_scores, confusion_matrix
from ffcli.core.network import Network
from ffcli.errors import FfnnError, RequestError
from ffcli.runs.evaluated import note_test_acc
from ffcli.runs.model_file import network_bytes
from ffcli.runs.record import RunRecord
from ffcli.runs.results import ClassReport, MeanReport
from ffcli.runs.store import MODEL
from ffcli.services.evaluation import evaluate as evaluating
from ffcli.services.evaluation.best import RunChoice, chosen_run
from ffcli.services.evaluation.evaluate import by_class, evaluate, own_test_acc
from ffcli.services.evaluation.results import Evaluation
from ffcli.tracking.base import Additions
from ffcli.training.resuming import resume_run
from ffcli.util.atomic_files import json_text, lock_folder, unlock

TRUE = [0, 0, 0, 1, 1, 2]
PREDICTED = [0, 0, 1, 1, 0, 1]  # class 2 is never predicted, class 3 neither there nor predicted
MATRIX = [[2, 1, 0, 0], [1, 1, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]]
PER_CLASS = [
    {"label": 0, "name": "0", "precision": 2 / 3, "recall": 2 / 3, "f1": 2 / 3, "support": 3},
    {"label": 1, "name": "1", "precision": 1 / 3, "recall": 1 / 2, "f1": 2 / 5, "support": 2},
    {"label": 2, "name": "2", "precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 1},
    {"label": 3, "name": "3", "precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 0},
]


def evaluated(place: Place, *runs: str, **values: Any) -> list[Evaluation]:
    return evaluate(place.context, [RunChoice(run, **values) for run in runs])


def put_identity(place: Place, **values: Any) -> str:
    """Store a run whose network gives its four features back as logits; return the dataset's path.

    An image has ln 3 at the class that shall be predicted: the softmax gives it 1/2, the others 1/6.
    """
    path = place.folder / "logits.npz"
    x_test = np.eye(4, dtype=np.float32)[PREDICTED] * np.float32(math.log(3))
    x_train, y_train = np.tile(np.eye(4, dtype=np.float32), (10, 1)), np.tile(np.arange(4), 10)
    np.savez(path, x_train=x_train, y_train=y_train, x_test=x_test, y_test=np.array(TRUE))
    config = TrainConfig.model_validate({"dataset": str(path), "num_layers": 0, **values})
    place.put("identity", dataset=str(path), config=config.as_dict(), best={"val_acc": 1.0})
    network = Network([4, 4])
    network.weights[0][...] = np.eye(4)
    (place.path("identity") / MODEL).write_bytes(network_bytes(network, {}))
    return str(path)


@pytest.mark.parametrize(
    ("values", "loss"),
    [
        ({}, (3 * math.log(2) + 3 * math.log(6)) / 6),
        ({"weight_decay": 0.1}, (3 * math.log(2) + 3 * math.log(6)) / 6 + 0.05 * 4),
        # right: (1/2)² + 3/36; wrong: (1/2)² + (5/6)² + 2/36
        ({"loss": "squared_error"}, (1 / 3 + 1) / 2),
    ],
)
def test_the_figures_are_those_worked_by_hand(place: Place, values: dict[str, Any], loss: float) -> None:
    path = put_identity(place, **values)
    (document,) = evaluated(place, "identity")
    assert document.loss == pytest.approx(loss, rel=1e-6)
    assert (document.n, document.accuracy) == (6, 0.5)
    assert (document.run_id, document.dataset) == ("identity", path)
    assert document.per_class == [ClassReport(**scores) for scores in PER_CLASS]
    json_text(document)


def test_the_confusion_matrix_has_a_row_for_each_true_class() -> None:
    matrix = confusion_matrix(np.array(TRUE, np.uint8), np.array(PREDICTED), 4)
    assert matrix.tolist() == MATRIX


def test_the_confusion_matrix_of_many_classes_does_not_overflow() -> None:
    labels = np.full(3, 255, np.uint8)
    assert confusion_matrix(labels, np.full(3, 255), 256)[255, 255] == 3


def test_scores_of_a_matrix_without_any_image_are_zero() -> None:
    for score in class_scores(np.zeros((2, 2), np.int64)):
        assert (score.precision, score.recall, score.f1, score.support) == (0.0, 0.0, 0.0, 0)


def test_a_perfect_matrix_scores_one() -> None:
    for score in class_scores(np.diag([3, 1])):
        assert (score.precision, score.recall, score.f1) == (1.0, 1.0, 1.0)


def test_a_trained_run_is_evaluated_on_the_test_images(place: Place) -> None:
    run = place.train()
    (document,) = evaluated(place, run.run_id)
    assert document.n == 100
    assert [scores.support for scores in document.per_class] == [34, 33, 33]
    assert document.name == run.name


def test_the_best_run_of_a_dataset(place: Place) -> None:
    runs = [place.train(seed=seed) for seed in range(3)]
    best = max(runs, key=lambda run: run.best_val_acc)
    (document,) = evaluate(place.context, [RunChoice(dataset=str(place.dataset))])
    assert document.run_id == best.run_id
    loss = min(runs, key=lambda run: min(epoch.val_loss for epoch in run.epochs))
    (document,) = evaluate(place.context, [RunChoice(dataset=str(place.dataset), metric="val_loss")])
    assert document.run_id == loss.run_id


def test_several_runs_in_the_order_given(place: Place) -> None:
    ids = [place.train(seed=seed).run_id for seed in range(2)]
    assert [one.run_id for one in evaluated(place, ids[1], ids[0])] == [ids[1], ids[0]]


def test_another_dataset_than_the_runs_own(place: Place) -> None:
    run = place.train()
    other = write_dataset(place.folder / "other.npz", seed=5)
    (document,) = evaluated(place, run.run_id, dataset=str(other))
    assert document.dataset == str(other)
    assert document.accuracy != evaluated(place, run.run_id)[0].accuracy


@pytest.mark.parametrize("shape", [{"side": 9}, {"n_classes": 4}])
def test_a_dataset_that_does_not_fit_is_refused(place: Place, shape: dict[str, int]) -> None:
    run = place.train()
    other = write_dataset(place.folder / "other.npz", **shape)
    with pytest.raises(RequestError, match="64 features and 3 classes"):
        evaluated(place, run.run_id, dataset=str(other))


def test_runs_or_best_but_not_both_nor_none(place: Place) -> None:
    with pytest.raises(RequestError, match="best"):
        evaluate(place.context, [])
    with pytest.raises(RequestError, match="best"):
        RunChoice("run", best=True)
    with pytest.raises(RequestError, match="best"):
        RunChoice("run", sweep_id="sweep")


def test_a_run_that_is_unknown_or_damaged_is_refused(place: Place) -> None:
    run = place.train()
    with pytest.raises(RequestError, match="There is no run 'none'"):
        evaluated(place, "none")
    (Path(run.path) / MODEL).write_bytes(b"")
    with pytest.raises(FfnnError, match="cannot be read"):
        evaluated(place, run.run_id)


def test_notice_is_given_of_data_that_changed_since_the_training(place: Place) -> None:
    run_id = place.train(epochs=1).run_id
    evaluate(place.context, [RunChoice(run_id)])
    assert not any("has changed" in notice for notice in place.notices)
    write_dataset(place.dataset, seed=1)
    evaluate(place.context, [RunChoice(run_id)])
    assert "has changed since" in place.notices[-1]


def test_notice_is_given_of_a_run_evaluated_on_other_data(place: Place) -> None:
    run_id = place.train(epochs=1).run_id
    other = write_dataset(place.folder / "other.npz", seed=1)
    evaluate(place.context, [RunChoice(run_id, dataset=str(other))])
    assert "was trained on" in place.notices[-1]


def test_notice_is_given_where_the_best_of_unlike_validation_sets_is_chosen(place: Place) -> None:
    dataset = str(place.dataset)
    place.train(epochs=1)
    evaluate(place.context, [RunChoice(best=True, metric="val_acc", dataset=dataset)])
    assert not any("val_fraction" in notice for notice in place.notices)
    place.train(epochs=1, val_fraction=0.3)
    evaluate(place.context, [RunChoice(best=True, metric="val_acc", dataset=dataset)])
    assert any("differ in val_fraction" in notice for notice in place.notices)


def test_means_over_the_classes_worked_by_hand() -> None:
    """Precisions 1, 1/2, recalls 1/2, 1; class c counts where it is predicted: precisions 1, 2/3, 0."""
    unseen = by_class(np.array([[2, 2, 0], [0, 2, 0], [0, 0, 0]]), "abc")
    assert unseen["macro"] == MeanReport(0.75, 0.75, pytest.approx(2 / 3))
    assert unseen["weighted"] == MeanReport(pytest.approx(5 / 6), pytest.approx(2 / 3), pytest.approx(2 / 3))
    said = by_class(np.array([[2, 1, 1], [0, 2, 0], [0, 0, 0]]), "abc")
    assert said["macro"] == MeanReport(pytest.approx(5 / 9), 0.5, pytest.approx((2 / 3 + 4 / 5) / 3))


def test_the_accuracy_is_kept_until_the_network_changes(place: Place) -> None:
    run_id = place.train(epochs=1).run_id
    (plain,) = evaluate(place.context, [RunChoice(run_id)])
    (averaged,) = evaluate(place.context, [RunChoice(run_id)], tta=True)
    record = place.context.runs.read(run_id)
    assert (record.test_acc, record.test_acc_tta) == (plain.accuracy, averaged.accuracy)
    resume_run(place.context, run_id, Watcher(), epochs=2)
    record = place.context.runs.read(run_id)
    assert (record.test_acc, record.test_acc_tta) == (None, None)


def note(place: Place, record: RunRecord) -> None:
    digest = place.context.dataset(str(place.dataset)).digest
    note_test_acc(place.context.runs, record, digest, 0.25, tta=False, notify=place.notices.append)


def test_the_accuracy_of_an_earlier_network_is_not_kept(place: Place) -> None:
    run_id = place.train(epochs=1).run_id
    evaluated = place.context.runs.read(run_id)
    resume_run(place.context, run_id, Watcher(), epochs=2)
    before = place.context.runs.summary(run_id)
    note(place, evaluated)
    assert place.context.runs.summary(run_id) == before
    note(place, place.context.runs.read(run_id))
    assert place.context.runs.read(run_id).test_acc == 0.25


@pytest.mark.parametrize("tta", [False, True])
def test_wandb_gets_what_the_record_gets(place: Place, monkeypatch: pytest.MonkeyPatch, tta: bool) -> None:
    added: list[tuple[RunRecord, Additions]] = []
    monkeypatch.setattr(evaluating, "attach", lambda _, found, **__: added.extend(found))
    run_id, name = place.train(epochs=1).run_id, "test_acc_tta" if tta else "test_acc"
    (own,) = evaluate(place.context, [RunChoice(run_id)], tta=tta)
    ((record, additions),) = added
    assert getattr(record, name) == additions.values[name] == own.accuracy
    evaluate(place.context, [RunChoice(run_id)], tta=tta, track=False)
    another = str(write_dataset(place.folder / "another.npz", seed=1))
    evaluate(place.context, [RunChoice(run_id, dataset=another)], tta=tta)
    put_other_test_labels(place)
    (other,) = evaluate(place.context, [RunChoice(run_id)], tta=tta)
    assert other.accuracy != own.accuracy
    assert getattr(place.context.runs.read(run_id), name) == own.accuracy
    assert len(added) == 1


def test_of_a_run_that_is_trained_on_meanwhile_nothing_is_kept_or_sent(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    added: list[tuple[RunRecord, Additions]] = []
    monkeypatch.setattr(evaluating, "attach", lambda _, found, **__: added.extend(found))
    run_id = place.train(epochs=1).run_id
    first = place.context.runs.read(run_id)
    chosen = chosen_run(place.context, RunChoice(run_id))
    monkeypatch.setattr(evaluating, "chosen_run", lambda *_: chosen)
    resume_run(place.context, run_id, Watcher(), epochs=2)
    assert place.context.runs.read(run_id).model_sha256 != first.model_sha256
    evaluate(place.context, [RunChoice(run_id)])
    assert own_test_acc(place.context, run_id) is None
    assert (added, place.context.runs.read(run_id).test_acc) == ([], None)
    monkeypatch.undo()
    (plain,) = evaluate(place.context, [RunChoice(run_id)])
    assert own_test_acc(place.context, run_id) == plain.accuracy


@pytest.mark.parametrize(("number", "told"), [(errno.ENOSPC, True), (errno.EACCES, False)])
def test_a_disk_that_takes_no_figure_is_told_of_and_another_users_store_is_not(
    place: Place, monkeypatch: pytest.MonkeyPatch, number: int, told: bool
) -> None:
    run_id = place.train(epochs=1).run_id

    def write_atomic(path: Path, _: bytes | str) -> None:
        raise OSError(number, "no such luck", str(path))

    monkeypatch.setattr("ffcli.runs.evaluated.write_atomic", write_atomic)
    (found,) = evaluate(place.context, [RunChoice(run_id)])
    assert found.accuracy > 0
    assert any("test_acc" in notice and "no such luck" in notice for notice in place.notices) == told
    assert place.context.runs.read(run_id).test_acc is None


def test_the_accuracy_of_a_run_in_use_is_not_kept(place: Place) -> None:
    run_id = place.train(epochs=1).run_id
    lock = lock_folder(place.path(run_id))
    note(place, place.context.runs.read(run_id))
    unlock(lock)
    assert place.context.runs.read(run_id).test_acc is None
