from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from ffcli.config import TrainConfig, members, runs_per_trial, unused, validate, validation_split
from ffcli.errors import RequestError


@pytest.mark.parametrize(
    ("given", "stored"),
    [("2/5", "2/5"), (" 2 / 05 ", "2/5"), ("None", "none"), ("5/5", "5/5"), (None, "none")],
)
def test_a_fold_is_read(given: object, stored: str) -> None:
    assert validate({"fold": given}).fold == stored


@pytest.mark.parametrize("given", ["0/5", "6/5", "1/1", "5", 5, "a/b", "", "1/5/2", "-1/5"])
def test_what_is_no_fold_is_refused(given: object) -> None:
    with pytest.raises(RequestError, match=r"fold must be none, or .*2/5"):
        validate({"fold": given})


def test_the_folds_validate_on_each_image_once() -> None:
    labels = np.arange(40) % 4
    parts = [validation_split(config, labels) for config in members(TrainConfig(), folds=4)]
    assert sorted(np.concatenate([val for _, val in parts])) == list(range(40))
    assert [len(train) for train, _ in parts] == [30] * 4


@pytest.mark.parametrize("parameter", ["fold", "folds"])
def test_too_many_folds_are_told_of_what_asked_for_them(parameter: str) -> None:
    with pytest.raises(RequestError) as caught:
        validation_split(TrainConfig(fold="1/11"), np.arange(40) % 4, parameter)
    assert caught.value.parameter == parameter


def test_val_fraction_has_no_effect_beside_a_fold() -> None:
    labels = np.arange(40) % 4
    (_, first), (_, second) = (
        validation_split(TrainConfig(fold="1/4", val_fraction=fraction), labels) for fraction in (0.1, 0.5)
    )
    assert np.array_equal(first, second)
    assert ["val_fraction" in notice for notice in unused(TrainConfig(fold="1/4"), ["val_fraction"])] == [
        True
    ]
    assert unused(TrainConfig(), ["val_fraction"]) == []


def test_members_are_all_seeds_on_all_folds() -> None:
    config = TrainConfig(seed=7, learning_rate=0.01)
    assert members(config) == (config,)
    found = [(each.seed, each.fold, each.learning_rate) for each in members(config, repeats=2, folds=2)]
    assert found == [(7, "1/2", 0.01), (7, "2/2", 0.01), (8, "1/2", 0.01), (8, "2/2", 0.01)]
    on_own_split = members(config.model_copy(update={"fold": "3/4"}), repeats=3)
    assert [(each.seed, each.fold) for each in on_own_split] == [(7, "3/4"), (8, "3/4"), (9, "3/4")]
    with pytest.raises(RequestError) as caught:
        members(config.model_copy(update={"fold": "3/4"}), folds=4)
    assert caught.value.parameter == "folds"


@pytest.mark.parametrize(
    ("repeats", "folds", "at_fault"),
    [(9999, 1, None), (10_000, 0, "repeats"), (1, 10_000, "folds"), (1999, 5, None), (2000, 5, "repeats")],
)
def test_a_configuration_has_at_most_9999_runs(repeats: int, folds: int, at_fault: str | None) -> None:
    if at_fault is None:
        assert runs_per_trial(repeats, folds) == repeats * folds
        return
    for bounded in (runs_per_trial, partial(members, TrainConfig())):
        with pytest.raises(RequestError) as caught:
            bounded(repeats, folds)
        assert caught.value.parameter == at_fault
