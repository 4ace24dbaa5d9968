"""For how long a live server serves the same document again."""

from __future__ import annotations

import pytest
from small_runs import Place

from ffcli.plotting.html import Document
from ffcli.services.report import live_pages
from ffcli.services.report.live_pages import LivePages
from ffcli.services.report.live_store import LiveStore, Shown


class Clock:
    """Makes each reading take ``takes`` seconds."""

    def __init__(self) -> None:
        self.now, self.takes, self.read = 100.0, 0.0, 0

    def monotonic(self) -> float:
        return self.now

    def document(self, _shown: Shown) -> Document:
        self.now += self.takes
        self.read += 1
        return Document("", "report.html", {}, (), {})


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(live_pages, "time", made)
    monkeypatch.setattr(LiveStore, "document", lambda _self, shown: made.document(shown))
    monkeypatch.setattr(Document, "later", lambda _self: "")
    return made


def test_a_document_rests_ten_times_as_long_as_it_takes(clock: Clock, place: Place) -> None:
    pages = LivePages(place.context)
    # The first reading imports what later ones have: 1 second of rest; then 10 times 0.5; at most 15.
    for takes, rests in ((4.0, 1.0), (0.5, 5.0), (0.01, 1.0), (7.0, 15.0)):
        clock.takes = takes
        pages.store(Shown())
        seen = clock.read
        clock.now += rests - 0.01
        pages.store(Shown())
        assert clock.read == seen
        clock.now += 0.02
    pages.store(Shown())
    assert clock.read == 5


def test_an_expired_document_is_read_again(clock: Clock, place: Place) -> None:
    pages = LivePages(place.context)
    pages.store(Shown())
    pages.expire()
    pages.store(Shown())
    assert clock.read == 2


def test_few_documents_are_kept(clock: Clock, place: Place) -> None:
    pages = LivePages(place.context)
    for runs in (*range(1, 40), 39, 1):
        pages.store(Shown(runs=runs))
    assert clock.read == 40  # the first was given up
