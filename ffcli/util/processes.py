"""Starting interpreters and threads, and how many cores there are for them."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path


def python_command(module: str, *arguments: str) -> list[str]:
    """Return the command that calls ``main()`` of a module of this package in a new interpreter.

    No file of the current folder is imported there; see `ffcli.util.bootstrap`.
    """
    return [sys.executable, str(Path(__file__).with_name("bootstrap.py")), module, *arguments]


def can_start_threads(count: int = 1) -> bool:
    """Return whether the limit of the user's processes and threads leaves room for so many more."""
    over = threading.Event()
    started: list[threading.Thread] = []
    try:
        for _ in range(count):
            thread = threading.Thread(target=over.wait)
            thread.start()
            started.append(thread)
    except RuntimeError:
        return False
    finally:
        over.set()
        for thread in started:
            thread.join()
    return True


def usable_cores() -> int:
    """Return the cores that this process may run on: of the machine's, those that its CPU affinity allows."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
