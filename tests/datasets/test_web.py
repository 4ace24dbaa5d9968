from __future__ import annotations

import socket

import pytest
from tiny_datasets import PATIENT, patience

from ffcli.datasets.base import BrokenDataError
from ffcli.datasets.web import NotFoundError, Web

FILE = "tiny.npz"


class Bars:
    def __init__(self):
        self.events = []

    def start(self, label, total):
        self.events.append(("start", label, total))

    def advance(self, n):
        self.events.append(("advance", n))

    def close(self):
        self.events.append(("close",))


def get(server, tmp_path, manner, n_bytes=1 << 16):
    return Web(patience=patience(manner)).download(server.url(f"{manner}/{FILE}"), tmp_path / "got", n_bytes)


@pytest.mark.parametrize("manner", ["ok", "unsized", "once500"])
def test_a_file_arrives_whole(server, idx_folder, tmp_path, manner):
    got = get(server, tmp_path, manner)
    assert got.read_bytes() == (idx_folder / FILE).read_bytes()


@pytest.mark.parametrize(
    ("manner", "message", "tries"),
    [
        ("404", "404", 1),
        ("403", "403", 1),
        ("500", "500", 2),
        ("half", "broke off", 2),
        ("drip", "too slow", 1),
        ("stall", "too slow|broke off", None),
        ("silent", "no answer within", 1),
        ("huge", "larger than the data", 1),
        ("endless", "larger than the data", 1),
    ],
)
def test_a_bad_answer_ends_with_a_reason(server, tmp_path, manner, message, tries):
    with pytest.raises(BrokenDataError, match=message) as caught:
        get(server, tmp_path, manner)
    assert (type(caught.value) is NotFoundError) == (manner == "404")
    assert tries in (None, len(server.requests))


def test_a_host_that_does_not_answer_is_not_asked_again(server, tmp_path):
    web = Web(patience=patience("silent"))
    for _ in range(3):
        with pytest.raises(BrokenDataError, match="no answer within"):
            web.download(server.url("silent/a"), tmp_path / "got", 1)
    assert len(server.requests) == 1


def test_a_closed_port_and_an_unknown_host_are_told_apart(tmp_path):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        with pytest.raises(BrokenDataError, match="cannot be reached: Connection refused"):
            Web(patience=PATIENT).download(f"http://127.0.0.1:{port}/a", tmp_path / "got", 1)
    with pytest.raises(BrokenDataError, match=r"cannot be reached|no answer"):
        Web(patience=PATIENT).download("http://no-such-host.invalid/a", tmp_path / "got", 1)


@pytest.mark.parametrize("url", ["http://", "http://a b/", "ftp://127.0.0.1/a"])
def test_an_unusable_address_is_refused(tmp_path, url):
    with pytest.raises(BrokenDataError):
        Web(patience=PATIENT).download(url, tmp_path / "got", 1)


def test_progress_follows_the_bytes(server, idx_folder, tmp_path):
    bars = Bars()
    Web(bars, PATIENT).download(server.url(f"ok/{FILE}"), tmp_path / "got", 1 << 16)
    size = (idx_folder / FILE).stat().st_size
    assert bars.events[0] == ("start", FILE, size)
    assert sum(event[1] for event in bars.events if event[0] == "advance") == size
    assert bars.events[-1] == ("close",)


def test_progress_is_closed_when_a_transfer_fails(server, tmp_path):
    bars = Bars()
    with pytest.raises(BrokenDataError):
        Web(bars, PATIENT).download(server.url(f"half/{FILE}"), tmp_path / "got", 1 << 16)
    kinds = [event[0] for event in bars.events]
    assert kinds.count("start") == kinds.count("close") == 2
