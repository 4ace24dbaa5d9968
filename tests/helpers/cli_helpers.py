"""What the tests of the command line share beside fixtures."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from ffcli.cli.app import main


@dataclass(frozen=True)
class Done:
    """What a call of the command came to."""

    code: int
    out: str
    err: str


Cli = Callable[..., Done]


def in_process(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Return what calls the command within this process, in a folder and away from any terminal."""
    monkeypatch.chdir(folder)
    for variable in ("FFNN_DATA_DIR", "FFNN_RUNS_DIR", "COLUMNS", "FORCE_COLOR"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr("sys.stdin", io.StringIO())

    def call(*args: object) -> Done:
        capsys.readouterr()
        code = main([str(arg) for arg in args])
        return Done(code, *capsys.readouterr())

    return call


def environment(**more: str) -> Mapping[str, str]:
    """The environment for a process of the command; its standard streams are in UTF-8."""
    root = str(Path(__file__).parents[2])
    unwanted = {"FFNN_DATA_DIR", "FFNN_RUNS_DIR", "COLUMNS", "NO_COLOR", "FORCE_COLOR", "TERM"}
    kept = {key: value for key, value in os.environ.items() if key not in unwanted}
    return {**kept, "PYTHONPATH": root, "PYTHONUTF8": "1", **more}


def on_terminal(
    folder: Path, *args: str, answer: str = "", columns: int = 80, **variables: str
) -> tuple[int, str]:
    """Return the exit code and everything that a terminal got to see."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "ffcli", *args],
        cwd=folder,
        env=environment(**{"TERM": "xterm-256color", **variables}),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    os.write(ours, answer.encode())
    seen = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # the terminal is gone with its last process
            break
        if not piece:
            break
        seen += piece
    os.close(ours)
    return process.wait(60), seen.decode("utf-8", "replace")


def bare(text: str) -> str:
    """Return what is left without the escape sequences."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
