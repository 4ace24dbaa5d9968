"""The best of a sweep trained again: which, on what, with what result, and after every kind of stop."""

from __future__ import annotations

import json
import math
import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_runs import Place, put_other_test_labels, write_dataset
from stored_sweeps import Made, put_sweep

from ffcli.errors import FfnnError, RequestError
from ffcli.execution.open import PoolOptions
from ffcli.execution.pool import PoolEvent, TaskEnded, TaskEpoch, TaskStarted
from ffcli.runs.metric import METRICS
from ffcli.runs.results import RunResult
from ffcli.runs.store import CHECKPOINT, MODEL, SUMMARY
from ffcli.services.evaluation.best import RunChoice
from ffcli.services.evaluation.evaluate import evaluate
from ffcli.services.jobs import Job, JobEvent, JobsOver, JobsStarted
from ffcli.services.members import Spread, spread
from ffcli.services.rerun import RerunOptions, RerunResult, rerun
from ffcli.services.runs.listing import list_runs
from ffcli.services.runs.select import load_run
from ffcli.util.atomic_files import json_value

RATES = "learning_rate: {values: [0.1, 0.03, 0.01, 0.003, 0.001]}"


class Watcher:
    """Remembers what it was told; calls ``at`` with each event of a run."""

    def __init__(self, at: Callable[[PoolEvent], None] = lambda _: None) -> None:
        self.jobs: Sequence[Job] | None = None
        self.done = 0
        self.events: list[PoolEvent] = []
        self.ended = False
        self._at = at

    def __call__(self, event: JobsStarted | JobEvent | JobsOver) -> None:
        if isinstance(event, JobsStarted):
            self.jobs, self.done = event.jobs, event.done
        elif isinstance(event, JobEvent):
            self.events.append(event.event)
            self._at(event.event)
        else:
            self.ended = True


class Planned(KeyboardInterrupt):
    """Ends a call before anything is trained."""


class Planner(Watcher):
    def __call__(self, event: JobsStarted | JobEvent | JobsOver) -> None:
        super().__call__(event)
        if isinstance(event, JobsStarted):
            raise Planned


@pytest.fixture
def other(place: Place) -> str:
    """Another dataset, of images of another size and of more classes."""
    return str(write_dataset(place.folder / "other.npz", n_classes=4, side=5, seed=1))


@pytest.fixture
def sweep_id(place: Place) -> str:
    """Five trials; by val_acc those of 0.03 and 0.01 tie behind 0.001, and a pruned one was better."""
    return put_sweep(
        place,
        RATES,
        [
            Made([(0.5, 0.1), (0.6, 0.2)], run_id="a"),
            Made([(0.5, 0.9), (0.8, 0.8)], run_id="b"),
            Made([(0.8, 0.7), (0.7, 0.5)], run_id="c"),
            Made([(0.95, 0.05)], "pruned", run_id="d"),
            Made([(0.9, 0.9)], run_id="e"),
        ],
    )


def again(place: Place, sweep_id: str, watcher: Watcher | None = None, **options: Any) -> list[RerunResult]:
    chosen = RerunOptions(**{"pool": PoolOptions(2), **options})
    return rerun(place.context, sweep_id, chosen, watcher or Watcher())


def planned(place: Place, sweep_id: str, **options: Any) -> list[Job]:
    watcher = Planner()
    with pytest.raises(Planned):
        again(place, sweep_id, watcher, **options)
    assert watcher.jobs is not None
    return list(watcher.jobs)


def rates(jobs: Sequence[Job]) -> list[float]:
    return [job.config.learning_rate for job in jobs]


def figures(document: RunResult) -> list[list[float]]:
    return [[getattr(epoch, metric) for metric in METRICS] for epoch in document.epochs]


# Which


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [0.001, 0.03, 0.01]),
        ({"top": 1}, [0.001]),
        ({"top": 9}, [0.001, 0.03, 0.01, 0.1]),
        ({"metric": "val-loss", "top": 4}, [0.1, 0.01, 0.03, 0.001]),
        ({"metric": "VAL_ACC", "top": 2}, [0.001, 0.03]),
    ],
)
def test_the_best_finished_ones_are_taken_the_earlier_first_on_a_tie(
    place: Place, sweep_id: str, other: str, options: dict[str, Any], expected: list[float]
) -> None:
    assert rates(planned(place, sweep_id, dataset=other, **options)) == expected
    assert any("only 4 such" in notice for notice in place.notices) == (options.get("top") == 9)


def test_a_sweep_that_minimises_has_its_least_first(place: Place, other: str) -> None:
    made = [Made([(0.5, loss)], run_id=f"t{loss}") for loss in (0.3, 0.1, 0.2)]
    sweep_id = put_sweep(place, RATES, made, "val_loss")
    assert rates(planned(place, sweep_id, dataset=other)) == [0.03, 0.01, 0.1]
    assert rates(planned(place, sweep_id, dataset=other, metric="val_acc")) == [0.1, 0.03, 0.01]


def test_only_the_dataset_changes(place: Place, sweep_id: str, other: str) -> None:
    (job,) = planned(place, sweep_id, dataset=other, top=1)
    expected = {"epochs": 3, "batch_size": 64, "hidden_size": 5, "num_layers": 1, "learning_rate": 0.001}
    assert job.config.as_dict().items() >= {**expected, "dataset": other, "seed": 0}.items()


def test_other_seeds_than_the_chosen_one(place: Place) -> None:
    sweep_id = put_sweep(place, "seed: {value: 7}", [Made([(0.5, 0.5)])])
    jobs = planned(place, sweep_id, seeds=3)
    assert [job.config.seed for job in jobs] == [8, 9, 10]
    assert {job.config.dataset for job in jobs} == {str(place.dataset)}


def test_no_seed_that_the_sweep_has_tried(place: Place) -> None:
    made = [Made([(val_acc, 0.5)]) for val_acc in (0.6, 0.9, 0.7)]
    sweep_id = put_sweep(place, "seed: {values: [3, 1, 5]}", made)
    assert [job.config.seed for job in planned(place, sweep_id, seeds=2)] == [6, 7]


def test_configurations_that_differ_in_seed_or_dataset_only_count_once(place: Place, other: str) -> None:
    search = f"dataset: {{values: [{place.dataset}, {other}]}}\n  seed: {{values: [1, 2]}}"
    made = [Made([(val_acc, 0.5)]) for val_acc in (0.6, 0.7, 0.9, 0.8)]
    sweep_id = put_sweep(place, search, made)
    (job,) = planned(place, sweep_id, dataset=str(place.dataset))
    assert (job.config.dataset, job.config.seed) == (str(place.dataset), 1)
    assert [job.config.dataset for job in planned(place, sweep_id, seeds=1)] == [other, str(place.dataset)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "another dataset, other seeds or folds"),
        ({"dataset": "mnits"}, "'mnits'.*Did you mean 'mnist'"),
        ({"seeds": 1, "metric": "val_lss"}, "'val_lss'.*Did you mean 'val_loss'"),
    ],
)
def test_wrong_requests_are_refused(
    place: Place, sweep_id: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(RequestError, match=message):
        again(place, sweep_id, **options)


def test_a_sweep_without_a_finished_run_has_no_best(place: Place) -> None:
    sweep_id = put_sweep(place, RATES, [Made([(0.5, 0.5)], "pruned"), Made([], "failed")])
    with pytest.raises(FfnnError, match="no finished run yet"):
        again(place, sweep_id, seeds=1)


# What comes of it


def test_mean_and_standard_deviation_have_n_minus_1() -> None:
    # Squared distances from the mean 5: 9, 1, 1, 1, 0, 0, 4, 16.
    assert spread([2, 4, 4, 4, 5, 5, 7, 9]) == Spread(
        5, pytest.approx(math.sqrt(32 / 7)), pytest.approx(math.sqrt(4 / 7))
    )
    assert spread([0.25]) == Spread(0.25, None, None)
    assert spread([]) == Spread(None, None, None)


def test_each_run_is_trained_like_any_other_and_evaluated_on_the_test_images(
    place: Place, other: str
) -> None:
    original = place.train(epochs=1)
    made = [Made([(0.75, 0.5)]), Made([(0.5, 0.5)], run_id=original.run_id)]
    sweep_id = put_sweep(place, RATES, made)
    documents = again(place, sweep_id, dataset=other, seeds=2)
    assert [(each.rank, each.config["seed"]) for each in documents] == [(1, 1), (1, 2), (2, 1), (2, 2)]
    dataset = place.context.dataset(other)
    for document in documents:
        assert document.status == "finished"
        assert document.tags == ["rerun"]
        assert figures(document) == figures(place.train(**document.config))
        network = load_run(document.run_id, place.context.runs_dir).network
        right = int(np.sum(network.predict(dataset.x_test) == dataset.y_test))
        assert document.test_acc == right / 100
        assert document.provenance["rerun"]["sweep"] == sweep_id
    first, second = (document.test_acc for document in documents[:2])
    summary = documents[0].over_runs
    assert summary.finished == 2
    assert summary.test_acc.mean == pytest.approx((first + second) / 2)
    assert summary.test_acc.sd == pytest.approx(abs(first - second) / math.sqrt(2))
    assert documents[1].over_runs == summary != documents[2].over_runs
    before = documents[0].original
    assert (before.metric, before.value, before.test_acc) == ("val_acc", 0.75, None)
    before = documents[3].original
    assert (before.run_id, before.dataset) == (original.run_id, str(place.dataset))
    network = load_run(original.run_id, place.context.runs_dir).network
    data = place.context.dataset(str(place.dataset))
    assert before.test_acc == np.mean(network.predict(data.x_test) == data.y_test)
    json.dumps(json_value(documents), allow_nan=False)


def test_the_accuracy_on_changed_data_is_not_the_originals(place: Place, other: str) -> None:
    original = place.train(epochs=1).run_id
    sweep_id = put_sweep(place, RATES, [Made([(0.5, 0.5)], run_id=original)])
    put_other_test_labels(place)
    (document,) = again(place, sweep_id, dataset=other)
    assert (document.original.run_id, document.original.test_acc) == (original, None)
    assert document.test_acc is not None


def test_a_diverged_run_is_told_and_not_averaged_and_not_tried_again(place: Place) -> None:
    search = "learning_rate: {value: 1.0e+30}\n  optimizer: {value: sgd}"
    sweep_id = put_sweep(place, search, [Made([(0.5, 0.5)])])
    (document,) = again(place, sweep_id, seeds=1)
    assert (document.status, document.test_acc) == ("diverged", None)
    assert document.over_runs.test_acc == Spread(None, None, None)
    watcher = Watcher()
    assert [run.run_id for run in again(place, sweep_id, watcher, seeds=1)] == [document.run_id]
    assert watcher.jobs is None


def test_only_new_runs_get_their_figures_at_wandb(
    place: Place, other: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a run that W&B has not got all of, one is told where something would be added to it."""
    original = place.train(epochs=1).run_id
    sweep_id = put_sweep(place, RATES, [Made([(0.5, 0.5)], run_id=original)])
    (document,) = again(place, sweep_id, dataset=other)
    for run_id in (original, document.run_id):
        path = place.path(run_id) / SUMMARY
        path.write_text(json.dumps({**json.loads(path.read_text()), "wandb": {"mode": "online"}}))
    monkeypatch.setenv("WANDB_MODE", "online")
    (same,) = again(place, sweep_id, dataset=other)
    assert same.test_acc == document.test_acc
    assert not any("W&B" in notice for notice in place.notices)
    evaluate(place.context, [RunChoice(document.run_id)])
    assert any("nothing is added" in notice for notice in place.notices)


# Again


def test_what_is_finished_is_not_trained_again(place: Place, sweep_id: str, other: str) -> None:
    first = again(place, sweep_id, dataset=other, top=2)
    watcher = Watcher()
    assert again(place, sweep_id, watcher, dataset=other, top=2) == first
    assert watcher.jobs is None
    assert len(planned(place, sweep_id, dataset=other)) == 1, "a larger --top trains what is new"
    assert len(planned(place, sweep_id, seeds=1, top=2)) == 2, "other seeds are other runs"


def change(place: Place, run_id: str, **provenance: Any) -> None:
    path = place.path(run_id) / SUMMARY
    record = json.loads(path.read_text())
    record["provenance"] |= provenance
    path.write_text(json.dumps(record))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda place, run_id: (place.path(run_id) / MODEL).unlink(),
        lambda place, run_id: change(place, run_id, core=-1),
        lambda place, run_id: change(place, run_id, dataset_digest="of other contents"),
        lambda place, run_id: change(place, run_id, rerun={"sweep": "another"}),
        lambda place, run_id: change(place, run_id, rerun=3),
    ],
)
def test_what_is_not_the_same_is_trained_anew(
    place: Place, sweep_id: str, other: str, spoil: Callable[[Place, str], None]
) -> None:
    first, second = again(place, sweep_id, dataset=other, top=2)
    spoil(place, second.run_id)
    (job,) = planned(place, sweep_id, dataset=other, top=2)
    assert (job.config.learning_rate, job.run_id) == (0.03, None)
    assert first.config["learning_rate"] == 0.001


# Stopped


@pytest.fixture
def long(place: Place) -> str:
    """Two trials of some epochs."""
    return put_sweep(place, "epochs: {values: [19, 20]}", [Made([(0.5, 0.5)]), Made([(0.6, 0.5)])])


@pytest.fixture(autouse=True)
def no_process_is_left() -> Any:
    yield
    assert workers() == []


def workers() -> list[int]:
    """Return the numbers of this process's workers that live."""
    found = " ".join(path.read_text() for path in Path("/proc/self/task").glob("*/children"))
    return [int(pid) for pid in found.split() if b"local_worker" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def kill_workers() -> None:
    for pid in workers():
        os.kill(pid, signal.SIGKILL)


def test_a_killed_worker_is_replaced_and_its_run_continued(place: Place, long: str) -> None:
    left = [1]

    def kill_once(event: PoolEvent) -> None:
        if isinstance(event, TaskEpoch) and event.result.epoch == 2 and left:
            left.clear()
            kill_workers()

    watcher = Watcher(kill_once)
    documents = again(place, long, watcher, seeds=1)
    assert [document.status for document in documents] == ["finished", "finished"]
    assert len(list_runs(place.context)) == 2
    assert max(event.first_epoch for event in watcher.events if isinstance(event, TaskStarted)) >= 3
    assert sum(isinstance(event, TaskEnded) for event in watcher.events) == 2
    assert watcher.ended
    for document in documents:
        assert figures(document) == figures(place.train(**document.config))


def test_a_run_whose_workers_all_die_ends_the_rerun(place: Place, long: str) -> None:
    def kill_each(event: PoolEvent) -> None:
        if isinstance(event, TaskStarted):
            kill_workers()

    with pytest.raises(FfnnError, match=r"3 times .*SIGKILL"):
        again(place, long, Watcher(kill_each), seeds=1, top=1)
    (run,) = list_runs(place.context)
    assert run.status == "interrupted"
    (document,) = again(place, long, seeds=1, top=1)
    assert (document.run_id, document.status) == (run.run_id, "finished")


def test_ctrl_c_closes_the_records_and_the_same_call_resumes(place: Place, long: str) -> None:
    def press(event: PoolEvent) -> None:
        if isinstance(event, TaskEpoch) and event.result.epoch == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        again(place, long, Watcher(press), seeds=1)
    stopped = {run.run_id: run.status for run in list_runs(place.context)}
    assert set(stopped.values()) == {"interrupted"}
    watcher = Watcher()
    documents = again(place, long, watcher, seeds=1)
    assert watcher.jobs is not None
    assert {job.run_id for job in watcher.jobs} - {None} == set(stopped)
    assert {document.run_id for document in documents} >= set(stopped)
    for document in documents:
        assert figures(document) == figures(place.train(**document.config))


def test_a_run_of_an_earlier_call_stays_where_its_worker_dies(place: Place, long: str) -> None:
    def press(event: PoolEvent) -> None:
        if isinstance(event, TaskEpoch) and event.result.epoch == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        again(place, long, Watcher(press), seeds=1, top=1)
    (run,) = list_runs(place.context)
    (place.path(run.run_id) / CHECKPOINT).unlink()
    left = [1]

    def kill_once(event: PoolEvent) -> None:
        if isinstance(event, TaskStarted) and left:
            left.clear()
            kill_workers()

    (document,) = again(place, long, Watcher(kill_once), seeds=1, top=1)
    assert (document.run_id, document.status, left) == (run.run_id, "finished", [])


def test_a_run_that_another_process_trains_is_left_alone(place: Place, long: str) -> None:
    refused: list[FfnnError] = []

    def meanwhile(event: PoolEvent) -> None:
        if isinstance(event, TaskEpoch) and not refused:
            with pytest.raises(FfnnError, match="another process") as caught:
                again(place, long, seeds=1, top=1)
            refused.append(caught.value)

    assert len(again(place, long, Watcher(meanwhile), seeds=1, top=1)) == 1
    assert refused


def test_what_cannot_be_continued_is_told_and_the_rest_is_kept(place: Place, long: str) -> None:
    (done,) = again(place, long, seeds=1, top=1)

    def damage(event: PoolEvent) -> None:
        if isinstance(event, TaskEpoch) and event.result.epoch == 2:
            for run in list_runs(place.context):
                if run.status == "running":
                    (place.path(run.run_id) / "config.yaml").write_text("[")
            kill_workers()

    with pytest.raises(FfnnError, match=r"configuration of run .* is damaged"):
        again(place, long, Watcher(damage), seeds=2, top=1)
    statuses = {run.run_id: run.status for run in list_runs(place.context)}
    assert sorted(statuses.values()) == ["finished", "interrupted"]
    assert statuses[done.run_id] == "finished"
