"""The command as processes of its own, as a user starts it, and what its runs came to."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import yaml

from benchmarks.measure import ROOT, MeasurementError
from ffcli.runs.record import RunRecord
from ffcli.runs.store import RunStore

_EVERY = 0.5  # seconds between two looks at the memory


@dataclass(frozen=True)
class Folders:
    """Where the datasets are, and where the runs go."""

    data: Path
    runs: Path


@dataclass
class Memory:
    """The most memory that a sweep was seen to take, in MB (10^6 bytes): the process and its workers.

    The kernel's proportional share (PSS): a page that n processes share counts 1/n for each.
    """

    main: float = 0.0
    workers: list[float] = field(default_factory=list)

    @property
    def total(self) -> float:
        """All of it."""
        return self.main + sum(self.workers)


@dataclass
class Started:
    """A process of the command. ``memory`` is filled by `watch_memory`."""

    words: tuple[str, ...]
    process: subprocess.Popen[str]
    launched: float
    ended: float = 0.0
    memory: Memory = field(default_factory=Memory)

    def document(self) -> dict[str, Any]:
        """Wait for the end and return what was printed. Raises MeasurementError where the command fails."""
        out, error = self.process.communicate()
        self.ended = time.time()
        if self.process.returncode != 0:
            raise MeasurementError(
                f"ffnn {' '.join(self.words)} ended with {self.process.returncode}\n{error.strip()}"
            )
        document: dict[str, Any] = json.loads(out)
        return document


def start(folders: Folders, *words: object, cpus: Iterable[int] | None = None) -> Started:
    """Start ``ffnn`` with these arguments and ``--json``, on these processors only."""
    arguments = (*map(str, words), "--quiet", "--json")
    command = [sys.executable, "-m", "ffcli", *arguments]
    command += ["--data-dir", str(folders.data.resolve()), "--runs-dir", str(folders.runs.resolve())]
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, cpus or allowed)  # the new process inherits it
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, "WANDB_MODE": "disabled"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    finally:
        os.sched_setaffinity(0, allowed)
    return Started(arguments, process, time.time())


def watch_memory(started: Started) -> threading.Thread:
    """Note a sweep's memory until it ends, in a thread."""

    def look() -> None:
        while started.process.poll() is None:
            seen = memory_of(started.process.pid)
            if seen.total > started.memory.total:
                started.memory = seen
            time.sleep(_EVERY)

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    return thread


def memory_of(pid: int) -> Memory:
    """Return the memory of a sweep's process and its workers now; what has ended counts nothing."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()
    except OSError:
        children = []
    workers = [pss_mb(int(child)) for child in children if _is_worker(child)]
    return Memory(pss_mb(pid), sorted((mb for mb in workers if mb), reverse=True))


def _is_worker(pid: str) -> bool:
    try:
        return b"ffcli.execution.local_worker" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def pss_mb(pid: int) -> float:
    """Return a process's proportional share of memory in MB (10^6 bytes), 0 where it has ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) * 1024 / 1e6


def sweep_records(folders: Folders, sweep_id: str) -> list[RunRecord]:
    """Return the records of a sweep's runs."""
    return [record for record in RunStore(folders.runs).records() if record.sweep_id == sweep_id]


def span(runs: Sequence[RunRecord]) -> tuple[float, float]:
    """Return when the first run began and the last one ended, in seconds since 1970."""
    return min(_seconds(run.started) for run in runs), max(_seconds(run.ended or "") for run in runs)


def _seconds(moment: str) -> float:
    return datetime.strptime(moment, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc).timestamp()


def write_sweep_file(path: Path, document: dict[str, Any]) -> Path:
    """Write a sweep file and return its path."""
    path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    return path
