"""What the README and the pages show works as it stands there."""

from __future__ import annotations

import doctest
import os
import re
import shlex
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.core import TyperGroup
from typer.main import get_command

from ffcli.cli.app import COMMANDS, app
from ffcli.datasets import load_dataset
from ffcli.runs.store import RunStore
from ffcli.services.runs.select import load_run
from ffcli.services.sweeps.shipped import shipped_files

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
    library = README.parent / "docs" / "library.md"
    results = doctest.testfile(str(library), module_relative=False, verbose=False)
    assert results.attempted >= 7
    assert results.failed == 0


PAGES = [README, README.parent / "CONTRIBUTING.md", *sorted((README.parent / "docs").glob("*.md"))]


def calls(page: Path) -> list[str]:
    """Return every call of ``ffnn`` in the code blocks of a page and between its backticks."""
    text = page.read_text("utf-8")
    blocks = re.findall(r"^```(?:sh)?\n(.*?)^```$", text, re.M | re.S)
    lines = [line for block in blocks for line in block.splitlines()]
    found = [call for line in lines for call in re.findall(r"^(?:\$ )?(?:\S+=\S+ )*(ffnn .*)", line)]
    found += [call for line in lines for call in re.findall(r"\$\((ffnn [^()|]*)", line)]
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)
    return found + re.findall(r"`(ffnn [^`]+)`", prose)


def words_of(call: str) -> list[str]:
    """Return the words of a call; what stands for an id is one word, and comments and pipes are gone."""
    while (shorter := re.sub(r"\$?\([^()]*\)", "ID", call)) != call:
        call = shorter
    call = re.sub(r"<[^>]*>", "ID", re.split(r"\s#|\s[|>;&]+\s|; ", call)[0])
    return shlex.split(re.sub(r"[\[\]…]", " ", call.replace("COMMAND", "train")))[1:]


def command_of(words: list[str]) -> tuple[Any, list[str]]:
    """Return the command that the words call, and what is left of them."""
    assert words[0] in COMMANDS, words
    command: Any = get_command(import_module(f"ffcli.cli.commands.{words[0].replace('-', '_')}").app)
    rest = words[1:]
    while isinstance(command, TyperGroup) and rest and not rest[0].startswith("-"):
        (name,) = (known for known in command.commands if known == rest[0].split("|")[0])
        command, rest = command.commands[name], rest[1:]
    return command, rest


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_call_in_the_pages_names_commands_and_options_that_exist(page: Path) -> None:
    for call in calls(page):
        words = words_of(call)
        if not words or words[0].startswith("-") or words[0] in ("COMMAND", "ID"):
            root = get_command(app)
            context = root.make_context("ffnn", [], resilient_parsing=True)
            known = {name for param in root.get_params(context) for name in param.opts}
            assert {word.partition("=")[0] for word in words if word.startswith("-")} <= known, call
            continue
        command, rest = command_of(words)
        known = {"--help", "-h", "--version"}
        for param in command.params:
            known |= {*param.opts, *param.secondary_opts}
            known |= (
                {f"--no-{name[2:]}" for name in param.opts} if getattr(param, "is_flag", False) else set()
            )
        for word in rest:
            if re.match(r"-+[a-z]", word):
                name = word.partition("=")[0]
                assert name.replace("_", "-") in known or name in known, f"{page.name}: {call}: {name}"


def test_the_pages_are_read_at_all() -> None:
    assert len(calls(README)) > 30
    assert sum(map(len, map(calls, PAGES))) > 80


def test_every_file_that_readme_and_guide_name_exists() -> None:
    for page in PAGES[:2]:
        for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text("utf-8")):
            assert (page.parent / link).exists(), f"{page.name}: {link}"


def test_sweep_files_in_the_readme_are_shipped() -> None:
    words = {word for call in calls(README) for word in words_of(call)[1:2] if call.startswith("ffnn sweep ")}
    words = {word for word in words if not word.startswith("-")}  # a sweep that is typed
    names = {word.removeprefix("sweeps/").removesuffix(".yaml") for word in words}
    assert names - {"ID", "$sweep", "notebook.ipynb", "changed"} <= set(shipped_files()), names


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


def test_the_script_of_a_sweep_evaluates_its_best_run(script: Path, sweep_file: Path) -> None:
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
