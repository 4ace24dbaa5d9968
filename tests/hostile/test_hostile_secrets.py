"""A password in an address and a key of W&B are in nothing that is shown, stored, or seen of a process."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from cli_helpers import Cli
from hostile_helpers import ROOT, Trained, write_tiny

SECRET = "S3CRET-hunter2-p4ssw0rd"
KEY = "0123456789abcdef" * 3  # as long as a key of W&B, and like one


def holding(folder: Path, secret: str) -> list[Path]:
    """Return the files below a folder in which a secret stands."""
    found = []
    for parent, _, names in os.walk(folder):
        for path in (Path(parent, name) for name in names):
            with suppress(FileNotFoundError):  # the W&B process still removes what it needs no longer
                found += [path] if path.is_file() and secret.encode() in path.read_bytes() else []
    return found


class Watched:
    """Runs a command and notes the command lines of all processes that it starts."""

    def __init__(self, folder: Path, *args: str, **variables: str) -> None:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1", **variables}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "ffcli", *args],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.children: set[str] = set()
        own = "".join(f"{word}\0" for word in (sys.executable, "-m", "ffcli", *args))
        while self.process.poll() is None:
            self._look(self.process.pid)
            time.sleep(0.02)
        self.children.discard(own)  # of a child in the moment before it becomes another program
        self.out, self.err = self.process.communicate()

    def _look(self, pid: int) -> None:
        for folder in Path(f"/proc/{pid}/task").glob("*/children"):
            try:
                children = folder.read_text().split()
            except OSError:  # it has just ended
                continue
            for child in children:
                try:
                    self.children.add(Path(f"/proc/{child}/cmdline").read_text())
                except (OSError, UnicodeDecodeError):
                    continue
                self._look(int(child))


def test_the_address_of_a_download(copied: Trained, cli: Cli) -> None:
    url = f"http://me:{SECRET}@127.0.0.1:1/mnist.npz?token={SECRET}"
    done = cli("download", "mnist", "--from", url, "--verbose")
    assert done.code == 1
    assert SECRET not in done.out + done.err
    done = cli("download", "mnist", "--from", f"ftp://me:{SECRET}@127.0.0.1/x", "--verbose")
    assert done.code == 2
    assert SECRET not in done.out + done.err
    assert holding(copied.folder, SECRET) == []


@pytest.mark.parametrize(
    "words",
    [
        ["runs", "list", f"postgresql://me:{SECRET}@host/db"],
        ["train", "--dataset", f"postgresql://me:{SECRET}@host/db"],
        ["sweep", f"postgresql://me:{SECRET}@host/db"],
        ["sweep", "quick", "--cluster", f"http://me:{SECRET}@host/db"],
    ],
)
def test_an_address_in_the_wrong_place(cli: Cli, words: list[str]) -> None:
    done = cli(*words)
    assert done.code == 2
    assert SECRET not in done.out + done.err


def test_a_key_in_every_place_that_wandb_knows(tmp_path: Path) -> None:
    """Trained offline and with a server that is not there, the key stands nowhere but where it was put."""
    home = tmp_path / "home"
    home.mkdir()
    (home / ".netrc").write_text(f"machine 127.0.0.1:9\n  login user\n  password {KEY}\n")
    (home / ".netrc").chmod(0o600)
    (tmp_path / "tmp").mkdir()
    write_tiny(tmp_path / "tiny.npz")
    small = ["train", "-d", "tiny.npz", "-e", "1", "-sz", "3", "--json"]
    base = {
        "HOME": str(home),
        "TMPDIR": str(tmp_path / "tmp"),
        "WANDB_MODE": "",
        "WANDB_ERROR_REPORTING": "false",
    }
    base |= {"WANDB_BASE_URL": "http://127.0.0.1:9", "WANDB_INIT_TIMEOUT": "2", "WANDB_FINISH_TIMEOUT": "2"}
    for name in ("CACHE_DIR", "CONFIG_DIR", "DATA_DIR"):
        base[f"WANDB_{name}"] = str(home / name)
    said: list[str] = []
    for variables in ({}, {"WANDB_API_KEY": KEY}):
        for mode in ("offline", "online"):
            done = Watched(tmp_path, *small, "--wandb", mode, **base, **variables)
            assert done.process.returncode == 0, done.err
            assert any("wandb_process" in line for line in done.children)
            said += [done.out, done.err, *done.children]
    assert [text for text in said if KEY in text] == []
    assert holding(tmp_path, KEY) == [home / ".netrc"]
