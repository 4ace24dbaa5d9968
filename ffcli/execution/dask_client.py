"""Dask's client, connected within a bound and closed however its start ends, and what it needs for that."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ffcli.errors import FfnnError, RequestError
from ffcli.util.safe_read import parse_json, read_file
from ffcli.util.signals import interrupts_deferred

if TYPE_CHECKING:
    from distributed import Client

_CONNECT = 20.0  # seconds to wait for a scheduler
_CLOSE = 5.0  # seconds that a client has to leave its scheduler


def connected_client(started: ExitStack, **options: Any) -> Client:
    """Return a client that is connected. ``started`` closes it, also where it is late or interrupted.

    It starts in an event loop of its own. A client that is interrupted in its constructor is known to nobody
    who could close it: it closes itself at the end of Python and waits for a loop that no longer runs. Dask's
    own bound on the start leaves out the scheduler's first answer.

    Raises:
        OSError: there is no answer within `_CONNECT`.
    """
    from distributed import Client
    from distributed.utils import LoopRunner

    runner = LoopRunner()
    made: list[Client] = []

    async def make() -> Client:
        client = Client(**options, timeout=_CONNECT, set_as_default=False, asynchronous=True)
        made.append(client)
        return await asyncio.wait_for(client, _CONNECT)

    def close() -> None:
        with interrupts_deferred(), suppress(Exception):  # what is gone cannot be left in good order
            try:
                for client in made:
                    client.close(_CLOSE)
            finally:
                runner.stop()

    started.callback(close)
    with interrupts_deferred():
        runner.start()
    try:
        return asyncio.run_coroutine_threadsafe(make(), runner.loop.asyncio_loop).result()
    except asyncio.TimeoutError:  # an OSError from Python 3.11 on
        raise OSError(f"it has not answered within {_CONNECT:g} s.") from None


def is_exposed(address: str) -> bool:
    """Whether connections to a scheduler cross a network unprotected."""
    parts = urlsplit(address)
    if parts.scheme != "tcp":
        return False
    with suppress(ValueError):
        return not ip_address(parts.hostname or "").is_loopback
    return parts.hostname != "localhost"


def is_address(text: str) -> bool:
    """Whether Dask speaks the protocol of an address. Its client tries ten seconds before it says so."""
    from distributed.comm.addressing import parse_address
    from distributed.comm.registry import get_backend

    if "://" not in text:
        return False
    try:
        get_backend(parse_address(text)[0])
    except ValueError:
        return False
    return True


def check_certificates() -> None:
    """Raise FfnnError where Dask's configuration lacks a file that its client needs for TLS."""
    from distributed import Security

    security = Security()
    files = {
        "CA_FILE": security.tls_ca_file,
        "CLIENT__CERT": security.tls_client_cert,
        "CLIENT__KEY": security.tls_client_key,
    }
    for name, value in files.items():
        if value is None or ("\n" not in value and not Path(value).is_file()):  # it may be the text itself
            raise FfnnError(
                f"TLS needs a file in DASK_DISTRIBUTED__COMM__TLS__{name}, got {value or 'nothing'}.",
                hint='docs/scaling.md shows how to make and name the files, under "TLS".',
            )


def address_in(path: Path) -> str:
    """Return the address in a scheduler's file. Raises RequestError for one that no scheduler has written."""
    with suppress(OSError, ValueError, LookupError, TypeError):
        address = str(parse_json(read_file(path))["address"])
        if is_address(address):
            return address
    raise RequestError(
        f"{path} is no scheduler's file: expected JSON with the address of one.",
        hint="dask scheduler --scheduler-file PATH writes it.",
    )


@contextmanager
def well_configured() -> Iterator[None]:
    """Raise FfnnError for what Dask raises where its configuration holds values that it cannot take."""
    try:
        yield
    except (LookupError, ValueError, TypeError, AttributeError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and error.__cause__ is None:
            raise  # no thread can be started; Dask's own has a cause
        why = str(error.args[0]) if error.args else type(error).__name__
        raise FfnnError(
            f"Dask cannot start: {why}",
            hint="Its configuration is in variables DASK_… and in files of ~/.config/dask.",
        ) from error
