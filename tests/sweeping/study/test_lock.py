"""The lock of a sweep's folder, between real processes."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ffcli.errors import FfnnError
from ffcli.sweeping.study.lock import LOCK, SweepHeldError, SweepLock, holder

HOLD = """
import sys
from pathlib import Path
from ffcli.sweeping.study.lock import SweepLock
with SweepLock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def another(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Have another process own the folder."""
    command = [sys.executable, "-c", HOLD, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def test_one_process_owns_a_sweep_until_it_dies(tmp_path: Path) -> None:
    assert holder(tmp_path) is None
    with another(tmp_path) as process:
        owner = holder(tmp_path)
        assert owner is not None
        assert (owner.host, owner.pid) == (platform.node(), process.pid)
        with (
            pytest.raises(SweepHeldError, match=f"{platform.node()}:{process.pid}") as caught,
            SweepLock(tmp_path),
        ):
            pass
        assert caught.value.exit_code == 1
        assert "workers" in str(caught.value.hint)
        process.kill()
        process.wait()
        assert holder(tmp_path) is None
        with SweepLock(tmp_path) as lock:
            lock.check()
            owner = holder(tmp_path)
            assert owner is not None
            assert owner.pid == os.getpid()
    assert holder(tmp_path) is None


def test_a_child_does_not_inherit_the_lock(tmp_path: Path) -> None:
    with SweepLock(tmp_path):
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    with child:
        assert holder(tmp_path) is None
        child.kill()


@pytest.mark.parametrize("content", [None, "", "{}", "[]", '{"token": "another"}'])
def test_a_lock_file_that_is_anothers_stops_the_owner(tmp_path: Path, content: str | None) -> None:
    with SweepLock(tmp_path) as lock:
        lock.check()
        path = tmp_path / LOCK
        if content is None:
            path.unlink()
        else:
            path.write_text(content)
        with pytest.raises(SweepHeldError, match="one process"):
            lock.check()


def test_a_folder_that_is_moved_stops_the_owner_and_blames_nobody(tmp_path: Path) -> None:
    folder = tmp_path / "sweep"
    folder.mkdir()
    with SweepLock(folder) as lock:
        folder.rename(tmp_path / "moved")
        with pytest.raises(SweepHeldError, match="gone"):
            lock.check()


def test_a_lock_file_that_says_nothing_is_a_lock_all_the_same(tmp_path: Path) -> None:
    with another(tmp_path):
        (tmp_path / LOCK).write_text("nothing")
        assert holder(tmp_path) is not None
        with pytest.raises(SweepHeldError, match="another process"), SweepLock(tmp_path):
            pass


def test_no_terminal_obeys_what_stands_in_a_lock_file(tmp_path: Path) -> None:
    with another(tmp_path):
        about = {"host": "x\ny", "pid": "7", "started": "now", "token": ""}
        (tmp_path / LOCK).write_text(json.dumps(about))
        assert "\n" not in str(holder(tmp_path))


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_without_locks_a_sweep_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def flock(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(FfnnError, match="has no locks") as caught, SweepLock(tmp_path):
        pass
    assert not isinstance(caught.value, SweepHeldError)
    assert holder(tmp_path) is None


def test_who_asks_is_no_obstacle(tmp_path: Path) -> None:
    for _ in range(200):
        with SweepLock(tmp_path):
            pass
        holder(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
def test_a_pipe_in_place_of_the_lock_file_blocks_nobody(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "lock")
    assert holder(tmp_path) is None
    with pytest.raises(FfnnError, match=LOCK), SweepLock(tmp_path):
        pass
