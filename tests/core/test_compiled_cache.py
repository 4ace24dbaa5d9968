"""Where compiled code is cached; training works without Numba, without a cache and with a damaged one."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from typing import Any

import pytest

from ffcli.core import rules

needs_numba = pytest.mark.skipif(find_spec("numba") is None, reason="Numba is not installed")

PROBE = """
import sys
{before}
import json, numpy as np
from ffcli.core import rules
from ffcli.core.optimizers import OPTIMIZERS
w, g = np.ones(9, np.float32), np.full(9, 0.5, np.float32)
optimizer = OPTIMIZERS["adam"](w, g)
optimizer.step()
hits = misses = 0
if rules.compiles():
    from ffcli.core import compiled
    stats = compiled.compiled(compiled._LOOPS[3, 1, 0], type(optimizer).rule).stats
    hits, misses = sum(stats.cache_hits.values()), sum(stats.cache_misses.values())
print(json.dumps([rules.kernels(), w.tobytes().hex(), hits, misses]))
"""


def run(before: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Take a step of adam in a new process."""
    kept = {key: value for key, value in os.environ.items() if key not in ("NUMBA_CACHE_DIR", rules.VARIABLE)}
    return subprocess.run(
        [sys.executable, "-c", PROBE.format(before=before)],
        env={**kept, **environment}, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


def probe(before: str = "", **environment: str) -> list[Any]:
    """Take a step of adam in a new process; return the kernels, the bits, and the cache's hits and misses."""
    done = run(before, **environment)
    assert done.returncode == 0, done.stderr
    result: list[Any] = json.loads(done.stdout)
    return result


def test_without_numba_the_same_step_is_numpys():
    """A module that is None in sys.modules cannot be imported, as if it were not installed."""
    kernels, bits, _, _ = probe("sys.modules['numba'] = None")
    assert kernels == "numpy"
    assert bits == probe(FFNN_KERNELS="numpy")[1] == probe()[1]


def test_numba_is_not_imported_where_it_is_turned_off():
    check = "import atexit; atexit.register(lambda: 'numba' in sys.modules and print('imported'))"
    assert probe(check, FFNN_KERNELS="numpy")[0] == "numpy"


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """A folder of compiled code, to be copied, and what the process that compiled it came to."""
    folder = tmp_path_factory.mktemp("compiled")
    return folder, probe(NUMBA_CACHE_DIR=str(folder))


@pytest.fixture
def cache(first, tmp_path):
    """A copy of the compiled code."""
    return shutil.copytree(first[0], tmp_path / "cache")


@needs_numba
def test_compiled_code_is_loaded_by_the_next_process(first, cache):
    second = probe(NUMBA_CACHE_DIR=str(cache))
    assert first[1][2:] == [0, 1]
    assert second[2:] == [1, 0]
    assert first[1][1] == second[1]


# nothing can be made below a file, whoever asks
READ_ONLY = "from pathlib import Path\nimport ffcli.core.compiled as c\nc.beside = lambda: Path('/dev/null')"


@needs_numba
def test_a_package_that_cannot_be_written_has_its_code_in_the_users_cache(tmp_path):
    for expected in ([0, 1], [1, 0]):
        assert probe(READ_ONLY, XDG_CACHE_HOME=str(tmp_path))[2:] == expected
    assert list((tmp_path / "ffnn").glob("kernels-*/**/*.nbc"))


@needs_numba
def test_where_nothing_can_be_written_nothing_is_kept():
    for _ in range(2):
        kernels, _, hits, misses = probe(READ_ONLY, XDG_CACHE_HOME="/dev/null")
        assert kernels.startswith("numba ")
        assert (hits, misses) == (0, 1)


@needs_numba
@pytest.mark.parametrize("content", [b"", b"\x80\x04garbage"])
@pytest.mark.parametrize("kind", ["nbi", "nbc"])
def test_damaged_code_is_compiled_again(first, cache, kind, content):
    expected = first[1][1]
    (path,) = cache.glob(f"**/*.{kind}")
    path.write_bytes(content)
    assert probe(NUMBA_CACHE_DIR=str(cache))[1] == expected
    assert probe(NUMBA_CACHE_DIR=str(cache))[1:] == [expected, 1, 0]


# a signal while LLVM asks for machine code: what a handler raises then is lost
INTERRUPTED = """
import os, signal
from numba.core.codegen import CPUCodeLibrary
ask = CPUCodeLibrary._object_getbuffer_hook

def interrupted(module):
    os.kill(os.getpid(), signal.SIGINT)
    return ask(module)

CPUCodeLibrary._object_getbuffer_hook = interrupted
"""


@needs_numba
def test_an_interruption_while_code_is_loaded_ends_the_process(cache):
    done = run(INTERRUPTED, NUMBA_CACHE_DIR=str(cache))
    assert done.returncode == -signal.SIGINT
    assert done.stdout == ""


@needs_numba
@pytest.mark.skipif(sys.platform == "win32", reason="there is no lock")
def test_a_process_that_is_stopped_while_it_compiles_holds_up_no_other_for_long(first, cache):
    import fcntl

    (folder,) = cache.iterdir()
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        bits = probe("import ffcli.core.compiled as c; c._LONGEST = 0.5", NUMBA_CACHE_DIR=str(cache))[1]
    finally:
        os.close(descriptor)
    assert bits == first[1][1]


@needs_numba
def test_processes_that_start_together_and_one_that_is_killed_leave_a_sound_cache(tmp_path):
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-c", PROBE.format(before="")]
    started = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    while not list(tmp_path.iterdir()) and any(process.poll() is None for process in started):
        time.sleep(0.002)
    started[0].kill()
    results = [json.loads(process.communicate()[0]) for process in started[1:]]
    started[0].communicate()
    assert results[0][1] == results[1][1]
    assert probe(NUMBA_CACHE_DIR=str(tmp_path))[1:] == [results[0][1], 1, 0]
