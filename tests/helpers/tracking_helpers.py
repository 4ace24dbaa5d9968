"""The commands ``ffnn`` and ``wandb`` in processes that talk to a stand-in server and to nobody else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from child_processes import die_with_parent, patience, wait_until
from wandb_standin import Run, StandIn

ROOT = Path(__file__).parents[2]


UNBEGUN = """
import errno, os

true_fsync = os.fsync

def fsync(descriptor):
    path = os.readlink(f"/proc/self/fd/{descriptor}")
    if all(word in path for word in os.environ.get("TEST_PATH", "/.begun-").split()):
        raise OSError(getattr(errno, os.environ["TEST_ERRNO"]), "no such luck")
    true_fsync(descriptor)

os.fsync = fsync
"""


@dataclass(frozen=True)
class Done:
    """What a call of a command came to."""

    code: int
    out: str
    err: str
    seconds: float

    @property
    def document(self) -> Any:
        """What it printed with ``--json``."""
        return json.loads(self.out)


class Ffnn:
    """Calls commands in an empty folder that holds a tiny dataset; ``environment`` can be changed."""

    def __init__(self, folder: Path, server: StandIn) -> None:
        self.folder = folder
        self.dataset = _tiny(folder / "tiny.npz")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
        self.environment = {
            **inherited,
            **server.environment(folder / "home"),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "PYTHONUTF8": "1",
            "WANDB_INIT_TIMEOUT": "4",
            "WANDB_FINISH_TIMEOUT": "4",
            "WANDB__FILE_STREAM_TRANSMIT_INTERVAL": "0.3",  # seconds between two sendings, 15 by default
        }
        del self.environment["WANDB_DIR"]  # so that offline runs lie where the command puts them
        self.environment["TMPDIR"] = str(folder / "tmp")
        for name in ("home", "tmp"):
            (folder / name).mkdir()

    def start(self, *args: object, **variables: str) -> subprocess.Popen[str]:
        """Start ``ffnn`` with these arguments."""
        return subprocess.Popen(
            [sys.executable, "-m", "ffcli", *map(str, args)],
            cwd=self.folder,
            env={**self.environment, **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            preexec_fn=die_with_parent,  # noqa: PLW1509 - nothing of this process holds a lock then
        )

    def __call__(self, *args: object, **variables: str) -> Done:
        """Run ``ffnn`` with these arguments; it ends within three minutes and shows no traceback."""
        return self.done(self.start(*args, **variables))

    def done(self, process: subprocess.Popen[str]) -> Done:
        """Wait for a command's end."""
        started = time.monotonic()
        out, err = process.communicate(timeout=patience())
        assert "Traceback" not in err, err
        return Done(process.returncode, out, err, time.monotonic() - started)

    def train(self, *args: object, **variables: str) -> Done:
        """Train a small network and print its document."""
        return self.done(self.start_train(*args, **variables))

    def start_train(self, *args: object, **variables: str) -> subprocess.Popen[str]:
        """Start to train a small network for three epochs."""
        small = ("-d", self.dataset, "-sz", 4, "-nhl", 1, "-e", 3)
        return self.start("train", *small, "--json", *args, **variables)

    def start_long(self) -> subprocess.Popen[str]:
        """Start a training that does not end by itself; an epoch takes some hundredths of a second."""
        return self.start("train", "-d", self.dataset, "-e", 100000, "-b", 1, "-sz", 256, "-nhl", 3)

    def wandb(self, *args: object) -> Done:
        """Run the ``wandb`` command."""
        process = subprocess.Popen(
            ["wandb", *map(str, args)],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )
        return self.done(process)

    def summary(self, run_id: str) -> dict[str, Any]:
        """Return the record of a run as it lies on disk."""
        return json.loads((self.folder / "runs" / run_id / "summary.json").read_text())


def not_to_disk(ffnn: Ffnn, cause: str, *words: str) -> dict[str, str]:
    """Return the environment in which no file with these words in its path can be brought to disk.

    Without words these are the files of a run that is being begun.
    """
    if not Path("/proc/self/fd").is_dir():
        pytest.skip("needs /proc")
    faults = ffnn.folder / "faults"
    faults.mkdir(exist_ok=True)
    (faults / "sitecustomize.py").write_text(UNBEGUN)  # which every Python loads at its start
    path = os.pathsep.join([str(faults), ffnn.environment["PYTHONPATH"]])
    return {"TEST_ERRNO": cause, "TEST_PATH": " ".join(words or ["/.begun-"]), "PYTHONPATH": path}


def _tiny(path: Path) -> Path:
    """Write 200 images of 5×5 pixels and three classes that overlap."""
    rng = np.random.default_rng(0)
    labels = np.arange(200) % 3
    centres = rng.integers(60, 120, (3, 5, 5))
    images = np.clip(centres[labels] + rng.normal(0, 60, (200, 5, 5)), 0, 255).astype(np.uint8)
    labels = labels.astype(np.uint8)
    np.savez(path, x_train=images[:150], y_train=labels[:150], x_test=images[150:], y_test=labels[150:])
    return path


def wait_for_rows(server: StandIn) -> Run:
    """Wait until the only run has rows, and return it."""
    wait_until(lambda: any(run.lines.get("wandb-history.jsonl") for run in list(server.runs.values())))
    (run,) = server.runs.values()
    return run
