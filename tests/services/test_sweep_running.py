"""The parent of a sweep's workers: how many it starts, what goes wrong in itself, what it leaves behind."""

from __future__ import annotations

import csv
import threading
from pathlib import Path
from typing import Any

import pytest
from ffcli.services.sweep_publishing import published
from ffcli.services.sweep_worker import objective
from ffcli.sweeping.events import TrialEnded
from ffcli.sweeping.store import TrialStore
from ffcli.sweeping.trials import Counts, Sweep
from ffcli.sweeping.worker import work
from small_runs import Place
from stored_sweeps import Made, put_sweep

from ffcli.errors import RequestError
from ffcli.services.sweeps.create import (
    DATABASE,
    create,
    describe_space,
    of_same_file,
    storage_url,
    stored_sweep,
    sweep_folder,
)
from ffcli.services.sweeps.local import SweepOptions, run_sweep
from ffcli.training.options import RunOptions
from ffcli.training.tracking import Tracking

FOUR = "learning_rate: {values: [0.001, 0.002, 0.003, 0.004]}"


class Onlooker:
    """Remembers how many workers there were, and raises ``error`` when a trial has ended."""

    def __init__(self, error: type[BaseException] | None = None) -> None:
        self.workers: int | None = None
        self.seen: set[int] = set()
        self.over = False
        self._error = error

    def started(self, sweep: Sweep, path: Path, counts: Counts, count: int | None, workers: int) -> None:
        self.workers = workers

    def message(self, worker: int, message: object) -> None:
        self.seen.add(worker)
        if self._error is not None and isinstance(message, TrialEnded):
            error, self._error = self._error, None
            raise error("of the parent itself")

    def stopping(self) -> None:
        pass

    def finished(self) -> None:
        self.over = True


def test_a_publisher_that_is_stuck_does_not_keep_an_interrupted_sweep(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An interruption within an import leaves Python's import lock held, for which the publisher may wait."""
    begun, freed = threading.Event(), threading.Event()

    def stuck(*_: object) -> int:
        begun.set()
        freed.wait(60)
        return 0

    def work() -> None:
        sweep = stored_sweep(place.context, put_sweep(place, FOUR, []))
        with published(place.context, storage_url(place.context, sweep.id, None), sweep):
            assert begun.wait(60)
            raise KeyboardInterrupt

    monkeypatch.setattr("ffcli.sweeping.publishing.publish", stuck)
    monkeypatch.setattr("ffcli.services.sweep_publishing._IN_A_HURRY", 0.05)
    with pytest.raises(KeyboardInterrupt):
        work()
    assert not freed.is_set()
    (publisher,) = (thread for thread in threading.enumerate() if thread.name == "publisher")
    freed.set()
    publisher.join()


@pytest.mark.parametrize(
    ("done", "count", "workers"),
    [(2, 3, 1), (2, None, 2), (4, None, 1)],
    ids=["one of the count is left", "enough is left", "nothing is left"],
)
def test_no_more_workers_are_started_than_trials_are_left(
    place: Place, done: int, count: int | None, workers: int
) -> None:
    sweep_id = put_sweep(place, FOUR, [Made([(0.5, 1.0)])] * done)
    onlooker = Onlooker()
    options = SweepOptions(count=count, workers=2)
    document = run_sweep(place.context, stored_sweep(place.context, sweep_id), options, onlooker)
    assert onlooker.workers == workers
    assert onlooker.seen == set(range(workers))
    assert document["counts"]["finished"] == (count or 4)


def test_the_time_is_estimated_with_the_workers_that_find_work(place: Place) -> None:
    put_sweep(place, FOUR, [])
    document = describe_space(place.context, place.folder / "sweep.yaml", 2, 64)
    assert document["workers"] == 2
    assert document["seconds_estimate"] == pytest.approx(document["seconds_a_run"])


def rows(place: Place, sweep_id: str) -> list[dict[str, Any]]:
    with (sweep_folder(place.context, sweep_id) / "runs.csv").open() as file:
        return list(csv.DictReader(file))


def test_an_error_of_the_parent_itself_is_no_end_of_a_worker(place: Place) -> None:
    sweep = stored_sweep(place.context, put_sweep(place, FOUR, []))
    onlooker = Onlooker(OSError)
    with pytest.raises(OSError, match="of the parent itself"):
        run_sweep(place.context, sweep, SweepOptions(), onlooker)
    assert onlooker.over


def test_after_ctrl_c_the_list_of_runs_is_there(place: Place) -> None:
    sweep = stored_sweep(place.context, put_sweep(place, FOUR, []))
    with pytest.raises(KeyboardInterrupt):
        run_sweep(place.context, sweep, SweepOptions(), Onlooker(KeyboardInterrupt))
    listed = rows(place, sweep.id)
    assert listed[0]["state"] == "finished"
    assert {row["state"] for row in listed} == {"finished"}


def test_a_sweep_whose_creation_was_cut_off_is_no_obstacle(place: Place) -> None:
    sweep_id = put_sweep(place, FOUR, [])
    file = place.folder / "sweep.yaml"
    assert of_same_file(place.context, file) == sweep_id
    cut_off = create(place.context, file, 0, None)
    assert of_same_file(place.context, file) == cut_off.id
    folder = sweep_folder(place.context, cut_off.id)
    for left in folder.glob(f"{DATABASE}*"):
        left.unlink()
    (folder / DATABASE).touch()  # made, and nothing written to it
    assert of_same_file(place.context, file) == sweep_id


@pytest.mark.parametrize("seed", [2**63, -(2**63) - 1])
def test_a_seed_that_no_database_holds_is_refused(place: Place, seed: int) -> None:
    put_sweep(place, FOUR, [])
    with pytest.raises(RequestError, match=f"--seed: {seed} is not allowed"):
        create(place.context, place.folder / "sweep.yaml", seed, None)


def test_a_run_that_wandb_stops_is_pruned_in_the_sweep_too(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its page has a button for it, in a local sweep whose runs are followed as well."""
    sweep = stored_sweep(place.context, put_sweep(place, FOUR, []))
    store = TrialStore(storage_url(place.context, sweep.id, None))
    monkeypatch.setattr(Tracking, "stopped", True)
    with Tracking(place.context, "disabled") as tracking:
        train = objective(
            place.context, store, sweep, RunOptions(), lambda _: None, reuse=False, tracking=tracking
        )
        work(store, sweep, train, count=1)
    (trial,), (record,) = store.trials(sweep), place.context.runs.records()
    store.close()
    assert (trial.state, record.status, record.epochs_done) == ("pruned", "pruned", 1)
