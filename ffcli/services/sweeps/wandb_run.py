"""The parent of a W&B sweep's workers: asks W&B for runs by its agents, hands them out, and listens."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from ffcli.errors import FfnnError
from ffcli.services.sweep_wandb_worker import Message, Ready, RunStarted, Unsent, WandbTask, WorkerFailed
from ffcli.services.sweep_wandb_worker import main as worker_main
from ffcli.services.sweeps.create import sweep_folder
from ffcli.services.sweeps.local import SweepOptions
from ffcli.services.sweeps.retention import BestWeights
from ffcli.services.sweeps.wandb import document, interrupted, trials
from ffcli.sweeping.study.events import OnEvent, Stopping, SweepOver, SweepStarted, TrialEnded, unfailing
from ffcli.sweeping.study.record import Ended, Sweep, tally
from ffcli.sweeping.wandb.address import parse_address
from ffcli.sweeping.wandb.agents import Agents, Lost, Order, Refused, Stop, Train
from ffcli.sweeping.wandb.server import WandbServer
from ffcli.training.context import Context
from ffcli.training.options import RunOptions
from ffcli.util.cores import usable_cores
from ffcli.util.signals import Terminated, starting_a_process

_GRACE = 10.0  # seconds that workers have to close their runs before they are killed
_DEATHS = 3  # so often in a row a worker is replaced that died without ending a run
_FIRST_FAILURES = 3  # so many failures before any success end the sweep


def run_wandb_sweep(
    context: Context, server: WandbServer, sweep: Sweep, options: SweepOptions, on_event: OnEvent
) -> dict[str, Any]:
    """Train what W&B hands out of a sweep, until it has no more or the sweep has ``count`` runs in all.

    Returns the sweep's document with ``seconds``, why it ended (``lost``: the server is gone) and
    ``unsent``, the runs of this call of which W&B has not got everything. Raises KeyboardInterrupt after the
    workers have stopped, FfnnError where they or W&B cannot go on.
    """
    began = time.monotonic()
    address = parse_address(sweep.id)
    known = trials(context, sweep)
    on_event = unfailing(on_event)
    counts, workers = tally(sweep.metric, known), options.pool.workers
    on_event(SweepStarted(sweep, sweep_folder(context, sweep.id), counts, options.count, workers))
    task = WandbTask(
        address=address,
        text=sweep.spec.text,
        metric=sweep.metric,
        data_dir=context.data_dir,
        runs_dir=context.runs_dir,
        options=RunOptions(
            tags=("sweep",),
            threads=max(1, usable_cores() // workers),
            wandb="online",
            wandb_project=address.project,
            wandb_entity=address.entity,
            command_line=options.command_line,
        ),
        before=len(known),
        parent=os.getpid(),
    )
    crew = _Crew(context, server, sweep, task, options, on_event)
    try:
        crew.work()
    finally:
        crew.dismiss()
        on_event(SweepOver())
    about = document(context, sweep, address.url(server.site), crew.refused)
    return {
        **about,
        "ended": crew.ended,
        "message": crew.message,
        "unsent": sorted(crew.unsent),
        "seconds": time.monotonic() - began,
    }


@dataclass
class _Member:
    """A worker process: its number, and what it trains at W&B and here."""

    number: int
    process: BaseProcess
    wandb_run: str | None = None
    run_id: str | None = None


class _Crew:
    """The worker processes, each with a pipe of its own, and the agents, whose orders come by another."""

    def __init__(
        self,
        context: Context,
        server: WandbServer,
        sweep: Sweep,
        task: WandbTask,
        options: SweepOptions,
        on_event: OnEvent,
    ) -> None:
        self.ended: str | None = None
        self.message: str | None = None
        self.unsent: set[str] = set()
        self.refused = 0
        self._task = task
        self._on_event = on_event
        self._context, self._sweep = context, sweep
        self._weights = BestWeights(context, sweep, trials(context, sweep))
        self._spawn = multiprocessing.get_context("spawn")
        self._orders, self._desk = self._spawn.Pipe(duplex=False)
        self._order_turn = threading.Lock()
        self._agents = Agents(
            server,
            task.address,
            options.pool.workers,
            self._order,
            count=options.count,
            before=task.before,
            uncounted=interrupted(context, sweep.id),
        )
        self._stopping = False
        self._failure: str | None = None
        self._errors: list[str] = []
        self._succeeded = False
        self._deaths = [0] * options.pool.workers
        self._members: dict[Connection, _Member] = {}
        for number in range(options.pool.workers):
            self._hire(number)

    def _order(self, agent: int, order: Order) -> None:
        """Pass an agent's order on; called from the agents' threads."""
        with self._order_turn, suppress(OSError):  # the crew may just have been dismissed
            self._desk.send((agent, order))

    def _hire(self, number: int) -> None:
        ours, theirs = self._spawn.Pipe()
        process = self._spawn.Process(
            target=worker_main, args=(self._task, theirs), name=f"worker-{number}", daemon=True
        )
        with starting_a_process():
            process.start()
            theirs.close()
            self._members[ours] = _Member(number, process)

    def work(self) -> None:
        """Listen until every worker has gone. Raises KeyboardInterrupt and FfnnError after that."""
        try:
            self._listen()
        except Terminated:
            raise
        except KeyboardInterrupt:
            self._stop()
            self._on_event(Stopping())
            self._listen()
            raise
        if self._failure is not None:
            raise FfnnError(self._failure)

    def _listen(self) -> None:
        while self._members:
            for connection in wait([*self._members, self._orders]):
                assert isinstance(connection, Connection)
                if connection is self._orders:
                    self._obey(*connection.recv())
                    continue
                try:
                    self._hear(connection, connection.recv())
                except (EOFError, OSError):
                    self._gone(connection)

    # What the agents say

    def _obey(self, agent: int, order: Order) -> None:
        found = [pair for pair in self._members.items() if pair[1].number == agent]
        if not found:  # the worker has died, and is not replaced
            self._agents.ended(agent, counts=False)
            return
        connection, member = found[0]
        if isinstance(order, Train):
            member.wandb_run, member.run_id = order.run_id, None
            self._send(connection, order)
        elif isinstance(order, Stop):
            if order.run_id == member.wandb_run:
                self._send(connection, order)
        else:
            if isinstance(order, Lost):
                self._end("lost", order.message)
            elif isinstance(order, Refused):
                self._fail(order.message)
            elif isinstance(order, Ended):
                self._end(order.reason, order.message)
            self._send(connection, None)

    def _send(self, connection: Connection, order: Train | Stop | None) -> None:
        with suppress(OSError):  # it has just died, which is heard next
            connection.send(order)

    # What the workers say

    def _hear(self, connection: Connection, message: Message) -> None:
        member = self._members[connection]
        if isinstance(message, Ready):
            self._agents.ready(member.number)
            return
        if isinstance(message, Unsent):
            self.unsent.add(message.run_id)
            return
        if isinstance(message, WorkerFailed):
            self._fail(message.message)
        elif isinstance(message, RunStarted):
            member.run_id = message.run_id
        elif isinstance(message, TrialEnded):
            self._trial_ended(member, message)
        if not isinstance(message, (RunStarted, WorkerFailed)):
            self._on_event(message)

    def _trial_ended(self, member: _Member, message: TrialEnded) -> None:
        self._deaths[member.number] = 0
        self.refused += member.run_id is None
        if member.run_id is not None:
            for trial in trials(self._context, self._sweep):
                if trial.run_id == member.run_id:
                    self._weights.ended(trial)
        member.wandb_run = None
        self._agents.ended(member.number)
        if message.state != "failed":
            self._succeeded = True
        elif not self._succeeded:
            self._errors.append(message.error or "")
            if len(self._errors) >= _FIRST_FAILURES:
                each = " | ".join(dict.fromkeys(self._errors))
                self._end("failures", f"The first {len(self._errors)} runs all failed: {each}")

    def _gone(self, connection: Connection) -> None:
        """Take leave of a worker, and replace one that was killed; its run is cut short."""
        member = self._members.pop(connection)
        connection.close()
        member.process.join()
        self._agents.ended(member.number, counts=False)
        code = member.process.exitcode
        if code == 0 or self._stopping:
            return
        self._deaths[member.number] += 1
        if self._deaths[member.number] > _DEATHS:
            self._fail(
                f"A worker died {self._deaths[member.number]} times without ending a run (exit code {code})."
            )
            return
        self._hire(member.number)

    # The end

    def _end(self, reason: str, message: str) -> None:
        """Note why the sweep is over; the first reason stays."""
        if self.ended is None:
            self.ended, self.message = reason, message
        self._stop()

    def _fail(self, message: str) -> None:
        self._failure = self._failure or message
        self._stop()

    def _stop(self) -> None:
        self._stopping = True
        self._agents.stop()

    def dismiss(self) -> None:
        """End what still runs: the workers close their runs, or are killed."""
        self._agents.leave()
        processes = [member.process for member in self._members.values()]
        for process in processes:
            process.terminate()
        deadline = time.monotonic() + _GRACE
        for process in processes:
            process.join(max(0.0, deadline - time.monotonic()))
            if process.is_alive():
                process.kill()
                process.join()
        self._desk.close()
