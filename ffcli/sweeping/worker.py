"""One worker of a sweep: it claims a trial, has it trained, stores how it went, and asks for the next."""

from __future__ import annotations

import errno
import os
import random
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from ffcli.config import TrainConfig
from ffcli.core.training import EpochResult
from ffcli.errors import FfnnError
from ffcli.sweeping.claiming import Request
from ffcli.sweeping.database import DatabaseError
from ffcli.sweeping.events import EpochDone, Event, TrialEnded, TrialLost, TrialStarted, Waiting
from ffcli.sweeping.store import TrialStore
from ffcli.sweeping.trials import (
    Claimed,
    Ended,
    EndState,
    LostTrialError,
    Past,
    Sweep,
    TrialFailedError,
    Wait,
)
from ffcli.util.processes import this_process

BEAT = 15.0  # seconds between two signs of life
_POLL = 0.5  # seconds before asking again, where there may be something to do later
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)

Objective = Callable[[TrainConfig, "LiveTrial"], None]


class ParentGoneError(KeyboardInterrupt):
    """The process that started this worker has ended. To the objective it is an interruption like Ctrl-C."""


class LiveTrial:
    """What an objective is handed with the configuration: where it reports to."""

    def __init__(
        self,
        store: TrialStore,
        sweep: Sweep,
        claimed: Claimed,
        on_event: Callable[[Event], None],
        check: Callable[[], None],
    ) -> None:
        self.claimed = claimed
        self.results: list[EpochResult] = []
        self.stopped = False
        self.reused: str | None = None
        self._store = store
        self._sweep = sweep
        self._on_event = on_event
        self._check = check

    @property
    def number(self) -> int:
        """The trial's number in the sweep, from 1."""
        return self.claimed.trial.number

    @property
    def earlier_run(self) -> str | None:
        """The id of the run that an attempt before this one has left."""
        return self.claimed.earlier_run

    def set_run(self, run_id: str | None) -> None:
        """Note under which id the run is stored, None where it is gone. Raises LostTrialError as `report`."""
        self._store.set_run(self.claimed, run_id)

    def report(self, result: EpochResult) -> bool:
        """Store an epoch, and return whether the training has to stop here: the run is then pruned.

        Raises LostTrialError where another worker has the trial by now, ParentGoneError, and DatabaseError
        where the database is gone for too long. The objective lets all of them through.
        """
        self._check()
        self.results.append(result)
        history = [float(getattr(each, self._sweep.metric.name)) for each in self.results]
        self.stopped = self._store.report(self._sweep, self.claimed, result, history)
        self._on_event(EpochDone(self.number, result, self.stopped))
        return self.stopped

    def take_over(self, past: Past) -> None:
        """Store an earlier training in place of one. Raises as `report`."""
        self._check()
        self._store.take_over(self.claimed, past)
        self.results, self.reused, self.stopped = list(past.results), past.source, past.pruned

    def best(self) -> tuple[float | None, int | None]:
        """Return the sweep's metric at its best epoch, and that epoch: the earlier one on a tie."""
        value: float | None = None
        epoch: int | None = None
        for result in self.results:
            new = float(getattr(result, self._sweep.metric.name))
            if not result.diverged and (value is None or self._sweep.metric.better(new, value)):
                value, epoch = new, result.epoch
        return value, epoch


def work(
    store: TrialStore,
    sweep: Sweep,
    objective: Objective,
    *,
    count: int | None = None,
    forgiven: int = 0,
    on_event: Callable[[Event], None] = lambda _: None,
    go_on: Callable[[], bool] = lambda: True,
    parent: int | None = None,
) -> Ended | None:
    """Train trial after trial until the sweep is over; return why it is.

    ``objective`` trains one configuration and reports each epoch. Whether it returns or raises, the trial is
    stored as finished, pruned or failed. ``go_on`` is asked before each trial: None is returned where it says
    no, and where ``parent``, the number of the process that started this one, is no longer the parent.

    What is no fault of the trial gives it back for another worker: KeyboardInterrupt and SystemExit, a full
    disk (OSError) and a database that fails (DatabaseError) pass through.
    """

    def check() -> None:
        if parent is not None and os.getppid() != parent:
            raise ParentGoneError

    worker = this_process()
    while go_on():
        token = secrets.token_hex(16)
        try:
            check()
            claim = store.claim(sweep, Request(token, worker, count, forgiven))
            if isinstance(claim, Ended):
                return claim
            if isinstance(claim, Claimed):
                _train(store, objective, LiveTrial(store, sweep, claim, on_event, check), on_event)
        except BaseException as error:
            with suppress(FfnnError):  # what stopped the worker matters more; others see that it is dead
                store.release(token)
            if isinstance(error, ParentGoneError):
                return None
            raise
        if isinstance(claim, Wait):
            on_event(Waiting(claim.running))
            time.sleep(_POLL * random.uniform(0.5, 1.5))  # noqa: S311 - no secret
    return None


def _train(
    store: TrialStore, objective: Objective, trial: LiveTrial, on_event: Callable[[Event], None]
) -> None:
    claimed = trial.claimed
    on_event(TrialStarted(trial.number, claimed.trial.attempts, claimed.trial.config))
    started = time.monotonic()
    try:
        with _alive(store, claimed):
            error = _error(objective, trial)
        value, best_epoch = trial.best() if error is None else (None, None)
        state: EndState = "failed" if error is not None else "pruned" if trial.stopped else "finished"
        store.finish(claimed, state, value=value, best_epoch=best_epoch, error=error)
    except LostTrialError:
        on_event(TrialLost(trial.number))
        return
    seconds = time.monotonic() - started
    on_event(TrialEnded(trial.number, state, value, best_epoch, error, seconds, trial.reused))


def _error(objective: Objective, trial: LiveTrial) -> str | None:
    """Train, and return what went wrong with this configuration, if anything did."""
    try:
        objective(trial.claimed.trial.config, trial)
    except (LostTrialError, DatabaseError):
        raise
    except TrialFailedError as error:
        return str(error)
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _DISK_FULL:
            raise
        return f"{type(error).__name__}: {error}"
    if not trial.results:
        return "not one epoch was reported"
    last = trial.results[-1]
    return f"the loss was not finite in epoch {last.epoch}" if last.diverged else None


@contextmanager
def _alive(store: TrialStore, claimed: Claimed) -> Iterator[None]:
    """Give signs of life from another thread."""
    ended = threading.Event()

    def beat() -> None:
        # A database that is gone for longer is for the worker itself to notice.
        with suppress(DatabaseError):
            while not ended.wait(BEAT) and store.heartbeat(claimed):
                pass

    threading.Thread(target=beat, name="heartbeat", daemon=True).start()
    try:
        yield
    finally:
        ended.set()
