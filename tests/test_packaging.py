"""The wheel and the sdist: what is in them, and that an installed copy works without the repository."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from email.parser import Parser
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent
pytest.importorskip("hatchling")  # comes with the extra "test"; without it nothing can be built offline


def build(kind: str, source: Path, folder: Path) -> Path:
    """Build a wheel or an sdist of ``source``, as pip would, without a network."""
    code = f"import sys, hatchling.build as b; print(b.build_{kind}(sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)],
        cwd=source,
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    return folder / done.stdout.split()[-1]


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("sdist", ROOT, tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of the unpacked sdist: who installs from source gets the same."""
    unpacked = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(sdist) as archive:
        archive.extractall(unpacked, filter="data")
    (source,) = unpacked.iterdir()
    return build("wheel", source, tmp_path_factory.mktemp("wheel"))


def test_the_sdist_holds_the_source_and_nothing_else(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    wanted = ["LICENSE", "README.md", "CONTRIBUTING.md", "CHANGELOG.md", "pyproject.toml", "docs/cli.md"]
    wanted += ["ffcli/py.typed", "sweeps/bayes.yaml", "tests/conftest.py", "tools/cli_reference.py"]
    assert set(wanted) <= names
    unwanted = ("__pycache__", ".npy", ".safetensors", "runs/2", "data/fashion", ".venv")
    assert not [name for name in names if any(part in name for part in unwanted)]


def test_the_wheel_holds_the_package_and_its_sweep_files(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    package = {path.relative_to(ROOT).as_posix() for path in (ROOT / "ffcli").rglob("*.py")}
    package |= {path.relative_to(ROOT).as_posix() for path in (ROOT / "ffcli/plotting/report_page").iterdir()}
    assert package | {"ffcli/py.typed"} <= names
    shipped = {f"ffcli/sweeps/{path.name}" for path in (ROOT / "sweeps").glob("*.yaml")}
    assert shipped == {name for name in names if name.startswith("ffcli/sweeps/")}
    assert {name.split("/")[0].split("-")[0] for name in names} == {"ffcli", "ffnn"}


def test_the_metadata_is_complete_and_says_nothing_untrue(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (place,) = (name for name in archive.namelist() if name.endswith("METADATA"))
        metadata = Parser().parsestr(archive.read(place).decode())
    for key in ("Name", "Version", "Summary", "Author", "License-Expression", "License-File", "Keywords"):
        assert metadata[key], key
    assert metadata["Requires-Python"] == ">=3.10"
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert metadata.get_all("Project-URL") is None  # the project has no home page yet: none is invented
    assert "Typing :: Typed" in metadata.get_all("Classifier", [])


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of a new environment that holds the wheel and sees the packages of this one."""
    place = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(place)], timeout=120, check=True)
    python = place / "bin" / "python"
    ask = [str(python), "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])"]
    purelib = Path(subprocess.run(ask, capture_output=True, text=True, check=True).stdout.strip())
    (purelib / "packages.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "-q", "--no-deps", "--no-index"]
    subprocess.run([*pip, str(wheel)], timeout=120, check=True, env=clean())
    return place / "bin"


def clean() -> dict[str, str]:
    """This process's environment without what would lead to the repository."""
    unwanted = {"PYTHONPATH", "FFNN_DATA_DIR", "FFNN_RUNS_DIR"}
    return {key: value for key, value in os.environ.items() if key not in unwanted}


def test_the_installed_wheel_trains_sweeps_and_reports(installed: Path, tmp_path: Path) -> None:
    labels = (np.arange(120) % 3).astype(np.uint8)
    noise = np.random.default_rng(0).integers(0, 80, (120, 6, 6))
    images = (noise + 60 * labels[:, None, None]).astype(np.uint8)
    data = {"x_train": images[:90], "y_train": labels[:90], "x_test": images[90:], "y_test": labels[90:]}
    np.savez(tmp_path / "tiny.npz", **data)  # type: ignore[arg-type]
    (tmp_path / "sweep.yaml").write_text(
        "method: grid\nmetric: {name: val_acc, goal: maximize}\nparameters:\n"
        "  dataset: {value: tiny.npz}\n  epochs: {value: 1}\n  hidden_size: {values: [4, 5]}\n"
    )

    def ffnn(*args: str) -> str:
        done = subprocess.run(
            [str(installed / "ffnn"), *args],
            cwd=tmp_path,
            env=clean(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    where = [str(installed / "python"), "-c", "import ffcli; print(ffcli.__file__)"]
    at = subprocess.run(where, cwd=tmp_path, env=clean(), capture_output=True, text=True, check=True).stdout
    assert at.startswith(str(installed.parent)), "another copy was tested than the wheel's"
    assert ffnn("--version").startswith("ffnn ")
    run = json.loads(ffnn("train", "--dataset", "tiny.npz", "--epochs", "1", "--json"))
    assert run["status"] == "finished"
    assert json.loads(ffnn("evaluate", run["run_id"], "--json"))["n"] == 30
    sweep = json.loads(ffnn("sweep", "sweep.yaml", "--workers", "1", "--json"))
    assert (
        Path(tmp_path, json.loads(ffnn("report", sweep["sweep_id"], "--json"))["html"]).stat().st_size
        > 10_000
    )
    code = "from ffcli.services.sweeps.shipped import shipped_files; print(*shipped_files())"
    command = [str(installed / "python"), "-c", code]
    names = subprocess.run(command, cwd=tmp_path, env=clean(), capture_output=True, text=True, check=True)
    assert set(names.stdout.split()) == {path.stem for path in (ROOT / "sweeps").glob("*.yaml")}
