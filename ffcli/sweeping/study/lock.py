"""The lock of a sweep's folder: one process owns a sweep at a time."""

from __future__ import annotations

import json
import os
import platform
import secrets
import stat
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from ffcli.errors import FfnnError
from ffcli.runs.layout import LOCK
from ffcli.runs.record import utc_now
from ffcli.util.atomic_files import lock_file
from ffcli.util.safe_read import parse_json, read_file, shown


@dataclass(frozen=True)
class Holder:
    """The process that owns a sweep, as it has written into the lock file."""

    host: str
    pid: int
    started: str

    def __str__(self) -> str:
        return f"{self.host}:{self.pid} since {self.started}"


class SweepHeldError(FfnnError):
    """Another process owns the sweep, or its folder is gone."""


class SweepLock:
    """Owns a sweep's folder within this context, until the process ends, however it ends.

    Entering raises SweepHeldError where another process owns it, and FfnnError where the file system has no
    such locks.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / LOCK
        self._token = secrets.token_hex(16)
        self._descriptor: int | None = None

    def __enter__(self) -> SweepLock:
        self._descriptor = self._acquire()
        try:
            self._sign()
        except BaseException:
            self.release()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def release(self) -> None:
        """Let go of the folder."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _acquire(self) -> int:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o666)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise FfnnError(f"{self._path} is no ordinary file.", hint="Remove it, and try again.")
        try:
            lock_file(descriptor, patient=True)
        except OSError as error:
            os.close(descriptor)
            if isinstance(error, BlockingIOError):
                raise _held(self._path.parent) from None
            raise FfnnError(
                f"The file system of {self._path.parent} has no locks ({error.strerror or error}), "
                "and a sweep needs one, so that only one process owns it.",
                hint="Use a folder for the runs on a local disk.",
            ) from None
        return descriptor

    def _sign(self) -> None:
        assert self._descriptor is not None
        about = {**asdict(Holder(platform.node(), os.getpid(), utc_now())), "token": self._token}
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, json.dumps(about).encode(), 0)
        os.fsync(self._descriptor)

    def check(self) -> None:
        """Raise SweepHeldError where the lock file is no longer this process's.

        A file system whose locks are not seen by other machines lets two processes in: the token of the later
        one stops the earlier one.
        """
        try:
            token = parse_json(read_file(self._path))["token"]
        except (OSError, ValueError, LookupError, TypeError):
            token = None
        if token == self._token:
            return
        if not self._path.parent.exists():
            raise SweepHeldError(
                f"{self._path.parent} is gone: the sweep's folder was moved or removed.",
                hint="The sweep can be resumed where its folder is now.",
            )
        raise _held(self._path.parent)


def holder(folder: Path) -> Holder | None:
    """Return the process that owns a sweep now, None where no process does."""
    try:
        descriptor = os.open(folder / LOCK, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))  # it may be a pipe
    except OSError:
        return None
    try:
        lock_file(descriptor, shared=True)
    except BlockingIOError:
        return _signed(folder) or Holder("an unknown host", 0, "an unknown time")
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return None


def _signed(folder: Path) -> Holder | None:
    with suppress(OSError, ValueError, LookupError, TypeError):
        about = parse_json(read_file(folder / LOCK))
        return Holder(shown(about["host"]), int(about["pid"]), shown(about["started"]))
    return None


def _held(folder: Path) -> SweepHeldError:
    by = _signed(folder)
    who = "another process" if by is None else f"the process {by}"
    return SweepHeldError(
        f"Sweep {folder.name} is being run by {who}: one process runs a sweep at a time.",
        hint="For more workers, stop that process and resume the sweep with a larger number of workers, or "
        "add workers to the cluster that it runs on.",
    )
