"""What the coordinator of a sweep costs a trial: ``python -m benchmarks.sweep_overhead``.

Sweeps of the original space (``sweeps/bayes.yaml``) run on a pool that trains nothing and reports as many
epochs as a configuration has. So all the time is the coordinator's: proposing a trial, recording its start,
its epochs and its end in the study. It is set against the time that real configurations of the space take on
one core: an epoch of each of a few is trained and multiplied.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import deque
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from random import Random
from statistics import mean, stdev
from typing import Any

import yaml

from benchmarks import machine
from benchmarks.measure import ROOT
from benchmarks.training import at_least_one, names, write
from ffcli.core.training import EpochResult
from ffcli.execution.pool import PoolEvent, Task, TaskEnded, TaskEpoch, TaskStarted, WorkerPool
from ffcli.services.sweeps.create import create, sweep_folder
from ffcli.sweeping.spec.spec import SweepSpec, parse_spec
from ffcli.sweeping.study.coordinator import Coordinator, Plan
from ffcli.sweeping.study.events import Event, TrialEnded
from ffcli.sweeping.study.lock import SweepLock
from ffcli.sweeping.study.writer import StudyWriter
from ffcli.training.context import Context

METHODS = ("bayes", "random")
TARGETS = {500: 0.01, 5000: 0.015}  # of the training time, at so many trials


def numbers(text: str) -> list[int]:
    """Return a comma-separated list of counts. Raises ArgumentTypeError below 1."""
    return [at_least_one(part.strip()) for part in text.split(",")]


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.sweep_overhead",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--file", type=Path, default=ROOT / "sweeps" / "bayes.yaml", help="whose space it is")
    parser.add_argument("--trials", type=numbers, default=[500, 5000], help="such as 500,5000 (the default)")
    parser.add_argument("--workers", type=numbers, default=[2], help="open trials, such as 2 (the default)")
    parser.add_argument("--methods", type=names(dict.fromkeys(METHODS)), default=list(METHODS))
    parser.add_argument(
        "--configs", type=at_least_one, default=24, help="real configurations trained for an epoch each (24)"
    )
    parser.add_argument("--data-dir", type=Path, default=Path("data"), help="where ffnn keeps its datasets")
    parser.add_argument(
        "-o", "--out", type=Path, default=Path("benchmarks/results"), help="folder to write to"
    )
    return parser.parse_args(arguments)


class IdlePool(WorkerPool):
    """Ends each task when it is asked for events, with made-up results; the oldest task first."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._open: deque[Task] = deque()
        self._started = 0
        self._random = Random(0)

    @property
    def size(self) -> int:
        return self._workers

    @property
    def free(self) -> int:
        return self._workers - len(self._open)

    def submit(self, task: Task) -> None:
        self._open.append(task)

    def wait(self, timeout: float | None = None) -> Sequence[PoolEvent]:
        task = self._open.popleft()
        self._started += 1
        accuracy = self._random.uniform(0.7, 0.9)
        events: list[PoolEvent] = [TaskStarted(task.key, f"run-{self._started}", 1, "idle")]
        for epoch in range(1, task.config.epochs + 1):
            accuracy += 0.001
            result = EpochResult(epoch, 0.5, accuracy, 0.5, accuracy, 1.0, 1.0, accuracy)
            events.append(TaskEpoch(task.key, result))
        return [*events, TaskEnded(task.key, f"run-{self._started}", "finished", None, 1.0)]

    def verdict(self, key: str, *, stop: bool) -> None: ...

    def stop(self, key: str) -> None: ...

    def shut_down(self) -> None: ...


def training_seconds(spec: SweepSpec, data_dir: Path, configs: int) -> list[float]:
    """Return how long some random configurations of a space train on one core, by one epoch of each."""
    import numpy as np
    from threadpoolctl import threadpool_limits

    from ffcli.datasets import load_dataset
    from ffcli.training.experiment import Experiment

    rng = np.random.default_rng(0)
    drawn = [spec.sample(rng) for _ in range(configs)]
    seconds = []
    with threadpool_limits(1):
        for values in (drawn[0], *drawn):  # the first once more: it reads the images from the disk
            epochs = spec.config(values).epochs
            config = spec.config({**values, "epochs": 1})
            experiment = Experiment(config, load_dataset(config.dataset, data_dir))
            start = time.perf_counter()
            for _ in experiment:
                pass
            seconds.append((time.perf_counter() - start) * epochs)
    return seconds[1:]


def measure(context: Context, file: Path, trials: int, workers: int) -> dict[str, float]:
    """Run a sweep on a pool that trains nothing; return the seconds of a trial, over all and at the end."""
    sweep = create(context, file, 0, count=trials)
    folder = sweep_folder(context, sweep.id)
    ends: list[float] = []

    def on_event(event: Event) -> None:
        if isinstance(event, TrialEnded):
            ends.append(time.perf_counter())

    with SweepLock(folder) as lock:
        study = StudyWriter(folder, lock.check)
        began = time.perf_counter()
        plan = Plan(trials, lambda _: sweep.dataset_digest)
        Coordinator(study, IdlePool(workers), plan, on_event).run()
    last = max(1, len(ends) // 10)
    before = ends[-last - 1] if len(ends) > last else began
    return {
        "seconds_per_trial": (ends[-1] - began) / len(ends),
        "seconds_per_trial_at_the_end": (ends[-1] - before) / last,
    }


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Measure everything and return the results, which are written out as they grow."""
    document = yaml.safe_load(options.file.read_text("utf-8"))
    spec = parse_spec(options.file.read_text("utf-8"), str(options.file))
    results: dict[str, Any] = {
        "started": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "machine": machine.describe(),
        "versions": machine.versions(("optuna", "numpy")),
        "file": options.file.name,
        "training_seconds": training_seconds(spec, options.data_dir, options.configs),
        "cells": [],
    }
    options.out.mkdir(parents=True, exist_ok=True)
    # Beside the results, since a temporary folder may lie in memory, where no write has to wait.
    with tempfile.TemporaryDirectory(prefix="sweeps-", dir=options.out) as temporary:
        context = Context(options.data_dir.resolve(), Path(temporary).resolve())
        for trials in options.trials:
            for method in options.methods:
                file = Path(temporary, f"{method}.yaml")
                file.write_text(yaml.safe_dump({**document, "method": method}), encoding="utf-8")
                for workers in options.workers:
                    taken = measure(context, file, trials, workers)
                    cell = {"method": method, "trials": trials, "workers": workers, **taken}
                    results["cells"].append(cell)
                    write(options.out / "sweep_overhead.json", results)
    return results


def table(results: dict[str, Any]) -> str:
    """Return every sweep as a line of a Markdown table."""
    training = mean(results["training_seconds"])
    lines = [
        "| method | trials | open trials | ms per trial | of the last tenth | of training | workers fed |",
        "| --- | --: | --: | --: | --: | --: | --: |",
    ]
    for cell in results["cells"]:
        each, last = cell["seconds_per_trial"], cell["seconds_per_trial_at_the_end"]
        lines.append(
            f"| {cell['method']} | {cell['trials']:,} | {cell['workers']} | {each * 1e3:.1f} "
            f"| {last * 1e3:.1f} | {each / training:.2%} | {training / each:,.0f} |"
        )
    return "\n".join(lines)


def summary(results: dict[str, Any]) -> str:
    """Return the training time, and the greatest fraction of it at each number of trials with a target."""
    times = results["training_seconds"]
    error = f" ± {stdev(times) / len(times) ** 0.5:.1f}" if len(times) > 1 else ""
    lines = [
        f"an average configuration of {results['file']} trains {mean(times):.1f}{error} s on one core "
        f"({len(times)} drawn at random)"
    ]
    for trials, target in TARGETS.items():
        found = [cell["seconds_per_trial"] for cell in results["cells"] if cell["trials"] == trials]
        if found:
            worst = max(found) / mean(times)
            lines.append(f"at {trials:,} trials at most {worst:.2%} of that; the target is {target:.1%}")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Measure, print the table and write JSON. Returns the exit code."""
    results = run(parse(arguments))
    about = results["machine"]
    print(f"{about['cpu']}, {about['cores']} cores, {about['system']}, Python {about['python']}\n")
    print(f"{table(results)}\n\n{summary(results)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
