"""How far a sweep is to go, and how many workers are at it."""

from __future__ import annotations

from sqlalchemy import Connection, insert, select, update

from ffcli.sweeping.database import GOALS, SWEEPS, TRIALS, Database
from ffcli.sweeping.processes import Process
from ffcli.sweeping.trials import Sweep, sound

_MOST = 2**63 - 1  # what the databases have room for


def set_goal(database: Database, sweep: Sweep, count: int) -> None:
    """Note how many trials are asked for in all: a sweep that was killed goes on to as many."""

    def work(connection: Connection) -> None:
        # Whoever locks the sweep's row is alone, as in `Claiming`: two machines may begin at once.
        connection.execute(select(SWEEPS.c.id).where(SWEEPS.c.id == sweep.id).with_for_update())
        note_goal(connection, sweep.id, count)

    database.run(work)


def note_goal(connection: Connection, sweep_id: str, count: int) -> None:
    """Do what `set_goal` does, within a transaction that has the sweep to itself."""
    values = {"count": min(count, _MOST)}
    if not connection.execute(update(GOALS).where(GOALS.c.sweep == sweep_id).values(values)).rowcount:
        connection.execute(insert(GOALS).values(sweep=sweep_id, **values))


def goal(database: Database, sweep: Sweep) -> int | None:
    """Return how many trials were asked for last, or None where that was never said.

    Raises DamagedSweepError.
    """
    query = select(GOALS.c.count).where(GOALS.c.sweep == sweep.id)
    count = database.run(lambda connection: connection.execute(query).scalar())
    with sound(f"Sweep {sweep.id}"):
        if count is not None and int(count) < 1:
            raise ValueError(f"what it was asked for is {count}")
        return None if count is None else int(count)


def under_way(database: Database, sweep: Sweep) -> int:
    """Return how many trials a worker is at, as far as that is known here. Raises DamagedSweepError."""
    columns = TRIALS.c.host, TRIALS.c.pid, TRIALS.c.process_start
    held = TRIALS.c.state == "running", TRIALS.c.lease >= database.now
    query = select(*columns).where(TRIALS.c.sweep == sweep.id, *held)
    rows = database.run(lambda connection: connection.execute(query).all())
    with sound(f"Sweep {sweep.id}"):
        return sum(not Process(str(host), int(pid), str(start)).is_dead for host, pid, start in rows)
