"""The help of every command: grouped, with defaults, and within 80 columns of a real terminal."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from cli_helpers import Cli, bare, on_terminal
from rich.cells import cell_len
from rich.text import Text
from typer.core import TyperArgument, TyperGroup
from typer.main import get_command

from ffcli.cli.app import COMMANDS
from ffcli.services.sweeps.shipped import shipped_files


def commands(command: Any, path: tuple[str, ...]) -> list[tuple[tuple[str, ...], Any]]:
    """Return a command and all below it, with the words that call them."""
    below = command.commands.items() if isinstance(command, TyperGroup) else ()
    return [(path, command), *(leaf for name, sub in below for leaf in commands(sub, (*path, name)))]


ALL = [
    leaf
    for name in COMMANDS
    for leaf in commands(
        get_command(import_module(f"ffcli.cli.commands.{name.replace('-', '_')}").app), (name,)
    )
]
IDS = [" ".join(path) for path, _ in ALL]


@pytest.mark.parametrize("path", [(), *(path for path, _ in ALL)], ids=" ".join)
def test_no_line_is_longer_than_80_columns(cli: Cli, path: tuple[str, ...]) -> None:
    done = cli(*path, "--help")
    assert (done.code, done.err) == (0, "")
    assert max(map(cell_len, done.out.splitlines())) <= 80
    assert "…│" not in done.out  # nothing is cut off to make it fit


def test_on_a_terminal_of_80_columns_too(tmp_path: Path) -> None:
    code, seen = on_terminal(tmp_path, "train", "--help")
    assert code == 0
    assert max(map(cell_len, bare(seen).splitlines())) <= 80


@pytest.mark.parametrize(("path", "command"), ALL, ids=IDS)
def test_every_option_stands_in_a_group_and_has_a_help_text(path: tuple[str, ...], command: Any) -> None:
    for param in command.params:
        assert param.help, f"ffnn {' '.join(path)}: {param.name} says nothing of itself"
        if not isinstance(param, TyperArgument):
            assert param.rich_help_panel, f"ffnn {' '.join(path)}: {param.name} stands in no group"


@pytest.mark.parametrize(("path", "command"), ALL, ids=IDS)
def test_defaults_have_one_form(path: tuple[str, ...], command: Any) -> None:
    """ "[default: 50]" at the end, and no "(50)"; the folders name their variables instead."""
    for param in command.params:
        text = Text.from_markup(param.help).plain
        assert re.search(r"\[default: [^]]+\]$", text) or "default" not in text, (path, param.name)
        assert not re.search(r"\(\w+( \w+)?\)\.$", text), (path, param.name, text)


def test_train_has_the_groups_of_a_training(cli: Cli) -> None:
    out = cli("train", "--help").out
    heads = re.findall(r"─ ([A-Z][\w& ]+) ─", out)
    assert heads == [
        "Data",
        "Model",
        "Optimizer",
        "Training",
        "Run",
        "Repetition",
        "Workers",
        "Weights & Biases",
        "Folders and output",
    ]


def test_no_python_type_is_shown(cli: Cli) -> None:
    for path, _ in ALL:
        assert not re.search(r"<(str|list|bool|int|path)", cli(*path, "--help").out, re.I), path


def test_ffnn_alone_names_three_commands_to_start_with(cli: Cli) -> None:
    done = cli()
    assert (done.code, done.err) == (0, "")
    start = re.search(r"Start with:\s*\n((?: +ffnn .*\n)+)", done.out)
    assert start is not None
    calls = [line.split("   ")[1].split() for line in start[1].splitlines()]
    assert [call[1] for call in calls] == ["train", "evaluate", "sweep"]
    assert calls[2][2] in shipped_files()
    assert done.out == cli("--help").out
