"""The agents of a W&B sweep, which ask the server for runs and for runs to stop.

They are our own and not ``wandb.agent``, of whose loop (``wandb/agents/pyagent.py`` and ``wandb_agent.py`` in
0.31) nothing can be had but the whole: it asks every 5 seconds, so that a short run costs as much; to it a
server that is gone has nothing to do for now, and it asks on for ever; it stops a run by an exception in the
midst of whatever the run does; and each counts and gives up by itself. These ask for the next run as soon as
one has ended, say when the server has been silent for too long, let a run end after its epoch, and count
together. To the server they are agents like others, one for each worker.
"""

from __future__ import annotations

import platform
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ffcli.errors import FfnnError
from ffcli.sweeping.study.record import Ended
from ffcli.sweeping.wandb.address import WandbAddress
from ffcli.sweeping.wandb.server import Command, ServerLostError, WandbServer, timeout
from ffcli.util.text import are, counted

BEAT = 5.0  # seconds between two signs of life, as W&B's agents have it
_PAUSES = (0.5, 1.0, 2.0)  # before asking again where there is no run yet; then as long as BEAT
_PATIENCE = 3  # so many times the timeout of one question is waited for a server that is gone


@dataclass(frozen=True)
class Train:
    """Train W&B's run ``run_id`` with these values; ``number`` is its number in this store."""

    number: int
    run_id: str
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Stop:
    """End W&B's run ``run_id`` after its present epoch."""

    run_id: str


@dataclass(frozen=True)
class Refused:
    """The server ends this agent."""

    message: str


@dataclass(frozen=True)
class Released:
    """No run comes any more, because none is asked for."""


Order = Train | Stop | Ended | Refused | Released


class Agents:
    """The agents of this process, numbered from 0; ``tell(agent, order)`` is called from their threads.

    An agent that asks gets one answer: Train, or something else than Stop after which it no longer asks.

    ``count`` is how many runs the sweep is to have in all, wherever they are trained: with those that others
    have done or do now. W&B's runs in ``uncounted``, which were cut short here, are not among them.
    """

    def __init__(
        self,
        server: WandbServer,
        address: WandbAddress,
        agents: int,
        tell: Callable[[int, Order], None],
        *,
        count: int | None = None,
        before: int = 0,
        uncounted: Iterable[str] = (),
    ) -> None:
        self._server = server
        self._address = address
        self._count = count
        self._before = before
        self._uncounted = set(uncounted)
        self._turn = threading.Lock()  # to ask for a run, one agent at a time, so that no run is too many
        self._ours: dict[str, bool] = {}  # the runs of this process: whether they are under way
        self.stopped = False  # whether no more runs are to be asked for
        self._agents = [_Agent(self, number, tell) for number in range(agents)]

    def ready(self, agent: int) -> None:
        """The agent's worker has nothing to do: ask for a run."""
        self._agents[agent].ask()

    def ended(self, agent: int, *, counts: bool = True) -> None:
        """The agent's run is over; one that was cut short does not count."""
        run_id = self._agents[agent].let_go()
        if run_id is not None:
            self._ours[run_id] = False
            if not counts:
                self._uncounted.add(run_id)
        for each in self._agents:  # one of them may have held back for it
            each.wake()

    def stop(self) -> None:
        """Ask for no more runs; those under way continue."""
        self.stopped = True
        for agent in self._agents:
            agent.wake()

    def leave(self) -> None:
        """End all agents."""
        self.stop()
        for agent in self._agents:
            agent.leave()

    # For the agents

    def register(self) -> str:
        """Return the id of a new agent."""
        return self._server.new_agent(self._address, platform.node())

    def beat(self, agent: str, run_id: str) -> list[Command]:
        """Give a sign of life while a run is under way."""
        return self._server.heartbeat(agent, [run_id])

    def next_run(self, agent: str) -> Train | Ended | Released | None:
        """Return a run to train, None where there is none now."""
        with self._turn:
            if self.stopped:
                return Released()
            under_way = sum(self._ours.values())
            if self._count is not None:
                known = {*self._ours, *self._uncounted}
                here = sum(run_id not in self._uncounted for run_id in self._ours)
                if here + self._server.count(self._address, known) >= self._count:
                    done = f"{counted(self._count, 'run')} {are(self._count)} done."
                    return None if under_way else Ended("count", done)
            for command in self._server.heartbeat(agent, []):
                if command.type in ("run", "resume"):
                    self._ours[command.run_id] = True
                    return Train(self._before + len(self._ours), command.run_id, command.values)
                if command.type == "exit":
                    return Ended("space", "W&B hands out no more runs of this sweep.")
        return None


class _Agent:
    """One agent: a thread that asks while its worker waits, and gives signs of life while it trains."""

    def __init__(self, agents: Agents, number: int, tell: Callable[[int, Order], None]) -> None:
        self._agents = agents
        self._number = number
        self._tell = tell
        self._id: str | None = None
        self._asks = False
        self._run_id: str | None = None
        self._silent_since: float | None = None
        self._asked = 0
        self._left = False
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None

    def ask(self) -> None:
        self._asks, self._asked = True, 0
        if self._thread is None:
            self._thread = threading.Thread(target=self._live, name=f"agent-{self._number}", daemon=True)
            self._thread.start()
        self.wake()

    def let_go(self) -> str | None:
        run_id, self._run_id = self._run_id, None
        return run_id

    def wake(self) -> None:
        self._wake.set()

    def leave(self) -> None:
        self._left = True
        self.wake()

    def _live(self) -> None:
        while not self._left:
            self._wake.clear()
            pause = None
            if self._run_id is not None or self._asks:
                pause = self._speak()
            self._wake.wait(pause)

    def _speak(self) -> float:
        """Speak to the server once, and return the seconds until the next time."""
        began = time.monotonic()
        run_id = self._run_id
        try:
            if self._id is None:
                self._id = self._agents.register()
            if run_id is None:
                pause = self._ask_for_run()
            else:
                self._obey(self._agents.beat(self._id, run_id))
                pause = BEAT
        except ServerLostError as error:
            if self._silent_since is None:
                self._silent_since = began
            if run_id is None and self._agents.stopped:
                self._give_up(Released())
            elif run_id is None and time.monotonic() - self._silent_since >= _PATIENCE * timeout():
                self._give_up(Ended("lost", str(error)))  # silent for too long
            return 1.0
        except FfnnError as error:
            if run_id is None:
                self._give_up(Refused(str(error)))
            return BEAT
        except Exception as error:  # an agent that says nothing more would be waited for without end
            self._give_up(Refused(f"Unexpected {type(error).__name__}: {error}"))
            return BEAT
        self._silent_since = None
        return pause

    def _ask_for_run(self) -> float:
        assert self._id is not None
        found = self._agents.next_run(self._id)
        if isinstance(found, Train):
            self._asks, self._run_id = False, found.run_id
            self._tell(self._number, found)
            return BEAT
        if found is not None:
            self._give_up(found)
        self._asked += 1
        return _PAUSES[self._asked - 1] if self._asked <= len(_PAUSES) else BEAT

    def _obey(self, commands: list[Command]) -> None:
        """Pass on what is said while a run is under way; ``exit`` means that the whole sweep was stopped."""
        for command in commands:
            if command.type in ("stop", "exit") and self._run_id is not None:
                self._tell(self._number, Stop(self._run_id))

    def _give_up(self, order: Order) -> None:
        self._asks = False
        self._tell(self._number, order)
