"""A Dask cluster on this machine: a scheduler and its workers, with the settings of docs/scaling.md."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.measure import MeasurementError
from ffcli.execution.dask_cluster import WORKER_ENVIRONMENT

_PATIENCE = 60.0  # seconds that the scheduler may take to start


@contextmanager
def dask_cluster(
    folder: Path, workers: Callable[[str], Iterable[Sequence[str]]]
) -> Iterator[tuple[str, int]]:
    """Start a scheduler on the loopback interface, and its workers; all end with the context.

    ``workers`` returns the arguments to Python that start the workers of a scheduler's address. Yields the
    address and the number of the scheduler's process. Raises MeasurementError where the scheduler does not
    start.
    """
    file = folder / "scheduler.json"
    file.unlink(missing_ok=True)
    command = ["-m", "distributed.cli.dask_scheduler", "--scheduler-file", str(file)]
    processes = [_python([*command, "--host", "127.0.0.1", "--port", "0", "--no-dashboard"])]
    try:
        address = _address(file)
        processes += [_python(command) for command in workers(address)]
        yield address, processes[0].pid
    finally:
        for process in reversed(processes):
            process.terminate()
        for process in processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _python(arguments: Sequence[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, *arguments],
        env={**WORKER_ENVIRONMENT, **os.environ},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _address(file: Path) -> str:
    """Return the address of the scheduler that writes this file, once it has."""
    deadline = time.monotonic() + _PATIENCE
    while not (file.exists() and file.stat().st_size):
        if time.monotonic() > deadline:
            raise MeasurementError("the scheduler does not start")
        time.sleep(0.1)
    return str(json.loads(file.read_text("utf-8"))["address"])


def dask_workers(address: str, number: int) -> list[str]:
    """Return the command of so many workers of one thread each, as docs/scaling.md starts them."""
    return ["-m", "distributed.cli.dask_worker", address, "--nworkers", str(number), "--nthreads", "1"]


def wait_for_workers(address: str, number: int) -> None:
    """Wait until a scheduler has so many workers."""
    from distributed import Client

    with Client(address, set_as_default=False) as client:
        client.wait_for_workers(number, timeout=_PATIENCE)
