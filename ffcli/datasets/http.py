"""Downloads with bounded time and size, whatever the server does."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from ffcli.datasets.base import BrokenDataError, NoProgress, Progress
from ffcli.util.text import counted

if TYPE_CHECKING:
    import requests

# Room for the headers of IDX, gzip and zip around an array; deflate hardly grows what it cannot shrink.
_SLACK = 1 << 20
_MOST_REDIRECTS = 10


class NotFoundError(BrokenDataError):
    """The server has no such file."""


@dataclass(frozen=True)
class Patience:
    """How long a download waits, in seconds, and the pace it asks for: ``chunk`` bytes in each ``stall``."""

    connect: float = 3.0
    answer: float = 8.0
    stall: float = 10.0
    chunk: int = 1 << 14


@dataclass
class Web:
    """Downloads files one after another and remembers the hosts that cannot be reached.

    Only HTTPS is spoken, but for addresses of this machine and, with ``plain_http``, for an address that the
    user has given so; and a redirect never leads away from HTTPS.
    """

    progress: Progress = field(default_factory=NoProgress)
    patience: Patience = Patience()
    plain_http: bool = False
    _dead: dict[str, str] = field(default_factory=dict)

    def download(self, url: str, target: Path, n_bytes: int) -> Path:
        """Download ``url`` into the file ``target``; a transfer that breaks off is tried once more.

        Args:
            url: an http or https address. Proxies are taken from the environment.
            target: the file to write.
            n_bytes: the unpacked size of the data; an answer that is notably larger is refused.

        Raises:
            NotFoundError: the server says 404 or 410.
            BrokenDataError: the host cannot be reached, answers with an error, or sends too little, too
                much or too slowly.
        """
        if not self.plain_http and not _is_safe(url):
            raise BrokenDataError("it is not an HTTPS address")
        host = urlsplit(url).netloc.rpartition("@")[2]
        if host in self._dead:
            raise BrokenDataError(self._dead[host])
        try:
            with suppress(_BrokenOffError):
                return self._attempt(url, target, n_bytes + _SLACK)
            return self._attempt(url, target, n_bytes + _SLACK)
        except _UnreachableError as error:
            self._dead[host] = str(error)
            raise

    def _attempt(self, url: str, target: Path, limit: int) -> Path:
        # The transfer runs in a thread of its own, since no timeout of the HTTP library covers
        # name resolution or a server that sends a byte now and then.
        transfer = _Transfer(url, target, limit, self.patience, self.plain_http)
        label = urlsplit(url).path.rpartition("/")[2]
        started = False
        wait = self.patience.answer
        transfer.start()
        try:
            while True:
                try:
                    event = transfer.events.get(timeout=wait)
                except queue.Empty:
                    raise transfer.too_slow(answered=started) from None
                if isinstance(event, Exception):
                    raise event
                if event is None:
                    return target
                if started:
                    self.progress.advance(event)
                else:
                    self.progress.start(label, event or None)
                started = True
                wait = self.patience.stall
        finally:
            transfer.cancelled.set()
            if started:
                self.progress.close()


class _UnreachableError(BrokenDataError):
    """The host cannot be reached, so none of its files can."""


class _BrokenOffError(BrokenDataError):
    """The transfer broke off; a second attempt may succeed."""


class _Transfer(threading.Thread):
    """One HTTP GET.

    It puts into ``events`` the promised size (0: unknown), the size of each piece, and None at the
    end; or the exception that ended it.
    """

    def __init__(self, url: str, target: Path, limit: int, patience: Patience, plain_http: bool) -> None:
        super().__init__(daemon=True)
        self.url = url
        self.target = target
        self.limit = limit
        self.patience = patience
        self.plain_http = plain_http
        self.events: queue.SimpleQueue[int | Exception | None] = queue.SimpleQueue()
        self.cancelled = threading.Event()

    def too_slow(self, *, answered: bool) -> BrokenDataError:
        """Say what the wait was for."""
        if not answered:
            return _UnreachableError(f"no answer within {self.patience.answer:g} s")
        return BrokenDataError(
            f"too slow: less than {self.patience.chunk} bytes in {self.patience.stall:g} s"
        )

    def run(self) -> None:
        """Fetch the file."""
        try:
            self._fetch(self.events.put)
        except Exception as error:
            self.events.put(error)

    def _fetch(self, put: Callable[[int | None], None]) -> None:
        import requests
        import urllib3

        patience = self.patience
        try:
            with self._answer() as answer:
                _check_status(answer.status_code, answer.reason)
                length = answer.headers.get("Content-Length", "")
                promised = int(length) if length.isascii() and length.isdigit() else 0
                self._check_size(promised)
                put(promised)
                done = 0
                with self.target.open("wb") as file:
                    # Read undecoded: a .gz file is kept as it is, however the server labels it.
                    while (piece := answer.raw.read(patience.chunk)) and not self.cancelled.is_set():
                        done += len(piece)
                        self._check_size(done)
                        file.write(piece)
                        put(len(piece))
                if done < promised:
                    raise _BrokenOffError(f"broke off after {done} of {counted(promised, 'byte')}")
                put(None)
        except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema, ValueError) as error:
            raise BrokenDataError("it is not a usable address") from error
        except requests.ConnectTimeout as error:
            raise _UnreachableError(f"no connection within {patience.connect:g} s") from error
        except requests.ReadTimeout as error:
            raise _UnreachableError(f"no answer within {patience.stall:g} s") from error
        except requests.exceptions.SSLError as error:
            raise _UnreachableError(f"no secure connection: {_root(error)}") from error
        except requests.ConnectionError as error:
            raise _UnreachableError(f"cannot be reached: {_root(error)}") from error
        except requests.RequestException as error:
            raise BrokenDataError(_root(error)) from error
        except urllib3.exceptions.HTTPError as error:
            raise _BrokenOffError(f"broke off: {_root(error)}") from error

    def _answer(self) -> requests.Response:
        """Ask for the file, and where a redirect leads to, as long as that is as safe."""
        import requests

        url = self.url
        for _ in range(_MOST_REDIRECTS):
            answer = requests.get(
                url,
                stream=True,
                timeout=(self.patience.connect, self.patience.stall),
                headers={"Accept-Encoding": "identity"},
                allow_redirects=False,
            )
            if not answer.is_redirect:
                return answer
            answer.close()
            target = urljoin(url, answer.headers["Location"])
            was_plain, is_plain = (urlsplit(each).scheme == "http" for each in (url, target))
            if is_plain:
                allowed = was_plain and (self.plain_http or _is_safe(target))
            else:
                allowed = urlsplit(target).scheme == "https"
            if not allowed:
                raise BrokenDataError("it redirects to an address that is not HTTPS")
            url = target
        raise BrokenDataError(f"it redirects more than {_MOST_REDIRECTS} times")

    def _check_size(self, size: int) -> None:
        if size > self.limit:
            raise BrokenDataError(f"expected at most {self.limit} bytes, got {size} or more")


def _is_safe(url: str) -> bool:
    """Whether nobody between here and the server can read or change what comes from an address."""
    parts = urlsplit(url)
    if parts.scheme == "https":
        return True
    try:
        return parts.hostname == "localhost" or ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return False


def _check_status(status: int, reason: str) -> None:
    answer = f"the server answered {status} {reason}".rstrip()
    if status in (404, 410):
        raise NotFoundError(answer)
    if status >= 500:
        raise _BrokenOffError(answer)
    if status != 200:
        raise BrokenDataError(answer)


def _root(error: BaseException) -> str:
    """Return the innermost reason of an error that the HTTP libraries have wrapped several times."""
    seen: BaseException = error
    while (inner := seen.__cause__ or seen.__context__) is not None:
        seen = inner
    text = getattr(seen, "strerror", None) or str(seen) or type(seen).__name__
    return str(text).rstrip(".")
