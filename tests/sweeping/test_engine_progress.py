"""How far a sweep is to go and who is at it, on SQLite and on PostgreSQL."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from engine_helpers import epoch, sweep_of, take
from sqlalchemy import text, update

from ffcli.sweeping.database import TRIALS
from ffcli.sweeping.progress import goal, raise_goal, under_way
from ffcli.sweeping.store import TrialStore
from ffcli.sweeping.trials import DamagedSweepError
from ffcli.util.processes import Process, this_process

ELSEWHERE = Process("another machine", 1, "then")
DEAD = replace(this_process(), start="a process that had our number before us")


def test_the_most_that_was_asked_for_counts_and_each_sweep_has_its_own(store):
    sweep, other = store.create(sweep_of()), store.create(sweep_of(id="s2"), count=7)
    assert (goal(store.database, sweep), goal(store.database, other)) == (None, 7)
    for count, most in ((5, 5), (3, 5), (6, 6), (10**40, 2**63 - 1)):
        raise_goal(store.database, sweep, count)
        assert goal(store.database, sweep) == most
    assert goal(store.database, other) == 7
    assert store.create(sweep_of(id="s2"), count=9) == other  # an id is taken once
    assert goal(store.database, other) == 7


def test_machines_that_begin_at_once_agree(store, url):
    sweep = store.create(sweep_of())

    def ask(count: int) -> None:
        mine = TrialStore(url, patience=20)
        raise_goal(mine.database, sweep, count)
        mine.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, range(1, 17)))
    assert goal(store.database, sweep) == 16


@pytest.mark.parametrize("count", ["'many'", "0", "-1", "''", "2.5"])
def test_a_goal_that_is_none_is_as_if_never_said(sqlite, count):
    sweep = sqlite.create(sweep_of(), count=3)
    sqlite.database.run(lambda connection: connection.execute(text(f"UPDATE ffnn_goals SET count = {count}")))
    assert goal(sqlite.database, sweep) is None
    raise_goal(sqlite.database, sweep, 2)
    assert goal(sqlite.database, sweep) == 2


def test_who_is_at_it(store):
    sweep, other = store.create(sweep_of()), store.create(sweep_of(id="s2"))
    assert under_way(store.database, sweep) == 0
    mine = take(store, sweep, "a")
    take(store, sweep, "b", worker=ELSEWHERE)  # may live, for all that is known here
    assert (under_way(store.database, sweep), under_way(store.database, other)) == (2, 0)
    late = update(TRIALS).where(TRIALS.c.number == 2).values(lease=store.database.now - 1)
    store.database.run(lambda connection: connection.execute(late))
    assert under_way(store.database, sweep) == 1
    store.report(sweep, mine, epoch(1))
    store.finish(mine, "finished", value=0.5, best_epoch=1)
    assert under_way(store.database, sweep) == 0
    take(store, other, "c", worker=DEAD)
    assert under_way(store.database, other) == 0


def test_a_worker_that_is_none_is_damage(sqlite):
    sweep = sqlite.create(sweep_of())
    take(sqlite, sweep, "a")
    change = text("UPDATE ffnn_trials SET pid = 'many'")
    sqlite.database.run(lambda connection: connection.execute(change))
    with pytest.raises(DamagedSweepError):
        under_way(sqlite.database, sweep)
