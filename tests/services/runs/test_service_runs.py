from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from small_runs import Place

from ffcli.config import TrainConfig
from ffcli.errors import RequestError
from ffcli.runs.store import HISTORY, SUMMARY, DamagedRunError
from ffcli.services.runs.listing import list_runs, show_run
from ffcli.services.runs.remove import named, remove
from ffcli.training.context import Context
from ffcli.util.atomic_files import json_text, json_value


def config(**values: Any) -> dict[str, Any]:
    return TrainConfig.model_validate(values).as_dict()


@pytest.fixture
def place(place: Place) -> Place:
    """Four runs, of which the third has no figures."""
    for run_id, day, val_acc, val_loss, learning_rate, sizes in (
        ("r1", 1, 0.5, 0.9, 0.1, 64),
        ("r2", 2, 0.9, 0.2, 0.01, [128, 64]),
        ("r4", 4, 0.7, 0.1, 0.001, 32),
    ):
        place.put(
            run_id,
            started=f"2026-01-0{day}T00:00:00.000Z",
            best={"val_acc": val_acc, "val_loss": val_loss, "train_acc": 0.5, "train_loss": 0.5},
            best_val_acc=val_acc,
            best_epoch=day,
            seconds=10.0 - day,
            parameters=100 * day,
            config=config(learning_rate=learning_rate, hidden_size=sizes),
            tags=["odd", "x"] if day == 1 else ["even"],
        )
    values = {"dataset": "mnist", "name": "a first name", "config": {"epochs": 3}}
    place.put("r3", status="failed", started="2026-01-03T00:00:00.000Z", **values)
    return place


def ids(place: Place, **options: Any) -> list[str]:
    return [run.run_id for run in list_runs(place.context, **options)]


def test_the_latest_comes_first(place: Place) -> None:
    assert ids(place) == ["r4", "r3", "r2", "r1"]


def test_a_listed_run_has_the_promised_keys(place: Place) -> None:
    promised = "run_id name status dataset sweep_id tags config best_epoch best_val_acc seconds started"
    run = list_runs(place.context)[0]
    assert set(promised.split()) <= set(json_value(run))
    json.loads(json_text(run))


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("val_acc", ["r2", "r4", "r1", "r3"]),
        ("val-acc", ["r2", "r4", "r1", "r3"]),
        ("best_val_acc", ["r2", "r4", "r1", "r3"]),
        ("val_loss", ["r4", "r2", "r1", "r3"]),
        ("started", ["r4", "r3", "r2", "r1"]),
        ("learning_rate", ["r4", "r2", "r1", "r3"]),
        ("hidden_size", ["r4", "r1", "r2", "r3"]),
        ("hidden_layers", ["r2", "r1", "r4", "r3"]),
        ("parameters", ["r3", "r1", "r2", "r4"]),
        ("best_epoch", ["r1", "r2", "r4", "r3"]),
        ("run_id", ["r1", "r2", "r3", "r4"]),
    ],
)
def test_sorting_puts_the_best_first_and_runs_without_a_value_last(
    place: Place, sort: str, expected: list[str]
) -> None:
    assert ids(place, sort=sort) == expected


def test_values_of_any_kind_can_be_sorted(place: Place) -> None:
    for number, value in enumerate(["64,x", [16, "y"], [16, 8], {"a": 1}, 16.5]):
        place.put(f"s{number}", config={"hidden_size": value})
    assert ids(place, sort="hidden_size") == ["s2", "s1", "s4", "r4", "r1", "r2", "s0", "s3", "r3"]


def test_an_unknown_sort_key_names_the_nearest(place: Place) -> None:
    with pytest.raises(RequestError, match=r"sort: .*'learning_rate'"):
        list_runs(place.context, sort="learning_rat")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"limit": 2}, ["r4", "r3"]),
        ({"limit": 99}, ["r4", "r3", "r2", "r1"]),
        ({"limit": 1, "sort": "val_acc"}, ["r2"]),
        ({"tag": "even"}, ["r4", "r2"]),
        ({"tag": "eve"}, []),
        ({"status": "FAILED"}, ["r3"]),
        ({"dataset": "MNIST"}, ["r3"]),
        ({"dataset": "fashion-mnist", "tag": "x"}, ["r1"]),
    ],
)
def test_filters_and_limits(place: Place, options: dict[str, Any], expected: list[str]) -> None:
    assert ids(place, **options) == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"limit": 0}, "limit: .*0"),
        ({"limit": -3}, "limit: .*-3"),
        ({"status": "finish"}, "status: 'finish'.*Did you mean 'finished'"),
        ({"dataset": "mnits"}, "Did you mean 'mnist'"),
    ],
)
def test_wrong_filters_are_refused(place: Place, options: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        list_runs(place.context, **options)


def test_damaged_runs_are_listed_last_as_damaged(place: Place) -> None:
    (place.path("r2") / SUMMARY).write_text('{"tags": 3}')
    assert ids(place) == ["r4", "r3", "r1", "r2"]
    assert place.notices == ["1 run is damaged: r2"]
    damaged = list_runs(place.context)[-1]
    known = {name: value for name, value in json_value(damaged).items() if value is not None}
    assert known == {"run_id": "r2", "status": "damaged", "tags": [], "config": {}, "best": {}, "size": 11}
    assert ids(place, limit=3) == ["r4", "r3", "r1"]
    assert ids(place, status="damaged") == ["r2"]
    assert ids(place, status="finished") == ["r4", "r1"]
    assert ids(place, tag="even") == ["r4"], "nobody knows its tags"


def test_the_size_of_a_run(place: Place) -> None:
    before = {run.run_id: run.size for run in list_runs(place.context)}
    assert before["r1"] == (place.path("r1") / SUMMARY).stat().st_size
    (place.path("r3") / "model.safetensors").write_bytes(b"x" * 5000)
    (place.path("r1") / "model.safetensors").write_bytes(b"x" * 9000)
    assert ids(place, sort="size")[:2] == ["r1", "r3"]
    after = {run.run_id: run.size for run in list_runs(place.context)}
    assert after["r3"] - before["r3"] == 5000


def test_an_empty_store_lists_nothing(tmp_path: Any) -> None:
    assert list_runs(Place(tmp_path).context) == []


def test_a_shown_run_is_its_document(place: Place) -> None:
    document = place.train()
    assert show_run(place.context, document.run_id) == document


def test_a_diverged_run_is_shown(place: Place) -> None:
    document = place.train(optimizer="sgd", learning_rate=1e30)
    shown = show_run(place.context, document.run_id)
    assert shown.status == "diverged"
    assert len(shown.epochs) == shown.epochs_done


@pytest.mark.parametrize("name", [SUMMARY, HISTORY])
def test_a_damaged_run_is_not_shown(place: Place, name: str) -> None:
    (place.path("r1") / name).write_bytes(b"\xff")
    with pytest.raises(DamagedRunError, match="of run r1 is damaged"):
        show_run(place.context, "r1")


def remove_runs(context: Context, runs: list[str]) -> list[str]:
    """Remove runs by whatever stands for them, as the command does: all are found before the first goes."""
    return remove(context, named(context, runs)).removed


def test_runs_are_removed_once_each(place: Place) -> None:
    assert remove_runs(place.context, ["r1", "r3", "r1"]) == ["r1", "r3"]
    assert place.context.runs.ids() == ["r2", "r4"]


def test_nothing_is_removed_where_one_is_unknown(place: Place) -> None:
    with pytest.raises(RequestError, match="There is no run 'r9'"):
        remove_runs(place.context, ["r1", "r9"])
    assert place.context.runs.ids() == ["r1", "r2", "r3", "r4"]


@pytest.mark.parametrize("word", ["../outside", "..", ".", ""])
@pytest.mark.parametrize("command", [show_run, lambda context, run: remove_runs(context, [run])])
def test_no_name_leads_out_of_the_store(place: Place, command: Callable[[Any, str], Any], word: str) -> None:
    outside = place.context.runs_dir.parent / "outside"
    outside.mkdir()
    (outside / SUMMARY).write_bytes((place.path("r1") / SUMMARY).read_bytes())
    for name in (word, str(outside)):
        with pytest.raises(RequestError):
            command(place.context, name)
    assert (outside / SUMMARY).is_file()
    assert len(place.context.runs.ids()) == 4
