"""The connection of a pool to its Dask cluster: which workers there are, and messages both ways.

All remote calls are made in the client's event loop, so that no worker or scheduler that does not answer
holds up the coordinator. What arrives is put into one inbox.
"""

from __future__ import annotations

import asyncio
import queue
import secrets
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ffcli.datasets import Dataset
from ffcli.errors import FfnnError
from ffcli.execution.dask_cluster import Connection
from ffcli.execution.dask_data import blocks_of
from ffcli.execution.dask_task import Order, Report, beat, deliver, train_task, versions

if TYPE_CHECKING:
    from distributed import Future

_LOOK = 1.0  # seconds between two looks at which workers there are
_LOOKS_PER_BEAT = 5
_FETCHES = 60  # tries to fetch a report, a second apart
_FIRST_ANSWERS = 10.0  # seconds that the first workers have to answer before the pool hears of any
_SILENCE = 30.0  # seconds that the scheduler may take to answer without a word about it
_LONGEST_SILENCE = 300.0  # seconds without an answer after which `check` raises an error
_ECHO = {"what": "echo"}
_RETURN = 60.0  # seconds that the last job of a batch system has to come back, where it was moved


class Link:
    """Talks with the workers of a cluster.

    Messages in the inbox are {"what": …}: "workers" with ``now`` (the addresses of all workers),
    ``usable`` (of those that can be used) and ``refused`` (why others cannot, by address), "done" with the
    ``token`` of a task whose future has an end and its ``report`` or None, "undelivered" with the ``token``
    of a task that a message did not reach and ``why``, and the events of the tasks.
    """

    def __init__(self, connection: Connection) -> None:
        self._client = client = connection.client
        self._close = connection.close
        self.missing = connection.missing
        self.topic = f"ffnn-{secrets.token_hex(8)}"  # of the tasks' events, with which their tokens begin
        self._inbox: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._submitted = 0
        self._most = connection.workers
        self._starter = connection.starter
        self._present: frozenset[str] = frozenset()
        self._seen: frozenset[str] = frozenset()  # all that were ever present
        self._left_at: float | None = None  # when the last of them had left
        self._asking: dict[str, asyncio.Task[None]] = {}  # workers that have not answered yet
        self._refusals: dict[str, str | None] = {}  # of workers that have answered; None: can be used
        self._told: Any = None  # what was last said about the workers
        self._answered = time.monotonic()  # when an echo last came, for which each look asks
        self.is_silent = False
        self._checked, self._silent_for = self._answered, 0.0
        self.beaten: frozenset[str] = frozenset()  # addresses of workers whose tasks get signs of life
        client.subscribe_topic(self.topic, lambda event: self._hear(event[1]))
        self._attending = asyncio.run_coroutine_threadsafe(self._attend(), client.loop.asyncio_loop)

    @property
    def address(self) -> str:
        """The address of the scheduler."""
        return str(self._client.scheduler.address)

    def check(self) -> None:
        """Raise FfnnError where the scheduler is gone or long silent, or no worker can come any more."""
        if self._client.status != "running":
            raise FfnnError(f"The connection to the scheduler {self.address} is lost.")
        now = time.monotonic()
        # A moment in which this process was stopped itself counts no longer than a look.
        silent = self._silent_for + min(now - self._checked, 2 * _LOOK)
        self._silent_for = 0.0 if self._answered >= self._checked else silent
        self._checked = now
        if self._silent_for > _LONGEST_SILENCE:
            raise FfnnError(f"The scheduler {self.address} has not answered for {_LONGEST_SILENCE:g} s.")
        if self._left_at is None:
            return
        if self._starter is not None and (code := self._starter.poll()) is not None:
            raise FfnnError(f"The workers of the local cluster have ended: exit code {code}.")
        if self._most is None or len(self._seen) < self._most:
            return
        if now - self._left_at >= _RETURN:
            raise FfnnError(f"All jobs are over: no worker was there for {_RETURN:g} seconds.")

    def silence(self) -> str | None:
        """Return a notice where the scheduler no longer answers, or answers again, since this was asked."""
        is_silent = self._silent_for > _SILENCE  # as of the last `check`
        if is_silent == self.is_silent:
            return None
        self.is_silent = is_silent
        what = f"has not answered for {_SILENCE:g} s. Waiting for it" if is_silent else "answers again"
        return f"The scheduler {self.address} {what}."

    def receive(self, timeout: float) -> list[dict[str, Any]]:
        """Wait for messages, at most ``timeout`` seconds, and return those that have come."""
        messages = []
        with suppress(queue.Empty):
            messages.append(self._inbox.get(timeout=max(0.0, timeout)))
            while True:
                messages.append(self._inbox.get_nowait())
        return messages

    def token(self) -> str:
        """Return the key of a new task at Dask."""
        self._submitted += 1
        return f"{self.topic}-{self._submitted}"

    def submit(self, order: Order, workers: frozenset[str]) -> Future:
        """Let Dask run a task on one of the workers."""
        future = self._client.submit(
            train_task, order, key=order.token, workers=list(workers), allow_other_workers=False, pure=False
        )
        loop = self._client.loop
        future.add_done_callback(lambda _: loop.add_callback(self._fetch, future, order.token))
        return future

    def say(self, address: str, token: str, message: Mapping[str, Any]) -> None:
        """Send a message to a task, or have "undelivered" in the inbox."""
        self._client.loop.add_callback(self._deliver, address, token, [message])

    def send_dataset(self, address: str, token: str, dataset: Dataset) -> None:
        """Send all bytes of a dataset to a task, or have "undelivered" in the inbox."""
        blocks = ({"what": "data", "bytes": block} for block in blocks_of(dataset))
        self._client.loop.add_callback(self._deliver, address, token, blocks)

    def close(self) -> None:
        """Leave the cluster, whose tasks of this link end then."""
        self._attending.cancel()
        self._close()

    def _hear(self, message: dict[str, Any]) -> None:
        """Take in an event. An echo has gone and come over both connections that Dask has to a scheduler."""
        if message == _ECHO:
            self._answered = time.monotonic()
        else:
            self._inbox.put(message)

    async def _deliver(self, address: str, token: str, messages: Any) -> None:
        try:
            for message in messages:
                await self._client.run(deliver, token, message, workers=[address])
        except Exception as error:
            why = f"{type(error).__name__}: {error}"
            self._inbox.put({"what": "undelivered", "token": token, "why": why})

    async def _fetch(self, future: Future, token: str) -> None:
        """Fetch the report of a task, however long the worker that holds it takes."""
        report: Report | None = None
        for _ in range(_FETCHES):
            if future.status != "finished":  # its worker is lost with the report, or it has none
                break
            try:
                report = await self._client.gather(future, asynchronous=True)
                break
            except Exception:
                await asyncio.sleep(_LOOK)
        self._inbox.put({"what": "done", "token": token, "report": report})

    async def _attend(self) -> None:
        """Look at the workers and give signs of life, for as long as this link lives."""
        beats: set[asyncio.Task[None]] = set()
        looks = 0
        try:
            while True:
                with suppress(Exception):
                    await self._look()
                if looks % _LOOKS_PER_BEAT == 0 and self.beaten:
                    beating = asyncio.ensure_future(self._beat(list(self.beaten)))
                    beats.add(beating)  # a task that nothing refers to may vanish
                    beating.add_done_callback(beats.discard)
                looks += 1
                await asyncio.sleep(_LOOK)
        finally:
            for waiting in (*beats, *self._asking.values()):
                waiting.cancel()

    async def _beat(self, addresses: list[str]) -> None:
        with suppress(Exception):
            await self._client.run(beat, self.topic, workers=addresses, on_error="ignore")

    async def _look(self) -> None:
        """Put it into the inbox when other workers are there, or can be used, than at the last look."""
        threads: dict[str, int] = await self._client.nthreads()
        await self._client.scheduler.log_event(topic=self.topic, msg=_ECHO)
        for address in self._present - threads.keys():
            self._refusals.pop(address, None)  # another worker may have its address later
            asking = self._asking.pop(address, None)
            if asking is not None:
                asking.cancel()
        self._present = frozenset(threads)
        self._seen |= self._present
        self._left_at = None if self._present else self._left_at or time.monotonic()
        for address in self._present - self._refusals.keys() - self._asking.keys():
            self._asking[address] = asyncio.ensure_future(self._ask(address, threads[address]))
        if self._told is None and self._asking:  # the pool wants to know at its start what it can use
            await asyncio.wait(self._asking.values(), timeout=_FIRST_ANSWERS)
        refused = {address: why for address, why in self._refusals.items() if why}
        told = (self._present, frozenset(self._refusals.keys() - refused.keys()), refused)
        if told != self._told:
            self._told = told
            self._inbox.put({"what": "workers", "now": told[0], "usable": told[1], "refused": refused})

    async def _ask(self, address: str, threads: int) -> None:
        """Ask a worker what versions it has, and note whether it can be used.

        It has all the time that it needs. Where the connection to it fails, the next look asks again.
        """
        try:
            with suppress(Exception):
                answers = await self._client.run(versions, workers=[address], on_error="return")
                answer = answers.get(address)
                if not isinstance(answer, OSError):
                    self._refusals[address] = refusal(address, threads, answer)
        finally:
            if self._asking.get(address) is asyncio.current_task():
                del self._asking[address]


def refusal(address: str, threads: int, answer: Any) -> str | None:
    """Return why a worker cannot be used that answered what versions it has; None where it can."""
    if not isinstance(answer, dict):
        return f"worker {address} cannot run ffnn ({type(answer).__name__}: {answer})"
    ours = versions()
    for name, version in ours.items():
        if answer.get(name) != version:
            return f"worker {address} has {name} {answer.get(name)}, here it is {version}"
    if threads != 1:
        return f"worker {address} has {threads} threads, expected 1 (dask worker --nthreads 1)"
    return None
