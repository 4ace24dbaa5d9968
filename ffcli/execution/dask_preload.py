"""What Dask loads first in a worker of a cluster on this machine, which shares its coordinator's terminal."""

from __future__ import annotations

import signal
from typing import Any


def dask_setup(_: Any) -> None:
    """Ignore Ctrl-C and the terminal's end: the coordinator gets them too, and closes its cluster."""
    for name in ("SIGINT", "SIGHUP"):  # Windows has no SIGHUP
        number = getattr(signal, name, None)
        if number is not None:
            signal.signal(number, signal.SIG_IGN)
