"""What every worker pool does."""

from __future__ import annotations

import json
import signal

import pytest
from pool_helpers import Pool
from small_runs import without_times

from ffcli.config import TrainConfig
from ffcli.errors import FfnnError
from ffcli.execution.pool import Notice, TaskEnded, TaskEpoch, TaskLost, TaskStarted
from ffcli.runs.store import CHECKPOINT, CONFIG, HISTORY, MODEL, SUMMARY


def numbers(pool: Pool, run_id: str) -> list[list[str]]:
    return without_times((pool.place.path(run_id) / HISTORY).read_text())


def test_a_task_becomes_the_run_that_training_it_alone_gives(pool: Pool) -> None:
    alone = pool.place.train()
    pool.submit(provenance={"trial": 7}, sweep_id="a-sweep")
    ended = pool.ended()
    assert (ended.status, ended.error, ended.fatal) == ("finished", None, False)
    assert ended.run_id is not None
    assert numbers(pool, ended.run_id) == numbers(pool, alone.run_id)
    one, other = (pool.place.path(run_id) for run_id in (ended.run_id, alone.run_id))
    assert (one / MODEL).read_bytes() == (other / MODEL).read_bytes()
    assert (one / CONFIG).read_bytes() == (other / CONFIG).read_bytes()
    assert {path.name for path in one.iterdir()} == {CONFIG, HISTORY, MODEL, SUMMARY}
    record = json.loads((one / SUMMARY).read_text())
    assert (record["status"], record["sweep_id"], record["epochs_done"]) == ("finished", "a-sweep", 4)
    assert record["provenance"]["trial"] == 7
    assert record["provenance"]["dataset_digest"] == pool.digest
    assert pool.started().worker == f"{record['provenance']['host']}:{record['provenance']['pid']}"


def test_the_events_of_a_task_come_in_order_and_once(pool: Pool) -> None:
    pool.submit("one")
    pool.submit("two", config={"seed": 1})
    for key in ("one", "two"):
        ended = pool.ended(key)
        own = [event for event in pool.events if not isinstance(event, Notice) and event.key == key]
        assert [type(event) for event in own[:-1]] == [TaskStarted] + 4 * [TaskEpoch]
        assert own[-1] is ended
        assert [event.result.epoch for event in own if isinstance(event, TaskEpoch)] == [1, 2, 3, 4]
        assert pool.started(key).run_id == ended.run_id
        assert pool.started(key).first_epoch == 1
    assert pool.pool.free == 2


def test_no_more_tasks_than_workers(pool: Pool) -> None:
    pool.submit("one", waits_for_verdict=True)
    pool.submit("two", waits_for_verdict=True)
    assert (pool.pool.size, pool.pool.free) == (2, 0)
    with pytest.raises(FfnnError):
        pool.pool.submit(pool.task("three"))


def test_a_task_waits_for_each_verdict(pool: Pool) -> None:
    pool.submit(waits_for_verdict=True)
    pool.epoch(1)
    assert not pool.pool.wait(0.3)
    pool.pool.verdict("one", stop=False)
    pool.epoch(2)
    pool.pool.verdict("one", stop=True)
    ended = pool.ended()
    assert (ended.status, ended.error, len(pool.of(TaskEpoch))) == ("pruned", None, 2)


def test_a_task_is_stopped_after_its_epoch(pool: Pool) -> None:
    pool.submit(config={"epochs": 100_000})
    pool.epoch(1)
    pool.pool.stop("one")
    assert pool.ended().status == "pruned"
    pool.submit("two")
    assert pool.ended("two").status == "finished"


def test_a_task_is_stopped_before_it_has_begun(pool: Pool) -> None:
    pool.submit(config={"epochs": 100_000})
    pool.pool.stop("one")
    ended = pool.ended()
    assert (ended.status, len(pool.of(TaskEpoch))) == ("pruned", 1)


def test_what_is_said_to_a_task_that_has_ended_does_no_harm(pool: Pool) -> None:
    pool.submit()
    pool.ended()
    pool.pool.stop("one")
    pool.pool.verdict("one", stop=True)
    pool.submit("two", waits_for_verdict=False)
    assert pool.ended("two").status == "finished"


def test_a_diverged_task_says_where(pool: Pool) -> None:
    pool.submit(config={"optimizer": "sgd", "learning_rate": 1e30})
    ended = pool.ended()
    assert ended.status == "diverged"
    assert "epoch" in (ended.error or "")
    assert not ended.fatal


def test_a_configuration_that_cannot_be_trained_fails_alone(pool: Pool) -> None:
    impossible = TrainConfig.model_construct(
        **{**pool.place.config().model_dump(), "hidden_size": [1 << 40], "num_layers": 1}
    )
    pool.until(lambda: pool.pool.free > 0)
    pool.pool.submit(type(pool.task())("one", impossible, pool.digest))
    ended = pool.ended()
    assert (ended.run_id, ended.status, ended.fatal) == (None, "failed", False)
    assert ended.error
    pool.submit("two")
    assert pool.ended("two").status == "finished"


def test_another_dataset_than_the_tasks_is_refused(pool: Pool) -> None:
    pool.submit(dataset_digest="0" * 64)
    ended = pool.ended()
    assert (ended.run_id, ended.status, ended.fatal) == (None, "failed", True)
    assert pool.digest in (ended.error or "")
    assert not pool.place.context.runs.ids()


@pytest.mark.parametrize(("ends", "keeps", "stored"), [(0, False, True), (1, True, True), (1, False, False)])
def test_a_run_that_does_not_finish_keeps_its_weights_if_asked_to(
    pool: Pool, ends: int, keeps: bool, stored: bool
) -> None:
    pool.submit(waits_for_verdict=ends > 0, keep_unfinished_weights=keeps)
    if ends:
        pool.epoch(ends)
        pool.pool.verdict("one", stop=True)
    ended = pool.ended()
    assert (ended.status, ended.run_id is None) == ("pruned" if ends else "finished", False)
    assert (pool.place.path(str(ended.run_id)) / MODEL).exists() == stored
    assert pool.place.context.runs.read(str(ended.run_id)).best_epoch


def test_a_run_is_resumed_from_its_checkpoint(pool: Pool) -> None:
    whole = pool.place.train()
    pool.submit(waits_for_verdict=True)
    pool.epoch(1)
    pool.pool.verdict("one", stop=False)
    pool.epoch(2)
    pool.kill(number=signal.SIGTERM)
    pool.until(lambda: bool(pool.of(TaskLost) or pool.of(TaskEnded)))  # a local worker tells it
    assert [event.status for event in pool.of(TaskEnded)] in ([], ["interrupted"])
    run_id = pool.started().run_id
    assert pool.place.context.runs.read(run_id).status == "interrupted"
    pool.submit("two", resume=run_id)
    ended = pool.ended("two")
    assert (ended.status, ended.run_id) == ("finished", run_id)
    assert numbers(pool, run_id) == numbers(pool, whole.run_id)
    assert (pool.place.path(run_id) / MODEL).read_bytes() == (
        pool.place.path(whole.run_id) / MODEL
    ).read_bytes()


def test_a_checkpoint_of_this_machine_is_continued(pool: Pool) -> None:
    from small_runs import interrupt_after

    from ffcli.services.train import train
    from ffcli.training.options import RunOptions

    whole = pool.place.train()
    with pytest.raises(KeyboardInterrupt):
        train(pool.place.context, pool.place.config(), RunOptions(), interrupt_after(3))
    run_id = pool.place.context.runs.ids()[-1]
    assert (pool.place.path(run_id) / CHECKPOINT).exists()
    pool.submit(resume=run_id)
    ended = pool.ended()
    assert (ended.status, ended.run_id, pool.started().first_epoch) == ("finished", run_id, 4)
    assert numbers(pool, run_id) == numbers(pool, whole.run_id)
    assert (pool.place.path(run_id) / MODEL).read_bytes() == (
        pool.place.path(whole.run_id) / MODEL
    ).read_bytes()


def test_a_killed_worker_loses_its_task_and_no_other(pool: Pool) -> None:
    pool.submit("one", waits_for_verdict=True)
    pool.submit("two", waits_for_verdict=True)
    pool.epoch(1, "one")
    pool.epoch(1, "two")
    pool.kill("one")
    lost = pool.lost("one")
    assert lost.run_id == pool.started("one").run_id
    assert lost.reason
    pool.place.context.runs.remove(lost.run_id)  # nobody holds it
    pool.submit("again")
    assert pool.ended("again").status == "finished"
    pool.pool.verdict("two", stop=True)
    assert pool.ended("two").status == "pruned"
    assert not pool.of(TaskLost, "two")


def test_what_is_under_way_at_the_end_is_interrupted(pool: Pool) -> None:
    pool.submit("one", waits_for_verdict=True)
    pool.submit("two", config={"epochs": 100_000})
    runs = [pool.epoch(1, key) and pool.started(key).run_id for key in ("one", "two")]
    pool.pool.shut_down()
    pool.pool.shut_down()
    assert [pool.place.context.runs.read(run_id).status for run_id in runs] == ["interrupted"] * 2
