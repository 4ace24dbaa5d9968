"""How many workers of a Dask cluster a coordinator keeps busy: ``python -m benchmarks.sweep_cluster``.

The workers are simulated: each task sleeps in place of training, and reports eight epochs, so that hundreds
fit on one machine. Scheduler, workers (several per process), coordinator, study and run store are real. Of
each number of workers it tells which fraction of the time they slept, which is how long they would have
trained, and how much of a core the scheduler and the coordinator took.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from benchmarks import machine
from benchmarks.dask_cluster import dask_cluster
from benchmarks.measure import MeasurementError
from benchmarks.sweep_overhead import numbers
from benchmarks.training import at_least_one, write
from ffcli.core.training import EpochResult
from ffcli.execution.open import PoolOptions, open_pool
from ffcli.services.sweeps.create import create, sweep_folder
from ffcli.sweeping.study.coordinator import Coordinator, Plan
from ffcli.sweeping.study.lock import SweepLock
from ffcli.sweeping.study.writer import StudyWriter
from ffcli.training.context import Context

TARGET = 0.9
EPOCHS = 8
_PER_PROCESS = 64  # workers
# What each worker does beside its task, made rare: real workers do it on machines of their own.
_HOUSEKEEPING = {
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "1s",
    "distributed.admin.system-monitor.interval": "5s",
}


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.sweep_cluster",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--workers", type=numbers, default=[64, 256, 1024], help="such as 64,256,1024")
    parser.add_argument("--seconds", type=float, default=30.0, help="that a trial sleeps (30)")
    parser.add_argument("--rounds", type=at_least_one, default=4, help="trials per worker (4)")
    parser.add_argument(
        "-o", "--out", type=Path, default=Path("benchmarks/results"), help="folder to write to"
    )
    parser.add_argument("--serve", nargs=2, help=argparse.SUPPRESS)  # ADDRESS N: be N simulated workers
    return parser.parse_args(arguments)


def serve(address: str, workers: int, seconds: float) -> None:
    """Be so many workers, in one process, that sleep in place of training."""
    import dask
    from distributed import Worker

    from ffcli.execution import dask_task
    from ffcli.execution.dask_task import Order, Report

    def sleep(_: Order, line: Any, results: list[EpochResult]) -> Report:
        line.tell("begun", address=line.address)
        line.tell("started", name=f"simulated:{os.getpid()}", provenance={}, parameters=1, first_epoch=1)
        line.next("go")
        for epoch in range(1, EPOCHS + 1):
            time.sleep(seconds / EPOCHS)
            line.check()
            results.append(EpochResult(epoch, 0.5, 0.8, 0.5, 0.8 + epoch / 100, 1.0, 1.0, 0.8))
            line.tell("epoch", result=vars(results[-1]))
        return Report("finished", results=tuple(results))

    dask_task._train = sleep
    dask.config.set(_HOUSEKEEPING)

    async def work() -> None:
        started = [Worker(address, nthreads=1, dashboard=False) for _ in range(workers)]
        await asyncio.gather(*started)
        await asyncio.gather(*(worker.finished() for worker in started))

    asyncio.run(work())


def simulated(address: str, workers: int, seconds: float) -> Iterator[list[str]]:
    """Return the commands of so many workers of a scheduler."""
    for first in range(0, workers, _PER_PROCESS):
        number = min(_PER_PROCESS, workers - first)
        yield ["-m", "benchmarks.sweep_cluster", f"--seconds={seconds}", "--serve", address, str(number)]


def processor_seconds(pid: int) -> float:
    """Return how long a process has run on processors."""
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / float(os.sysconf("SC_CLK_TCK"))


def measure(folder: Path, workers: int, seconds: float, rounds: int) -> dict[str, float]:
    """Run a sweep on simulated workers that are all there, and return how busy they were."""
    context = Context(folder / "data", folder / "runs")
    trials = workers * rounds
    sweep = create(context, folder / "sweep.yaml", 0, count=trials)
    store = sweep_folder(context, sweep.id)
    cluster = dask_cluster(folder, lambda address: simulated(address, workers, seconds))
    with cluster as (address, scheduler), SweepLock(store) as lock:
        study = StudyWriter(store, lock.check)
        with open_pool(context, PoolOptions(0, address)) as pool:
            deadline = time.monotonic() + 900
            while pool.size < workers:
                if time.monotonic() > deadline:
                    raise MeasurementError(f"only {pool.size} of {workers} workers have come")
                pool.wait(1.0)
            began, before = time.monotonic(), (processor_seconds(scheduler), time.process_time())
            plan = Plan(trials, lambda _: sweep.dataset_digest)
            Coordinator(study, pool, plan, lambda _: None).run()
            took = time.monotonic() - began
            used = (processor_seconds(scheduler) - before[0], time.process_time() - before[1])
    return {
        "workers": workers,
        "trials": trials,
        "seconds": took,
        "busy": trials * seconds / (workers * took),
        "scheduler_cores": used[0] / took,
        "coordinator_cores": used[1] / took,
    }


def prepare(folder: Path) -> None:
    """Write a tiny dataset and a sweep file on it."""
    labels = np.arange(60, dtype=np.uint8) % 3
    images = np.zeros((60, 4, 4), np.uint8)
    np.savez(folder / "tiny.npz", x_train=images, y_train=labels, x_test=images, y_test=labels)
    document = {
        "method": "random",
        "metric": {"name": "val_acc", "goal": "maximize"},
        "parameters": {
            "dataset": {"value": str(folder / "tiny.npz")},
            "epochs": {"value": EPOCHS},
            "seed": {"min": 0, "max": 10**6},
        },
    }
    (folder / "sweep.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")


def table(cells: list[dict[str, float]]) -> str:
    """Return every number of workers as a line of a Markdown table."""
    lines = [
        "| workers | trials | seconds | busy | scheduler, cores | coordinator, cores |",
        "| --: | --: | --: | --: | --: | --: |",
    ]
    for cell in cells:
        lines.append(
            f"| {cell['workers']} | {cell['trials']:,} | {cell['seconds']:.0f} | {cell['busy']:.1%} "
            f"| {cell['scheduler_cores']:.2f} | {cell['coordinator_cores']:.2f} |"
        )
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Measure, print the table and write JSON. Returns the exit code."""
    options = parse(arguments)
    if options.serve:
        serve(options.serve[0], int(options.serve[1]), options.seconds)
        return 0
    options.out.mkdir(parents=True, exist_ok=True)
    cells: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory(prefix="cluster-", dir=options.out) as temporary:
        folder = Path(temporary).resolve()
        prepare(folder)
        for workers in options.workers:
            cells.append(measure(folder, workers, options.seconds, options.rounds))
            versions = machine.versions(("distributed",))
            results = {"machine": machine.describe(), "versions": versions, "cells": cells}
            write(options.out / "sweep_cluster.json", results)
    print(f"{table(cells)}\n\nthe target is {TARGET:.0%} at 64 and 256 workers")
    return 0


if __name__ == "__main__":
    sys.exit(main())
