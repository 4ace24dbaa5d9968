"""The file of a study: Optuna's journal, read and written so that a process may be killed at any moment.

The journal is a line of JSON for each change (``optuna.storages.journal``, Optuna 5.0), so that
optuna-dashboard opens it as it is, also while a sweep runs. A line that was cut off is no change: readers
skip it, and who owns the sweep removes it before it appends, since Optuna would append to it.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock
from optuna.storages.journal._file import get_lock_file

from ffcli.errors import FfnnError, RequestError
from ffcli.util.atomic_files import append, sync_folder
from ffcli.util.safe_read import shown

_OPTUNAS_LOCK = ".lock"  # at the end of the name of Optuna's own lock, a symbolic link
_STALE = 0.5  # seconds after which an unchanged one was left by a dead process: others hold it for an instant
_GRACE = 5  # seconds, the same for Optuna itself: a dashboard may be killed while the sweep runs
_CHUNK = 1 << 16

optuna.logging.set_verbosity(optuna.logging.WARNING)
# What Optuna and our own reading raise of it; RequestError of a configuration or a sweep file.
_UNSOUND = (
    *(LookupError, ValueError, TypeError, AttributeError, AssertionError, ArithmeticError, RuntimeError),
    RequestError,
)


@contextmanager
def sound(what: str) -> Iterator[None]:
    """Raise FfnnError where the block finds that a study is none of ours, or no study at all."""
    try:
        yield
    except _UNSOUND as error:
        raise damaged(what, str(error) or type(error).__name__) from None


def damaged(what: str, reason: str) -> FfnnError:
    """Return the error of a record that cannot be read."""
    return FfnnError(
        f"The record of {what} is damaged: {shown(reason)}",
        hint="Its runs are stored on their own and are not affected; a new sweep of the same file can reuse "
        "their results.",
    )


class _Backend(JournalFileBackend):
    """Optuna's file, to which only the sweep's owner appends, whole lines or nothing."""

    def __init__(self, path: Path, may_append: Callable[[], None]) -> None:
        # Optuna's lock is a link to this path: a relative one would lead nowhere.
        super().__init__(str(path), JournalFileSymlinkLock(str(path), grace_period=_GRACE))
        self._path = path
        self._may_append = may_append

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Append as Optuna does, or raise OSError with the file as it was.

        All of it happens while Optuna's lock is held: a dashboard may append at any other moment.
        """
        self._may_append()
        lines = "".join(f"{json.dumps(log, separators=(',', ':'))}\n" for log in logs)
        with _released(), get_lock_file(self._lock):
            _cut_torn_line(self._path)  # of a dashboard that was killed
            size = self._path.stat().st_size
            try:
                append(self._path, lines)
            except OSError:
                with suppress(OSError):
                    os.truncate(self._path, size)
                raise


@contextmanager
def _released() -> Iterator[None]:
    """Raise the OSError that kept Optuna from letting go of its lock, and not its RuntimeError."""
    try:
        yield
    except RuntimeError as error:
        if isinstance(error.__context__, OSError):
            raise error.__context__ from None
        raise


def open_to_read(path: Path) -> JournalStorage:
    """Return a study's storage. Raises FfnnError where it cannot be read, OSError."""
    path.stat()  # Optuna would make the file
    with sound(f"sweep {path.parent.name}"):
        return JournalStorage(JournalFileBackend(str(path.absolute())))


def open_to_append(path: Path, may_append: Callable[[], None]) -> JournalStorage:
    """Return a study's storage for the owner of the sweep; ``may_append`` is asked before each append.

    Removes what a process that was killed has left: half of a line, and Optuna's own lock. Raises as
    `open_to_read`.
    """
    path = path.absolute()
    path.stat()
    _remove_stale_lock(path)
    _cut_torn_line(path)
    with sound(f"sweep {path.parent.name}"):
        return JournalStorage(_Backend(path, may_append))


def create(path: Path, fill: Callable[[JournalStorage], None]) -> None:
    """Make a study's file, which is there with all that ``fill`` puts into it or not at all."""
    beside = path.absolute().with_name(f".{path.name}-new")
    beside.unlink(missing_ok=True)
    try:
        fill(JournalStorage(JournalFileBackend(str(beside))))
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    sync_folder(path.parent)


def _cut_torn_line(path: Path) -> None:
    """Cut off the last line where it is not whole: it lacks its newline, or is no JSON.

    An append is one line, so that no more than one can be torn.
    """
    with path.open("r+b") as file:
        end = file.seek(0, os.SEEK_END)
        start = _start_of_last_line(file, end)
        file.seek(start)
        line = file.read()
        if line and not (line.endswith(b"\n") and _is_json(line)):
            file.truncate(start)
            os.fsync(file.fileno())


def _start_of_last_line(file: BinaryIO, end: int) -> int:
    """Return where the last line before ``end`` starts, whether it has a newline at its end or not."""
    position = end - 1
    while position > 0:
        start = max(0, position - _CHUNK)
        file.seek(start)
        found = file.read(position - start).rfind(b"\n")
        if found >= 0:
            return int(start + found + 1)
        position = start
    return 0


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def _remove_stale_lock(path: Path) -> None:
    """Remove Optuna's own lock, where a process that was killed has left it."""
    link = path.with_name(path.name + _OPTUNAS_LOCK)
    until = time.monotonic() + _STALE
    before: int | None = None
    with suppress(FileNotFoundError):
        while time.monotonic() < until or link.lstat().st_ino != before:
            if (now := link.lstat().st_ino) != before:
                before, until = now, time.monotonic() + _STALE
            time.sleep(0.02)
        link.unlink()
