"""Who trains what: each trial is claimed within one transaction that has the sweep to itself."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, and_, delete, func, insert, or_, select, update

from ffcli.sweeping.database import EPOCHS, REUSED, SWEEPS, TRIALS
from ffcli.sweeping.search.paired import proposer
from ffcli.sweeping.search.proposers import Known, Proposal
from ffcli.sweeping.trials import (
    STATES,
    Claim,
    Claimed,
    Counts,
    DamagedSweepError,
    Ended,
    Sweep,
    Wait,
    digest,
    read_trial,
    sound,
)
from ffcli.util.processes import Process
from ffcli.util.safe_read import parse_json, shown
from ffcli.util.text import are, counted

LEASE = 120.0  # seconds that a trial is held for without a sign of life
ATTEMPTS = 3  # a trial is trained so often before it counts as failed
_FIRST_FAILURES = 3  # so many at the start end the sweep


@dataclass(frozen=True)
class Request:
    """Who asks, under which token, for how many trials in all; ``forgiven`` failures do not end the sweep."""

    token: str
    worker: Process
    count: int | None = None
    forgiven: int = 0


def tally(connection: Connection, sweep: Sweep) -> Counts:
    """Count a sweep's trials."""
    rows = connection.execute(
        select(TRIALS.c.state, func.count(), func.min(TRIALS.c.value), func.max(TRIALS.c.value))
        .where(TRIALS.c.sweep == sweep.id)
        .group_by(TRIALS.c.state)
    ).all()
    which = 3 if sweep.metric.goal == "maximize" else 2
    for state in {state for state, *_ in rows} - set(STATES):
        raise DamagedSweepError(
            f"A trial of sweep {sweep.id} is damaged in its database: its state is {shown(state)}"
        )
    with sound(f"Sweep {sweep.id}"):
        counts: dict[str, int] = {state: n for state, n, _, _ in rows}
        values = [float(row[which]) for row in rows if row[which] is not None]
        best = None
        if values:
            best = max(values) if sweep.metric.goal == "maximize" else min(values)
        return Counts(**counts, best=best)


class Claiming:
    """Claims trials of one sweep. It remembers what it has seen, so that only what is new is read."""

    def __init__(self, sweep: Sweep, now: ColumnElement[float]) -> None:
        self._sweep = sweep
        self._now = now
        self._proposer = proposer(sweep.spec, sweep.base, sweep.seed, sweep.paired)
        self._last = 0  # the highest number seen
        self._open: set[int] = set()  # those seen that had not ended

    def claim(self, connection: Connection, request: Request) -> Claim:
        """Return a trial that no one else has, or why there is none."""
        # The row stands for the sweep: whoever locks it is alone. SQLite has one writer in any case.
        now: float = connection.execute(
            select(self._now).select_from(SWEEPS).where(SWEEPS.c.id == self._sweep.id).with_for_update()
        ).scalar_one()
        mine = self._trial(connection, and_(TRIALS.c.token == request.token, TRIALS.c.state == "running"))
        if mine is not None:  # stored before, but the answer was lost
            return Claimed(read_trial(mine), request.token)
        self._free_abandoned(connection, request, now)
        counts = tally(connection, self._sweep)
        over = self._is_over(connection, counts, request)
        if over is not None:
            return over
        waiting = self._trial(connection, TRIALS.c.state == "waiting")
        if waiting is not None:
            return self._again(connection, waiting, request, now)
        if counts.ended + counts.running == self._sweep.spec.size:
            if counts.running:
                return Wait(counts.running)
            return Ended("space", f"All {self._sweep.spec.size} combinations of the space were tried.")
        self._learn(connection)
        return self._begin(connection, self._proposer.propose(self._last + 1), request, now)

    def _trial(self, connection: Connection, which: ColumnElement[bool]) -> RowMapping | None:
        """Return the trial of the sweep that is so: of several the one begun most often, then the first."""
        order = TRIALS.c.attempts.desc(), TRIALS.c.number
        rows = select(TRIALS).where(TRIALS.c.sweep == self._sweep.id, which).order_by(*order).limit(1)
        return connection.execute(rows).mappings().first()

    def _free_abandoned(self, connection: Connection, request: Request, now: float) -> None:
        """Take back the trials of workers that are dead or have not been heard of."""
        mine = and_(TRIALS.c.sweep == self._sweep.id, TRIALS.c.state == "running")
        looks = False
        query = select(TRIALS).where(mine).order_by(TRIALS.c.number)
        for row in connection.execute(query).mappings().all():
            worker = Process(row["host"], row["pid"], row["process_start"])
            if row["lease"] > now + 2 * LEASE:  # the clock was set back since: it would be held for too long
                held = mine, TRIALS.c.number == row["number"]
                connection.execute(update(TRIALS).where(*held).values(lease=now + LEASE))
            if row["lease"] >= now and not worker.is_dead:
                continue
            change: dict[str, Any] = {"state": "waiting"}
            if row["attempts"] >= ATTEMPTS:
                times = counted(row["attempts"], "time")
                change["error"] = f"its worker died or was not heard of {times}, the last one was {worker}"
                # Its run may have ended all the same: this claim looks for it then, and trains nothing.
                is_here = row["run_id"] is not None and worker.host == request.worker.host
                if row["attempts"] > ATTEMPTS or not is_here:
                    change |= {"state": "failed", "ended": now}
                elif looks:
                    continue  # another claim of this machine looks for that one
                else:
                    looks = True
            connection.execute(update(TRIALS).where(mine, TRIALS.c.number == row["number"]).values(change))

    def _is_over(self, connection: Connection, counts: Counts, request: Request) -> Ended | Wait | None:
        metric = self._sweep.metric
        if counts.best is not None and metric.reached(counts.best):
            return Ended("target", f"{metric.name} {counts.best:g} has reached the target {metric.target:g}.")
        failures = counts.failed - request.forgiven
        if failures >= _FIRST_FAILURES and not counts.finished + counts.pruned:
            return Ended("failures", self._failures(connection))
        limits = [limit for limit in (request.count, self._sweep.spec.run_cap) if limit is not None]
        if limits and counts.ended + counts.running >= min(limits):
            if counts.running:
                return Wait(counts.running)
            return Ended("count", f"{counted(counts.ended, 'trial')} {are(counts.ended)} done.")
        return None

    def _failures(self, connection: Connection) -> str:
        errors = connection.execute(
            select(TRIALS.c.error)
            .where(TRIALS.c.sweep == self._sweep.id, TRIALS.c.state == "failed")
            .order_by(TRIALS.c.number.desc())
            .limit(_FIRST_FAILURES)
        ).scalars()
        each = " | ".join(dict.fromkeys(error or "" for error in errors))
        return f"The first {_FIRST_FAILURES} trials all failed: {each}"

    def _learn(self, connection: Connection) -> None:
        """Tell the proposer of the trials that are new or were open when last seen."""
        columns = (TRIALS.c.number, TRIALS.c.state, TRIALS.c.value, TRIALS.c.place, TRIALS.c.point)
        changed = or_(TRIALS.c.number > self._last, TRIALS.c.number.in_(sorted(self._open)))
        rows = select(*columns).where(TRIALS.c.sweep == self._sweep.id, changed).order_by(TRIALS.c.number)
        for number, state, value, place, point in connection.execute(rows).all():
            is_open = state in ("running", "waiting")
            with sound(f"Trial {shown(number)} of sweep {self._sweep.id}"):
                known = Known(
                    int(number),
                    is_open,
                    None if value is None else float(value),
                    None if place is None else int(place),
                    None if point is None else parse_json(point),
                )
                self._proposer.learn(known)
            self._last = max(self._last, number)
            (self._open.add if is_open else self._open.discard)(number)

    def _begin(self, connection: Connection, proposal: Proposal, request: Request, now: float) -> Claimed:
        connection.execute(
            insert(TRIALS).values(
                sweep=self._sweep.id,
                number=self._last + 1,
                place=None if proposal.place is None else str(proposal.place),
                key=digest(proposal.config),
                drawn=json.dumps(proposal.values),
                point=None if proposal.point is None else json.dumps(proposal.point),
                config=json.dumps(proposal.config.as_dict()),
                attempts=1,
                created=now,
                **_held(request, now),
            )
        )
        return self._claimed(connection, request)

    def _again(self, connection: Connection, row: RowMapping, request: Request, now: float) -> Claimed:
        """Hand out a trial that was cut short, to be trained from the start."""
        sweep, number = self._sweep.id, row["number"]
        # What is not trained again keeps what it has reported.
        for table in (EPOCHS, REUSED) if row["attempts"] < ATTEMPTS else ():
            connection.execute(delete(table).where(table.c.sweep == sweep, table.c.number == number))
        connection.execute(
            update(TRIALS)
            .where(TRIALS.c.sweep == sweep, TRIALS.c.number == number)
            # It keeps its run until it is trained as another: this worker may be killed, too.
            .values(attempts=row["attempts"] + 1, **_held(request, now))
        )
        return self._claimed(connection, request)

    def _claimed(self, connection: Connection, request: Request) -> Claimed:
        row = self._trial(connection, TRIALS.c.token == request.token)
        assert row is not None
        return Claimed(read_trial(row), request.token)


def _held(request: Request, now: float) -> dict[str, Any]:
    """Return what a trial's row says of who has it."""
    worker = request.worker
    return {
        "state": "running",
        "token": request.token,
        "host": worker.host,
        "pid": worker.pid,
        "process_start": worker.start,
        "lease": now + LEASE,
        "started": now,
    }
