from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from cli_helpers import Cli, environment
from small_runs import Place

from ffcli import __version__
from ffcli.cli.app import COMMANDS

HELPS = [["--help"], *([name, "-h"] for name in COMMANDS), ["runs", "list", "-h"]]


@pytest.mark.parametrize("args", HELPS, ids=" ".join)
def test_help_lists_the_shared_options(cli: Cli, args: list[str]) -> None:
    done = cli(*args)
    assert done.code == 0
    for option in ("--data-dir", "--runs-dir", "--json", "--quiet", "--verbose", "--help"):
        assert option in done.out
    assert done.err == ""


def test_root_help_names_every_command_with_a_line(cli: Cli) -> None:
    out = cli("--help").out
    for name, line in COMMANDS.items():
        assert name in out
        assert line in out


@pytest.mark.parametrize("args", [[], ["runs"]])
def test_a_group_alone_shows_its_help(cli: Cli, args: list[str]) -> None:
    done = cli(*args)
    assert (done.code, done.err) == (0, "")
    assert "Commands" in done.out


def test_version(cli: Cli) -> None:
    assert cli("--version").out == f"ffnn {__version__}\n"


def test_evaluating_the_best_run_loads_nothing_slow(tmp_path: Path) -> None:
    """With thousands of runs, each of these would take as long as finding the best one."""
    place = Place(tmp_path)
    place.train(epochs=1)
    slow = {"optuna", "numba", "tensorflow", "wandb", "matplotlib", "requests", "pyarrow", "distributed"}
    code = (
        "import sys; from ffcli.cli.app import main; main(sys.argv[1:])\n"
        f"print(sorted({slow} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "evaluate", "--best", "-d", str(place.dataset), "--quiet"],
        env=environment(FFNN_DATA_DIR=str(place.context.data_dir), FFNN_RUNS_DIR=str(place.context.runs_dir)),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "accuracy" in done.stdout
    assert done.stderr.strip() == "[]"


def test_root_help_imports_neither_numpy_nor_pydantic_nor_a_command() -> None:
    code = (
        "import sys; from ffcli.cli.app import main, COMMANDS; main(['--help'])\n"
        "heavy = {'numpy', 'pydantic', 'yaml', 'requests', 'ffcli.config'}\n"
        "heavy |= {f'ffcli.cli.commands.{name}' for name in COMMANDS}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "Usage: ffnn" in done.stdout
    assert done.stderr.strip() == "[]"


@pytest.mark.parametrize(
    ("args", "near"), [(["trian"], "train"), (["downlod"], "download"), (["runs", "lst"], "list")]
)
def test_wrong_command_names_the_nearest(cli: Cli, args: list[str], near: str) -> None:
    done = cli(*args)
    assert (done.code, done.out) == (2, "")
    assert f"No such command '{args[-1]}'. Did you mean '{near}'?" in done.err


def test_shell_completion_knows_commands_and_their_options() -> None:
    def complete(line: str) -> str:
        variables = {
            "_FFNN_COMPLETE": "complete_bash",
            "COMP_WORDS": line,
            "COMP_CWORD": str(line.count(" ")),
        }
        code = "from ffcli.cli.app import main; main([])"
        return subprocess.run(
            [sys.executable, "-c", code],
            env=environment(**variables),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        ).stdout

    assert complete("ffnn tr").split() == ["train"]
    assert complete("ffnn train --learning").split() == ["--learning-rate"]


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    "args",
    [
        ["runs", "list", "--json"],
        ["runs", "list", "--json", "--verbose"],
        ["--help"],
        ["train", "--help"],
        ["--version"],
    ],
    ids=" ".join,
)
def test_a_reader_that_has_gone_is_no_error(args: list[str], unbuffered: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "ffcli", *args],
        env=environment(FFNN_RUNS_DIR="/nonexistent", PYTHONUNBUFFERED=unbuffered),
        stdout=writer,
        stderr=subprocess.PIPE,
        timeout=60,
        check=False,
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")
