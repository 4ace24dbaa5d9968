"""The private parts of W&B's SDK: what is there, and how its process ends."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
import wandb

from ffcli.errors import FfnnError
from ffcli.sweeping.wandb.private import KNOWN, end_in_time, failed_request, service_of

# The SDK's hook waits without a limit for a process that does not end by itself.
STUCK = """
import atexit, subprocess, sys
from types import SimpleNamespace
from ffcli.sweeping.wandb import private

process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
atexit.register(lambda: print(process.wait()))
private._PATIENCE = 0.1
private.end_in_time(SimpleNamespace(_connection=SimpleNamespace(_proc=SimpleNamespace(_process=process))))
sys.exit(3)
"""

REAL = """
import subprocess, wandb
from ffcli.sweeping.wandb import private

setup = wandb.setup(wandb.Settings(silent=True))
setup.ensure_service()
assert isinstance(setup._connection._proc._process, subprocess.Popen)
private.end_in_time(setup)
"""

# The SDK's process does not start: `wandb.setup` would wait for its own lock then.
UNSTARTED = """
import wandb
from wandb.sdk.lib.service import service_process
from ffcli.sweeping.wandb import private

def launch(*_, **__):
    raise OSError("it dies")

service_process._launch_server = launch
setup = private.set_up(wandb.Settings(silent=True))
try:
    wandb.Api(api_key="x" * 40, overrides={"base_url": "http://127.0.0.1:1"}).viewer
except Exception as error:
    print(error)
"""

KILLED = """
import wandb
from ffcli.sweeping.wandb import private

setup = private.set_up(wandb.Settings(silent=True))
setup.ensure_service()
setup._connection._proc._process.kill()
setup._connection._proc._process.wait()
private.end_in_time(setup)
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


def test_a_process_that_does_not_start_is_an_error_and_not_waited_for() -> None:
    done = run(UNSTARTED)
    assert (done.returncode, done.stderr) == (0, "")
    assert "it dies" in done.stdout


def test_a_process_that_was_killed_leaves_no_traceback() -> None:
    done = run(KILLED)
    assert (done.returncode, done.stderr) == (0, "")


def test_nothing_is_done_without_such_a_process() -> None:
    for setup in (
        None,
        SimpleNamespace(_connection=None),
        SimpleNamespace(_connection=SimpleNamespace(_proc=None)),
    ):
        end_in_time(setup)


@pytest.mark.parametrize("lacking", ["type", "connection"])
def test_an_sdk_without_the_private_parts_is_refused_with_the_known_versions(
    monkeypatch: pytest.MonkeyPatch, lacking: str
) -> None:
    if lacking == "type":
        monkeypatch.setitem(sys.modules, "wandb.sdk.lib.service.service_connection", None)
        call: Callable[[], object] = failed_request
    else:
        call = partial(service_of, object())
    with pytest.raises(FfnnError) as caught:
        call()
    assert KNOWN in str(caught.value)
    assert wandb.__version__ in str(caught.value)
    assert "--backend local" in str(caught.value.hint)
    assert "wandb agent" in str(caught.value.hint)


def test_the_dependency_is_what_is_known() -> None:
    text = (Path(__file__).parents[3] / "pyproject.toml").read_text()
    assert f'"{KNOWN}"' in text


def test_the_installed_sdk_has_the_private_parts() -> None:
    assert issubclass(failed_request(), Exception)
