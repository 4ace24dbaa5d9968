"""A database that seems to be further away: every byte arrives a while later."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import suppress
from statistics import median
from types import TracebackType
from typing import Any

from ffcli.sweeping.database import read_url
from sqlalchemy import create_engine, text


class SlowLink:
    """Forwards connections to ``port`` of 127.0.0.1 to a server; a byte takes ``seconds`` more each way."""

    def __init__(self, host: str, port: int, seconds: float) -> None:
        self.port = 0
        self._target = (host, port)
        self._seconds = seconds

    def __enter__(self) -> SlowLink:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        listening = asyncio.start_server(self._accept, "127.0.0.1", 0)
        self._server = asyncio.run_coroutine_threadsafe(listening, self._loop).result()
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end(self) -> None:
        self._server.close()
        connections = asyncio.all_tasks() - {asyncio.current_task()}
        for connection in connections:
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
        await asyncio.sleep(0)  # lets the transports that were closed go

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection(*self._target)
        await asyncio.gather(self._pass_on(reader, server_writer), self._pass_on(server_reader, writer))

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(ConnectionError):
                while data := await reader.read(65536):
                    self._loop.call_later(self._seconds, writer.write, data)
                await asyncio.sleep(self._seconds)  # the end comes after the last byte
        finally:
            writer.close()


def through(url: str, link: SlowLink) -> str:
    """Return the address of a database by way of a link."""
    return read_url(url).set(host="127.0.0.1", port=link.port).render_as_string(hide_password=False)


def link_to(url: str, seconds: float) -> SlowLink:
    """Return a link to the server of a PostgreSQL database."""
    parsed = read_url(url)
    return SlowLink(parsed.host or "127.0.0.1", parsed.port or 5432, seconds)


def round_trip(url: str, times: int = 50) -> float:
    """Return the median seconds that a database takes to answer the simplest question."""
    engine = create_engine(read_url(url))
    try:
        with engine.connect() as connection:
            taken: list[float] = []
            for _ in range(times):
                start = time.perf_counter()
                result: Any = connection.execute(text("SELECT 1"))
                result.scalar_one()
                taken.append(time.perf_counter() - start)
    finally:
        engine.dispose()
    return median(taken)
