"""Processes that tests start: none of them outlives its session, however that ends."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

_MARK = "FFNN_TEST_SESSION"


def die_with_parent() -> None:
    """Have the kernel end this process with its parent: a ``preexec_fn`` for sessions that are killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def is_gone(pid: int) -> bool:
    """Return whether a process has ended."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def children(pid: int) -> list[int]:
    """Return the processes that the first thread of a process has started."""
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def wait_until_gone(pids: Sequence[int]) -> None:
    """Wait until processes have ended, and with them the locks that they held."""
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids), "a process does not end")


def patience() -> float:
    """Return seconds in which all ends that does not hang: the more processes share a core, the more."""
    return 120 * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def wait_until(true: Callable[[], object], message: str = "it did not happen") -> None:
    """Wait until something is so; the test fails with ``message`` where it is not within our `patience`."""
    deadline = time.monotonic() + patience()
    while not true():
        assert time.monotonic() < deadline, message
        time.sleep(0.02)


def mark() -> None:
    """Mark this process's environment, which all that it starts from now on inherit."""
    os.environ[_MARK] = f"{os.getpid()}-{os.urandom(8).hex()}"


def marked() -> list[int]:
    """Return what carries the mark of this process, whoever its parent is, without this process.

    The tracker of multiprocessing's own resources is left out, which ends with this process.
    """
    wanted, found = f"{_MARK}={os.environ[_MARK]}".encode(), list[int]()
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended, or is another user's
            is_ours = wanted in (folder / "environ").read_bytes().split(b"\0")
            if is_ours and b"resource_tracker" not in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
    return [number for number in found if number != os.getpid()]


def end_marked() -> list[int]:
    """Kill what carries the mark of this process, and return the process numbers."""
    ended = list[int]()
    for number in marked():
        with suppress(OSError):  # it has ended
            os.kill(number, signal.SIGKILL)
            ended.append(number)
    return ended
