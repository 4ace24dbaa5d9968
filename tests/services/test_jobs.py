"""Several runs on a worker pool."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_pool import FakePool, WorkerFailed, WorkerKilled
from small_runs import Place
from stored_runs import put

from ffcli.core.training import EpochResult
from ffcli.errors import FfnnError
from ffcli.execution.pool import Task, TaskEnded
from ffcli.services.jobs import Job, JobEvent, Jobs
from ffcli.sweeping.study.coordinator import STARTS
from ffcli.training.options import RunOptions


def train_after(place: Place, losses: int, how: type[Exception]) -> list[str]:
    """Train a run whose worker is lost so often before, and return its id."""
    left = iter(range(losses))

    def train(task: Task) -> Iterator[EpochResult]:
        place.path(f"run-{task.key}").mkdir(parents=True, exist_ok=True)
        if next(left, None) is not None:
            raise how
        yield from ()

    job = Job(place.config(), "0" * 64, RunOptions())
    return Jobs(place.context, [job], FakePool(train), lambda _: None).train()


def test_a_run_whose_workers_are_killed_is_given_up(tmp_path: Path) -> None:
    assert train_after(Place(tmp_path), STARTS - 1, WorkerKilled) == [f"run-0.{STARTS}"]
    with pytest.raises(FfnnError, match=f"{STARTS} times"):
        train_after(Place(tmp_path), STARTS, WorkerKilled)


def test_a_worker_whose_machine_fails_costs_its_run_no_start(tmp_path: Path) -> None:
    assert train_after(Place(tmp_path), STARTS + 1, WorkerFailed) == ["run-0.1"]


@pytest.mark.parametrize("status", ["finished", "diverged"])
def test_a_run_whose_worker_dies_after_its_end_is_kept(tmp_path: Path, status: str) -> None:
    place = Place(tmp_path)
    starts: list[str] = []
    told: list[object] = []

    def train(task: Task) -> Iterator[EpochResult]:
        starts.append(task.key)
        put(place.context.runs_dir, f"run-{task.key}", status=status)
        raise WorkerKilled
        yield

    job = Job(place.config(), "0" * 64, RunOptions())
    assert Jobs(place.context, [job], FakePool(train), told.append).train() == ["run-0.1"]
    assert starts == ["0.1"]
    assert place.context.runs.read("run-0.1").status == status
    assert JobEvent(0, TaskEnded("0.1", "run-0.1", status, None, 0.0)) in told
