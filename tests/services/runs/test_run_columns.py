"""Conditions on the columns of runs, and the order by any of them."""

from __future__ import annotations

from typing import Any

import pytest
from small_runs import Place

from ffcli.config import TrainConfig
from ffcli.errors import RequestError
from ffcli.services.runs.listing import list_runs, run_columns


@pytest.fixture
def place(place: Place) -> Place:
    for run_id, val_acc, test_acc, recipe, tags, config in (
        ("r1", 0.5, None, None, ["odd"], {"learning_rate": 0.1, "optimizer": "sgd"}),
        ("r2", 0.9, 0.85, "fast", ["even", "x"], {"learning_rate": 0.01, "hidden_size": [128, 64]}),
        ("r3", 0.7, 0.9, None, [], {"learning_rate": 0.01, "optimizer": "nesterov", "fold": "2/3"}),
    ):
        place.put(
            run_id,
            started=f"2026-01-0{run_id[1]}T00:00:00.000Z",
            best={"val_acc": val_acc},
            best_val_acc=val_acc,
            test_acc=test_acc,
            recipe=recipe,
            tags=tags,
            config=TrainConfig.model_validate(config).as_dict(),
        )
    return place


def ids(place: Place, *where: str, **about: Any) -> list[str]:
    return [run.run_id for run in list_runs(place.context, where=where, **about)]


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (["learning_rate<0.1"], ["r3", "r2"]),
        (["lr <= 0.010"], ["r3", "r2"]),
        (["lr=1e-2"], ["r3", "r2"]),
        (["lr!=0.01"], ["r1"]),
        (["LR>0.01", "optimiser=SGD"], ["r1"]),
        (["optimizer=nag"], ["r3"]),
        (["hidden_size=128,64"], ["r2"]),
        (["hidden-size == [128, 64]"], ["r2"]),
        (["fold=2/3"], ["r3"]),
        (["fold=none"], ["r2", "r1"]),
        (["val_acc>=0.7"], ["r3", "r2"]),
        (["test_acc>0"], ["r3", "r2"]),
        (["test_acc<0.9"], ["r2"]),
        (["recipe=FAST"], ["r2"]),
        (["recipe!=fast"], ["r3", "r1"]),
        (["tags=x"], ["r2"]),
        (["tag!=x"], ["r3", "r1"]),
        (["started>=2026-01-02"], ["r3", "r2"]),
        (["started>2026"], ["r3", "r2", "r1"]),
        (["started<2026"], []),
        (["run>=r2"], ["r3", "r2"]),
        (["dataset=fashion-mnist"], ["r3", "r2", "r1"]),
        (["dataset!=fashion-mnist"], []),
        (["dataset=mnist"], []),
        (["batch_norm=False"], ["r3", "r2", "r1"]),
        (["hidden_size>100"], ["r3", "r1"]),  # a list is neither above nor below
        (["status=running"], []),
    ],
)
def test_conditions(place: Place, where: list[str], expected: list[str]) -> None:
    assert ids(place, *where) == expected


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("test_acc", ["r3", "r2", "r1"]),
        ("recipe", ["r2", "r1", "r3"]),
        ("tags", ["r3", "r2", "r1"]),
        ("lr", ["r2", "r3", "r1"]),
        ("run", ["r1", "r2", "r3"]),
        ("size", sorted(["r1", "r2", "r3"])),
    ],
)
def test_any_column_sorts(place: Place, sort: str, expected: list[str]) -> None:
    found = ids(place, sort=sort)
    assert (sorted(found) if sort == "size" else found) == expected


@pytest.mark.parametrize(
    ("where", "told"),
    [
        ("learning_rate", "NAME=VALUE"),
        ("lr<", "NAME=VALUE"),
        ("=3", "NAME=VALUE"),
        ("lr<fast", "expected a number after learning_rate<, got 'fast'"),
        ("optimizer<adam", "expected a number"),
        ("val_acc=abc", "expected a number after val_acc="),
        ("test_acc!=abc", "expected a number"),
        ("status<finished", "expected a number"),
        ("optimizer=adamm", "Did you mean 'adam'"),
        ("learning_rat<1", "Did you mean 'learning_rate'"),
        ("vall_acc<1", "Did you mean 'val_acc'"),
    ],
)
def test_what_is_no_condition_is_refused(place: Place, where: str, told: str) -> None:
    with pytest.raises(RequestError, match=told) as caught:
        ids(place, where)
    assert caught.value.parameter == "where"


def test_columns_by_any_name(place: Place) -> None:
    words = ["Run", "val-acc", "lr", "sweep", "time", "nhl"]
    names = [column.name for column in run_columns(place.context, words)]
    assert names == ["run_id", "val_acc", "learning_rate", "sweep_id", "seconds", "num_layers"]
    with pytest.raises(RequestError) as caught:
        run_columns(place.context, ["valacc!"])
    assert caught.value.parameter == "columns"
