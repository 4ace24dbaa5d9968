"""Means of probabilities: over the views of an image, over several runs, and over both."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_runs import Place, put_other_test_labels, write_dataset

from ffcli.config import TrainConfig
from ffcli.core.network import Network
from ffcli.datasets import load_dataset, split_indices
from ffcli.errors import FfnnError, RequestError
from ffcli.runs.model_file import network_bytes
from ffcli.runs.provenance import Provenance
from ffcli.runs.results import MeanReport
from ffcli.runs.store import MODEL, SUMMARY
from ffcli.services.evaluation import ensemble as ensembles
from ffcli.services.evaluation.best import RunChoice
from ffcli.services.evaluation.ensemble import evaluate_ensemble, list_ensembles, show_ensemble
from ffcli.services.evaluation.evaluate import evaluate
from ffcli.services.evaluation.results import Evaluation
from ffcli.services.runs.select import load_run
from ffcli.util.atomic_files import json_value

THREE = math.log(3)


def evaluated(place: Place, run: str, **values: Any) -> Evaluation:
    """Evaluate one run."""
    (document,) = evaluate(place.context, [RunChoice(run)], **values)
    return document


def put_linear(place: Place, run_id: str, W: list[list[float]], **values: Any) -> None:
    """Store a run without hidden layers on images of 1×2 pixels: one test image (ln 3, 0) of class 0."""
    path = place.folder / "pairs.npz"
    if not path.exists():
        x = np.array([[[THREE, 0]]], np.float32)
        np.savez(
            path, x_train=np.tile(x, (40, 1, 1)), y_train=np.arange(40) % 2, x_test=x, y_test=np.array([0])
        )
    config = TrainConfig.model_validate({"dataset": str(path), "num_layers": 0, **values})
    digest = place.context.dataset(str(path)).digest
    about = Provenance(dataset_digest=digest)
    place.put(run_id, dataset=str(path), config=config.as_dict(), best={"val_acc": 0.5}, provenance=about)
    network = Network([2, 2])
    network.weights[0][...] = W
    (place.path(run_id) / MODEL).write_bytes(network_bytes(network, {}))


FIRST = [[1.0, 0.0], [0.0, 0.0]]  # the logits are (first pixel, 0)


@pytest.mark.parametrize(
    ("values", "p", "views"),
    [
        ({}, 3 / 4, 1),  # σ(ln 3)
        ({"augment": "flip"}, (3 / 4 + 1 / 2) / 2, 2),  # the mirrored image has 0 there: σ(0)
    ],
)
def test_the_mean_over_views_worked_by_hand(
    place: Place, values: dict[str, Any], p: float, views: int
) -> None:
    put_linear(place, "one", FIRST, **values)
    document = evaluated(place, "one", tta=True)
    assert document.loss == pytest.approx(-math.log(p))
    assert document.val_loss == pytest.approx(-(math.log(p) + math.log(1 - p)) / 2)
    assert (document.val_n, document.val_acc) == (4, 0.5)
    assert (document.tta, document.views, document.accuracy) == (True, views, 1.0)
    plain = evaluated(place, "one")
    assert plain.loss == pytest.approx(-math.log(3 / 4))
    assert (plain.tta, plain.views) == (False, 1)


def test_squared_error_is_of_the_mean_too(place: Place) -> None:
    put_linear(place, "one", FIRST, augment="flip", loss="squared_error")
    assert evaluated(place, "one", tta=True).loss == pytest.approx(2 * (3 / 8) ** 2)


def test_moved_views_are_of_one_pixel_however_far_the_training_went(place: Place) -> None:
    run = place.train(augment="shift:3")
    document = evaluated(place, run.run_id, tta=True)
    assert document.views == 5
    data, network = (
        load_dataset(str(place.dataset), place.folder / "data"),
        load_run(str(run.path), place.path("")).network,
    )
    views = [np.asarray(data.x_test)]
    for axis, step in ((1, -1), (1, 1), (2, -1), (2, 1)):
        moved = np.roll(data.x_test, step, axis)
        edge = [slice(None)] * 3
        edge[axis] = -1 if step < 0 else 0
        moved[tuple(edge)] = 0
        views.append(moved)
    p = np.mean([network.predict_proba(view) for view in views], axis=0)
    assert document.accuracy == np.mean(p.argmax(axis=1) == data.y_test)
    assert document.loss == pytest.approx(-np.log(p[np.arange(100), data.y_test]).mean(), rel=1e-5)


def test_a_run_without_augmentation_is_evaluated_as_it_is_with_a_notice(place: Place) -> None:
    run = place.train()
    document = evaluated(place, run.run_id, tta=True)
    assert "without augmentation" in place.notices[-1]
    assert replace(document, tta=False) == evaluated(place, run.run_id)


def test_mirrored_digits_are_refused_with_the_reason(place: Place) -> None:
    run = load_run(place.train(augment="flip").run_id, place.context.runs_dir)
    digits = replace(place.context.dataset(str(place.dataset)), name="mnist")
    from ffcli.services.evaluation.inference import own_views

    with pytest.raises(RequestError, match="a mirrored digit is another one or none"):
        own_views(place.context, run, digits)


def test_validation_figures_are_those_of_the_training(place: Place) -> None:
    for values in ({}, {"weight_decay": 0.01}, {"weight_decay": 0.01, "optimizer": "adamw"}):
        run = place.train(**values)
        document = evaluated(place, run.run_id)
        best = run.epochs[run.best_epoch - 1]
        assert document.val_acc == pytest.approx(best.val_acc)
        assert document.val_loss == pytest.approx(best.val_loss, rel=1e-5)
        assert document.val_n == 40


def test_no_validation_figures_on_data_that_the_run_may_have_seen(place: Place) -> None:
    run = place.train()
    write_dataset(place.dataset, seed=3)
    document = evaluated(place, run.run_id)
    assert (document.val_n, document.val_loss, document.val_acc) == (None, None, None)


def test_an_ensemble_whose_data_have_changed_is_shown_and_not_stored(place: Place) -> None:
    old = [place.train(seed=seed, epochs=1).run_id for seed in range(2)]
    before = evaluate_ensemble(place.context, old)
    put_other_test_labels(place)
    both = evaluate_ensemble(place.context, old)
    assert (both.ensemble_id, both.path) == (None, None)
    assert both.accuracy != before.accuracy
    assert (both.val_n, both.val_loss, both.val_acc) == (None, None, None)
    assert [member.val_acc for member in both.members] == [None, None]
    assert "not stored" in place.notices[-1]
    assert list_ensembles(place.context) == [before]
    new = [place.train(seed=seed, epochs=1).run_id for seed in range(2)]
    with pytest.raises(RequestError, match=f"{old[0]}.*{new[1]}") as caught:
        evaluate_ensemble(place.context, [old[0], new[1]])
    assert caught.value.parameter == "ensemble"
    assert evaluate_ensemble(place.context, new) in list_ensembles(place.context)


def test_an_ensemble_on_another_dataset_is_stored_with_its_name(place: Place) -> None:
    runs = [place.train(seed=seed, epochs=1).run_id for seed in range(2)]
    other = str(write_dataset(place.folder / "other.npz", seed=4))
    document = evaluate_ensemble(place.context, runs, dataset=other)
    assert document.dataset == other
    assert list_ensembles(place.context) == [document]


def test_an_ensemble_of_folds_is_of_one_dataset(place: Place) -> None:
    runs = [place.train(fold=f"{number}/2", epochs=1).run_id for number in (1, 2)]
    document = evaluate_ensemble(place.context, runs)
    assert document.val_n is None, "no image is left that none was trained on"
    assert list_ensembles(place.context) == [document]


def test_an_ensemble_of_a_network_that_was_trained_further_meanwhile_is_not_stored(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [place.train(seed=seed, epochs=1).run_id for seed in range(2)]
    monkeypatch.setattr(ensembles, "utc_now", lambda: resumed(place, runs[1]))
    document = evaluate_ensemble(place.context, runs)
    assert (document.ensemble_id, document.path) == (None, None)
    assert list_ensembles(place.context) == []


def resumed(place: Place, run_id: str) -> str:
    """Give a run another network, as a training that resumes it does."""
    path = place.path(run_id) / SUMMARY
    path.write_text(json.dumps({**json.loads(path.read_text()), "model_sha256": "another"}))
    return "2026-01-01T00:00:00.000Z"


def test_an_ensemble_worked_by_hand(place: Place) -> None:
    put_linear(place, "one", FIRST)  # (3/4, 1/4)
    put_linear(place, "two", [[-1.0, 0.0], [0.0, 0.0]])  # (1/4, 3/4)
    put_linear(place, "three", [[0.0, 0.0], [0.0, 0.0]], augment="flip")  # (1/2, 1/2)
    document = evaluate_ensemble(place.context, ["one", "three"])
    assert document.loss == pytest.approx(-math.log(5 / 8))
    assert document.val_loss == pytest.approx(-(math.log(5 / 8) + math.log(3 / 8)) / 2)
    assert (document.accuracy, document.n, document.val_n) == (1.0, 1, 4)
    assert document.run_ids == ["one", "three"]
    assert document.tta is False
    assert [member.accuracy for member in document.members] == [1.0, 1.0]
    assert document.per_class[0].support == 1
    assert document.macro == document.weighted == MeanReport(1.0, 1.0, 1.0)
    wrong = evaluate_ensemble(place.context, ["two", "three"])  # (3/8, 5/8) for an image of class 0
    assert wrong.macro == wrong.weighted == MeanReport(0.0, 0.0, 0.0)
    whole = evaluate_ensemble(place.context, ["one", "two", "three"])
    assert whole.loss == pytest.approx(math.log(2))


def test_with_tta_each_run_has_its_own_views(place: Place) -> None:
    put_linear(place, "plain", FIRST)  # 3/4
    put_linear(place, "mirrored", FIRST, augment="flip")  # 5/8
    document = evaluate_ensemble(place.context, ["plain", "mirrored"], tta=True)
    assert document.loss == pytest.approx(-math.log((3 / 4 + 5 / 8) / 2))
    assert [member.views for member in document.members] == [1, 2]
    assert document.tta is True


def test_trained_runs_together(place: Place) -> None:
    runs = [place.train(seed=seed, val_fraction=fraction) for seed, fraction in ((1, 0.1), (2, 0.3))]
    document = evaluate_ensemble(place.context, [run.run_id for run in runs])
    data = load_dataset(str(place.dataset), place.folder / "data")
    networks = [load_run(run.run_id, place.context.runs_dir).network for run in runs]
    val = split_indices(data.y_train, 0.1)[1]
    assert set(val) <= set(split_indices(data.y_train, 0.3)[1])
    for images, labels, n, acc, loss in (
        (data.x_test, data.y_test, "n", "accuracy", "loss"),
        (data.x_train[val], data.y_train[val], "val_n", "val_acc", "val_loss"),
    ):
        p = np.mean([network.predict_proba(images) for network in networks], axis=0)
        assert getattr(document, n) == len(labels)
        assert getattr(document, acc) == np.mean(p.argmax(axis=1) == labels)
        expected = -np.log(p[np.arange(len(labels)), labels]).mean()
        assert getattr(document, loss) == pytest.approx(expected, rel=1e-5)
    assert [member.accuracy for member in document.members] == [
        evaluated(place, run.run_id).accuracy for run in runs
    ]


def test_its_record_is_kept_and_found_again(place: Place) -> None:
    ids = [place.train(seed=seed, epochs=1).run_id for seed in range(2)]
    first = evaluate_ensemble(place.context, ids, command_line=("ffnn", "evaluate"))
    second = evaluate_ensemble(place.context, ids[::-1])
    stored = json.loads(Path(first.path).read_text())
    assert stored == json_value(first)
    assert stored["provenance"]["command_line"] == ["ffnn", "evaluate"]
    assert "kernels" not in stored["provenance"], "only training uses them, and to name them imports Numba"
    assert Path(first.path).parent == place.context.runs_dir / "ensembles"
    assert list_ensembles(place.context) == [second, first]
    assert show_ensemble(place.context, first.ensemble_id[-8:]) == first
    assert len(list(place.context.runs.records())) == 2, "an ensemble is no run"


def test_a_damaged_record_is_left_out_of_the_list_and_named_when_asked_for(place: Place) -> None:
    put_linear(place, "one", FIRST)
    put_linear(place, "two", FIRST)
    kept = evaluate_ensemble(place.context, ["one", "two"])
    for content in ("{", "[]", '{"ensemble_id": "another"}'):
        damaged = evaluate_ensemble(place.context, ["one", "two"])
        damaged.path.write_text(content)
        with pytest.raises(FfnnError, match=f"ensemble {damaged.ensemble_id} is damaged"):
            show_ensemble(place.context, damaged.ensemble_id)
    assert list_ensembles(place.context) == [kept]
    assert sum("is damaged" in notice for notice in place.notices) == 3


def test_requests_that_make_no_ensemble(place: Place) -> None:
    run_id = place.train(epochs=1).run_id
    other = place.train(epochs=1, dataset=str(write_dataset(place.folder / "other.npz", seed=4))).run_id
    for runs, message in (
        ([], "got [01]"),
        ([run_id], "got [01]"),
        ([run_id, run_id[:-1]], f"run {run_id} .*twice"),
        ([run_id, other], "one dataset"),
        ([run_id, "none"], "There is no run 'none'"),
    ):
        with pytest.raises(RequestError, match=message):
            evaluate_ensemble(place.context, runs)
    assert list_ensembles(place.context) == []
    with pytest.raises(RequestError, match="There is no ensemble 'x'"):
        show_ensemble(place.context, "x")


def test_networks_without_finite_numbers_are_refused(place: Place) -> None:
    put_linear(place, "one", FIRST)
    put_linear(place, "broken", [[3.3e38, 0.0], [0.0, 0.0]])  # times ln 3 more than float32 holds
    with pytest.raises(FfnnError, match="Run broken"):
        evaluate_ensemble(place.context, ["one", "broken"])


def test_certain_and_wrong_is_a_large_loss_and_not_an_infinite_one(place: Place) -> None:
    put_linear(place, "one", [[0.0, 5000.0], [0.0, 0.0]])
    put_linear(place, "two", [[0.0, 4000.0], [0.0, 0.0]])
    document = evaluate_ensemble(place.context, ["one", "two"])
    assert 700 < document.loss < 720
