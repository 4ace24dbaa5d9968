"""Connecting to a Dask scheduler that does not answer, and being interrupted meanwhile."""

from __future__ import annotations

import errno
import json
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from small_runs import Place

pytest.importorskip("distributed")

from ffcli.errors import FfnnError, RequestError
from ffcli.execution import dask_client, dask_cluster
from ffcli.execution.dask_cluster import Connection, check, connect
from ffcli.execution.open import PoolOptions, open_pool


def loops() -> set[threading.Thread]:
    """Return the threads in which Dask's event loops run."""
    return {thread for thread in threading.enumerate() if thread.name == "IO loop"}


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    """A loop that is left belongs to a client or a cluster that nobody has closed."""
    before = loops()
    yield
    assert loops() <= before


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a port that accepts connections, says nothing, and closes them after ten seconds."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        closing = threading.Timer(10, listener.close)
        closing.start()
        yield f"tcp://127.0.0.1:{listener.getsockname()[1]}"
        closing.cancel()
        closing.join()


@pytest.fixture
def interrupt() -> Iterator[Callable[[float], None]]:
    """Interrupts the test after so many seconds, also where Ctrl-C is ignored."""

    def raise_(_: int, __: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, raise_)
    yield lambda seconds: signal.setitimer(signal.ITIMER_REAL, seconds) and None
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def test_a_scheduler_that_says_nothing_is_waited_for_within_a_bound(
    monkeypatch: pytest.MonkeyPatch, silent: str
) -> None:
    monkeypatch.setattr(dask_client, "_CONNECT", 0.5)
    with pytest.raises(FfnnError) as caught:
        connect(silent, 0, None)
    assert caught.value.exit_code == 1
    assert "0.5 s" in str(caught.value)


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-2.0-OpenSSH_9.2\r\n", bytes(64), b"\xff" * 64]
)
def test_what_answers_and_is_no_scheduler_is_told(monkeypatch: pytest.MonkeyPatch, answer: bytes) -> None:
    monkeypatch.setattr(dask_client, "_CONNECT", 2.0)
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.1)

        def serve() -> None:
            open_: list[socket.socket] = []
            while not over.is_set():
                with suppress(TimeoutError, OSError):
                    open_.append(listener.accept()[0])
                    open_[-1].sendall(answer)
            for each in open_:
                each.close()

        server = threading.Thread(target=serve)
        server.start()
        try:
            with pytest.raises(FfnnError) as caught:
                connect(f"tcp://127.0.0.1:{listener.getsockname()[1]}", 0, None)
        finally:
            over.set()
            server.join()
    assert (caught.value.exit_code, "dask scheduler" in str(caught.value.hint)) == (1, True)


def test_an_interrupted_connection_leaves_no_client(silent: str, interrupt: Callable[[float], None]) -> None:
    interrupt(0.3)
    with pytest.raises(KeyboardInterrupt):
        connect(silent, 0, None)


def test_an_interrupted_start_of_a_local_cluster_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    processes: list[subprocess.Popen[bytes]] = []
    popen = subprocess.Popen

    def started(*arguments: Any, **options: Any) -> subprocess.Popen[bytes]:
        processes.append(popen(*arguments, **options))
        return processes[-1]

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess, "Popen", started)
    monkeypatch.setattr(dask_cluster, "connected_client", interrupted)
    with pytest.raises(KeyboardInterrupt):
        connect("local", 1, None)
    assert [process.poll() is None for process in processes] == [False]


def test_a_pool_that_cannot_open_closes_its_connection(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = []

    class Interrupted:
        def subscribe_topic(self, *_: object) -> None:
            raise KeyboardInterrupt

    connection = Connection(Interrupted(), lambda: closed.append(True), "")
    monkeypatch.setattr(dask_cluster, "connect", lambda *_: connection)
    with pytest.raises(KeyboardInterrupt):
        open_pool(place.context, PoolOptions(1, "tcp://127.0.0.1:1"))
    assert closed == [True]


@pytest.mark.parametrize("content", ["", '{"addr', "{}", "[1]", '{"address": 3}', '{"address": "x://y"}'])
def test_a_file_that_no_scheduler_has_written_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "scheduler.json"
    file.write_text(content)
    with pytest.raises(RequestError, match=r"scheduler\.json"):
        check(str(file), None)


@pytest.mark.parametrize("in_file", [False, True])
def test_what_tls_lacks_is_told_before_anything_is_stored(tmp_path: Path, in_file: bool) -> None:
    address = "tls://127.0.0.1:1"
    file = tmp_path / "scheduler.json"
    file.write_text(json.dumps({"address": address}))
    with pytest.raises(FfnnError, match="CA_FILE"):
        check(str(file) if in_file else address, None)


def test_workers_that_the_users_limit_leaves_no_threads_are_not_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[int] = []
    monkeypatch.setattr(dask_cluster, "can_start_threads", asked.append)  # it returns None
    with pytest.raises(OSError, match="3 workers") as caught:
        connect("local", 3, None)
    assert caught.value.errno == errno.EAGAIN
    assert asked[0] > 3 * 5, "more than Dask's threads of each worker"
