"""The sweeps in a database: trials are claimed, reported and ended in short transactions."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, cast

from sqlalchemy import Connection, CursorResult, Update, and_, delete, insert, select, update

from ffcli.core.training import EpochResult
from ffcli.errors import RequestError
from ffcli.sweeping.claiming import LEASE, Claiming, Request, tally
from ffcli.sweeping.database import EPOCHS, PAIRINGS, PATIENCE, REUSED, SWEEPS, TRIALS, Database
from ffcli.sweeping.progress import note_goal
from ffcli.sweeping.spec.spec import parse_spec
from ffcli.sweeping.stopping import band_of, should_stop
from ffcli.sweeping.trials import (
    Claim,
    Claimed,
    Counts,
    DamagedSweepError,
    EndState,
    Epoch,
    LostTrialError,
    Past,
    Sweep,
    Trial,
    read_epoch,
    read_trial,
    sound,
)
from ffcli.util.safe_read import is_name, parse_json, shown

_MEASURES = ("train_loss", "train_acc", "val_loss", "val_acc", "seconds", "train_seconds", "val_f1")


class TrialStore:
    """The sweeps of one database. Any number of processes, on any number of machines, share it.

    Every method outlasts a database that is gone for up to ``patience`` seconds, and does nothing twice. It
    raises FfnnError where the database fails for longer or otherwise; `__init__` raises RequestError for an
    address that is wrong.
    """

    def __init__(self, url: str, *, patience: float = PATIENCE) -> None:
        self.database = Database(url, patience=patience)
        self._claiming: dict[str, Claiming] = {}

    def close(self) -> None:
        """Close all connections to the database."""
        self.database.close()

    def create(self, sweep: Sweep, *, count: int | None = None) -> Sweep:
        """Store a new sweep, of so many trials, and return it with the time (its own does not matter)."""
        row = {
            "id": sweep.id,
            "spec": sweep.spec.text,
            "base": json.dumps(sweep.base),
            "dataset_digest": sweep.dataset_digest,
            "core_version": sweep.core_version,
            "seed": sweep.seed,
        }

        def work(connection: Connection) -> None:
            if connection.execute(select(SWEEPS.c.id).where(SWEEPS.c.id == sweep.id)).first() is None:
                connection.execute(insert(SWEEPS).values(**row, created=self.database.now))
                if sweep.paired is not None:
                    connection.execute(insert(PAIRINGS).values(sweep=sweep.id, field=sweep.paired))
                if count is not None and self.database.remembers_goals:
                    note_goal(connection, sweep.id, count)

        self.database.run(work)
        return self.sweep(sweep.id)

    def sweep(self, sweep_id: str) -> Sweep:
        """Return a sweep. Raises RequestError where there is none of this id."""
        for found in self._read_sweeps(sweep_id):
            return found
        raise RequestError(f"There is no sweep '{sweep_id}' in {self.database.name}.")

    def sweeps(self, damaged: list[DamagedSweepError] | None = None) -> list[Sweep]:
        """Return all sweeps, the oldest first; ``damaged`` receives why others cannot be read.

        Without it DamagedSweepError is raised for the first of these.
        """
        return self._read_sweeps(damaged=damaged)

    def _read_sweeps(self, *only: str, damaged: list[DamagedSweepError] | None = None) -> list[Sweep]:
        query = (
            select(SWEEPS, PAIRINGS.c.field)
            .outerjoin(PAIRINGS, PAIRINGS.c.sweep == SWEEPS.c.id)
            .order_by(SWEEPS.c.created, SWEEPS.c.id)
        )
        if only:
            query = query.where(SWEEPS.c.id.in_(only))
        rows = self.database.run(lambda connection: connection.execute(query).mappings().all())
        found = []
        for row in rows:
            try:
                found.append(_read_sweep(row))
            except DamagedSweepError as error:
                if damaged is None:
                    raise
                damaged.append(error)
        return found

    def claim(self, sweep: Sweep, request: Request) -> Claim:
        """Return a trial that no other worker has, or has had to its end; or why there is none.

        Trials of dead workers are handed out first, then new ones up to the request's count and the file's
        run_cap: both are exact with any number of workers. A token stands for one claim.
        """

        if sweep.id not in self._claiming:  # made before anything is locked: Optuna takes its time to load
            self._claiming[sweep.id] = Claiming(sweep, self.database.now)

        def work(connection: Connection) -> tuple[Claiming, Claim]:
            # Kept only if all is stored: else what it has seen may not have come to be.
            claiming = self._claiming.pop(sweep.id, None) or Claiming(sweep, self.database.now)
            return claiming, claiming.claim(connection, request)

        self._claiming[sweep.id], claim = self.database.run(work)
        return claim

    def heartbeat(self, claimed: Claimed) -> bool:
        """Extend the lease. Returns False where the trial is no longer this claim's."""
        return self._change(self._mine(claimed).values(lease=self.database.now + LEASE))

    def set_run(self, claimed: Claimed, run_id: str | None) -> None:
        """Note the run that trains the trial. Raises LostTrialError."""
        self._change_mine(claimed, {"run_id": run_id})

    def report(
        self, sweep: Sweep, claimed: Claimed, result: EpochResult, history: Sequence[float] = ()
    ) -> bool:
        """Store an epoch, over one that is there, and return whether early termination stops the trial.

        ``history`` is the sweep's metric after each epoch so far, this one included. Raises LostTrialError.
        """
        place = {"sweep": sweep.id, "epoch": result.epoch, "number": claimed.trial.number}
        measures = _measured(result)
        band = None
        hyperband = sweep.spec.early_terminate
        if hyperband is not None and not result.diverged:
            band = band_of(hyperband, result.epoch, claimed.trial.config.epochs)
        metric = EPOCHS.c[sweep.metric.name]

        def work(connection: Connection) -> list[float]:
            held = self._mine(claimed).values(lease=self.database.now + LEASE)
            if not _changed(connection, held):
                raise LostTrialError(_lost(claimed))
            connection.execute(delete(EPOCHS).where(*(EPOCHS.c[name] == at for name, at in place.items())))
            connection.execute(insert(EPOCHS).values(**place, **measures, time=self.database.now))
            if band is None:
                return []
            at_band = select(metric).where(EPOCHS.c.sweep == sweep.id, EPOCHS.c.epoch == band)
            return list(connection.execute(at_band.where(metric.is_not(None))).scalars())

        values = self.database.run(work)
        if hyperband is None or band is None:
            return False
        return should_stop(hyperband, sweep.metric, band, history, values)

    def take_over(self, claimed: Claimed, past: Past) -> None:
        """Store the epochs of an earlier training as the trial's own. Raises LostTrialError."""
        sweep, number = claimed.trial.sweep_id, claimed.trial.number
        epochs = [
            {"sweep": sweep, "number": number, "epoch": result.epoch, "time": time, **_measured(result)}
            for result, time in zip(past.results, past.times)
        ]

        def work(connection: Connection) -> None:
            if not _changed(connection, self._mine(claimed).values(lease=self.database.now + LEASE)):
                raise LostTrialError(_lost(claimed))
            for table in (EPOCHS, REUSED):
                connection.execute(delete(table).where(table.c.sweep == sweep, table.c.number == number))
            connection.execute(insert(EPOCHS), epochs)
            if past.source is not None:
                connection.execute(insert(REUSED).values(sweep=sweep, number=number, source=past.source))

        self.database.run(work)

    def finish(
        self,
        claimed: Claimed,
        state: EndState,
        *,
        value: float | None = None,
        best_epoch: int | None = None,
        error: str | None = None,
    ) -> None:
        """End a trial. Raises LostTrialError where it is no longer this claim's."""
        end = {"state": state, "value": value, "best_epoch": best_epoch, "error": error}
        self._change_mine(claimed, {**end, "ended": self.database.now}, already=state)

    def release(self, token: str) -> None:
        """Give back what a claim holds, if anything, without counting the attempt."""
        held = and_(TRIALS.c.token == token, TRIALS.c.state == "running")
        back = {"state": "waiting", "attempts": TRIALS.c.attempts - 1}
        self._change(update(TRIALS).where(held).values(back))

    def counts(self, sweep: Sweep) -> Counts:
        """Count the trials by state."""
        return self.database.run(lambda connection: tally(connection, sweep))

    def trials(self, sweep: Sweep) -> list[Trial]:
        """Return all trials by number."""
        query = (
            select(TRIALS, REUSED.c.source)
            .outerjoin(REUSED, and_(REUSED.c.sweep == TRIALS.c.sweep, REUSED.c.number == TRIALS.c.number))
            .where(TRIALS.c.sweep == sweep.id)
            .order_by(TRIALS.c.number)
        )
        rows = self.database.run(lambda connection: connection.execute(query).mappings().all())
        trials = [read_trial(row) for row in rows]
        for trial in trials:
            if set(trial.values) != set(sweep.spec.space):
                raise DamagedSweepError(
                    f"Trial {trial.number} of sweep {sweep.id} is damaged in its database: "
                    "its values are not of the sweep's file."
                )
        return trials

    def epochs(self, sweep_id: str, number: int | None = None) -> list[Epoch]:
        """Return the epochs of a trial, or of all by number; what was not finite is NaN."""
        query = select(EPOCHS).where(EPOCHS.c.sweep == sweep_id).order_by(EPOCHS.c.number, EPOCHS.c.epoch)
        if number is not None:
            query = query.where(EPOCHS.c.number == number)
        rows = self.database.run(lambda connection: connection.execute(query).mappings().all())
        return [read_epoch(row, _MEASURES) for row in rows]

    def _mine(self, claimed: Claimed) -> Update:
        trial = claimed.trial
        return update(TRIALS).where(
            TRIALS.c.sweep == trial.sweep_id,
            TRIALS.c.number == trial.number,
            TRIALS.c.token == claimed.token,
            TRIALS.c.state == "running",
        )

    def _change(self, change: Update) -> bool:
        return self.database.run(lambda connection: _changed(connection, change))

    def _change_mine(self, claimed: Claimed, values: Mapping[str, Any], *, already: str = "") -> None:
        """Change the trial if this claim has it; ``already`` is the state that a first try may have set."""

        def work(connection: Connection) -> None:
            if _changed(connection, self._mine(claimed).values(values)):
                return
            now = select(TRIALS.c.state).where(TRIALS.c.token == claimed.token)
            if not already or connection.execute(now).scalar() != already:
                raise LostTrialError(_lost(claimed))

        self.database.run(work)


def _read_sweep(row: Mapping[Any, Any]) -> Sweep:
    with sound(f"Sweep {shown(row['id'])}"):
        base = parse_json(row["base"])
        if not is_name(row["id"]):  # it becomes the name of a folder
            raise ValueError("its id is no name")
        return Sweep(
            row["id"],
            parse_spec(row["spec"], f"the file of sweep {row['id']}"),
            {str(name): value for name, value in base.items()},
            str(row["dataset_digest"]),
            int(row["core_version"]),
            int(row["seed"]),
            float(row["created"]),
            None if row["field"] is None else str(row["field"]),
        )


def _changed(connection: Connection, change: Update) -> bool:
    return cast("CursorResult[Any]", connection.execute(change)).rowcount == 1


def _lost(claimed: Claimed) -> str:
    return (
        f"Trial {claimed.trial.number} was given to another worker: this one was not heard of for too long."
    )


def _measured(result: EpochResult) -> dict[str, float | None]:
    values = {name: float(getattr(result, name)) for name in _MEASURES}
    return {name: value if math.isfinite(value) else None for name, value in values.items()}
