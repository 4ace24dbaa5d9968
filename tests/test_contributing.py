"""The steps of CONTRIBUTING.md lead where they say, in a copy of the repository."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from child_processes import patience

ROOT = Path(__file__).parent.parent
GUIDE = ROOT / "CONTRIBUTING.md"


def block(marker: str) -> str:
    """Return the code block that follows an HTML comment of the guide."""
    found = re.search(rf"^<!-- {marker} -->\n```\w+\n(.*?)^```$", GUIDE.read_text("utf-8"), re.M | re.S)
    assert found, f"CONTRIBUTING.md has no block marked {marker}"
    return found[1]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the repository in which steps 1 and 2 have been done."""
    ignore = shutil.ignore_patterns("__pycache__")
    for name in ("ffcli", "tests"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=ignore)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    optimizers = tmp_path / "ffcli" / "core" / "optimizers.py"
    optimizers.write_text(optimizers.read_text("utf-8") + "\n\n" + block("optimizer"), "utf-8")
    golden = tmp_path / "tests" / "core" / "test_golden_steps.py"
    head, brace, rest = golden.read_text("utf-8").partition("GOLDEN: dict")
    line, _, rest = rest.partition("\n")
    golden.write_text(f"{head}{brace}{line}\n{block('golden numbers')}{rest}", "utf-8")
    return tmp_path


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a line of the guide in a folder."""
    words = command.split()
    assert words[0] == "python"
    return subprocess.run(
        [sys.executable, *words[1:]],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(folder), "HOME": str(folder), "PYTHONUTF8": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=patience(),
        check=False,
    )


def lines() -> list[str]:
    return block("check and train").splitlines()


def test_an_optimizer_of_one_file_trains_and_shows_everywhere(copy: Path) -> None:
    labels = np.arange(120) % 3
    images = (np.random.default_rng(0).integers(0, 80, (120, 6, 6)) + 60 * labels[:, None, None]).astype("u1")
    np.savez(
        copy / "tiny.npz", x_train=images[:90], y_train=labels[:90], x_test=images[90:], y_test=labels[90:]
    )
    done = run(f"{lines()[1]} --dataset tiny.npz --epochs 2 --hidden-size 8", copy)
    assert done.returncode == 0, done.stderr
    assert "opt-adamax" in done.stdout
    (config,) = copy.glob("runs/*/config.yaml")
    assert yaml.safe_load(config.read_text())["optimizer"] == "adamax"
    assert "nadam, adamax" in " ".join(run("python -m ffcli train --help", copy).stdout.split())
    assert "'adamax'" in run("python -m ffcli train --optimizer adamx", copy).stderr


@pytest.mark.slow  # a second pytest within this one
def test_the_contract_and_the_golden_numbers_know_it(copy: Path) -> None:
    done = run(lines()[0], copy)
    assert done.returncode == 0, done.stdout
    assert re.search(r"\b[2-9]\d passed", done.stdout)


def test_the_golden_numbers_are_asked_for(copy: Path) -> None:
    """Who forgets step 2 is told."""
    shutil.copy(ROOT / "tests" / "core" / "test_golden_steps.py", copy / "tests" / "core")
    done = run("python -m pytest -n 0 tests/core/test_golden_steps.py -k adamax", copy)
    assert done.returncode == 1
    assert "has no hand-worked numbers" in done.stdout


def test_the_hooks_before_a_commit_fetch_no_repository() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert [repo["repo"] for repo in hooks] == ["local"]


def test_the_workflow_calls_the_one_script() -> None:
    (job,) = yaml.safe_load((ROOT / ".github" / "workflows" / "checks.yml").read_text())["jobs"].values()
    assert "bash .ci/run" in [step.get("run") for step in job["steps"]]


def test_the_guide_lists_every_package() -> None:
    packages = {path.name for path in (ROOT / "ffcli").iterdir() if (path / "__init__.py").exists()}
    text = GUIDE.read_text("utf-8")
    assert all(f"`ffcli/{package}`" in text for package in packages), packages
