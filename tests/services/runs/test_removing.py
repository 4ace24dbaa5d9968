"""Which runs ``runs rm`` removes by its options."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from small_runs import Place
from stored_sweeps import put_sweep

from ffcli.core.training import EpochResult
from ffcli.errors import FfnnError, RequestError
from ffcli.runs.provenance import Provenance
from ffcli.runs.record import HistoryRow, history_csv
from ffcli.runs.store import HISTORY, SUMMARY
from ffcli.services.runs.listing import Filter
from ffcli.services.runs.remove import Selection, named, remove, selected
from ffcli.util.atomic_files import lock_folder, unlock


def ago(**span: float) -> str:
    return (datetime.now(timezone.utc) - timedelta(**span)).isoformat().replace("+00:00", "Z")


def going(place: Place, **options: Any) -> list[str]:
    which = Filter(**{name: options.pop(name) for name in list(options) if name in Filter.__annotations__})
    return [document.run_id for document in selected(place.context, Selection(which, **options))]


def test_runs_older_than_some_time_go(place: Place) -> None:
    place.put("a", started=ago(days=90), ended=ago(days=40))
    place.put("b", started=ago(days=90), ended=ago(days=20))
    place.put("c", started=ago(days=90), status="interrupted")
    place.put("d", started=ago(days=-3), ended=ago(days=-3))  # by a clock that was ahead
    place.put("e", started="some time", ended=None)
    assert going(place, older_than=timedelta(days=30)) == ["a", "c"]
    assert going(place, older_than=timedelta(days=50)) == ["c"]
    assert going(place, older_than=timedelta(days=30), status="finished") == ["a"]


def test_a_killed_run_is_as_old_as_its_last_epoch(place: Place) -> None:
    for run_id, days in (("a", 40), ("b", 10)):
        place.put(run_id, started=ago(days=90), status="running", epochs_done=1)  # b was resumed
        result = EpochResult(1, *[0.5] * 4, seconds=1.0, train_seconds=1.0, val_f1=0.5)
        (place.path(run_id) / HISTORY).write_text(history_csv([HistoryRow(result, ago(days=days))]))
    place.put("c", started=ago(days=90), status="running")
    (place.path("c") / HISTORY).write_text("damaged")
    assert going(place, older_than=timedelta(days=30)) == ["a", "c"]


def test_the_best_of_each_dataset_stay(place: Place) -> None:
    for run_id, dataset, val_acc in (
        ("a", "mnist", 0.98),
        ("b", "mnist", 0.97),
        ("c", "fashion_mnist", 0.89),
        ("d", "fashion_mnist", 0.88),
        ("e", "fashion_mnist", 0.89),
    ):
        place.put(run_id, dataset=dataset, best={"val_acc": val_acc}, best_val_acc=val_acc)
    place.put("f", status="interrupted", best={"val_acc": 0.99})
    place.put("g", best={})
    assert going(place, keep_best=1) == ["b", "d", "e", "f", "g"]
    assert going(place, keep_best=2) == ["d", "f", "g"]
    assert going(place, keep_best=1, dataset="MNIST") == ["b"]


def test_the_best_of_each_content_of_a_dataset_stay(place: Place) -> None:
    for run_id, digest, val_acc in (
        ("a", "one", 0.9),
        ("b", "one", 0.8),
        ("c", "two", 0.5),
        ("d", "two", 0.4),
    ):
        of = Provenance(dataset_digest=digest)
        place.put(run_id, best={"val_acc": val_acc}, best_val_acc=val_acc, provenance=of)
    assert going(place, keep_best=1) == ["b", "d"]


def test_the_best_of_each_sweep_stay_by_its_own_metric(place: Place) -> None:
    sweep = put_sweep(place, "learning_rate: {values: [0.1, 0.2]}", [], metric="val_loss")
    for run_id, val_acc, val_loss in (("a", 0.9, 0.5), ("b", 0.8, 0.3), ("c", 0.7, 0.4)):
        place.put(run_id, sweep_id=sweep, best={"val_acc": val_acc, "val_loss": val_loss})
        place.put(f"{run_id}-elsewhere", sweep_id="unknown", best={"val_acc": val_acc, "val_loss": val_loss})
        place.put(f"{run_id}-alone", best={"val_acc": val_acc + 0.05})
    assert going(place, keep_best=1, sweep=sweep) == ["a", "c"]
    stay = {"b", "a-elsewhere", "a-alone"}
    assert stay.isdisjoint(going(place, keep_best=1))
    assert len(going(place, keep_best=1)) == 6


def test_the_best_stay_however_old_they_are(place: Place) -> None:
    for number, run_id in enumerate("abc"):
        place.put(run_id, ended=ago(days=50), best={"val_acc": number / 10})
    place.put("d", ended=ago(days=1), best={"val_acc": 0.01})
    assert going(place, keep_best=1, older_than=timedelta(days=30)) == ["a", "b"]


def test_a_run_in_training_stays(place: Place) -> None:
    place.put("a", status="running", started=ago(days=50))
    lock = lock_folder(place.path("a"))
    assert going(place, older_than=timedelta(days=1)) == []
    unlock(lock)
    assert going(place, older_than=timedelta(days=1)) == ["a"]


def test_damaged_runs_go_by_their_age_or_when_asked_for(place: Place) -> None:
    for run_id in ("a", "b"):
        place.put(run_id)
        (place.path(run_id) / SUMMARY).write_text("{")
    os.utime(place.path("a"), (1e9, 1e9))
    assert going(place, older_than=timedelta(days=1)) == ["a"]
    assert going(place, keep_best=1) == []
    assert going(place, status="damaged") == ["a", "b"]
    assert going(place, status="damaged", tag="x") == []
    assert [document.status for document in named(place.context, ["a", "b", "a"])] == ["damaged"] * 2
    found = named(place.context, ["a", "b"])
    assert remove(place.context, [*found, replace(found[0], run_id="gone")]).removed == ["a", "b"]
    assert place.context.runs.ids() == []


@pytest.mark.parametrize("seen", [True, False])
def test_one_that_is_trained_stays_and_the_others_go(place: Place, seen: bool) -> None:
    for run_id in "abc":
        place.put(run_id, status="running")  # its process was killed, if none holds it
    found = named(place.context, ["a", "b", "c"])
    lock = lock_folder(place.path("b"))
    with pytest.raises(FfnnError, match=r"Run b .* running"):
        remove(place.context, named(place.context, ["a", "b", "c"]) if seen else found)
    unlock(lock)
    assert place.context.runs.ids() == ["b"]


def test_one_that_was_resumed_and_has_ended_meanwhile_stays(place: Place) -> None:
    for run_id in "abc":
        place.put(run_id, status="interrupted", epochs_done=2)
    found = named(place.context, ["a", "b", "c"])
    place.put("a", status="finished", epochs_done=9)
    place.put("b", status="interrupted", epochs_done=2, test_acc=0.5)  # evaluated, no more
    place.put("c", status="interrupted", epochs_done=3)
    with pytest.raises(FfnnError) as refused:
        remove(place.context, found)
    assert "c" in str(refused.value)
    assert place.context.runs.ids() == ["a", "c"]


def test_a_status_that_there_is_not_is_refused() -> None:
    with pytest.raises(RequestError, match=r"status.*'damaged'"):
        Filter(status="damagd")
