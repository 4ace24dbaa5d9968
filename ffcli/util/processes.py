"""Which process of which machine this is, and whether another one still lives."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import threading
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True)
class Process:
    """A process: no two have the same three, not even when a machine gives a number again.

    ``host`` names the space of process numbers (the machine, or the container on it), ``start`` the moment
    the process was started; it is empty where the system does not tell.
    """

    host: str
    pid: int
    start: str

    @property
    def is_dead(self) -> bool:
        """Whether it is certain that the process has ended: never for one of another host."""
        if self.host != host() or not self.start:
            return False
        return _start(self.pid) != self.start

    def __str__(self) -> str:
        return f"{self.host.partition('/')[0]}:{self.pid}"


def this_process() -> Process:
    """Return the process that asks."""
    return Process(host(), os.getpid(), _start(os.getpid()))


@cache
def host() -> str:
    """Return the machine's name, on Linux with the number of the name space that process numbers are of."""
    try:
        return f"{platform.node()}/{Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return platform.node()


def python_command(module: str, *arguments: str) -> list[str]:
    """Return the command that calls ``main()`` of a module of this package in a new interpreter.

    No file of the current folder is imported there; see `ffcli.util.bootstrap`.
    """
    return [sys.executable, str(Path(__file__).with_name("bootstrap.py")), module, *arguments]


def _start(pid: int) -> str:
    """Return when a process was started, in the system's own words; "" where it is gone or none are told."""
    if sys.platform == "win32":
        return ""
    if sys.platform != "linux":
        command = ["ps", "-o", "lstart=", "-p", str(pid)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - no shell
        return done.stdout.strip()
    try:
        # Field 22, in clock ticks since the boot; the name in field 2 may itself hold blanks and brackets.
        fields = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return ""
    # A zombie holds its number, and works no more.
    return "" if fields[0] in "ZX" else f"{boot}/{fields[19]}"


def can_start_threads() -> bool:
    """Return whether the limit of the user's processes and threads leaves room for one more."""
    try:
        threading.Thread(target=int).start()
    except RuntimeError:
        return False
    return True
