"""What the engine of a sweep costs a trial: ``python -m benchmarks.sweep_overhead``.

Sweeps of the original space (``sweeps/bayes.yaml``) run with an objective that trains nothing and reports as
many epochs as its configuration has. So all the time is the engine's: choosing and claiming a trial, storing
its epochs and its end, and telling the main process. That one writes the study for optuna-dashboard beside,
which is timed apart. It is set against the time that real configurations of the space take on one core: an
epoch of each of a few is trained and multiplied.

Peers in the same run: Optuna's own loop over the same space, with the same sampler (TPE) and the same
reports, on its RDBStorage (SQLite), on its journal file and in memory.

``--postgresql URL`` adds the same on a PostgreSQL server: an empty database there, in which the tables stay.
With ``--latency`` it also seems to be milliseconds away, as one in another building would be.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime, timezone
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import yaml

from benchmarks import machine
from benchmarks.measure import ROOT, MeasurementError
from benchmarks.sweep_cells import cell
from benchmarks.sweep_engines import OURS, PEERS, Task, journal_in, sqlite_in
from benchmarks.sweep_latency import link_to, round_trip, through
from benchmarks.training import at_least_one, names, write
from ffcli.sweeping.spec.spec import SweepSpec, parse_spec

METHODS = ("bayes", "random")
TARGET = 0.02  # of the training time, at 500 trials


def numbers(text: str) -> list[int]:
    """Return a comma-separated list of counts. Raises ArgumentTypeError below 1."""
    return [at_least_one(part.strip()) for part in text.split(",")]


def milliseconds(text: str) -> list[float]:
    """Return a comma-separated list of times, in seconds. Raises ArgumentTypeError for what is none."""
    try:
        times = [float(part) / 1e3 for part in text.split(",")]
    except ValueError:
        times = [-1.0]
    if min(times) <= 0:
        raise argparse.ArgumentTypeError(f"'{text}' is no list of milliseconds above 0")
    return times


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.sweep_overhead",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--file", type=Path, default=ROOT / "sweeps" / "bayes.yaml", help="whose space it is")
    parser.add_argument("--trials", type=numbers, default=[500, 5000], help="such as 500,5000 (the default)")
    parser.add_argument("--workers", type=numbers, default=[1, 2], help="such as 1,2 (the default)")
    parser.add_argument("--methods", type=names(dict.fromkeys(METHODS)), default=list(METHODS))
    parser.add_argument("--peers", type=names(PEERS), default=list(PEERS), help="such as rdb (default: all)")
    parser.add_argument(
        "--no-peers", dest="peers", action="store_const", const=[], help="ffnn's engine alone"
    )
    parser.add_argument("--postgresql", metavar="URL", help="such as postgresql://user@host/name")
    parser.add_argument(
        "--latency", type=milliseconds, default=[], metavar="MS,…", help="each way, with --postgresql"
    )
    parser.add_argument(
        "--configs", type=at_least_one, default=24, help="real configurations trained for an epoch each (24)"
    )
    parser.add_argument(
        "--seconds", type=float, default=900.0, help="after which a sweep is cut short, and said to be (900)"
    )
    parser.add_argument("--data-dir", type=Path, default=Path("data"), help="where ffnn keeps its datasets")
    parser.add_argument(
        "-o", "--out", type=Path, default=Path("benchmarks/results"), help="folder to write to"
    )
    options = parser.parse_args(arguments)
    if options.latency and not options.postgresql:
        parser.error("--latency needs --postgresql")
    return options


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


def tasks(
    options: argparse.Namespace, folder: Path, storages: dict[str, Callable[[], str]]
) -> Iterator[tuple[Task, str, str]]:
    """Yield each sweep to run with the name of its storage and its method, the shortest first."""
    text = options.file.read_text("utf-8")
    for trials in options.trials:
        for method in options.methods:
            given = yaml.safe_dump({**yaml.safe_load(text), "method": method})
            for workers in options.workers:
                for storage, new in storages.items():
                    yield Task(OURS, given, new(), trials, workers, options.seconds), storage, method
        for peer in options.peers:
            storage = {"rdb": "SQLite", "journal": "a file", "memory": "none"}[peer]
            url = journal_in(folder) if peer == "journal" else sqlite_in(folder)
            given = yaml.safe_dump({**yaml.safe_load(text), "method": "bayes"})
            yield Task(peer, given, url, trials, 1, options.seconds), storage, "bayes"


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Measure everything and return the results, which are written out as they grow."""
    spec = parse_spec(options.file.read_text("utf-8"), str(options.file))
    trained = training_seconds(spec, options.data_dir, options.configs)
    results: dict[str, Any] = {
        "started": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "machine": machine.describe(),
        "versions": machine.versions(("optuna", "sqlalchemy", "numpy")),
        "file": options.file.name,
        "training_seconds": trained,
        "round_trips": {},
        "cells": [],
        "failures": [],
    }
    options.out.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        # Beside the results, since a temporary folder may lie in memory, where no write has to wait.
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sweeps-", dir=options.out)))
        storages: dict[str, Callable[[], str]] = {"SQLite": lambda: sqlite_in(folder)}
        if options.postgresql:
            storages["PostgreSQL"] = lambda: options.postgresql
            results["round_trips"]["PostgreSQL"] = round_trip(options.postgresql)
        for latency in options.latency:
            far = through(options.postgresql, stack.enter_context(link_to(options.postgresql, latency)))
            name = f"PostgreSQL + {latency * 2e3:g} ms"
            storages[name] = lambda far=far: far  # type: ignore[misc]
            results["round_trips"][name] = round_trip(far)
        for task, storage, method in tasks(options, folder, storages):
            label = f"{task.engine}, {method}, {storage}, {task.trials} trials, {task.workers} workers"
            try:
                taken = cell(task, storage, method)
            except MeasurementError as error:
                results["failures"].append(f"{label}: {error}")
                print(results["failures"][-1], file=sys.stderr, flush=True)
                continue
            results["cells"].append(taken)
            print(f"{label}: {taken['seconds_a_trial'] * 1e3:.1f} ms a trial", file=sys.stderr, flush=True)
            write(options.out / "sweep_overhead.json", results)
    return results


def whole(taken: dict[str, Any]) -> float:
    """Return the seconds that a trial costs with its place in the study, where that was measured."""
    return float(taken["seconds_a_trial"] + (taken["study_seconds_a_trial"] or 0.0))


def table(results: dict[str, Any]) -> str:
    """Return every sweep as a line of one Markdown table: milliseconds a trial, as one worker spends them."""
    lines = [
        "| engine | method | storage | workers | trials | ms a trial | the last tenth | claim | epochs | end"
        " | hand-over | study | statements | trials/s | of training |",
        "| --- | --- | --- | --: | --: | --: | --: | --: | --: | --: | --: | --: | --: | --: | --: |",
    ]
    training = mean(results["training_seconds"])
    for taken in results["cells"]:
        parts = [taken["parts"].get(part) for part in ("claim", "epochs", "end", "hand-over")]
        parts.append(taken["study_seconds_a_trial"])
        cut = "" if taken["trials"] >= taken["asked"] else f" of {taken['asked']:,}"
        cells = [
            PEERS.get(taken["engine"], taken["engine"]),
            taken["method"],
            taken["storage"],
            str(taken["workers"]),
            f"{taken['trials']:,}{cut}",
            f"{taken['seconds_a_trial'] * 1e3:.1f}",
            f"{taken['seconds_a_trial_at_the_end'] * 1e3:.1f}",
            *("–" if part is None else f"{part * 1e3:.1f}" for part in parts),
            f"{taken['statements']:.0f}" if "statements" in taken else "–",
            f"{taken['trials'] / taken['seconds']:.0f}",
            f"{whole(taken) / training:.2%}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def saturation(results: dict[str, Any]) -> str:
    """Return as a Markdown table how many trials a second the engine hands out at most, whoever asks.

    Beside it the number of one-core workers that ask so often when they train average configurations.
    """
    lines = [
        "| method | storage | trials | trials/s at most | are asked for by so many workers |",
        "| --- | --- | --: | --: | --: |",
    ]
    most: dict[tuple[str, str, int], float] = {}
    for taken in results["cells"]:
        if taken["engine"] == OURS:
            key = (taken["method"], taken["storage"], taken["asked"])
            most[key] = max(most.get(key, 0.0), taken["trials"] / taken["seconds"])
    training = mean(results["training_seconds"])
    for (method, storage, trials), rate in most.items():
        lines.append(f"| {method} | {storage} | {trials:,} | {rate:.0f} | {rate * training:,.0f} |")
    return "\n".join(lines)


def summary(results: dict[str, Any]) -> str:
    """Return the training time, the round trips, and the worst share at 500 trials, a line each."""
    times = results["training_seconds"]
    error = f" ± {stdev(times) / len(times) ** 0.5:.1f}" if len(times) > 1 else ""
    lines = [
        f"an average configuration of {results['file']} trains {mean(times):.1f}{error} s on one core "
        f"({len(times)} drawn at random)"
    ]
    for name, seconds in results["round_trips"].items():
        lines.append(f"{name}: {seconds * 1e3:.2f} ms a round trip")
    near = [
        taken
        for taken in results["cells"]
        if taken["engine"] == OURS and taken["trials"] == 500 and " + " not in taken["storage"]
    ]
    if near:
        worst = max(near, key=whole)
        share = whole(worst) / mean(times)
        lines.append(
            f"at 500 trials at most {share:.2%} of the training time ({worst['method']}, {worst['storage']}, "
            f"{worst['workers']} workers); the target is {TARGET:.0%}"
        )
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Measure, print the table and write JSON. Returns the exit code."""
    options = parse(arguments)
    results = run(options)
    about = results["machine"]
    print(f"{about['cpu']}, {about['cores']} cores, {about['system']}, Python {about['python']}\n")
    print(f"{table(results)}\n\n{saturation(results)}\n\n{summary(results)}")
    return 1 if results["failures"] else 0


if __name__ == "__main__":
    sys.exit(main())
