"""The number of processor cores of this process."""

from __future__ import annotations

import os


def usable_cores() -> int:
    """Return the cores that this process may run on: of the machine's, those that its CPU affinity allows."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
