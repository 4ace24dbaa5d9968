"""The connection to a cluster whose workers are jobs that end one by one; its scheduler is made up."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest

from ffcli.errors import FfnnError

pytest.importorskip("distributed")

from ffcli.execution import dask_link
from ffcli.execution.dask_cluster import Connection
from ffcli.execution.dask_link import Link


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """An event loop that runs in a thread."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield loop
    asyncio.run_coroutine_threadsafe(asyncio.sleep(0.05), loop).result()  # what was cancelled ends
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


class Client:
    """Says which workers there are, one look after the other; the last answer holds. A letter is a worker."""

    status = "running"

    def __init__(
        self, loop: asyncio.AbstractEventLoop, looks: Sequence[str], *, events_come: bool = True
    ) -> None:
        self.loop = SimpleNamespace(asyncio_loop=loop)
        self.left = list(looks)
        self.scheduler = SimpleNamespace(log_event=self.log_event, address="tcp://127.0.0.1:1")
        self._events_come = events_come

    def subscribe_topic(self, _: str, handler: Callable[[tuple[float, Any]], None]) -> None:
        self._handler = handler

    async def log_event(self, *, topic: str, msg: Any) -> None:
        if self._events_come:
            self._handler((time.monotonic(), msg))

    async def nthreads(self) -> dict[str, int]:
        return dict.fromkeys(self.left.pop(0) if len(self.left) > 1 else self.left[0], 1)

    async def run(self, *_: object, workers: Sequence[str], **__: object) -> dict[str, Any]:
        return {worker: {} for worker in workers}


@pytest.mark.parametrize(
    ("looks", "workers", "over"),
    [
        (["ab", "b", ""], 2, True),
        (["a", "ab", "a", ""], 2, True),
        (["a", ""], 2, False),  # the other job waits in its queue
        (["", "ab", "a"], 2, False),
        ([""], 2, False),
        (["ab", ""], None, False),  # others may join a cluster of one's own
    ],
)
def test_a_connection_ends_when_all_jobs_are_over(
    loop: asyncio.AbstractEventLoop,
    monkeypatch: pytest.MonkeyPatch,
    looks: Sequence[str],
    workers: int | None,
    *,
    over: bool,
) -> None:
    monkeypatch.setattr(dask_link, "_LOOK", 0.001)
    client = Client(loop, looks)
    link = Link(Connection(client, lambda: None, "", workers))  # type: ignore[arg-type]
    try:
        until = time.monotonic() + 5
        while len(client.left) > 1:
            assert time.monotonic() < until
            time.sleep(0.001)
        time.sleep(0.05)
        link.check()  # a job that was moved may come back
        monkeypatch.setattr(dask_link, "_RETURN", 0.0)
        if over:
            with pytest.raises(FfnnError) as caught:
                link.check()
            assert caught.value.exit_code == 1
        else:
            link.check()
    finally:
        link.close()


@pytest.mark.parametrize("events_come", [True, False])
def test_a_connection_over_which_no_event_comes_is_silent(
    loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch, events_come: bool
) -> None:
    """A tunnel may stall one of the two connections to the scheduler, which still answers over the other."""
    for name, seconds in {"_LOOK": 0.01, "_SILENCE": 0.1, "_LONGEST_SILENCE": 0.3}.items():
        monkeypatch.setattr(dask_link, name, seconds)
    link = Link(Connection(Client(loop, ["a"], events_come=events_come), lambda: None, ""))  # type: ignore[arg-type]
    told: list[str] = []
    try:
        with nullcontext() if events_come else pytest.raises(FfnnError, match="not answered"):
            for _ in range(100):
                time.sleep(0.01)
                link.check()
                told += filter(None, [link.silence()])
    finally:
        link.close()
    assert len(told) == (0 if events_come else 1)
