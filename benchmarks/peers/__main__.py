"""One measurement in its own process: ``python -m benchmarks.peers NAME --case A --cores 1 --data DIR``.

Prints one line of JSON. What other libraries write to stdout goes to stderr.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
from pathlib import Path
from statistics import median

from benchmarks.cases import CASES
from benchmarks.peers import PEERS
from benchmarks.pinning import peak_memory_mb, pin


def main() -> None:
    """Pin this process, train, and print what it took."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    parser.add_argument("peer", choices=PEERS)
    parser.add_argument("--case", choices=CASES, required=True)
    parser.add_argument("--data", type=Path, required=True, help="folder of the prepared arrays")
    parser.add_argument("--cores", type=int, default=1)
    parser.add_argument("--epochs", type=int, help="timed epochs (default: the case's)")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    load = os.getloadavg()[0]
    cpus = pin(options.cores)
    with contextlib.redirect_stdout(sys.stderr):
        from benchmarks import machine
        from benchmarks.data import Data

        case, peer, data = CASES[options.case], PEERS[options.peer], Data(options.data)
        seconds, accuracy = peer.load()(case, data, options.epochs or case.epochs, options.seed)
        memory = peak_memory_mb()
        images = len(data.labels("train"))
        steps = case.steps(images)
        measurement = {
            "peer": options.peer,
            "case": case.name,
            "cores": options.cores,
            "cpus": cpus,
            "seed": options.seed,
            "epochs": len(seconds),
            "steps_per_epoch": steps,
            "epoch_seconds": seconds,
            "step_seconds": median(seconds) / steps,
            "step_seconds_mean": sum(seconds) / len(seconds) / steps,
            "images_per_second": images / median(seconds),
            "val_accuracy": accuracy,
            "peak_memory_mb": memory,
            "versions": machine.versions(peer.versions),
            "thread_pools": machine.thread_pools(),
            "load_before": load,
        }
    print(json.dumps(measurement))


if __name__ == "__main__":
    main()
