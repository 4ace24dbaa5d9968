"""``ffnn report --live``: pages on 127.0.0.1, of one sweep or of the store, kept up to date.

The page of a sweep is that of ``ffnn report``. The script of a page polls the document that it shows
(`plotting.html.Document`).
"""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ffcli.errors import FfnnError, RequestError
from ffcli.services.report.live_pages import FRESH, LivePages, Version
from ffcli.services.report.live_store import Shown
from ffcli.training.context import Context

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

_HOST = "127.0.0.1"
_STARTUP = 30.0  # seconds within which the server must listen
_WAIT = 20.0  # seconds for which a question is held where nothing is new
_TICK = 0.05
_OPEN = 2.0  # seconds since its last answer within which a page is sure to ask again
_LAST_LOOK = 10.0  # seconds for the last answers, at most
_ON_ITS_WAY = 0.2  # seconds until an answer has left
_MOST_SHOWN = 1_000_000


@dataclass(frozen=True)
class LiveReport:
    """A page that is kept up to date until the command ends."""

    url: str
    """Holds a random port and a random token: nobody else on the machine can guess it."""
    sweep_id: str | None
    """Null where the page shows the store."""


class _Answers:
    """Answers questions for pages and their documents, until it is closed."""

    def __init__(self, pages: LivePages, token: str, sweep_id: str | None) -> None:
        self._pages, self._token, self._sweep_id = pages, token, sweep_id
        self._held = 0
        self._answered = float("-inf")
        self._closed = float("inf")

    def page(self, request: Request) -> Response:
        """Return a page."""
        from starlette.responses import HTMLResponse

        address = quote(request.url.path)
        home = f"/{self._token}/" if address != f"/{self._token}/" else None
        content = self._version(request).document.page(live=f"{address}document", home=home)
        # A name that came from the command line may hold bytes that are no text.
        return HTMLResponse(content.encode("utf-8", "backslashreplace"), headers=_HEADERS)

    async def document(self, request: Request) -> Response:
        """Return the document of a page, or that it is the one which the page has.

        Where the page asks to wait ("Prefer: wait", RFC 7240), for as long as there is no other: a browser
        stops the clocks of a page that is not in view, but hands it what it is answered.
        """
        from starlette.concurrency import run_in_threadpool
        from starlette.responses import Response

        deadline = time.monotonic() + (_WAIT if "wait" in request.headers.get("Prefer", "") else 0)
        known = request.headers.get("If-None-Match")
        self._held += 1
        try:
            while True:
                last = self._closed < time.monotonic()
                version = await run_in_threadpool(self._version, request)
                if version.tag != known or last or time.monotonic() >= deadline:
                    break
                await self._rest(deadline)
                if await request.is_disconnected():
                    break
        finally:
            self._held -= 1
            self._answered = time.monotonic()
        tagged = {**_HEADERS, "ETag": version.tag, **({"X-Ended": "yes"} if last else {})}
        if version.tag == known:
            return Response(status_code=304, headers=tagged)
        return Response(version.body, media_type="application/json", headers=tagged)

    async def _rest(self, deadline: float) -> None:
        """Wait a second, or until this is closed."""
        end = min(deadline, time.monotonic() + FRESH)
        while time.monotonic() < min(end, self._closed):
            await asyncio.sleep(_TICK)

    def close(self) -> None:
        """Answer each open page with what there is now, as the last answer."""
        ended = time.monotonic()
        self._pages.expire()
        self._closed = time.monotonic()
        if self._answered < ended - _OPEN and not self._held:
            return
        while (self._held or self._answered < self._closed) and time.monotonic() < ended + _LAST_LOOK:
            time.sleep(_TICK)
        time.sleep(_ON_ITS_WAY)

    def _version(self, request: Request) -> Version:
        sweep_id = self._sweep_id or request.path_params.get("sweep_id")
        if sweep_id is not None:
            return self._pages.sweep(sweep_id)
        query = request.query_params
        curves = tuple(filter(None, query.get("curves", "").split(",")))
        return self._pages.store(
            Shown(_number(query.get("runs"), Shown.runs), _number(query.get("sweeps"), Shown.sweeps), curves)
        )


_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


def _number(text: str | None, default: int) -> int:
    """Return a number in an address; ``default`` where there is none."""
    if text is None or not (text.isascii() and text.isdigit()) or len(text) > 9:
        return default
    return min(max(int(text), 1), _MOST_SHOWN)


def _app(answers: _Answers, token: str, sweep_id: str | None) -> Starlette:
    """Return the server's application: pages and their documents, to be read only.

    Requests that name another host are refused, since a page elsewhere could make its own name mean 127.0.0.1
    (DNS rebinding); so is every path without the token.
    """
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.middleware.trustedhost import TrustedHostMiddleware
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route

    def fail(_: Request, error: Exception) -> Response:
        return PlainTextResponse(str(error), 404 if isinstance(error, RequestError) else 503, _HEADERS)

    hosts = Middleware(TrustedHostMiddleware, allowed_hosts=[_HOST, "localhost"], www_redirect=False)
    folders = [f"/{token}/", *([] if sweep_id else [f"/{token}/sweep/{{sweep_id:path}}/"])]
    routes = [
        Route(folder + name, answer)
        for folder in folders
        for name, answer in (("document", answers.document), ("", answers.page))
    ]
    return Starlette(routes=routes, middleware=[hosts], exception_handlers={FfnnError: fail})


def check_installed() -> None:
    """Raise FfnnError where the packages of the server are missing."""
    if not all(importlib.util.find_spec(module) for module in ("starlette", "uvicorn")):
        raise FfnnError(
            "A live page needs the packages starlette and uvicorn, which are not installed.",
            hint="Install them with: pip install 'ffnn[live]'",
        )


@contextmanager
def live_report(context: Context, sweep_id: str | None = None) -> Iterator[LiveReport]:
    """Serve the page of a sweep, or of the store, within the block, from a thread of its own.

    The page of the store leads to those of its sweeps. An open page still gets what there is at the end of
    the block. Raises RequestError for an unknown sweep, FfnnError where the server's package is missing or it
    does not start.
    """
    check_installed()
    import uvicorn

    token = secrets.token_urlsafe(24)
    pages = LivePages(context)
    if sweep_id is not None:
        pages.sweep(sweep_id)
    answers = _Answers(pages, token, sweep_id)
    app = _app(answers, token, sweep_id)
    # Where no more files may be open, asyncio tells of each connection that waits, without end.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    config = uvicorn.Config(
        app, log_config=None, log_level="critical", access_log=False, ws="none", lifespan="off"
    )
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listening:
        listening.bind((_HOST, 0))
        server: Any = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        try:
            _wait_until_started(server, thread)
            yield LiveReport(f"http://{_HOST}:{listening.getsockname()[1]}/{token}/", sweep_id)
        finally:
            answers.close()
            server.should_exit = server.force_exit = True
            thread.join()


def _wait_until_started(server: Any, thread: threading.Thread) -> None:
    deadline = time.monotonic() + _STARTUP
    while not server.started:
        if not thread.is_alive() or time.monotonic() > deadline:
            raise FfnnError("The server of the live page does not start.")
        time.sleep(0.01)
