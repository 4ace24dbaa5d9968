"""Completion by the shell, through the protocol that Typer's scripts speak, and in real shells."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest
from cli_helpers import environment
from typer.core import TyperArgument, TyperGroup, TyperOption
from typer.main import get_command

from ffcli.cli.app import COMMANDS, main
from ffcli.config import FIELDS, Choice, metadata
from ffcli.core.optimizers import OPTIMIZERS
from ffcli.datasets import KNOWN
from ffcli.runs.record import STATUSES

Complete = Callable[..., list[str]]
IDS = ["20260101-000000-000-aaaa", "20260102-000000-000-bbbb"]
SWEEP = "20260103-000000-000-cccc"
HOSTILE = ["a b", "*", "$(touch owned)", "`touch owned`", "it's", '"', "new\nline", "-rf", "\x1b[31m", "é"]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store of two runs and a sweep, and of folders with names that a shell must never see."""
    runs = tmp_path / "runs"
    for name in [*IDS, *HOSTILE]:
        (runs / name).mkdir(parents=True)
        (runs / name / "summary.json").write_text("this is no JSON")
    (runs / "unfinished").mkdir()
    (runs / "sweeps" / SWEEP).mkdir(parents=True)
    (runs / "sweeps" / SWEEP / "study.log").write_bytes(b"neither is this a study")
    return runs


@pytest.fixture
def complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Complete:
    """Completes the last of the words in an empty folder, as bash asks for it."""
    monkeypatch.chdir(tmp_path)
    for variable in ("FFNN_DATA_DIR", "FFNN_RUNS_DIR"):
        monkeypatch.delenv(variable, raising=False)

    def call(*words: str) -> list[str]:
        monkeypatch.setenv("_FFNN_COMPLETE", "complete_bash")
        monkeypatch.setenv("COMP_WORDS", "\n".join(["ffnn", *words]))
        monkeypatch.setenv("COMP_CWORD", str(len(words)))
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main([])
        out, err = capsys.readouterr()
        assert (end.value.code, err) == (0, "")
        return out.split("\n")[:-1] if out.strip() else []

    return call


def test_commands(complete: Complete) -> None:
    assert complete("") == list(COMMANDS)
    assert complete("ev") == ["evaluate"]
    assert complete("runs", "") == ["list", "show", "compare", "rm"]
    assert complete("--runs-dir", "/tmp", "ev") == ["evaluate"]
    assert complete("--version", "ev") == ["evaluate"]


def test_nothing_follows_a_word_that_is_no_command(complete: Complete) -> None:
    assert complete("trian", "") == []
    assert complete("trian", "--opt") == []


@pytest.mark.parametrize("name", [name for name, info in FIELDS.items() if metadata(info, Choice)])
def test_choices_come_from_their_registries(complete: Complete, name: str) -> None:
    registry = metadata(FIELDS[name], Choice).registry
    assert complete("train", f"--{name.replace('_', '-')}", "") == list(registry)


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        (["train", "--optimizer", "n"], ["nesterov", "nadam"]),
        (["train", "-o", "nes"], ["nesterov"]),
        (["train", "--weight_init", "x"], ["xavier", "xavier_normal"]),
        (["train", "-w_i", "x"], ["xavier", "xavier_normal"]),
        (["train", "--epochs", "3", "--no-such-option", "--optimizer", "sg"], ["sgd"]),
        (["train", "--optimizer", "="], list(OPTIMIZERS)),  # as bash parts --optimizer=
        (["train", "--optimizer", "=", "sg"], ["sgd"]),
        (["train", "--dataset", ""], list(KNOWN)),
        (["download", "m"], ["mnist"]),
        (["download", "--source", "deb"], ["debian"]),
        (["train", "--wandb", "o"], ["online", "offline"]),
        (["sweep", "--backend", ""], ["auto", "local", "wandb"]),
        (["runs", "list", "--status", ""], list(STATUSES)),
        (["runs", "list", "--sort", "val_"], ["val_loss", "val_acc", "val_f1"]),
        (["evaluate", "--metric", "val_a"], ["val_acc"]),
        (["train", "--opt"], ["--optimizer"]),
        (["train", "--config", ""], []),  # a file: the shell's own business
        (["train", "--epochs", ""], []),
        (["predict", ""], []),
    ],
)
def test_values(complete: Complete, words: list[str], completed: list[str]) -> None:
    assert complete(*words) == completed


def test_runs_and_sweeps_the_newest_first_and_nothing_that_a_shell_could_run(
    complete: Complete, store: Path
) -> None:
    assert len(list(store.iterdir())) == len(IDS) + len(HOSTILE) + 2
    newest_first = IDS[::-1]
    assert complete("runs", "show", "") == newest_first
    assert complete("evaluate", "20260101") == IDS[:1]
    assert complete("evaluate", IDS[0], "") == IDS[1:]  # the other is there already
    assert complete("train", "--resume", "") == newest_first
    assert complete("predict", "1", "--run", "") == newest_first
    assert complete("report", "") == [SWEEP]
    assert complete("evaluate", "--best", "--sweep", "2") == [SWEEP]
    assert complete("sync", "") == [SWEEP, *newest_first]
    (store / "ensembles").mkdir()
    (store / "ensembles" / f"{IDS[0]}.json").write_text("{}")
    assert complete("ensembles", "show", "") == IDS[:1]


@pytest.mark.parametrize("spelling", [["--runs-dir", "{}"], ["--runs_dir={}"], ["--runs-dir=~/elsewhere"]])
def test_the_folder_of_runs_is_the_one_that_is_named(
    complete: Complete, store: Path, spelling: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(store.parent))
    elsewhere = store.rename(store.parent / "elsewhere")
    words = [word.format(elsewhere) for word in spelling]
    assert complete("runs", "show", "") == []
    assert complete(*words, "runs", "show", "") == IDS[::-1]
    assert complete("runs", "show", *words, "") == IDS[::-1]
    monkeypatch.setenv("FFNN_RUNS_DIR", str(elsewhere))
    assert complete("runs", "show", "") == IDS[::-1]


def test_sweep_files_by_name_and_by_path(complete: Complete, store: Path) -> None:
    (store.parent / "mine.yaml").touch()
    (store.parent / "sweeps").mkdir()
    (store.parent / "sweeps" / "own.yml").touch()
    (store.parent / "my own.yaml").touch()
    completed = complete("sweep", "")
    assert {"quick", "bayes", "mine.yaml", "sweeps/own.yml", SWEEP} <= set(completed)
    assert "my own.yaml" not in completed
    assert complete("sweep", "qui") == ["quick"]


@pytest.mark.parametrize("kind", ["a file", "missing", "forbidden", "a loop"])
def test_a_damaged_store_completes_nothing_and_says_nothing(
    complete: Complete, tmp_path: Path, kind: str
) -> None:
    runs = tmp_path / "runs"
    if kind == "a file":
        runs.touch()
    elif kind == "forbidden":
        runs.mkdir(0)
    elif kind == "a loop":
        runs.symlink_to(runs)
    assert complete("runs", "show", "2") == []
    assert complete("report", "2") == []


@pytest.mark.parametrize(
    ("line", "absent"),
    [
        ("ffnn ev", {"numpy", "yaml", "ffcli.config"}),
        ("ffnn runs show 2", {"numpy", "yaml", "sqlalchemy"}),
        ("ffnn report 2", {"numpy", "yaml", "sqlalchemy", "matplotlib", "plotly"}),
        ("ffnn predict 1 --run 2", {"numpy", "yaml", "PIL"}),
        ("ffnn train --optimizer n", {"sqlalchemy", "optuna", "matplotlib", "wandb", "requests"}),
    ],
)
def test_completion_loads_only_what_holds_the_names(store: Path, line: str, absent: set[str]) -> None:
    code = (
        "import sys\nfrom ffcli.cli.app import main\n"
        "try:\n    main([])\nexcept SystemExit:\n    print(*sys.modules, file=sys.stderr)"
    )
    variables = {
        "_FFNN_COMPLETE": "complete_bash",
        "COMP_WORDS": line,
        "COMP_CWORD": str(line.count(" ")),
        "FFNN_RUNS_DIR": str(store),
    }
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.strip()
    assert not absent & set(done.stderr.split())


FREE = {"N", "K", "INT", "NUMBER", "TEXT", "TIME", "URL", "DIR", "FILE", "PATH_OR_URL", "INDEX"}
FREE |= {"SIZE[,SIZE…]", "I/K", "CONDITION", "NAME[,NAME…]", "COLUMN"}
# Names at W&B and names inside the user's own file: no reading of either while one types.
UNREAD = {"wandb_project", "wandb_entity", "label_column", "sweep_name", "ignore"}


def leaves(command: object, path: str = "") -> list[tuple[str, object]]:
    if isinstance(command, TyperGroup):
        return [leaf for name, sub in command.commands.items() for leaf in leaves(sub, f"{path} {name}")]
    return [(path.strip(), command)]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_value_with_a_name_completes(name: str) -> None:
    """What is no number, free text or file has a completer: who adds an option is reminded here."""
    module = import_module(f"ffcli.cli.commands.{name.replace('-', '_')}")
    for path, command in leaves(get_command(module.app), name):
        for param in command.params:  # type: ignore[attr-defined]
            takes_none = isinstance(param, TyperOption) and param.is_flag
            if takes_none or param.metavar in FREE or param.name in UNREAD:
                continue
            assert isinstance(param, (TyperArgument, TyperOption))
            assert param._custom_shell_complete, f"ffnn {path}: {param.name} ({param.metavar})"


def script(shell: str, folder: Path) -> Path:
    """Write the shell's script as --show-completion has it."""
    path = folder / f"completion.{shell}"
    done = subprocess.run(
        [sys.executable, "-m", "ffcli"],
        env=environment(_FFNN_COMPLETE=f"source_{shell}"),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    path.write_text(done.stdout.replace("python -m ffcli", "ffnn"))
    return path


@pytest.fixture
def shell_environment(tmp_path: Path) -> dict[str, str]:
    """The environment of a shell that finds ``ffnn`` on its path and a home of its own."""
    home = tmp_path / "home"
    home.mkdir()
    (home / ".bashrc").write_text("PS1='$ '\n")  # after the system's own
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    ffnn = bin_folder / "ffnn"
    ffnn.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m ffcli "$@"\n')
    ffnn.chmod(0o755)
    path = f"{bin_folder}{os.pathsep}{os.environ['PATH']}"
    return {**environment(HOME=str(home), PATH=path, TERM="dumb", PS1="$ ", HISTFILE="")}


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
def test_in_fish(store: Path, shell_environment: dict[str, str]) -> None:
    ask = f'source {script("fish", store.parent)}; complete -C "ffnn train --optimizer na"; '
    ask += 'complete -C "ffnn runs show "'
    done = subprocess.run(
        ["fish", "--no-config", "-c", ask],
        cwd=store.parent,
        env=shell_environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.split() == ["nadam", *IDS]


class Shell:
    """A shell on a terminal of its own."""

    def __init__(self, command: list[str], folder: Path, env: dict[str, str]) -> None:
        self._ours, theirs = pty.openpty()
        self._process = subprocess.Popen(
            command, cwd=folder, env=env, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
        )
        os.close(theirs)
        self.seen = ""

    def type(self, keys: str, until: str) -> None:
        """Type ``keys`` and wait for ``until`` to be shown after them."""
        begun = len(self.seen)
        os.write(self._ours, keys.encode())
        ends = time.monotonic() + 30
        while until not in self.seen[begun:]:
            ready, _, _ = select.select([self._ours], [], [], max(ends - time.monotonic(), 0))
            assert ready, f"{until!r} did not show: {self.seen!r}"
            self.seen += re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", os.read(self._ours, 4096).decode())

    def close(self) -> None:
        os.close(self._ours)
        self._process.kill()
        self._process.wait()


def test_installed_and_used_in_bash(store: Path, shell_environment: dict[str, str]) -> None:
    """As a user does it: --install-completion, another terminal, and Tab."""
    subprocess.run(
        ["bash", "-c", "ffnn --install-completion; exit $?"],
        cwd=store.parent,
        env=shell_environment,
        capture_output=True,
        timeout=60,
        check=True,
    )
    shell = Shell(["bash", "-i"], store.parent, shell_environment)
    try:
        shell.type("", until="$ ")
        shell.type("ffnn ev\t", until="evaluate ")
        shell.type("20260102\t", until=f"{IDS[1]} ")
        shell.type("\x15ffnn train --optimizer=nad\t", until="--optimizer=nadam ")
        shell.type("\x15ffnn runs show \t", until="2026010")
        shell.type("\t\t", until=IDS[1])
    finally:
        shell.close()
    assert "touch" not in shell.seen
    assert not (store.parent / "owned").exists()


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
def test_in_zsh(store: Path, shell_environment: dict[str, str]) -> None:
    shell = Shell(["zsh", "-f", "-i"], store.parent, {**shell_environment, "PROMPT": "$ "})
    try:
        setup = f"autoload -Uz compinit; compinit -u; source {script('zsh', store.parent)}; echo rea''dy\n"
        shell.type(setup, until="ready")
        shell.type("ffnn ev\t", until="evaluate ")
        shell.type("20260102\t", until=f"{IDS[1]} ")
    finally:
        shell.close()
    assert not (store.parent / "owned").exists()
