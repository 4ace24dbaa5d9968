"""Every command that draws: the formats of its figure, and what it refuses before any work."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from cli_helpers import Cli, environment
from PIL import Image

STARTS = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF-"}
COMMANDS = {
    "visualize": ["visualize", "-d", "tiny.npz"],
    "misclassified": ["visualize", "--misclassified", "--run", "RUN"],
    "predict": ["predict", "1", "--run", "RUN"],
    "confusion": ["confusion", "RUN"],
    "show": ["runs", "show", "RUN"],
    "compare": ["runs", "compare", "RUN", "OTHER"],
}


@pytest.fixture
def runs(cli: Cli, tiny: Path) -> list[str]:
    """The ids of two runs of one epoch."""
    for seed in (0, 1):
        assert cli("train", "-d", tiny, "-e", 1, "-lr", 1e-9, "-q", "--seed", seed).code == 0
    return sorted(path.name for path in Path("runs").iterdir() if path.is_dir())


@pytest.mark.parametrize("ending", STARTS)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_figure_is_what_its_ending_says(cli: Cli, runs: list[str], command: str, ending: str) -> None:
    ids = {"RUN": runs[0], "OTHER": runs[1]}
    args = [ids.get(word, word) for word in COMMANDS[command]]
    done = cli(*args, "-o", f"x.{ending}", "--dpi", 80)
    assert done.code == 0, done.err
    assert Path(f"x.{ending}").read_bytes().startswith(STARTS[ending])
    if ending == "png":
        with Image.open("x.png") as picture:
            assert round(picture.info["dpi"][0]) == 80


def test_the_backend_of_a_notebook_does_not_matter(runs: list[str]) -> None:
    command = [sys.executable, "-m", "ffcli", "runs", "show", runs[0], "-o", "x.png"]
    variables = environment(MPLBACKEND="module://backend_of_a_notebook")
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert Path("x.png").read_bytes().startswith(STARTS["png"])


@pytest.mark.parametrize("wrong", [["-o", "x.jpg"], ["-o", "x"], ["--dpi", "5"], ["--dpi", "many"]])
@pytest.mark.parametrize("args", [*COMMANDS.values(), ["compare-loss"]], ids=lambda args: "-".join(args[:2]))
def test_a_wrong_figure_is_refused_before_anything_else(cli: Cli, args: list[str], wrong: list[str]) -> None:
    """There is neither data nor a run: the answer would be another one."""
    done = cli(*args, *wrong)
    assert (done.code, done.out) == (2, "")
    assert ("--dpi" if wrong[0] == "--dpi" else "--out") in done.err
    assert not Path("runs").exists()


@pytest.mark.parametrize("name", ["x.pdf", "x.png", "x"])
def test_a_report_is_html(cli: Cli, name: str) -> None:
    done = cli("report", "some/sweep/id", "-o", name)
    assert (done.code, done.out) == (2, "")
    assert "--out" in done.err
    assert not Path(name).exists()


def test_the_curves_of_a_run_are_drawn_on_request(cli: Cli, runs: list[str]) -> None:
    found = json.loads(cli("runs", "show", runs[0], "--json").out)
    assert found["png"] is None
    assert not list(Path().glob("*.png"))
    found = json.loads(cli("runs", "show", runs[0], "-o", "c.png", "--json").out)
    assert found["png"] == "c.png"
    assert len(found["epochs"]) == 1
    (Path("runs") / runs[0] / "history.csv").unlink()
    done = cli("runs", "show", runs[0], "-o", "d.png", "--json")
    assert done.code == 0
    assert json.loads(done.out)["png"] is None
    assert runs[0] in done.err
    assert not Path("d.png").exists()


@pytest.mark.parametrize(
    ("args", "flag", "file"),
    [
        (["confusion", "RUN", "--csv", "runs/RUN/history.csv"], "--csv", "runs/RUN/history.csv"),
        (["confusion", "RUN", "--csv", "tiny.npz"], "--csv", "tiny.npz"),
        (["confusion", "RUN", "-d", "kept.npz", "--csv", "kept.npz"], "--csv", "kept.npz"),
        (["export", "RUN", "-o", "tiny.npz"], "--out", "tiny.npz"),
        (["compare-loss", "spec.yaml", "--csv", "spec.yaml"], "--csv", "spec.yaml"),
        (["compare-loss", "spec.yaml", "--csv", "kept.npz"], "--csv", "kept.npz"),
        (["predict", "1", "--run", "RUN", "-o", "pets/cat/1.png", "-d", "pets"], "--out", "pets/cat/1.png"),
        (["predict", "--image", "own.png", "--run", "RUN", "-o", "own.png"], "--out", "own.png"),
        (["visualize", "-d", "pets", "-o", "pets/cat/1.png"], "--out", "pets/cat/1.png"),
    ],
)
def test_what_is_stored_or_read_is_not_overwritten(
    cli: Cli, runs: list[str], args: list[str], flag: str, file: str
) -> None:
    Path("pets/cat").mkdir(parents=True)
    for picture in ("own.png", "pets/cat/1.png"):
        Image.new("L", (8, 8)).save(picture)
    Path("kept.npz").write_bytes(Path("tiny.npz").read_bytes())
    Path("spec.yaml").write_text("method: random\nparameters: {dataset: {value: kept.npz}}\n")
    path = Path(file.replace("RUN", runs[0]))
    before = path.read_bytes()
    done = cli(*(word.replace("RUN", runs[0]) for word in args))
    assert (done.code, done.out) == (2, "")
    assert flag in done.err
    assert path.read_bytes() == before
    assert not Path("runs/sweeps").exists()
