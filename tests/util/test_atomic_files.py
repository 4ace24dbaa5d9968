from __future__ import annotations

import errno
import json
import os
import resource
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from ffcli.util.atomic_files import append, csv_text, lock_folder, remove_leftovers, unlock, write_atomic

HOLD = """
import sys, time
from pathlib import Path
from ffcli.util.atomic_files import lock_folder
lock = lock_folder(Path(sys.argv[1]), shared=len(sys.argv) > 2)
print("held", flush=True)
time.sleep(60)
"""
WRITE_IN_A_LOOP = """
import json, sys
from itertools import count
from pathlib import Path
from ffcli.util.atomic_files import write_atomic
path = Path(sys.argv[1])
for n in count():
    write_atomic(path, json.dumps({"n": n, "filler": "x" * (n % 50) * 4000, "end": n}))
    if n == 0:
        print("going", flush=True)
"""
WRITE_ONCE = """
import os, sys
from pathlib import Path
from ffcli.util.atomic_files import write_atomic
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
write_atomic(Path(sys.argv[1]), "new")
"""


@pytest.fixture
def processes() -> Iterator[list[subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []
    yield started
    for process in started:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def start(processes: list[subprocess.Popen[str]], script: str, *arguments: str) -> subprocess.Popen[str]:
    """Start a process and wait for its first line."""
    process = subprocess.Popen([sys.executable, "-c", script, *arguments], stdout=subprocess.PIPE, text=True)
    processes.append(process)
    assert process.stdout is not None
    assert process.stdout.readline()
    return process


@pytest.mark.parametrize("content", ["", "täxt\n", b"\x00\xff bytes\r\n"])
def test_a_file_is_written_as_it_is(tmp_path: Path, content: str | bytes) -> None:
    path = tmp_path / "file"
    path.write_text("something longer that was there before")
    write_atomic(path, content)
    assert path.read_bytes() == (content.encode() if isinstance(content, str) else content)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_the_mode_follows_the_umask(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        write_atomic(tmp_path / "file", "x")
        assert os.umask(mask) == mask
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o666 & ~mask


def test_the_umask_is_never_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another thread may create a file at any moment."""
    monkeypatch.setattr(os, "umask", pytest.fail)
    write_atomic(tmp_path / "file", "x")
    assert (tmp_path / "file").read_text() == "x"


def test_a_text_is_appended_to_a_file_that_exists(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with pytest.raises(FileNotFoundError):
        append(path, "x")
    path.write_text("a\n")
    append(path, "ä\n")
    assert path.read_text("utf-8") == "a\nä\n"


def test_a_reader_never_sees_half_a_file_though_the_writer_is_killed(
    tmp_path: Path, processes: list[subprocess.Popen[str]]
) -> None:
    path = tmp_path / "file.json"
    for reads in (1, 40, 200):
        writer = start(processes, WRITE_IN_A_LOOP, str(path))
        for _ in range(reads):
            values = json.loads(path.read_bytes())
            assert values["n"] == values["end"]
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        values = json.loads(path.read_bytes())
        assert values["n"] == values["end"]


def test_the_content_is_on_disk_before_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def noted_fsync(descriptor: int) -> None:
        is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        steps.append("sync folder" if is_folder else "sync file")
        fsync(descriptor)

    def noted_replace(self: Path, target: Path) -> Path:
        steps.append("rename")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(Path, "replace", noted_replace)
    write_atomic(tmp_path / "file", "x")
    assert steps == ["sync file", "rename", "sync folder"]


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder with room for 64 KiB: a small tmpfs where mounting is allowed, else a limit on files."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    if mounted:
        yield folder
        subprocess.run(["umount", str(folder)], check=True)
        return
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (65536, limits[1]))
    yield folder
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    signal.signal(signal.SIGXFSZ, handler)


def test_a_full_disk_leaves_the_old_file_and_nothing_else(full_disk: Path) -> None:
    path = full_disk / "file"
    write_atomic(path, "old")
    with pytest.raises(OSError, match=r"No space|too large") as caught:
        write_atomic(path, b"x" * 1_000_000)
    assert caught.value.errno in (errno.ENOSPC, errno.EFBIG)
    assert path.read_text() == "old"
    assert list(full_disk.iterdir()) == [path]


def test_an_interrupt_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    path = tmp_path / "file"
    path.write_text("old")
    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomic(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_written_is_an_error() -> None:
    """Root ignores modes, so another process writes without its privileges."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "file").write_text("old")
        folder.chmod(0o555)
        if os.geteuid() == 0:
            environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
            command = [sys.executable, "-c", WRITE_ONCE, str(folder / "file")]
            done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
            assert f"PermissionError: [Errno 13] Permission denied: '{folder}/.file-" in done.stderr
        else:
            with pytest.raises(PermissionError):
                write_atomic(folder / "file", "new")
        folder.chmod(0o755)
        assert [(path.name, path.read_text()) for path in folder.iterdir()] == [("file", "old")]


@pytest.mark.parametrize(("number", "fails"), [(errno.EINVAL, False), (errno.EIO, True)])
def test_a_file_system_that_brings_no_folder_to_disk_is_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, fails: bool
) -> None:
    true_fsync = os.fsync

    def fsync(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(number, os.strerror(number))
        true_fsync(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OSError, match=os.strerror(number)) if fails else nullcontext():
        write_atomic(tmp_path / "x", "text")
    assert (tmp_path / "x").read_text() == "text"


def test_a_missing_folder_or_a_file_in_its_place_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_atomic(tmp_path / "none" / "file", "x")
    (tmp_path / "taken").write_text("")
    with pytest.raises(NotADirectoryError):
        write_atomic(tmp_path / "taken" / "file", "x")


def test_a_folder_is_held_by_one_process_until_its_end(
    tmp_path: Path, processes: list[subprocess.Popen[str]]
) -> None:
    holder = start(processes, HOLD, str(tmp_path))
    for shared in (False, True):
        with pytest.raises(BlockingIOError):
            lock_folder(tmp_path, shared=shared)
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    lock = lock_folder(tmp_path)
    assert lock is not None
    unlock(lock)


def test_those_who_only_ask_do_not_stand_in_each_others_way(
    tmp_path: Path, processes: list[subprocess.Popen[str]]
) -> None:
    start(processes, HOLD, str(tmp_path), "shared")
    lock = lock_folder(tmp_path, shared=True)
    assert lock is not None
    unlock(lock)
    with pytest.raises(BlockingIOError):
        lock_folder(tmp_path)


def test_unlocking_frees_the_folder(tmp_path: Path) -> None:
    for _ in range(2):
        lock = lock_folder(tmp_path)
        with pytest.raises(BlockingIOError):
            lock_folder(tmp_path)
        unlock(lock)
    unlock(None)


def test_a_missing_folder_cannot_be_held(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        lock_folder(tmp_path / "none")


def test_where_the_file_system_has_no_locks_nobody_holds_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    asked: list[int] = []

    def no_locks(descriptor: int, _: int) -> None:
        asked.append(descriptor)
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    assert lock_folder(tmp_path) is None
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(asked[0])


def test_what_killed_writers_left_goes_with_the_next_write(
    tmp_path: Path, processes: list[subprocess.Popen[str]]
) -> None:
    """Killed often enough, a writer dies with the file beside; one that still writes keeps it."""
    path = tmp_path / "file.json"
    for _ in range(40):
        writer = start(processes, WRITE_IN_A_LOOP, str(path))
        writer.kill()
        writer.wait()
        if len(list(tmp_path.iterdir())) > 1:
            break
    else:
        (tmp_path / ".file.json-abcd1234.ffnn").write_text("half")
    other = tmp_path / ".other.json-abcd1234.ffnn"
    other.write_text("half")
    write_atomic(path, "whole")
    assert sorted(tmp_path.iterdir()) == [other, path]
    remove_leftovers(tmp_path)
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_is_being_written_is_no_leftover(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fsync = os.fsync

    def clean_up_and_fsync(descriptor: int) -> None:
        remove_leftovers(tmp_path)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", clean_up_and_fsync)
    write_atomic(tmp_path / "file", "x")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("file", "x")]


def test_what_others_call_so_is_no_leftover(tmp_path: Path) -> None:
    kept = {".file-original", "file-abcd1234.ffnn", ".file.json-abc.ffnn", ".file.json-ABCD1234.ffnn"}
    for name in kept:
        (tmp_path / name).write_text("")
    others = {".folder-abcd1234.ffnn", ".link-abcd1234.ffnn"}
    (tmp_path / ".folder-abcd1234.ffnn").mkdir()
    (tmp_path / ".link-abcd1234.ffnn").symlink_to(tmp_path / ".file.json-abc.ffnn")
    write_atomic(tmp_path / "file", "")
    remove_leftovers(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"file"} | kept | others
    remove_leftovers(tmp_path / "none")


def test_csv_has_lists_with_commas_and_no_formulas() -> None:
    rows = [["run", "sizes"], ["=1+1", (128, 64)], [None, 0.5]]
    assert csv_text(rows) == 'run,sizes\n\'=1+1,"128,64"\n,0.5\n'
