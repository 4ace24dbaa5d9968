"""Measure a training step of ffnn and its peers: ``python -m benchmarks.training``.

Every measurement is a process of its own that pins itself to some cores, warms up, and trains whole epochs on
54,000 real images. The rounds are interleaved; the figure that counts is the median over the rounds of
the ratio peer/ours. Linux only, since it pins by CPU affinity.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from benchmarks import figure, machine
from benchmarks.cases import CASES, VAL_FRACTION
from benchmarks.measure import MeasurementError, in_turn, measure
from benchmarks.peers import BEST_BLAS, PEERS
from benchmarks.pinning import available
from benchmarks.results import microseconds, ratio_table, summarise, table


def names(choices: dict[str, Any]) -> Any:
    """Return an argparse type: a comma-separated list of keys of ``choices``."""

    def parse(text: str) -> list[str]:
        given = [name.strip() for name in text.split(",")]
        for name in given:
            if name not in choices:
                raise argparse.ArgumentTypeError(f"'{name}' is none of {', '.join(choices)}")
        return given

    return parse


def core_counts(text: str) -> list[int]:
    """Return the numbers of cores that ``--cores`` means: a number, ``all``, or ``both`` (one, then all)."""
    everything = available()
    if text in ("all", "both"):
        return sorted({1, everything}) if text == "both" else [everything]
    if not text.isdecimal() or not 1 <= int(text) <= everything:
        raise argparse.ArgumentTypeError(f"'{text}' is neither 1…{everything} nor all nor both")
    return [int(text)]


def at_least_one(text: str) -> int:
    """Return a count. Raises ArgumentTypeError below 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number from 1")
    return int(text)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.training",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--cases", type=names(CASES), default=list(CASES), help="such as A,B (default: all)")
    parser.add_argument(
        "--peers", type=names(PEERS), default=list(PEERS), help=f"of {','.join(PEERS)} (default: all)"
    )
    parser.add_argument("--rounds", type=at_least_one, default=5)
    parser.add_argument(
        "--cores", type=core_counts, default="both", help="1, 2, …, all, or both: 1, then all"
    )
    parser.add_argument(
        "--epochs", type=at_least_one, help="timed epochs a process (default: the case's own)"
    )
    parser.add_argument("--data-dir", type=Path, default=Path("data"), help="where ffnn keeps its datasets")
    parser.add_argument(
        "-o", "--out", type=Path, default=Path("benchmarks/results"), help="folder to write to"
    )
    parser.add_argument("--render", type=Path, metavar="JSON", help="show earlier results, measure nothing")
    return parser.parse_args(arguments)


def run(options: argparse.Namespace, peers: list[str]) -> dict[str, Any]:
    """Take all measurements; a process that fails is noted and left out."""
    from benchmarks.data import prepare

    results: dict[str, Any] = {
        "started": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "machine": machine.describe(),
        "measurements": [],
        "failures": [],
    }
    with tempfile.TemporaryDirectory(prefix="ffnn-benchmark-") as name:
        folder = Path(name)
        prepare(options.data_dir, VAL_FRACTION, folder)
        for number, cores, case, peer in in_turn(options.rounds, options.cores, options.cases, peers):
            line = f"round {number + 1}/{options.rounds}, cores {cores}, case {case}, {PEERS[peer].label}: "
            try:
                taken = measure(peer, case, cores=cores, seed=number, epochs=options.epochs, folder=folder)
            except MeasurementError as error:
                results["failures"].append(str(error))
                print(line + f"failed\n{error}", file=sys.stderr, flush=True)
                continue
            results["measurements"].append({"round": number, **taken})
            line += f"{microseconds(taken['step_seconds'])} µs a step"
            print(line, file=sys.stderr, flush=True)
            write(options.out / "training.json", results)  # what is measured survives an interruption
    return results


def write(path: Path, results: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def main(arguments: list[str] | None = None) -> int:
    """Measure (or read earlier results), print the tables, and write JSON and PNG. Returns the exit code."""
    options = parse(arguments)
    if options.render:
        results = json.loads(options.render.read_text(encoding="utf-8"))
    else:
        missing = [name for name in options.peers if not PEERS[name].installed]
        for name in missing:
            print(f"{PEERS[name].label} is left out: {PEERS[name].package} is not installed", file=sys.stderr)
        peers = [name for name in options.peers if name not in missing]
        if not peers:
            return 1
        results = run(options, peers)
    rows = summarise(results["measurements"])
    if not rows:
        return 1
    about = results["machine"]
    print(f"{about['cpu']}, {about['cores']} cores, {about['system']}, Python {about['python']}\n")
    best = summarise(results["measurements"], BEST_BLAS)
    print("\n\n".join(filter(None, (ratio_table(rows), ratio_table(best, BEST_BLAS), table(rows)))))
    options.out.mkdir(parents=True, exist_ok=True)
    figure.training(rows, options.out / "training.png")
    return 1 if results["failures"] else 0


if __name__ == "__main__":
    sys.exit(main())
