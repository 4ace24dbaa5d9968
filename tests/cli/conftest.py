from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from cli_helpers import Cli, Done, environment, in_process


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Calls the command within this process, in an empty folder and away from any terminal."""
    return in_process(tmp_path, monkeypatch, capsys)


@pytest.fixture
def process(tmp_path: Path) -> Cli:
    """Calls the command as a process of its own, in an empty folder and away from any terminal."""

    def call(*args: object, **variables: str) -> Done:
        done = subprocess.run(
            [sys.executable, "-m", "ffcli", *map(str, args)],
            cwd=tmp_path,
            env=environment(**variables),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=300,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    return call


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A dataset of three classes, 6×6 pixels and 120 images, learnt in no time."""
    rng = np.random.default_rng(0)
    labels = np.arange(120) % 3
    images = rng.integers(0, 80, (120, 6, 6))
    for label in range(3):
        images[labels == label, 2 * label : 2 * label + 2] += 150
    path = tmp_path / "tiny.npz"
    x, y = images.astype(np.uint8), labels.astype(np.uint8)
    np.savez(path, x_train=x[:90], y_train=y[:90], x_test=x[90:], y_test=y[90:])
    return path
