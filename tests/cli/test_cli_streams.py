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


def test_the_table_of_commands_says_what_their_docstrings_say(process: Cli) -> None:
    for name, line in COMMANDS.items():
        text = " ".join(process(name, "--help", COLUMNS="200").out.split())
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
