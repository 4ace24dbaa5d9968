"""From what goes wrong to a message and an exit code."""

from __future__ import annotations

import errno
import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from cli_helpers import Cli, environment

from ffcli.cli.errors import Interrupted, report
from ffcli.cli.shared import Settings
from ffcli.errors import DataError, FfnnError, RequestError
from ffcli.services import train


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (FfnnError("it broke", hint="Mend it."), 1, "Error: it broke\nMend it.\n"),
        (DataError("no data"), 1, "Error: no data\n"),
        (RequestError("not so"), 2, "Error: not so\n"),
        (typer.BadParameter("no"), 2, "Error: Invalid value: no\n"),
        (typer.Abort(), 130, "Interrupted.\n"),
        (KeyboardInterrupt(), 130, "Interrupted.\n"),
        (Interrupted("Go on."), 130, "Interrupted. Go on.\n"),
        (MemoryError(), 1, "Error: there is not enough memory.\n"),
        (ImportError("libx.so: failed to map segment from shared object"), 1, "Error: there is not enough"),
        (
            OSError(errno.ENOSPC, "No space left on device", "runs/x"),
            1,
            "Error: runs/x: No space left on device\nFree",
        ),
        (
            OSError(errno.EROFS, "Read-only file system", "runs"),
            1,
            "Error: runs: Read-only file system\nOther",
        ),
        (
            PermissionError(errno.EACCES, "Permission denied", "runs"),
            1,
            "Error: runs: Permission denied\nOther folders",
        ),
        (RequestError("a \x1b[31m[bold]name"), 2, "Error: a \\x1b[31m[bold]name\n"),
        (
            KeyError("x"),
            1,
            "Error: unexpected KeyError: 'x'\nThis is a bug in ffnn. --verbose shows the traceback.\n",
        ),
        (OSError("no errno"), 1, "Error: unexpected OSError: no errno\n"),
        (ValueError(), 1, "Error: unexpected ValueError\n"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_table(error: BaseException, code: int, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert report(error, Settings()) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(said)
    assert "Traceback" not in err


def test_what_fails_while_an_interruption_unwinds_is_an_interruption(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """As Optuna's lock of a file does that is interrupted in the middle of its release."""
    with pytest.raises(OSError) as caught:  # noqa: PT011, PT012 - any
        try:
            raise KeyboardInterrupt
        finally:
            Path("/no/such/file").unlink()
    assert report(caught.value, Settings()) == 130
    assert "No such file" not in capsys.readouterr().err


def test_long_messages_stay_on_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    report(RequestError("word " * 100), Settings())
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_verbose_shows_the_traceback_of_a_bug(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise LookupError("oh")

    monkeypatch.setattr("ffcli.services.runs.listing.list_runs", broken)
    for args in (["-v", "runs", "list"], ["runs", "list", "-v"]):
        done = cli(*args)
        assert (done.code, done.out) == (1, "")
        assert "Traceback" in done.err
        assert "Error: unexpected LookupError: oh\nThis is a bug in ffnn.\n" in done.err
    assert "Traceback" not in cli("runs", "list").err
    assert "Traceback" not in cli("-v", "runs", "show", "nope").err


def test_a_runs_folder_that_is_a_file(cli: Cli, tiny: Path) -> None:
    done = cli("train", "-d", tiny, "--runs-dir", tiny)
    assert (done.code, done.out) == (2, "")
    assert str(tiny) in done.err.splitlines()[-1]


def test_a_current_folder_that_was_removed(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # back there in the end
    (tmp_path / "gone").mkdir()
    os.chdir("gone")
    (tmp_path / "gone").rmdir()
    for words in (["runs", "list"], ["report", "--runs-dir", str(tmp_path)], ["--help"]):
        done = cli(*words)
        assert (done.code, done.out) == (1, "")
        assert "folder" in done.err


def test_a_runs_folder_that_cannot_be_made(cli: Cli, tiny: Path) -> None:
    done = cli("train", "-q", "-d", tiny, "--runs-dir", "/proc/runs")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("Error: /proc/runs")
    assert "Traceback" not in done.err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("words", [["runs", "list", "--json"], ["train", "--help"], ["--help"]])
def test_a_full_disk_behind_stdout(tmp_path: Path, words: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "ffcli", *words],
            cwd=tmp_path,
            env=environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=60,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr.startswith(b"Error: stdout: No space left on device")
    assert b"--data-dir" not in done.stderr
    assert b"Traceback" not in done.stderr


def interrupted(folder: Path, *words: str) -> list[str]:
    """Press Ctrl-C in the second epoch that a training shows, and return what it has written."""
    training = subprocess.Popen(
        [sys.executable, "-m", "ffcli", "train", *words],
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert training.stderr is not None
    epochs = 0
    for line in training.stderr:
        epochs += line.startswith("epoch ")
        if epochs == 2:
            break
    training.send_signal(signal.SIGINT)
    out, err = training.communicate(timeout=60)
    assert (training.returncode, out) == (130, "")
    assert "Traceback" not in err
    return err.splitlines()


def test_ctrl_c_ends_a_run_that_can_go_on(tmp_path: Path, tiny: Path, process: Cli) -> None:
    last = interrupted(tmp_path, "-d", str(tiny), "-e", "1000000", "-b", "1")[-1]
    run = last.rpartition(" ")[2]
    assert last == f"Interrupted. Resume with: ffnn train --resume {run}"
    assert '"interrupted"' in process("runs", "show", run, "--json").out


def test_a_finished_run_whose_continuation_is_interrupted_can_be_ended_there(
    tmp_path: Path, tiny: Path, process: Cli
) -> None:
    run = json.loads(process("train", "-d", tiny, "-e", "1", "-b", "1", "--json").out)["run_id"]
    hint = interrupted(tmp_path, "--resume", run, "-e", "1000000")[-2]
    assert process(*shlex.split(hint.rpartition("ffnn ")[2])).code == 0
    assert '"finished"' in process("runs", "show", run, "--json").out


def test_ctrl_c_after_the_last_record_speaks_of_nothing_to_go_on_with(
    cli: Cli, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = train.train

    def ended(*args: Any) -> None:
        real(*args)
        raise KeyboardInterrupt

    monkeypatch.setattr(train, "train", ended)
    done = cli("train", "-d", str(tiny), "-e", "1", "--wandb", "disabled", "--json")
    assert (done.code, json.loads(done.out)["status"]) == (130, "finished")
    assert done.err.splitlines()[-1] == "Interrupted."


def test_progress_without_a_reader_does_not_end_the_training(tmp_path: Path, tiny: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "ffcli", "train", "-d", str(tiny), "-e", "2"],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=writer,
        text=True,
        timeout=60,
        check=False,
    )
    os.close(writer)
    assert done.returncode == 0
    assert "finished" in done.stdout


def test_ctrl_c_in_any_command(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ffcli.services.runs.listing.list_runs", interrupted)
    done = cli("runs", "list")
    assert (done.code, done.out, done.err) == (130, "", "Interrupted.\n")


def test_a_terminal_that_knows_only_ascii(tiny: Path, process: Cli) -> None:
    done = process("train", "-d", tiny, "--dry-run", PYTHONUTF8="0", PYTHONIOENCODING="ascii", LC_ALL="C")
    assert done.code == 0
    done = process("predict", 1, "--hidden-size", 4, "-d", tiny, PYTHONUTF8="0", PYTHONIOENCODING="ascii")
    assert (done.code, done.err.count("Error")) == (0, 0)
    assert "probability" in done.out


def test_stdout_may_be_closed(tmp_path: Path) -> None:
    line = f'"{sys.executable}" -m ffcli runs list --json >&- && "{sys.executable}" -m ffcli runs list >&-'
    done = subprocess.run(
        ["sh", "-c", line],
        cwd=tmp_path,
        env=environment(),
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0
    assert "Error" not in done.stderr


def test_a_thread_that_cannot_be_started_is_no_bug_and_no_interrupt(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """OpenBLAS sends SIGINT to its own process then, which is no Ctrl-C."""
    settings = Settings()
    assert report(RuntimeError("can't start new thread"), settings) == 1
    assert "ulimit -u" in capsys.readouterr().err
    assert report(BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"), settings) == 1
    assert "ulimit -u" in capsys.readouterr().err
    assert report(KeyboardInterrupt(), settings) == 130

    def refuse(_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("threading.Thread.start", refuse)
    assert report(KeyboardInterrupt(), settings) == 1
    assert "ulimit -u" in capsys.readouterr().err
