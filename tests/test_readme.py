"""What the README shows works as it stands there."""

from __future__ import annotations

import doctest
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ffcli.datasets import load_dataset
from ffcli.runs.store import RunStore
from ffcli.services.choosing import load_run

README = Path(__file__).parent.parent / "README.md"

SWEEP = """
method: random
metric: {name: val_acc, goal: maximize}
parameters:
  dataset: {value: "DATASET"}
  epochs: {value: 2}
  num_layers: {value: 1}
  hidden_size: {values: [4, 8, 16]}
"""


@pytest.mark.network  # fetches Fashion-MNIST where it is missing
def test_the_library_example(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(README.parent)
    results = doctest.testfile(str(README), module_relative=False, verbose=False)
    assert results.attempted >= 7
    assert results.failed == 0


def code_after(marker: str) -> str:
    """Return the code block that follows an HTML comment of the README."""
    found = re.search(rf"^<!-- {marker} -->\n```sh\n(.*?)^```$", README.read_text("utf-8"), re.M | re.S)
    assert found, f"the README has no block marked {marker}"
    return found[1]


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """The README's script of a sweep, in an empty folder."""
    path = tmp_path / "script"
    path.write_text(code_after("sweep script"), "utf-8")
    return path


@pytest.fixture
def sweep_file(tmp_path: Path) -> Path:
    """A sweep file of three runs on a dataset of 90 images; its path holds a blank."""
    folder = tmp_path / "my files"
    folder.mkdir()
    rng = np.random.default_rng(0)
    labels = (np.arange(120) % 3).astype(np.uint8)
    images = (rng.integers(0, 80, (120, 6, 6)) + 60 * labels[:, None, None]).astype(np.uint8)
    np.savez(
        folder / "tiny.npz", x_train=images[:90], y_train=labels[:90], x_test=images[90:], y_test=labels[90:]
    )
    path = folder / "sweep.yaml"
    path.write_text(SWEEP.replace("DATASET", str(folder / "tiny.npz")))
    return path


def run_script(script: Path, **variables: object) -> subprocess.CompletedProcess[str]:
    """Run it with the command and Python of these tests at the front of the path."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("FFNN_")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    more = {"PATH": path, "PYTHONUTF8": "1", **{key: str(value) for key, value in variables.items()}}
    return subprocess.run(
        ["sh", script.name],
        cwd=script.parent,
        env={**kept, **more},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_script_of_a_sweep_judges_its_best_run(script: Path, sweep_file: Path) -> None:
    done = run_script(script, SWEEP=sweep_file, COUNT=3)
    assert done.returncode == 0, done.stderr
    told = re.fullmatch(r"sweep (\S+): accuracy (\S+) on the test images\n", done.stdout)
    assert told, done.stdout
    runs = list(RunStore(script.parent / "runs").records())
    assert [run.sweep_id for run in runs] == [told[1]] * 3
    best = max(runs, key=lambda run: run.best_val_acc or 0)
    network = load_run(best.run_id, script.parent / "runs").network
    dataset = load_dataset(str(sweep_file.parent / "tiny.npz"), script.parent / "data")
    right = np.mean(network.predict(dataset.x_test) == dataset.y_test)
    assert float(told[2]) == pytest.approx(right)


def test_the_script_of_a_sweep_fails_as_its_sweep_does(script: Path, sweep_file: Path) -> None:
    sweep_file.write_text(sweep_file.read_text().replace("hidden_size", "hiden_size"))
    done = run_script(script, SWEEP=sweep_file, COUNT=3)
    assert (done.returncode, done.stdout) == (2, "")
    assert "hidden_size" in done.stderr
    assert "Traceback" not in done.stderr
