"""What early termination saves and loses: ``python -m benchmarks.sweep_hyperband``.

Runs ``sweeps/hyperband.yaml``, and the same file without ``early_terminate``, with the same seed and count:
the same configurations in the same order, since a random search does not look at results. Compares the
epochs trained, the time, and the best validation accuracy.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import yaml

from benchmarks import machine
from benchmarks.measure import ROOT, MeasurementError
from benchmarks.sweep_command import Folders, start, sweep_records, write_sweep_file
from benchmarks.training import at_least_one, write

TARGETS = {"seconds": 0.4, "points": 0.3}
LABELS = {"hyperband": "with early_terminate", "plain": "without"}


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.sweep_hyperband",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--file", type=Path, default=ROOT / "sweeps" / "hyperband.yaml")
    parser.add_argument("--count", type=at_least_one, default=60, help="runs of each sweep (60)")
    parser.add_argument("--seed", type=int, default=0, help="of the search (0)")
    parser.add_argument("--workers", type=at_least_one, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--data-dir", type=Path, default=Path("data"), help="where ffnn keeps its datasets")
    parser.add_argument(
        "-o", "--out", type=Path, default=Path("benchmarks/results"), help="folder to write to"
    )
    return parser.parse_args(arguments)


def measure(options: argparse.Namespace, file: Path, folders: Folders) -> dict[str, Any]:
    """Run a sweep and return what it took and found. Raises MeasurementError where it fails."""
    words = ("--count", options.count, "--seed", options.seed, "--workers", options.workers)
    document = start(folders, "sweep", file, "--new", *words).document()
    if document["best"] is None:
        raise MeasurementError(f"{file}: not one run finished: {document['counts']}")
    runs = sweep_records(folders, document["sweep_id"])
    return {
        "counts": document["counts"],
        "epochs": sum(run.epochs_done for run in runs),
        "seconds": document["seconds"],
        "best": document["best"]["value"],
        "metric": document["best"]["metric"],
        "config": document["best"]["config"],
    }


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Run both sweeps and return the results, which are written out as they grow."""
    document = yaml.safe_load(options.file.read_text("utf-8"))
    if document.pop("early_terminate", None) is None:
        raise MeasurementError(f"{options.file} has no early_terminate")
    results: dict[str, Any] = {
        "started": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "machine": machine.describe(),
        "versions": machine.versions(("numpy",)),
        "file": options.file.name,
        "seed": options.seed,
        "workers": options.workers,
        "sweeps": {},
    }
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="sweeps-", dir=options.out) as name:
        plain = write_sweep_file(Path(name) / "plain.yaml", document)
        folders = Folders(options.data_dir, Path(name) / "runs")
        for kind, file in (("hyperband", options.file.resolve()), ("plain", plain)):
            results["sweeps"][kind] = measure(options, file, folders)
            print(f"{LABELS[kind]}: {results['sweeps'][kind]['seconds']:.0f} s", file=sys.stderr, flush=True)
            write(options.out / "sweep_hyperband.json", results)
    return results


def table(sweeps: dict[str, dict[str, Any]]) -> str:
    """Return both sweeps as a Markdown table, and below it what early termination saves and loses."""
    hyperband, plain = sweeps["hyperband"], sweeps["plain"]
    lines = [
        "| sweep | finished | pruned | failed | epochs | of all | seconds | of all"
        f" | best {plain['metric']} |",
        "| --- | --: | --: | --: | --: | --: | --: | --: | --: |",
    ]
    for kind, taken in sweeps.items():
        counts = " | ".join(str(taken["counts"][state]) for state in ("finished", "pruned", "failed"))
        lines.append(
            f"| {LABELS[kind]} | {counts} | {taken['epochs']} | {taken['epochs'] / plain['epochs']:.2f}"
            f" | {taken['seconds']:.0f} | {taken['seconds'] / plain['seconds']:.2f} | {taken['best']:.4f} |"
        )
    lost = (plain["best"] - hyperband["best"]) * 100
    return "\n".join(lines) + (
        f"\n\n{hyperband['seconds'] / plain['seconds']:.2f} of the time (the target is at most"
        f" {TARGETS['seconds']}), the best {abs(lost):.2f} points {'below' if lost > 0 else 'above'}"
        f" (the target is within {TARGETS['points']})"
    )


def main(arguments: list[str] | None = None) -> int:
    """Measure, print the table and write JSON. Returns the exit code."""
    options = parse(arguments)
    try:
        results = run(options)
    except MeasurementError as error:
        print(error, file=sys.stderr)
        return 1
    about = results["machine"]
    print(f"{about['cpu']}, {about['cores']} cores, {about['system']}, Python {about['python']}\n")
    print(table(results["sweeps"]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
