"""How far a sweep is to go, and how many workers are at it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Select, insert, select, update

from ffcli.sweeping.database import GOALS, SWEEPS, TRIALS, Database
from ffcli.sweeping.trials import Sweep, sound
from ffcli.util.processes import Process

_MOST = 2**63 - 1  # what the databases have room for


def raise_goal(database: Database, sweep: Sweep, count: int) -> None:
    """Note that so many trials are asked for in all, where it is more than before.

    A sweep that was killed goes on to as many. Somebody who wants fewer stops there, and the rest stays open.
    """

    def work(connection: Connection) -> None:
        # Whoever locks the sweep's row is alone, as in `Claiming`: two machines may begin at once.
        connection.execute(select(SWEEPS.c.id).where(SWEEPS.c.id == sweep.id).with_for_update())
        before = _usable(connection.execute(_goal_of(sweep)).scalar())
        if before is None or before < count:
            note_goal(connection, sweep.id, count)

    if database.remembers_goals:
        database.run(work)


def note_goal(connection: Connection, sweep_id: str, count: int) -> None:
    """Note how many trials are asked for, within a transaction that has the sweep to itself."""
    values = {"count": min(count, _MOST)}
    if not connection.execute(update(GOALS).where(GOALS.c.sweep == sweep_id).values(values)).rowcount:
        connection.execute(insert(GOALS).values(sweep=sweep_id, **values))


def goal(database: Database, sweep: Sweep) -> int | None:
    """Return the most trials that were asked for, or None where that was never said."""
    if not database.remembers_goals:
        return None
    return _usable(database.run(lambda connection: connection.execute(_goal_of(sweep)).scalar()))


def _goal_of(sweep: Sweep) -> Select[tuple[int]]:
    return select(GOALS.c.count).where(GOALS.c.sweep == sweep.id)


def _usable(count: Any) -> int | None:
    """Return what stands in the table, which SQLite lets hold anything, where it is a number of trials."""
    return count if isinstance(count, int) and count > 0 else None


def under_way(database: Database, sweep: Sweep) -> int:
    """Return how many trials a worker is at, as far as that is known here. Raises DamagedSweepError."""
    columns = TRIALS.c.host, TRIALS.c.pid, TRIALS.c.process_start
    held = TRIALS.c.state == "running", TRIALS.c.lease >= database.now
    query = select(*columns).where(TRIALS.c.sweep == sweep.id, *held)
    rows = database.run(lambda connection: connection.execute(query).all())
    with sound(f"Sweep {sweep.id}"):
        return sum(not Process(str(host), int(pid), str(start)).is_dead for host, pid, start in rows)
