"""The documents of a live server: each is kept for a while, however many pages ask for it."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace

from ffcli.plotting.html import Document
from ffcli.plotting.report import Best, document
from ffcli.services.evaluation.best import RunChoice
from ffcli.services.report.live_store import LiveStore, Shown
from ffcli.services.report.report import best_of, stored_report
from ffcli.services.sweeps.find import sweep_called
from ffcli.training.context import Context

FRESH = 1.0  # seconds for which a document is served again instead of being read anew, at least
_REST = 10  # times what reading takes: so much longer it is served again
_LONGEST = 15.0  # seconds, since one reading may take longer than the others
_MOST = 16  # documents that are kept


@dataclass(frozen=True)
class Version:
    """A document as it is served: its content as JSON, and an ETag."""

    document: Document
    body: str
    tag: str


class _Kept:
    """A document that is made anew when it is asked for and not fresh."""

    def __init__(self, make: Callable[[], Document]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._stale_at = 0.0
        self._version: Version | None = None

    def current(self) -> Version:
        with self._lock:
            started = time.monotonic()
            if self._version is None or started >= self._stale_at:
                document = self._make()
                body = document.later()
                tag = f'"{hashlib.sha256(body.encode()).hexdigest()[:32]}"'
                now = time.monotonic()
                took = 0.0 if self._version is None else now - started  # the first one imports
                self._stale_at = now + min(max(FRESH, _REST * took), _LONGEST)
                self._version = Version(document, body, tag)
            return self._version

    def expire(self) -> None:
        with self._lock:  # after a reading under way
            self._stale_at = 0.0


class _LiveSweep:
    """The report of a sweep, read from the store when it is asked for."""

    def __init__(self, context: Context, sweep_id: str) -> None:
        self._context, self._sweep_id = context, sweep_id
        self._best: tuple[str | None, Best] | None = None

    def document(self) -> Document:
        """Return the report of now; the best run is evaluated when it is another one than before."""
        report, best = stored_report(self._context, self._sweep_id)
        if best is None:
            return document(report)
        if self._best is None or self._best[0] != best.run_id:
            self._best = best.run_id, best_of(self._context, best, RunChoice(str(best.run_id)))
        return document(replace(report, best=self._best[1]))


class LivePages:
    """All that a live server shows of a store."""

    def __init__(self, context: Context) -> None:
        self._context = replace(context, notify=lambda _: None)
        self._store = LiveStore(self._context)
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, _Kept] = OrderedDict()

    def sweep(self, sweep_id: str) -> Version:
        """Return the page of a sweep. Raises RequestError where there is none, FfnnError as its reader."""
        called = sweep_called(self._context, sweep_id)
        return self._get(called, lambda: _LiveSweep(self._context, called).document)

    def store(self, shown: Shown) -> Version:
        """Return the page of the store."""
        return self._get(shown, lambda: lambda: self._store.document(shown))

    def expire(self) -> None:
        """Let each document be made anew the next time."""
        with self._lock:
            for kept in self._kept.values():
                kept.expire()

    def _get(self, key: Hashable, reader: Callable[[], Callable[[], Document]]) -> Version:
        with self._lock:
            if key not in self._kept:
                self._kept[key] = _Kept(reader())
            self._kept.move_to_end(key)
            while len(self._kept) > _MOST:
                self._kept.popitem(last=False)
            kept = self._kept[key]
        return kept.current()
