"""``ffnn report --live``: the page of a sweep on 127.0.0.1, kept up to date while its trials run.

The page is that of ``ffnn report``; its script polls the document that it shows (`plotting.report.document`).
"""

from __future__ import annotations

import hashlib
import importlib.util
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ffcli.errors import FfnnError
from ffcli.plotting.report import Best, Report, document, page
from ffcli.services.evaluation.best import RunChoice
from ffcli.services.report.report import best_of, stored_report
from ffcli.training.context import Context

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

_HOST = "127.0.0.1"
_FRESH = 1.0  # seconds for which a document is served again instead of being read anew, at least
_REST = 10  # times what reading takes: so much longer it is served again
_STARTUP = 30.0  # seconds within which the server must listen


@dataclass(frozen=True)
class LiveReport:
    """A page that is kept up to date until the command ends."""

    url: str
    """Holds a random port and a random token: nobody else on the machine can guess it."""
    sweep_id: str


class _Sweep:
    """The report of a sweep, read from the store when it is asked for and not fresh."""

    def __init__(self, context: Context, sweep_id: str) -> None:
        self._context, self._sweep_id = replace(context, notify=lambda _: None), sweep_id
        self._lock = threading.Lock()
        self._best: tuple[str | None, Best] | None = None
        self._stale_at, self._version, self._body = 0.0, "", ""
        self.report = self._read()

    def _read(self) -> Report:
        """Return the report of now; the best run is evaluated when it is another one than before."""
        report, best = stored_report(self._context, self._sweep_id)
        if best is None:
            return report
        if self._best is None or self._best[0] != best.run_id:
            self._best = best.run_id, best_of(self._context, best, RunChoice(str(best.run_id)))
        return replace(report, best=self._best[1])

    def current(self) -> tuple[str, str]:
        """Return the version and the document. Raises FfnnError where the sweep cannot be read."""
        with self._lock:
            started = time.monotonic()
            if started >= self._stale_at:
                self.report = self._read()
                self._body = document(self.report)
                self._version = f'"{hashlib.sha256(self._body.encode()).hexdigest()[:32]}"'
                now = time.monotonic()
                self._stale_at = now + max(_FRESH, _REST * (now - started))
            return self._version, self._body


def _app(sweep: _Sweep, token: str) -> Starlette:
    """Return the server's application: the page and its document, to be read only.

    Requests that name another host are refused, since a page elsewhere could make its own name mean 127.0.0.1
    (DNS rebinding); so is every path without the token.
    """
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.middleware.trustedhost import TrustedHostMiddleware
    from starlette.responses import HTMLResponse, PlainTextResponse, Response
    from starlette.routing import Route

    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}

    def show(_: Request) -> Response:
        sweep.current()
        return HTMLResponse(page(sweep.report, live=f"/{token}/document"), headers=headers)

    def current(request: Request) -> Response:
        version, body = sweep.current()
        tagged = {**headers, "ETag": version}
        if request.headers.get("If-None-Match") == version:
            return Response(status_code=304, headers=tagged)
        return Response(body, media_type="application/json", headers=tagged)

    def fail(_: Request, error: Exception) -> Response:
        return PlainTextResponse(str(error), 503, headers=headers)

    hosts = Middleware(TrustedHostMiddleware, allowed_hosts=[_HOST, "localhost"], www_redirect=False)
    routes = [Route(f"/{token}/", show), Route(f"/{token}/document", current)]
    return Starlette(routes=routes, middleware=[hosts], exception_handlers={FfnnError: fail})


def check_installed() -> None:
    """Raise FfnnError where the packages of the server are missing."""
    if not all(importlib.util.find_spec(module) for module in ("starlette", "uvicorn")):
        raise FfnnError(
            "A live page needs the packages starlette and uvicorn, which are not installed.",
            hint="Install them with: pip install 'ffnn[live]'",
        )


@contextmanager
def live_report(context: Context, sweep_id: str) -> Iterator[LiveReport]:
    """Serve the page of a sweep within the block, from a thread of its own.

    Raises RequestError for an unknown sweep, FfnnError where the server's package is missing or it does not
    start.
    """
    check_installed()
    import uvicorn

    token = secrets.token_urlsafe(24)
    app = _app(_Sweep(context, sweep_id), token)
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
            server.should_exit = server.force_exit = True
            thread.join()


def _wait_until_started(server: Any, thread: threading.Thread) -> None:
    deadline = time.monotonic() + _STARTUP
    while not server.started:
        if not thread.is_alive() or time.monotonic() > deadline:
            raise FfnnError("The server of the live page does not start.")
        time.sleep(0.01)
