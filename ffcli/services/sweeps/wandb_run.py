"""Running a W&B sweep: its agents ask W&B for runs, which a pool of local processes trains."""

from __future__ import annotations

import queue
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field

from ffcli.core.training import EpochResult
from ffcli.errors import FfnnError, RequestError
from ffcli.execution.local import LocalPool
from ffcli.execution.pool import Notice, PoolEvent, Task, TaskEnded, TaskEpoch, TaskLost, TaskStarted
from ffcli.services.sweeps.create import sweep_folder
from ffcli.services.sweeps.local import SweepOptions, digests
from ffcli.services.sweeps.results import WandbSweepOutcome
from ffcli.services.sweeps.retention import BestWeights
from ffcli.services.sweeps.summary import wandb_report
from ffcli.services.sweeps.wandb import interrupted, note_interrupted, tell_of_failure, trials
from ffcli.sweeping.study.events import (
    EpochDone,
    OnEvent,
    Stopping,
    SweepOver,
    SweepStarted,
    TrialEnded,
    TrialLost,
    TrialStarted,
    unfailing,
)
from ffcli.sweeping.study.record import Ended, EndState, Sweep, best_epoch, tally
from ffcli.sweeping.wandb.address import parse_address
from ffcli.sweeping.wandb.agents import Agents, Order, Refused, Stop, Train
from ffcli.sweeping.wandb.server import WandbServer
from ffcli.tracking.base import Assigned
from ffcli.training.context import Context
from ffcli.training.options import RunOptions
from ffcli.util.signals import Terminated, interrupts_deferred

_FIRST_FAILURES = 3  # so many failures before any success end the sweep
_LOSSES = 3  # so many lost runs in a row for each worker do, too
_TICK = 0.05  # seconds after which an agent's order is heard at the latest


def run_wandb_sweep(
    context: Context, server: WandbServer, sweep: Sweep, options: SweepOptions, on_event: OnEvent
) -> WandbSweepOutcome:
    """Train what W&B hands out of a sweep, until it has no more or the sweep has ``count`` runs in all.

    Raises KeyboardInterrupt after the workers have stopped, FfnnError where they or W&B cannot continue.
    """
    began = time.monotonic()
    address = parse_address(sweep.id)
    known = trials(context, sweep)
    on_event = unfailing(on_event)
    counts, workers = tally(sweep.metric, known), options.pool.workers
    on_event(SweepStarted(sweep, sweep_folder(context, sweep.id), counts, options.count, workers))
    run_options = RunOptions(
        tags=("sweep",),
        wandb="online",
        wandb_project=address.project,
        wandb_entity=address.entity,
        command_line=options.command_line,
    )
    pool = LocalPool(context, workers)
    with pool:
        trainer = _Trainer(context, sweep, pool, run_options, on_event)
        agents = Agents(
            server,
            address,
            workers,
            lambda agent, order: trainer.orders.put((agent, order)),
            count=options.count,
            before=len(known),
            uncounted=interrupted(context, sweep.id),
        )
        try:
            trainer.work(agents)
        finally:
            agents.leave()
            on_event(SweepOver())
    return WandbSweepOutcome(
        **vars(wandb_report(context, sweep, trials(context, sweep), trainer.refused)),
        ended=trainer.ended,
        message=trainer.message,
        seconds=time.monotonic() - began,
        url=address.url(server.site),
        unsent=sorted(trainer.unsent),
    )


@dataclass
class _Open:
    """A run of W&B's that an agent has got, and its epochs."""

    agent: int
    order: Train
    run_id: str | None = None
    results: list[EpochResult] = field(default_factory=list)
    stops: bool = False
    began: float = field(default_factory=time.monotonic)


@dataclass(frozen=True)
class _Told:
    """W&B has been told that a run has failed of which there is nothing to store."""

    opened: _Open
    error: str


class _Trainer:
    """Trains on the pool what the agents get; an agent asks for a run when its last one has ended."""

    def __init__(
        self, context: Context, sweep: Sweep, pool: LocalPool, options: RunOptions, on_event: OnEvent
    ) -> None:
        self.orders: queue.SimpleQueue[tuple[int, Order | _Told]] = queue.SimpleQueue()
        self.ended: str | None = None
        self.message: str | None = None
        self.unsent: set[str] = set()
        self.refused = 0
        self._context, self._sweep, self._pool, self._options = context, sweep, pool, options
        self._address = parse_address(sweep.id)
        self._on_event = on_event
        known = trials(context, sweep)
        self._digest = digests(context, sweep, known)
        self._weights = BestWeights(context, sweep, known)
        self._open: dict[str, _Open] = {}  # by the id at W&B, which is the task's key
        self._asking: set[int] = set()
        self._failure: str | None = None
        self._errors: list[str] = []
        self._losses = 0  # since a run has ended
        self._succeeded = False

    def work(self, agents: Agents) -> None:
        """Train until no agent asks for a run or has one. Raises KeyboardInterrupt and FfnnError then."""
        self._agents = agents
        for agent in range(self._pool.size):
            self._ask(agent)
        try:
            self._listen()
        except Terminated:
            raise
        except KeyboardInterrupt:
            self._agents.stop()
            self._on_event(Stopping())
            self._listen()
            raise
        if self._failure is not None:
            raise FfnnError(self._failure)

    def _listen(self) -> None:
        while self._asking or self._open:
            with interrupts_deferred():
                for event in self._pool.wait(_TICK):
                    self._hear(event)
                with suppress(queue.Empty):
                    while True:
                        self._obey(*self.orders.get_nowait())

    def _ask(self, agent: int) -> None:
        """Let an agent ask for a run, if one can be stored: W&B hands out none of them twice."""
        try:
            self._context.runs.check_room()
        except OSError as error:
            self._fail(f"{error.filename}: {error.strerror}")
            return
        self._asking.add(agent)
        self._agents.ready(agent)

    # What the agents say

    def _obey(self, agent: int, order: Order | _Told) -> None:
        if isinstance(order, Train):
            self._asking.discard(agent)
            self._train(_Open(agent, order))
        elif isinstance(order, Stop):
            opened = self._open.get(order.run_id)
            if opened is not None:
                opened.stops = True
                self._pool.stop(order.run_id)
        elif isinstance(order, _Told):
            self._trial_ended(order.opened, "failed", order.error)
        else:
            self._asking.discard(agent)
            if isinstance(order, Refused):
                self._fail(order.message)
            elif isinstance(order, Ended):
                self._end(order.reason, order.message)

    def _train(self, opened: _Open) -> None:
        """Submit a run, or tell W&B why it cannot be trained."""
        order, address = opened.order, self._address
        if order.run_id in self._open:
            self._fail(f"W&B has handed out run {order.run_id} twice.")
            return
        self._open[order.run_id] = opened
        try:
            config = self._sweep.spec.config(order.values)
            digest = self._digest(config)
        except RequestError as error:
            self._refuse(opened, str(error))
            return
        self._on_event(TrialStarted(order.number, 1, config))
        assigned = Assigned(order.run_id, address.id, address.project, address.entity, order.values)
        self._pool.submit(
            Task(order.run_id, config, digest, self._options, sweep_id=str(address), assigned=assigned)
        )

    def _refuse(self, opened: _Open, error: str) -> None:
        """Tell W&B, in a thread, that a run has failed of which there is nothing to store."""

        def tell() -> None:
            with suppress(Exception):  # the disk may be full for this, too, or W&B's values be strange
                tell_of_failure(self._address, opened.order, error)
            self.orders.put((opened.agent, _Told(opened, error)))

        threading.Thread(target=tell, name=f"refusal of {opened.order.run_id}", daemon=True).start()

    # What the pool says

    def _hear(self, event: PoolEvent) -> None:
        if isinstance(event, Notice):
            self._on_event(event)
            return
        opened = self._open[event.key]
        if isinstance(event, TaskStarted):
            opened.run_id = event.run_id
        elif isinstance(event, TaskEpoch):
            opened.results.append(event.result)
            self._on_event(EpochDone(opened.order.number, event.result, opened.stops))
        elif isinstance(event, TaskLost):
            self._lost(opened, event.reason)
        elif event.status == "interrupted":
            self._close(opened, counts=False)
        else:
            self._task_ended(opened, event)

    def _lost(self, opened: _Open, reason: str) -> None:
        """Let the agent of a dead worker ask for another run, unless this happens again and again."""
        self._on_event(TrialLost(opened.order.number, reason))
        self._losses += 1
        if self._losses >= _LOSSES * self._pool.size:
            self._fail(f"{self._losses} runs in a row were lost: {reason}.")
        self._close(opened, counts=False)

    def _task_ended(self, opened: _Open, event: TaskEnded) -> None:
        self._losses = 0
        if event.fatal:
            self._fail(event.error or "A worker cannot continue.")
            if event.run_id is not None:
                self._on_event(Notice(note_interrupted(self._context, event.run_id)))
                self._close(opened, counts=False)
                return
        if event.run_id is None:
            self._refuse(opened, event.error or "")
            return
        with suppress(FfnnError):  # its folder was removed
            if not self._context.runs.read(event.run_id).wandb.synced:
                self.unsent.add(event.run_id)
        states: dict[str, EndState] = {"finished": "finished", "pruned": "pruned"}
        self._trial_ended(opened, states.get(event.status, "failed"), event.error)

    def _trial_ended(self, opened: _Open, state: EndState, error: str | None) -> None:
        value, epoch = (None, None) if state == "failed" else best_epoch(self._sweep.metric, opened.results)
        self.refused += opened.run_id is None
        if opened.run_id is not None:
            for trial in trials(self._context, self._sweep):
                if opened.run_id in trial.run_ids:
                    self._weights.ended(trial)
        seconds = time.monotonic() - opened.began
        self._on_event(TrialEnded(opened.order.number, state, value, epoch, error, seconds))
        if state != "failed":
            self._succeeded = True
        elif not self._succeeded:
            self._errors.append(error or "")
            if len(self._errors) >= _FIRST_FAILURES:
                each = " | ".join(dict.fromkeys(self._errors))
                self._end("failures", f"The first {len(self._errors)} runs all failed: {each}")
        self._close(opened)

    def _close(self, opened: _Open, *, counts: bool = True) -> None:
        """Let the agent ask for its next run."""
        del self._open[opened.order.run_id]
        self._agents.ended(opened.agent, counts=counts)
        self._ask(opened.agent)

    # The end

    def _end(self, reason: str, message: str) -> None:
        """Note why the sweep is over; the first reason stays."""
        if self.ended is None:
            self.ended, self.message = reason, message
        self._agents.stop()

    def _fail(self, message: str) -> None:
        self._failure = self._failure or message
        self._agents.stop()
