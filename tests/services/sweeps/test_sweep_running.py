"""Running a sweep of the store: who may, what goes wrong, and what is left behind."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from engine_helpers import epoch
from fake_pool import FakePool
from small_runs import Place, write_dataset
from stored_sweeps import Made, put_sweep

from ffcli.core.training import EpochResult
from ffcli.errors import FfnnError, RequestError
from ffcli.execution.open import PoolOptions
from ffcli.execution.pool import Task
from ffcli.runs.layout import STUDY
from ffcli.runs.store import MODEL
from ffcli.services.sweeps import local
from ffcli.services.sweeps.create import create, describe_space, of_same_file, read_sweep, sweep_folder
from ffcli.services.sweeps.listing import list_sweeps
from ffcli.services.sweeps.local import SweepOptions, run_sweep
from ffcli.services.sweeps.results import SweepOutcome, TrialCounts
from ffcli.sweeping.study.events import EpochDone, SweepOver, SweepStarted, TrialEnded
from ffcli.sweeping.study.lock import SweepHeldError, SweepLock

FOUR = "learning_rate: {values: [0.001, 0.002, 0.003, 0.004]}"


class Onlooker:
    """Remembers what it was told, and raises ``error`` after the first epoch."""

    def __init__(self, error: type[BaseException] | None = None) -> None:
        self.events: list[Any] = []
        self._error = error

    def __call__(self, event: Any) -> None:
        self.events.append(event)
        if self._error is not None and isinstance(event, EpochDone):
            error, self._error = self._error, None
            raise error("of the onlooker itself")

    @property
    def workers(self) -> int:
        return next(event.workers for event in self.events if isinstance(event, SweepStarted))


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> list[FakePool]:
    """Let sweeps run on fake pools, which are returned as they are opened."""
    opened: list[FakePool] = []

    def train(task: Task) -> Iterator[EpochResult]:
        for number in range(1, task.config.epochs + 1):
            yield epoch(number, 0.1 * number)

    def open_pool(_: object, options: PoolOptions) -> FakePool:
        opened.append(FakePool(train, options.workers))
        return opened[-1]

    monkeypatch.setattr(local, "open_pool", open_pool)
    return opened


def run(place: Place, sweep_id: str, on_event: Any = lambda _: None, **options: Any) -> SweepOutcome:
    return run_sweep(
        place.context, read_sweep(place.context, sweep_id).sweep, SweepOptions(**options), on_event
    )


def rows(place: Place, sweep_id: str) -> list[dict[str, Any]]:
    with (sweep_folder(place.context, sweep_id) / "runs.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(
    ("done", "count", "workers"),
    [(2, 3, 1), (2, None, 2), (4, None, 1)],
    ids=["one of the count is left", "enough is left", "nothing is left"],
)
def test_no_more_workers_are_told_of_than_trials_are_left(
    place: Place, fake: list[FakePool], done: int, count: int | None, workers: int
) -> None:
    sweep_id = put_sweep(place, FOUR, [Made([(0.5, 1.0)])] * done)
    onlooker = Onlooker()
    document = run(place, sweep_id, onlooker, count=count, pool=PoolOptions(2))
    assert onlooker.workers == workers
    assert document.counts.finished == (count or 4)
    assert onlooker.events[-1] == SweepOver()
    assert [pool.shut for pool in fake] == [True]


@pytest.mark.usefixtures("fake")
def test_a_pool_whose_workers_are_yet_to_come_has_none(place: Place) -> None:
    """The jobs of a batch system start after the sweep."""
    onlooker = Onlooker()
    run(place, put_sweep(place, FOUR, []), onlooker, count=3, pool=PoolOptions(0), max_time=0.0)
    assert onlooker.workers == 0


@pytest.mark.parametrize("workers", [1, 2])
def test_each_worker_has_one_blas_thread(place: Place, fake: list[FakePool], workers: int) -> None:
    """So that a trial comes out the same with any number of workers."""
    run(place, put_sweep(place, FOUR, []), pool=PoolOptions(workers))
    assert {task.options.threads for pool in fake for task in pool.tasks} == {1}


def test_the_time_is_estimated_with_the_workers_that_find_work(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_sweep(place, FOUR, [])
    monkeypatch.setattr("ffcli.services.sweeps.create.seconds_of", lambda *_, **__: 10.0)
    monkeypatch.setattr("ffcli.services.sweeps.create.would_compile", lambda: False)
    many, one = (
        describe_space(place.context, place.folder / "sweep.yaml", 2, workers) for workers in (64, 1)
    )
    assert (many.workers, many.seconds_a_run, one.workers) == (2, 10.0, 1)
    assert many.seconds_estimate is not None
    assert one.seconds_estimate is not None
    assert 10 < many.seconds_estimate < 15  # the start of the workers counts
    assert one.seconds_estimate - many.seconds_estimate == pytest.approx(10)


@pytest.mark.usefixtures("fake")
def test_what_was_asked_for_once_is_asked_for_again(place: Place) -> None:
    sweep_id = put_sweep(place, FOUR, [])
    run(place, sweep_id, count=2)
    assert run(place, sweep_id).counts.finished == 2
    document = run(place, sweep_id, count=3)
    assert (document.counts.finished, document.planned, document.state) == (3, 3, "ended")
    fewer = run(place, sweep_id, count=1)
    assert (fewer.counts.finished, fewer.planned) == (3, 3)


@pytest.mark.usefixtures("fake")
def test_a_comparison_that_is_not_tried_again_is_left_as_it_was(place: Place) -> None:
    put_sweep(place, "loss: {values: [cross_entropy, squared_error]}", [])
    sweep = create(place.context, place.folder / "sweep.yaml", 0, paired="loss")
    with pytest.raises(RequestError):
        run(place, sweep.id, count=2, retry_failed=True)
    assert read_sweep(place.context, sweep.id).count is None


def test_an_error_of_the_progress_is_none_of_the_sweep(place: Place) -> None:
    sweep_id = put_sweep(place, FOUR, [])
    assert run(place, sweep_id, Onlooker(OSError)).counts.finished == 4


@pytest.mark.usefixtures("fake")
def test_after_ctrl_c_the_list_of_runs_is_there(place: Place) -> None:
    sweep_id = put_sweep(place, FOUR, [])
    with pytest.raises(KeyboardInterrupt):
        run(place, sweep_id, Onlooker(KeyboardInterrupt))
    assert [row["state"] for row in rows(place, sweep_id)] == ["finished"]
    assert list_sweeps(place.context)[0].counts.finished == 1


@pytest.mark.usefixtures("fake")
def test_one_process_runs_a_sweep_at_a_time(place: Place) -> None:
    sweep_id = put_sweep(place, FOUR, [])
    with SweepLock(sweep_folder(place.context, sweep_id)):
        assert list_sweeps(place.context)[0].state == "running"
        with pytest.raises(SweepHeldError):
            run(place, sweep_id)
    assert run(place, sweep_id).state == "ended"


@pytest.mark.usefixtures("fake")
def test_another_process_that_has_taken_the_sweep_stops_this_one(place: Place) -> None:
    sweep_id = put_sweep(place, FOUR, [])

    def take(event: object) -> None:
        if isinstance(event, TrialEnded) and event.number == 2:
            (sweep_folder(place.context, sweep_id) / "lock").write_text('{"token": "another"}')

    with pytest.raises(SweepHeldError):
        run(place, sweep_id, take)
    counts = read_sweep(place.context, sweep_id).counts
    assert (counts.finished, counts.running) == (2, 0)


@contextmanager
def changed(place: Place) -> Iterator[None]:
    before = place.dataset.read_bytes()
    write_dataset(place.dataset, seed=5)
    try:
        yield
    finally:
        place.dataset.write_bytes(before)


def test_a_dataset_that_was_replaced_is_refused_at_the_next_trial(place: Place) -> None:
    sweep_id = put_sweep(place, FOUR, [])

    def change(event: object) -> None:
        if isinstance(event, TrialEnded) and event.number == 2:
            replaced.__enter__()

    replaced = changed(place)
    with pytest.raises(FfnnError, match="dataset"):
        run(place, sweep_id, change)
    counts = read_sweep(place.context, sweep_id).counts
    assert (counts.finished, counts.failed, counts.running) == (2, 0, 1)
    with pytest.raises(FfnnError, match="not the one that sweep"):
        run(place, sweep_id)
    replaced.__exit__(None, None, None)
    assert run(place, sweep_id).counts == TrialCounts(4, 0, 0)
    assert {record.provenance.dataset_digest for record in place.context.runs.records()} == {
        read_sweep(place.context, sweep_id).sweep.dataset_digest
    }


def test_of_several_datasets_one_that_was_replaced_is_refused_too(place: Place) -> None:
    other = write_dataset(place.folder / "other.npz", seed=3)
    search = f"dataset: {{values: [{other}, {place.dataset}]}}\n  seed: {{values: [1, 2]}}"
    sweep_id = put_sweep(place, search, [])
    run(place, sweep_id, count=3)
    with changed(place), pytest.raises(FfnnError, match="has changed"):
        run(place, sweep_id, count=4)
    assert run(place, sweep_id, count=4).counts == TrialCounts(4, 0, 0)


def test_only_the_best_keep_their_weights(place: Place) -> None:
    sweep_id = put_sweep(place, "learning_rate: {values: [0.001, 0.002, 0.004, 0.008, 0.01, 0.02, 0.04]}", [])
    run(place, sweep_id, count=3, pool=PoolOptions(2))
    run(place, sweep_id, count=7, pool=PoolOptions(2))
    trials = sorted(read_sweep(place.context, sweep_id).trials, key=lambda t: (-(t.value or 0), t.number))
    kept = [(place.path(str(trial.run_id)) / MODEL).is_file() for trial in trials]
    assert kept == [True] * 5 + [False] * 2
    assert len(rows(place, sweep_id)) == 7


# Finding and making sweeps


def test_a_sweep_whose_creation_was_cut_off_is_no_obstacle(place: Place) -> None:
    sweep_id = put_sweep(place, FOUR, [])
    file = place.folder / "sweep.yaml"
    assert of_same_file(place.context, file) == sweep_id
    cut_off = create(place.context, file, 0)
    assert of_same_file(place.context, file) == cut_off.id
    folder = sweep_folder(place.context, cut_off.id)
    (folder / STUDY).unlink()
    assert of_same_file(place.context, file) == sweep_id
    (folder / STUDY).touch()  # which no process leaves
    assert of_same_file(place.context, file) == sweep_id
    assert any(cut_off.id in notice for notice in place.notices)


def test_a_damaged_sweep_hides_no_other(place: Place) -> None:
    sweep_id, damaged = put_sweep(place, FOUR, []), put_sweep(place, FOUR, [Made([(0.5, 1.0)])])
    path = sweep_folder(place.context, damaged) / STUDY
    path.write_bytes(path.read_bytes().replace(b'{"op_code":4', b'<"op_code":4'))
    assert [each.sweep_id for each in list_sweeps(place.context)] == [sweep_id]
    assert any(damaged in notice for notice in place.notices)


def test_a_sweep_that_is_not_there_is_refused(place: Place) -> None:
    with pytest.raises(RequestError, match="no sweep"):
        read_sweep(place.context, "20260101-000000-000-bbbb")


KILLED = """
import os, signal, sys
from pathlib import Path
import ffcli.services.sweeps.create as module
from ffcli.training.context import Context

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

setattr(module.study, "create", die)
module.create(Context(Path(sys.argv[1]), Path(sys.argv[2])), Path(sys.argv[3]), 0)
"""


def test_what_was_killed_before_it_was_whole_goes_with_the_next_sweep(place: Place) -> None:
    put_sweep(place, FOUR, [])
    words = [place.context.data_dir, place.context.runs_dir, place.folder / "sweep.yaml"]
    done = subprocess.run([sys.executable, "-c", KILLED, *map(str, words)], check=False)
    assert done.returncode == -signal.SIGKILL
    root = place.context.runs_dir / "sweeps"
    assert len(list(root.iterdir())) == 2
    (root / "entity" / "project" / "id").mkdir(parents=True)
    being_made = root / "20260101-000000-000-bbbb"
    being_made.mkdir()
    not_locked_yet, left = (root / f"20260101-000000-000-{name}" for name in ("cccc", "dddd"))
    not_locked_yet.mkdir()
    left.mkdir()
    os.utime(left, (0, 0))
    with SweepLock(being_made):
        create(place.context, place.folder / "sweep.yaml", 0)
    whole = {path.name for path in root.iterdir() if (path / STUDY).exists()}
    assert {path.name for path in root.iterdir()} == {*whole, "entity", being_made.name, not_locked_yet.name}
    assert len(whole) == 2


@pytest.mark.parametrize("name", ["a b", "50%20off", "what?", "#1", "a&b=c", "ünï", "\udcff\udcfe"])
def test_any_path_will_do_for_a_store(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name / "runs"
    place = Place(tmp_path)
    place.context = replace(place.context, runs_dir=folder)
    sweep_id = put_sweep(place, FOUR, [])
    document = run(place, sweep_id, count=1)
    assert document.counts.finished == 1
    assert {path.name for path in tmp_path.iterdir()} == {name, "data", "mine.npz", "sweep.yaml"}
    assert list((tmp_path / name).iterdir()) == [folder]
    assert (sweep_folder(place.context, sweep_id) / STUDY).is_file()
    assert list_sweeps(place.context)[0].best == document.best
