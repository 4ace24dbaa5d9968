"""How the process of W&B's SDK ends."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

from ffcli.sweeping.wandb.service import end_in_time

# The SDK's hook waits without a limit for a process that does not end by itself.
STUCK = """
import atexit, subprocess, sys
from types import SimpleNamespace
from ffcli.sweeping.wandb import service as wandb_service

process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
atexit.register(lambda: print(process.wait()))
wandb_service._PATIENCE = 0.1
wandb_service.end_in_time(SimpleNamespace(_connection=SimpleNamespace(_proc=SimpleNamespace(_process=process))))
sys.exit(3)
"""

REAL = """
import subprocess, wandb
from ffcli.sweeping.wandb import service as wandb_service

setup = wandb.setup(wandb.Settings(silent=True))
setup.ensure_service()
assert isinstance(setup._connection._proc._process, subprocess.Popen)
wandb_service.end_in_time(setup)
"""


def run(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False
    )


def test_a_service_that_does_not_end_is_ended_and_the_exit_code_kept() -> None:
    done = run(STUCK)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (3, "-9", "")


def test_the_sdk_keeps_its_process_where_it_is_looked_for() -> None:
    done = run(REAL)
    assert (done.returncode, done.stderr) == (0, "")


def test_nothing_is_done_without_such_a_process() -> None:
    for setup in (
        None,
        SimpleNamespace(_connection=None),
        SimpleNamespace(_connection=SimpleNamespace(_proc=None)),
    ):
        end_in_time(setup)
