"""Confining a process to some cores, before any numerical library is loaded.

Thread variables alone would not be fair: JAX does not read them. The kernel's CPU affinity binds everyone.
"""

from __future__ import annotations

import os
from pathlib import Path

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def available() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0))


def pin(cores: int) -> list[int]:
    """Keep this process on ``cores`` cores, tell the thread pools as much, and return the cores' numbers.

    The last cores are taken, since the first one tends to serve the interrupts. Call it before NumPy or a
    framework is imported: their pools are sized at import. Raises ValueError where there are fewer cores.
    """
    allowed = sorted(os.sched_getaffinity(0))
    if not 1 <= cores <= len(allowed):
        raise ValueError(f"{cores} cores were asked for, but this process may use {len(allowed)}")
    chosen = allowed[-cores:]
    os.sched_setaffinity(0, chosen)
    for variable in THREAD_VARIABLES:
        os.environ[variable] = str(cores)
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    return chosen


def peak_memory_mb() -> float:
    """Return this process's peak resident memory in MB (10^6 bytes), as the kernel counted it.

    VmHWM and not ``ru_maxrss``: the latter is inherited from the parent across fork and exec.
    """
    with Path("/proc/self/status").open(encoding="ascii") as status:
        for line in status:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / 1e6
    raise OSError("/proc/self/status has no VmHWM line")
