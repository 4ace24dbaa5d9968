"""What the workers of a sweep achieve and take: ``python -m benchmarks.sweep_workers``.

- ``ffnn sweep --workers 2`` against two ``ffnn train`` that know nothing of each other, each pinned to a core
  of its own: the default network, the same number of images. The sweep's configurations differ in their
  seeds only, so that all cost the same. The two take turns; what counts is the median of the rounds' ratios
  of images a second, from the start of the first run to the end of the last. The time before it, in which
  Python starts and the workers are made, is given beside.
- The same sweep on two workers of a Dask cluster on this machine, in turn with the two above: trials an hour
  on the cluster against those of local workers, from the start of the first run to the end of the last.
- The same sweep with other numbers of workers, as far as the cores go and beyond.
- The memory of each worker (PSS: what several share is divided among them).

Linux only: it pins by CPU affinity and reads ``/proc``.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import machine
from benchmarks.dask_cluster import dask_cluster, dask_workers, wait_for_workers
from benchmarks.measure import MeasurementError
from benchmarks.sweep_command import Folders, span, start, sweep_records, watch_memory, write_sweep_file
from benchmarks.sweep_overhead import numbers
from benchmarks.training import at_least_one, write
from ffcli.config import validate
from ffcli.runs.record import RunRecord
from ffcli.runs.store import RunStore

PAIR = 2  # workers, and processes that they are compared with
TARGETS = {"ratio": 0.95, "dask": 0.95, "worker_mb": 150.0}


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.sweep_workers",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--trials", type=at_least_one, default=20, help="of each sweep (20)")
    parser.add_argument("--epochs", type=at_least_one, default=5, help="of each trial (5)")
    parser.add_argument("--rounds", type=at_least_one, default=3, help="of sweep and two processes (3)")
    parser.add_argument("--workers", type=numbers, default=[1, 2, 4], help="whose growth is shown (1,2,4)")
    parser.add_argument("--dataset", default="fashion_mnist", help="or the path of an .npz")
    parser.add_argument("--data-dir", type=Path, default=Path("data"), help="where ffnn keeps its datasets")
    parser.add_argument(
        "-o", "--out", type=Path, default=Path("benchmarks/results"), help="folder to write to"
    )
    return parser.parse_args(arguments)


def images_an_epoch(dataset: str, data_dir: Path) -> int:
    """Return how many images an epoch of the default configuration trains on; fetches a missing dataset."""
    from ffcli.datasets import load_dataset, split_indices

    labels = load_dataset(dataset, data_dir).y_train
    return len(split_indices(labels, validate({}).val_fraction)[0])


def rates(runs: Sequence[RunRecord], images: int, launched: float, ended: float) -> dict[str, Any]:
    """Return what some runs that went together came to, of ``images`` training images an epoch."""
    first, last = span(runs)
    trained = sum(run.epochs_done for run in runs) * images
    return {
        "runs": len(runs),
        "threads": runs[0].threads,
        "images": trained,
        "images_per_second": trained / (last - first),
        "images_per_second_with_start": trained / (ended - launched),
        "start_seconds": first - launched,
        "seconds": ended - launched,
    }


def measure_sweep(
    options: argparse.Namespace, folders: Folders, images: int, workers: int, cluster: str | None = None
) -> dict[str, Any]:
    """Run a sweep of equal configurations, on local workers or on a cluster's.

    Raises MeasurementError where one of its runs fails.
    """
    file = write_sweep_file(
        folders.runs.parent / "seeds.yaml",
        {
            "method": "grid",
            "metric": {"name": "val_acc", "goal": "maximize"},
            "parameters": {
                "dataset": {"value": options.dataset},
                "seed": {"values": list(range(1, options.trials + 1))},
                "epochs": {"value": options.epochs},
            },
        },
    )
    elsewhere = ("--cluster", cluster) if cluster else ()
    sweep = start(folders, "sweep", file, "--new", "--workers", workers, *elsewhere)
    watching = watch_memory(sweep)
    document = sweep.document()
    watching.join()
    if document["counts"]["finished"] != options.trials:
        raise MeasurementError(f"{workers} workers: of {options.trials} trials ended {document['counts']}")
    runs = sweep_records(folders, document["sweep_id"])
    return {
        "workers": workers,
        **rates(runs, images, sweep.launched, sweep.ended),
        "main_mb": sweep.memory.main,
        "worker_mb": sweep.memory.workers,
    }


def measure_dask(options: argparse.Namespace, folders: Folders, images: int, workers: int) -> dict[str, Any]:
    """Run the sweep on so many workers of a cluster that are all there when it starts."""
    with dask_cluster(folders.runs.parent, lambda address: [dask_workers(address, workers)]) as (address, _):
        wait_for_workers(address, workers)
        return measure_sweep(options, folders, images, workers, address)


def measure_processes(
    options: argparse.Namespace, folders: Folders, images: int, cpus: Sequence[int]
) -> dict[str, Any]:
    """Train as many images in one ``ffnn train`` a processor."""
    epochs = max(1, options.trials * options.epochs // len(cpus))
    words = ("train", "--dataset", options.dataset, "--epochs", epochs, "--threads", 1)
    started = [start(folders, *words, "--seed", cpu, cpus=[cpu]) for cpu in cpus]
    store = RunStore(folders.runs)
    runs = [store.read(process.document()["run_id"]) for process in started]
    launched, ended = started[0].launched, max(process.ended for process in started)
    return {"cpus": list(cpus), **rates(runs, images, launched, ended)}


def run(options: argparse.Namespace, cpus: Sequence[int]) -> dict[str, Any]:
    """Measure everything and return the results, which are written out as they grow."""
    images = images_an_epoch(options.dataset, options.data_dir)
    results: dict[str, Any] = {
        "started": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "machine": machine.describe(),
        "versions": machine.versions(("numpy", "distributed")),
        "trials": options.trials,
        "epochs": options.epochs,
        "rounds": [],
        "growth": [],
    }
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="sweeps-", dir=options.out) as name:
        folders = Folders(options.data_dir, Path(name) / "runs")
        kinds = {
            "sweep": lambda: measure_sweep(options, folders, images, PAIR),
            "processes": lambda: measure_processes(options, folders, images, cpus),
            "dask": lambda: measure_dask(options, folders, images, PAIR),
        }
        for number in range(options.rounds):
            pair: dict[str, Any] = {}
            for kind in list(kinds) if number % 2 == 0 else reversed(kinds):
                pair[kind] = kinds[kind]()
                line = f"round {number + 1}, {kind}: {pair[kind]['images_per_second']:,.0f} images/s"
                print(line, file=sys.stderr, flush=True)
            results["rounds"].append(pair)
            write(options.out / "sweep_workers.json", results)
        for workers in options.workers:
            # Two workers were measured above; the median round stands for them.
            taken = (
                sorted((pair["sweep"] for pair in results["rounds"]), key=_rate)[options.rounds // 2]
                if workers == PAIR
                else measure_sweep(options, folders, images, workers)
            )
            results["growth"].append(taken)
            print(f"{workers} workers: {_rate(taken):,.0f} images/s", file=sys.stderr, flush=True)
            write(options.out / "sweep_workers.json", results)
    return results


def _rate(taken: dict[str, Any]) -> float:
    return float(taken["images_per_second"])


def ratio_table(rounds: Sequence[dict[str, Any]]) -> str:
    """Return the rounds as a Markdown table, and below it the median of their ratios."""
    lines = [
        "| round | sweep images/s | processes images/s | ratio | with start | sweep's start s"
        " | train's start s |",
        "| --: | --: | --: | --: | --: | --: | --: |",
    ]
    for number, pair in enumerate(rounds, 1):
        sweep, processes = pair["sweep"], pair["processes"]
        lines.append(
            f"| {number} | {_rate(sweep):,.0f} | {_rate(processes):,.0f} | {ratios([pair])[0]:.3f}"
            f" | {ratios([pair], 'images_per_second_with_start')[0]:.3f}"
            f" | {sweep['start_seconds']:.1f} | {processes['start_seconds']:.1f} |"
        )
    middle = median(ratios(rounds))
    return "\n".join(lines) + f"\n\nmedian ratio {middle:.3f}; the target is at least {TARGETS['ratio']}"


def dask_table(rounds: Sequence[dict[str, Any]]) -> str:
    """Return each round's trials an hour, local and on Dask, and below it the median of their ratios."""
    lines = [
        "| round | local, trials per hour | Dask, trials per hour | ratio | Dask's start s |",
        "| --: | --: | --: | --: | --: |",
    ]
    for number, pair in enumerate(rounds, 1):
        local, dask = (
            pair[kind]["runs"] * 3600 * _rate(pair[kind]) / pair[kind]["images"] for kind in ("sweep", "dask")
        )
        lines.append(
            f"| {number} | {local:,.0f} | {dask:,.0f} | {dask / local:.3f}"
            f" | {pair['dask']['start_seconds']:.1f} |"
        )
    middle = median(ratios(rounds, pair=("dask", "sweep")))
    return "\n".join(lines) + f"\n\nmedian ratio {middle:.3f}; the target is at least {TARGETS['dask']}"


def ratios(
    rounds: Sequence[dict[str, Any]],
    key: str = "images_per_second",
    pair: tuple[str, str] = ("sweep", "processes"),
) -> list[float]:
    """Return the rate of the first of a pair over that of the second, round by round."""
    return [taken[pair[0]][key] / taken[pair[1]][key] for taken in rounds]


def growth_table(growth: Sequence[dict[str, Any]]) -> str:
    """Return each number of workers as a line of a Markdown table, and below it what a further one takes."""
    lines = [
        "| workers | BLAS threads each | images/s | of the first line | start s | main process MB"
        " | workers MB |",
        "| --: | --: | --: | --: | --: | --: | --: |",
    ]
    for taken in growth:
        each = ", ".join(f"{mb:.0f}" for mb in taken["worker_mb"])
        lines.append(
            f"| {taken['workers']} | {taken['threads']} | {_rate(taken):,.0f}"
            f" | {_rate(taken) / _rate(growth[0]):.2f} | {taken['start_seconds']:.1f}"
            f" | {taken['main_mb']:.0f} | {each} |"
        )
    further = further_worker_mb(growth)
    if further is None:
        return "\n".join(lines)
    target = f"the target is at most {TARGETS['worker_mb']:.0f} MB"
    return "\n".join(lines) + f"\n\na worker beyond the first takes {further:.0f} MB; {target}"


def further_worker_mb(growth: Sequence[dict[str, Any]]) -> float | None:
    """Return by how much each worker beyond the fewest raises the memory of all, at the dearest step."""
    totals = {taken["workers"]: taken["main_mb"] + sum(taken["worker_mb"]) for taken in growth}
    least = min(totals, default=0)
    steps = [(total - totals[least]) / (n - least) for n, total in totals.items() if n > least]
    return max(steps, default=None)


def main(arguments: list[str] | None = None) -> int:
    """Measure, print the tables and write JSON. Returns the exit code."""
    options = parse(arguments)
    cpus = sorted(os.sched_getaffinity(0))[-PAIR:]
    if len(cpus) < PAIR:
        print(f"{PAIR} cores are needed, but this process may use {len(cpus)}", file=sys.stderr)
        return 1
    try:
        results = run(options, cpus)
    except MeasurementError as error:
        print(error, file=sys.stderr)
        return 1
    about = results["machine"]
    print(f"{about['cpu']}, {about['cores']} cores, {about['system']}, Python {about['python']}\n")
    tables = ratio_table(results["rounds"]), dask_table(results["rounds"]), growth_table(results["growth"])
    print("\n\n".join(tables))
    return 0


if __name__ == "__main__":
    sys.exit(main())
