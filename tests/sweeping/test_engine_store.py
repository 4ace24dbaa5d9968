"""What every store must do, on SQLite and on PostgreSQL."""

from __future__ import annotations

import math
import os
from concurrent.futures import ThreadPoolExecutor

import pytest
from engine_helpers import FINITE, claim, complete, drawn, epoch, objective, sweep_of, take
from sqlalchemy import select, update

from ffcli.errors import FfnnError, RequestError
from ffcli.sweeping.claiming import ATTEMPTS, LEASE
from ffcli.sweeping.database import TRIALS, Database
from ffcli.sweeping.store import TrialStore
from ffcli.sweeping.trials import Counts, Ended, LostTrialError, Wait
from ffcli.util.processes import Process, this_process

ELSEWHERE = Process("another machine", 1, "then")
DEAD = Process(this_process().host, this_process().pid, "a process that had our number before us")


def test_a_sweep_is_read_back_as_it_was(store):
    sweep = store.create(sweep_of("bayes"))
    assert sweep.spec == sweep_of("bayes").spec
    assert (sweep.base, sweep.dataset_digest, sweep.core_version, sweep.seed) == (
        {"seed": 5},
        "digest of the data",
        1,
        0,
    )
    assert sweep.created > 1.7e9
    assert store.create(sweep_of("grid")) == sweep  # an id is taken once
    store.create(sweep_of("grid", id="s2"))
    assert [each.id for each in store.sweeps()] == ["s1", "s2"]
    with pytest.raises(RequestError, match="There is no sweep 's3' in"):
        store.sweep("s3")


def test_a_trial_is_stored_with_all_there_is_to_know(store):
    sweep = store.create(sweep_of("grid"))
    claimed = take(store, sweep, "a")
    assert claimed.trial.config.seed == 5
    assert claimed.trial.values == {
        "epochs": 2,
        "batch_size": 16,
        "activation": "tanh",
        "weight_init": "xavier",
    }
    store.set_run(claimed, "run 1")
    store.report(sweep, claimed, epoch(1, 0.25))
    store.report(sweep, claimed, epoch(2, 0.75, val_loss=math.inf))
    store.finish(claimed, "finished", value=0.75, best_epoch=2)
    [trial] = store.trials(sweep)
    assert (trial.number, trial.state, trial.attempts, trial.run_id) == (1, "finished", 1, "run 1")
    assert (trial.value, trial.best_epoch, trial.error) == (0.75, 2, None)
    assert trial.config == claimed.trial.config
    assert trial.created <= trial.started <= trial.ended
    assert trial.worker.endswith(f":{os.getpid()}")
    first, second = store.epochs(sweep.id, 1)
    assert first.result == epoch(1, 0.25)
    assert second.result.val_acc == 0.75
    assert math.isnan(second.result.val_loss)
    assert trial.started <= first.time <= second.time <= trial.ended
    assert store.counts(sweep) == Counts(finished=1, best=0.75)


def test_lists_of_sizes_come_back_as_they_were(store):
    sweep = store.create(sweep_of("grid", "\n  hidden_size: {values: [[64, 32], [16, 8]]}\n"))
    assert take(store, sweep, "a").trial.values == {"hidden_size": (64, 32)}
    assert store.trials(sweep)[0].config.hidden_sizes == (64, 32)


def test_count_is_exact_and_can_be_raised(store):
    sweep = store.create(sweep_of())
    assert complete(store, sweep, 3) == Ended("count", "3 trials are done.")
    assert complete(store, sweep, 3).reason == "count"
    assert store.counts(sweep).ended == 3
    before = drawn(store, sweep)
    assert complete(store, sweep, 7).reason == "count"
    assert store.counts(sweep).ended == 7
    assert drawn(store, sweep)[:3] == before


def test_run_cap_and_count_both_cap(store):
    sweep = store.create(sweep_of(top="run_cap: 4"))
    complete(store, sweep, 2)
    assert store.counts(sweep).ended == 2
    complete(store, sweep, 9)
    assert store.counts(sweep).ended == 4


@pytest.mark.parametrize("method", ["grid", "random", "bayes"])
def test_a_finite_space_is_used_up_and_nothing_comes_twice(store, method):
    sweep = store.create(sweep_of(method))
    assert complete(store, sweep) == Ended("space", "All 24 combinations of the space were tried.")
    assert store.counts(sweep) == Counts(finished=24, best=pytest.approx(0.85))
    assert len({trial.key for trial in store.trials(sweep)}) == 24


def test_the_target_ends_the_sweep(store):
    sweep = store.create(sweep_of("grid", target="0.8"))
    ended = complete(store, sweep)
    assert ended.reason == "target"
    assert "val_acc 0.82 has reached the target 0.8" in ended.message
    values = [trial.value for trial in store.trials(sweep)]
    assert max(values[:-1]) < 0.8 <= values[-1]


def test_while_others_run_one_waits_for_what_may_come_back(store):
    sweep = store.create(sweep_of())
    last = take(store, sweep, "a", count=1)
    assert claim(store, sweep, "b", count=1) == Wait(1)
    store.release("a")
    again = take(store, sweep, "b", count=1)
    assert again.trial.config == last.trial.config
    store.finish(again, "finished", value=0.5, best_epoch=1)
    assert claim(store, sweep, "c", count=1).reason == "count"


def test_the_last_of_a_space_may_come_back_too(store):
    sweep = store.create(sweep_of("grid", "\n  epochs: {values: [1, 2]}\n"))
    first, second = take(store, sweep, "a"), take(store, sweep, "b")
    assert claim(store, sweep, "c") == Wait(2)
    for claimed in (first, second):
        store.finish(claimed, "pruned", value=0.5, best_epoch=1)
    assert claim(store, sweep, "c").reason == "space"


def test_a_trial_of_a_dead_process_is_tried_again_at_once(store):
    sweep = store.create(sweep_of())
    lost = take(store, sweep, "a", worker=DEAD)
    store.set_run(lost, "half a run")
    store.report(sweep, lost, epoch(1))
    again = take(store, sweep, "b")
    assert (again.trial.number, again.trial.attempts, again.earlier_run) == (1, 2, "half a run")
    assert again.trial.config == lost.trial.config
    assert store.epochs(sweep.id) == []


def test_the_run_of_an_attempt_is_known_until_there_is_another(store):
    sweep = store.create(sweep_of())
    store.set_run(take(store, sweep, "a", worker=DEAD), "half a run")
    take(store, sweep, "b", worker=DEAD)  # killed before it cleared up
    third = take(store, sweep, "c")
    assert (third.trial.attempts, third.earlier_run) == (3, "half a run")
    store.set_run(third, "another")
    assert store.trials(sweep)[0].run_id == "another"


def test_a_trial_fails_when_it_has_killed_its_worker_three_times(store):
    sweep = store.create(sweep_of())
    for attempt in range(1, ATTEMPTS + 1):
        assert take(store, sweep, f"t{attempt}", worker=DEAD).trial.attempts == attempt
    assert take(store, sweep, "next").trial.number == 2
    failed = store.trials(sweep)[0]
    assert failed.state == "failed"
    assert "died or was not heard of 3 times, the last one was" in failed.error
    assert store.counts(sweep) == Counts(failed=1, running=1)


def test_one_that_has_a_run_is_looked_at_once_more(store):
    sweep = store.create(sweep_of())
    for attempt in range(1, ATTEMPTS + 2):
        held = take(store, sweep, f"t{attempt}", worker=DEAD)
        assert (held.trial.number, held.trial.attempts) == (1, attempt)
        assert len(store.epochs(sweep.id, 1)) == (attempt > ATTEMPTS), "kept for what is not trained again"
        store.set_run(held, f"run {attempt}")
        store.report(sweep, held, epoch(1))
    assert take(store, sweep, "next").trial.number == 2
    failed = store.trials(sweep)[0]
    assert (failed.state, failed.run_id) == ("failed", f"run {ATTEMPTS + 1}")
    assert f"died or was not heard of {ATTEMPTS + 1} times" in failed.error
    assert store.counts(sweep) == Counts(failed=1, running=1)


def test_of_several_that_were_lost_each_claim_looks_for_one(store):
    """The others are still held by their dead workers: another machine cannot take them meanwhile."""
    sweep = store.create(sweep_of())
    for attempt in range(ATTEMPTS):
        for number in (1, 2):
            held = take(store, sweep, f"{attempt}-{number}")
            assert held.trial.number == number
            store.set_run(held, f"run {number}")
        gone = update(TRIALS).values(process_start="gone")
        store.database.run(lambda connection, gone=gone: connection.execute(gone))
    first = take(store, sweep, "a")
    assert (first.trial.number, first.trial.attempts, first.earlier_run) == (1, ATTEMPTS + 1, "run 1")
    assert [trial.state for trial in store.trials(sweep)] == ["running", "running"]
    assert store.trials(sweep)[1].attempts == ATTEMPTS
    second = take(store, sweep, "b")
    assert (second.trial.number, second.trial.attempts, second.earlier_run) == (2, ATTEMPTS + 1, "run 2")


def test_what_is_only_looked_for_goes_before_what_is_trained_again(store):
    sweep = store.create(sweep_of())
    again = take(store, sweep, "again")
    for attempt in range(ATTEMPTS):
        held = take(store, sweep, f"lost {attempt}", worker=DEAD)
        assert held.trial.number == 2
        store.set_run(held, "its run")
    store.release(again.token)
    assert [take(store, sweep, token).trial.number for token in "ab"] == [2, 1]


def test_only_the_machine_that_has_its_run_looks(store):
    sweep = store.create(sweep_of())
    for attempt in range(ATTEMPTS):
        held = take(store, sweep, f"t{attempt}", worker=ELSEWHERE)
        assert held.trial.number == 1
        store.set_run(held, "its run")
        store.report(sweep, held, epoch(1))
        late = update(TRIALS).where(TRIALS.c.number == 1).values(lease=store.database.now - 1)
        store.database.run(lambda connection, late=late: connection.execute(late))
    assert take(store, sweep, "next").trial.number == 2
    failed = store.trials(sweep)[0]
    assert (failed.state, failed.attempts, failed.run_id) == ("failed", ATTEMPTS, "its run")
    assert failed.error.endswith("not heard of 3 times, the last one was another machine:1")
    assert failed.worker == "another machine:1"
    assert len(store.epochs(sweep.id, 1)) == 1


def test_a_trial_of_another_host_comes_back_when_its_lease_runs_out(store):
    sweep = store.create(sweep_of())
    lost = take(store, sweep, "a", worker=ELSEWHERE)
    assert store.heartbeat(lost)
    assert take(store, sweep, "b").trial.number == 2
    # Time passes.
    later = update(TRIALS).where(TRIALS.c.number == 1).values(lease=store.database.now - 1)
    store.database.run(lambda connection: connection.execute(later))
    again = take(store, sweep, "c")
    assert (again.trial.number, again.trial.attempts) == (1, 2)

    assert not store.heartbeat(lost)
    store.release("a")  # has nothing to give back any more
    for late in (
        lambda: store.report(sweep, lost, epoch(1)),
        lambda: store.finish(lost, "finished", value=0.9),
        lambda: store.set_run(lost, "late"),
    ):
        with pytest.raises(LostTrialError, match="Trial 1 was given to another worker"):
            late()
    store.finish(again, "finished", value=0.5, best_epoch=1)
    assert store.trials(sweep)[0].value == 0.5


def test_a_clock_that_is_set_back_holds_no_trial_for_longer_than_a_lease(store):
    sweep = store.create(sweep_of())
    lost = take(store, sweep, "a", worker=ELSEWHERE)
    now = store.database.now
    ahead = update(TRIALS).values(lease=now + 3600)  # as written before the clock went back by an hour
    store.database.run(lambda connection: connection.execute(ahead))
    assert take(store, sweep, "b").trial.number == 2, (
        "its worker may well live: it has a whole lease to say so"
    )
    left = select(TRIALS.c.lease - now).where(TRIALS.c.number == 1)
    assert 0 < store.database.run(lambda connection: connection.execute(left).scalar_one()) <= LEASE
    assert store.heartbeat(lost)
    assert not store.report(sweep, lost, epoch(1))
    store.finish(lost, "finished", value=0.5, best_epoch=1)


def test_a_heartbeat_or_an_epoch_extends_the_lease(store):
    sweep = store.create(sweep_of())
    held = take(store, sweep, "a", worker=ELSEWHERE)
    for sign in (lambda: store.heartbeat(held), lambda: store.report(sweep, held, epoch(1))):
        soon = update(TRIALS).values(lease=store.database.now + 0.001)
        store.database.run(lambda connection, soon=soon: connection.execute(soon))
        sign()
        assert take(store, sweep, f"b{id(sign)}").trial.number > 1


def test_first_three_failures_end_the_sweep_until_they_are_forgiven(store):
    def bad(_, trial):
        raise ValueError(f"too bad {trial.number}")

    sweep = store.create(sweep_of())
    ended = complete(store, sweep, 10, objective=bad)
    assert ended.reason == "failures"
    for number in (1, 2, 3):
        assert f"ValueError: too bad {number}" in ended.message
    assert store.counts(sweep).ended == 3
    assert complete(store, sweep, 10).reason == "failures"
    assert complete(store, sweep, 10, forgiven=3).reason == "count"
    assert store.counts(sweep) == Counts(failed=3, finished=7, best=pytest.approx(0.85, abs=0.2))


def test_failures_after_a_success_do_not(store):
    def mostly_bad(config, trial):
        if trial.number != 2:
            raise ValueError("bad")
        objective(config, trial)

    sweep = store.create(sweep_of())
    assert complete(store, sweep, 9, objective=mostly_bad).reason == "count"
    assert store.counts(sweep).failed == 8


@pytest.mark.parametrize("method", ["random", "bayes"])
def test_nothing_is_done_twice_when_every_answer_is_lost_once(store, monkeypatch, method):
    plain = store.create(sweep_of(method, id="plain"))
    complete(store, plain, 14)
    run = Database.run

    def twice(database, work):
        run(database, work)
        return run(database, work)

    monkeypatch.setattr(Database, "run", twice)
    sweep = store.create(sweep_of(method))
    complete(store, sweep, 14)
    assert store.counts(sweep) == store.counts(plain)
    assert drawn(store, sweep) == drawn(store, plain)
    assert len(store.epochs(sweep.id)) == 2 * 14
    held = take(store, sweep, "x", count=15)
    store.set_run(held, "half a run")
    store.release("x")
    assert store.trials(sweep)[14].attempts == 0
    assert held.trial.number == 15
    again = take(store, sweep, "y", count=15)
    assert (again.trial.number, again.trial.attempts, again.earlier_run) == (15, 1, "half a run")


def test_many_can_open_an_empty_database_at_once(url):
    with ThreadPoolExecutor(4) as pool:
        stores = list(pool.map(lambda _: TrialStore(url), range(4)))
    assert [each.sweeps() for each in stores] == [[], [], [], []]
    for each in stores:
        each.close()


def test_two_sweeps_of_a_database_do_not_mix(store):
    one, two = store.create(sweep_of(id="one")), store.create(sweep_of(id="two", seed=1))
    complete(store, one, 3)
    assert store.counts(two) == Counts()
    assert take(store, two, "a").trial.number == 1
    assert drawn(store, one) != drawn(store, two)


def test_a_list_contradicting_the_base_is_a_clear_error(store):
    sweep = sweep_of("grid", FINITE)
    sweep = store.create(type(sweep)(**{**vars(sweep), "base": {"momentum": 7}}))
    with pytest.raises(FfnnError, match=r"momentum: 7 is not allowed; give a number in \[0, 1\)"):
        claim(store, sweep, "a")
    assert store.counts(sweep) == Counts()
