"""Running one measurement in a process of its own, and many of them in turn."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.peers import PEERS
from benchmarks.results import Measurement

ROOT = Path(__file__).resolve().parent.parent


class MeasurementError(Exception):
    """A peer's process failed; the message says which and ends with its last words."""


def in_turn(
    rounds: int, cores: Sequence[int], cases: Sequence[str], peers: Sequence[str]
) -> Iterator[tuple[int, int, str, str]]:
    """Yield (round, cores, case, peer) so that the peers of one case follow one another.

    Each round starts with another peer, so that no peer always runs first, or always after the same one.
    """
    for number in range(rounds):
        first = number % len(peers)
        for count in cores:
            for case in cases:
                for peer in (*peers[first:], *peers[:first]):
                    yield number, count, case, peer


def measure(peer: str, case: str, *, cores: int, seed: int, epochs: int | None, folder: Path) -> Measurement:
    """Train ``case`` with ``peer`` in a new process and return what it printed.

    Raises MeasurementError where the process fails.
    """
    command = [sys.executable, "-m", "benchmarks.peers", peer, f"--case={case}", f"--cores={cores}"]
    command += [f"--seed={seed}", f"--data={folder}"]
    if epochs is not None:
        command.append(f"--epochs={epochs}")
    environment = {**os.environ, **PEERS[peer].environment}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        last_words = "\n".join(done.stderr.strip().splitlines()[-5:])
        raise MeasurementError(f"{peer}, case {case}: the process ended with {done.returncode}\n{last_words}")
    measurement: Measurement = json.loads(done.stdout)
    return measurement
