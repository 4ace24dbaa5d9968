"""One configuration trained on all folds and with several seeds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from small_runs import Place
from stored_sweeps import Made, put_sweep

from ffcli.datasets import fold_indices
from ffcli.errors import RequestError
from ffcli.execution.open import PoolOptions
from ffcli.execution.pool import TaskEpoch
from ffcli.services.cross_validation import CrossValidation, cross_validate
from ffcli.services.evaluation.ensemble import evaluate_ensemble
from ffcli.services.jobs import JobEvent, JobsStarted
from ffcli.services.rerun import RerunOptions, rerun
from ffcli.services.runs.select import load_run
from ffcli.training.options import RunOptions
from ffcli.training.resuming import resume_run


def measure(
    place: Place, watch: Callable[[Any], None] = lambda _: None, *, config: dict[str, Any], **which: int
) -> CrossValidation:
    return cross_validate(place.context, place.config(**config), RunOptions(), PoolOptions(1), watch, **which)


def test_each_image_validates_once_and_the_figures_are_those_of_the_runs(place: Place) -> None:
    result = measure(place, config={"epochs": 2}, folds=3)
    assert [run.config["fold"] for run in result.runs] == ["1/3", "2/3", "3/3"]
    accuracies = [run.best_val_acc for run in result.runs]
    alone = place.train(epochs=2, fold="2/3")
    assert [row.val_acc for row in alone.epochs] == [row.val_acc for row in result.runs[1].epochs]
    data = place.context.dataset(str(place.dataset))
    for run, (_, val) in zip(result.runs, [fold_indices(data.y_train, fold, 3) for fold in (1, 2, 3)]):
        network = load_run(run.run_id, place.context.runs_dir).network
        assert run.best_val_acc == np.mean(network.predict(data.x_train[val]) == data.y_train[val])
    assert result.finished == 3
    assert result.val_acc.mean == pytest.approx(np.mean(accuracies))
    assert result.val_acc.se == pytest.approx(np.std(accuracies, ddof=1) / np.sqrt(3))
    best = [next(row for row in run.epochs if row.epoch == run.best_epoch) for run in result.runs]
    assert result.val_loss.mean == pytest.approx(np.mean([row.val_loss for row in best]))
    assert "repeated" in result.runs[0].tags

    # The mean of their networks:
    ensemble = evaluate_ensemble(place.context, result.run_ids)
    networks = [load_run(run_id, place.context.runs_dir).network for run_id in result.run_ids]
    logits = [network.logits(data.x_test).astype(float) for network in networks]
    powers = [np.exp(each - each.max(axis=1, keepdims=True)) for each in logits]
    mean = np.mean([each / each.sum(axis=1, keepdims=True) for each in powers], axis=0)
    assert ensemble.accuracy == np.mean(mean.argmax(axis=1) == data.y_test)
    assert ensemble.val_n is None, "each training image was seen by one of them"


def test_repeats_take_over_what_is_there_and_continue_what_was_cut_short(place: Place) -> None:
    done = place.train(epochs=3, seed=5)

    def press(event: Any) -> None:
        if (
            isinstance(event, JobEvent)
            and isinstance(event.event, TaskEpoch)
            and event.event.result.epoch == 2
        ):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure(place, press, config={"epochs": 3, "seed": 5}, repeats=2)
    started: list[JobsStarted] = []
    result = measure(
        place,
        lambda event: started.append(event) if isinstance(event, JobsStarted) else None,
        config={"epochs": 3, "seed": 5},
        repeats=2,
    )
    assert [run.config["seed"] for run in result.runs] == [5, 6]
    assert result.run_ids[0] == done.run_id
    assert [(event.done, event.jobs[0].run_id) for event in started] == [(1, result.run_ids[1])]
    assert [row.val_acc for row in result.runs[1].epochs] == [
        row.val_acc for row in place.train(epochs=3, seed=6).epochs
    ]


def test_repeats_leave_a_run_whose_schedule_was_begun_for_another_end(place: Place) -> None:
    config = {"epochs": 4, "seed": 5, "schedule": "cosine"}
    other = place.interrupted(2, **{**config, "epochs": 3})
    resume_run(place.context, other.name, lambda _: None, epochs=4)
    result = measure(place, config=config, repeats=2)
    assert other.name not in result.run_ids
    assert [row.val_loss for row in result.runs[0].epochs] == [
        row.val_loss for row in place.train(**config).epochs
    ]


@pytest.mark.parametrize(
    ("config", "folds", "parameter"), [({"fold": "1/2"}, 2, "folds"), ({}, 134, "folds")]
)
def test_what_makes_no_folds_is_refused(
    place: Place, config: dict[str, Any], folds: int, parameter: str
) -> None:
    """400 images of three classes: one class has 133."""
    with pytest.raises(RequestError) as caught:
        measure(place, config=config, folds=folds)
    assert caught.value.parameter == parameter
    assert not place.context.runs.ids()


def test_the_best_of_a_sweep_on_folds(place: Place) -> None:
    sweep_id = put_sweep(place, "seed: {value: 7}\n  epochs: {value: 1}", [Made([(0.5, 0.5)])])
    options = RerunOptions(seeds=2, folds=2, pool=PoolOptions(1))
    found = rerun(place.context, sweep_id, options, lambda _: None)
    assert [(run.config["seed"], run.config["fold"]) for run in found] == [
        (8, "1/2"),
        (8, "2/2"),
        (9, "1/2"),
        (9, "2/2"),
    ]
    tested = [run.test_acc for run in found if run.test_acc is not None]
    assert found[0].over_runs.test_acc.mean == pytest.approx(sum(tested) / 4)
    assert found[0].over_runs.finished == 4
