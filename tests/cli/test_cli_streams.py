"""Closed streams, early Ctrl-C, memory: what only a process of its own can show."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cli_helpers import Cli, environment

from ffcli.cli.app import COMMANDS


def test_with_stderr_closed_the_command_does_its_work(tmp_path: Path, tiny: Path) -> None:
    command = f'"{sys.executable}" -m ffcli train -d "{tiny}" -e 1 --json 2>&-'
    done = subprocess.run(
        ["sh", "-c", command], cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    assert json.loads(done.stdout)["status"] == "finished"
    wrong = subprocess.run(
        ["sh", "-c", f'"{sys.executable}" -m ffcli evaluate nope 2>&-'],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        check=False,
    )
    assert wrong.returncode == 2


@pytest.mark.parametrize("delay", [0.0, 0.03, 0.08])
def test_an_early_ctrl_c_leaves_no_traceback(tmp_path: Path, delay: float) -> None:
    loaded = "import sys; from ffcli.__main__ import main; print(flush=True); sys.exit(main())"
    process = subprocess.Popen(
        [sys.executable, "-c", loaded, "runs", "list"],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(delay)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    # the signal may come before main() is entered: that frame is this test's own
    assert set(re.findall('File "(.*?)"', errors)) <= {"<string>"}
    assert process.returncode in (0, 130, -signal.SIGINT)


def test_an_interrupted_run_shows_its_document_and_how_to_go_on(tmp_path: Path, tiny: Path) -> None:
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "ffcli",
            *f"train -d {tiny} -e 100000 -b 8 --json --runs-dir".split(),
            "else where",
        ],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    while "epoch 2/" not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    document = json.loads(out)
    assert document["status"] == "interrupted"
    assert len(document["epochs"]) == document["epochs_done"] >= 2
    go_on = errors.splitlines()[-1]
    assert go_on.endswith(f"ffnn train --resume {document['run_id']} --runs-dir 'else where'")


def test_the_table_of_commands_says_what_their_docstrings_say(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    for name, line in COMMANDS.items():
        text = " ".join(cli(name, "--help").out.split())
        assert line in text


@pytest.mark.network  # fetches Fashion-MNIST where it is missing
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
def test_training_the_default_network_stays_below_250_mb(tmp_path: Path) -> None:
    data = os.environ.get("FFNN_DATA_DIR") or str(Path(__file__).parents[2] / "data")
    code = (
        "from ffcli.cli.app import main\n"
        f"code = main(['train', '-e', '1', '--data-dir', {data!r}, '-q'])\n"
        "peak = next(line for line in open('/proc/self/status') if line.startswith('VmHWM')).split()[1]\n"
        "print('PEAK', code, peak)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    code, peak = done.stdout.splitlines()[-1].split()[1:]
    assert (code, int(peak) < 250_000) == ("0", True)


TRAIN = [sys.executable, "-m", "ffcli", "train", "-sz", "4", "-nhl", "1", "--wandb", "disabled", "--json"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
@pytest.mark.parametrize(
    "words", [["train", "-e", "2"], ["evaluate", "nope"], ["trian"], ["--help"]], ids=str
)
def test_a_disk_that_is_full_behind_stderr_changes_nothing(
    tmp_path: Path, tiny: Path, words: list[str]
) -> None:
    words = [*words, "-d", str(tiny), "--json"] if words[0] == "train" else words
    codes, outputs = [], []
    for stderr in (os.devnull, "/dev/full"):
        with Path(stderr).open("w") as sink:
            done = subprocess.run(
                [sys.executable, "-m", "ffcli", *words],
                cwd=tmp_path,
                env=environment(),
                stdout=subprocess.PIPE,
                stderr=sink,
                check=False,
            )
        codes.append(done.returncode)
        outputs.append(bool(done.stdout))
    assert codes[0] == codes[1]
    assert outputs[0] == outputs[1]


def test_a_reader_of_stderr_that_reads_nothing_does_not_stop_the_training(tmp_path: Path, tiny: Path) -> None:
    import fcntl

    ours, theirs = os.pipe()
    try:
        room = fcntl.fcntl(theirs, fcntl.F_SETPIPE_SZ, 4096)
        process = subprocess.Popen(
            [*TRAIN, "-d", str(tiny), "-e", str(room // 40)],
            cwd=tmp_path,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=theirs,
        )
        out, _ = process.communicate(timeout=120)
        os.close(theirs)
        theirs = -1
        shown = os.read(ours, 2 * room)
    finally:
        for descriptor in {ours, theirs} - {-1}:
            os.close(descriptor)
    assert process.returncode == 0
    assert len(json.loads(out)["epochs"]) == room // 40
    assert shown.startswith(b"tiny.npz: read into ")
    assert len(shown) <= room


def test_a_terminal_that_goes_away_does_not_stop_a_training_that_ignores_it(
    tmp_path: Path, tiny: Path
) -> None:
    """As under nohup, which has the signal ignored."""
    ours, theirs = os.openpty()
    ignoring = "import signal, sys; signal.signal(signal.SIGHUP, signal.SIG_IGN)"
    program = f"{ignoring}; from ffcli.__main__ import main; sys.exit(main())"
    process = subprocess.Popen(
        [sys.executable, "-c", program, *TRAIN[3:], "-d", str(tiny), "-e", "60"],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=theirs,
    )
    os.close(theirs)
    shown = b""
    while b"/60" not in shown:
        shown += os.read(ours, 4096)
    os.close(ours)
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    assert json.loads(out)["status"] == "finished"


@pytest.mark.parametrize("stream", [0, 1, 2])
def test_no_file_takes_the_number_of_a_closed_stream(tmp_path: Path, tiny: Path, stream: int) -> None:
    """What a library writes to stderr would go into the history of the run."""
    sentinel = f"import os; os.write({stream}, b'not of the run') if {stream} else None"
    program = (
        "import sys, os; from ffcli.__main__ import main; from ffcli.runs import recorder\n"
        "true = recorder.append\n"
        f"def append(path, text):\n    {sentinel}\n    true(path, text)\n"
        "recorder.append = append\n"
        "sys.exit(main())"
    )
    command = f'"$0" "$@" {stream}>&-' if stream else '"$0" "$@" 0<&-'
    words = [sys.executable, "-c", program, *TRAIN[3:], "-d", str(tiny), "-e", "3"]
    done = subprocess.run(
        ["sh", "-c", command, *words], cwd=tmp_path, env=environment(), capture_output=True, check=False
    )
    assert done.returncode == 0
    files = [path for path in (tmp_path / "runs").rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if b"not of the run" in path.read_bytes()]
