"""The pool of local processes: how its workers start, end and fail."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from multiprocessing import Pipe
from pathlib import Path

import pytest
from child_processes import die_with_parent, is_gone, wait_until
from pool_helpers import Pool
from small_runs import Place, write_dataset
from tracking_helpers import UNBEGUN

from ffcli.errors import FfnnError
from ffcli.execution.local_worker import ParentGoneError, receive
from ffcli.execution.open import PoolOptions
from ffcli.execution.pool import TaskLost
from ffcli.execution.training import is_fatal

Opened = Callable[[PoolOptions], Pool]

DIES_AT_THE_RUN = """
import os

true_rename = os.rename

def rename(*names):
    if ".begun-" in str(names[0]):
        {first}
        os.kill(os.getpid(), 9)
    true_rename(*names)

os.rename = rename
"""

COORDINATOR = """
import sys
from pathlib import Path
sys.path.append(sys.argv[1])
from pool_helpers import Pool
from small_runs import Place
from ffcli.execution.open import PoolOptions, open_pool

place = Place(Path(sys.argv[2]))
with open_pool(place.context, PoolOptions(1)) as opened:
    pool = Pool(place, opened)
    pool.submit(config={"epochs": int(sys.argv[3])}, waits_for_verdict=sys.argv[4] == "wait")
    pool.epoch(1)
    print(pool.started().worker.rpartition(":")[2], flush=True)
    pool.ended()
"""


def coordinator(tmp_path: Path, *words: object, **streams: int) -> subprocess.Popen[str]:
    """Start a process that has a task trained; it prints the worker's number after the first epoch."""
    script = tmp_path / "script" / "coordinator.py"
    script.parent.mkdir()
    script.write_text(COORDINATOR)
    helpers = Path(__file__).parents[1] / "helpers"
    folder = tmp_path / "place"
    folder.mkdir()
    return subprocess.Popen(
        [sys.executable, str(script), str(helpers), str(folder), *map(str, words)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        preexec_fn=die_with_parent,  # noqa: PLW1509 - nothing of this process holds a lock then
        **streams,  # type: ignore[call-overload]
    )


def sitecustomize(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Have every Python that is started from now on run this first."""
    (tmp_path / "faults").mkdir()
    (tmp_path / "faults" / "sitecustomize.py").write_text(code)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "faults"), prepend=os.pathsep)


NAMES = (
    *("types", "struct", "math", "random", "logging", "enum", "re", "os", "io", "json", "pickle", "copy"),
    *("socket", "select", "selectors", "signal", "subprocess", "tempfile", "threading", "queue", "time"),
    *("functools", "collections", "contextlib", "dataclasses", "typing", "linecache", "multiprocessing"),
    *("numpy", "pydantic", "yaml", "safetensors", "threadpoolctl", "sitecustomize", "ffcli"),
)


def test_workers_import_nothing_from_the_current_folder(tmp_path: Path) -> None:
    for name in NAMES:
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'imported')!r}, 'a').write({name!r})\n")
    with coordinator(tmp_path, 1, "go") as process:
        assert process.wait(60) == 0
    assert not (tmp_path / "imported").exists()
    (run,) = Place(tmp_path / "place").context.runs.records()
    assert run.status == "finished"


@pytest.mark.parametrize("waits", ["wait", "go"])
def test_a_worker_ends_when_its_parent_is_killed(tmp_path: Path, waits: str) -> None:
    with coordinator(tmp_path, 100_000, waits) as process:
        assert process.stdout is not None
        worker = int(process.stdout.readline())
        process.kill()
    wait_until(lambda: is_gone(worker))
    (run,) = Place(tmp_path / "place").context.runs.records()
    assert run.status == "interrupted"


def test_a_parent_that_ended_without_having_read_all_is_gone_too() -> None:
    ours, theirs = Pipe()
    theirs.send("an epoch")
    ours.close()
    with theirs, pytest.raises(ParentGoneError):
        receive(theirs)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_standard_error_that_takes_nothing_fails_no_work(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full, coordinator(tmp_path, 3, "go", stderr=full.fileno()) as process:
        assert process.wait(60) == 0
    (run,) = Place(tmp_path / "place").context.runs.records()
    assert (run.status, run.epochs_done) == ("finished", 3)


def test_workers_that_die_before_they_begin_fail_the_pool(
    opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = opened(PoolOptions(2))
    sitecustomize(tmp_path, monkeypatch, "import os; os.kill(os.getpid(), 9)")
    for n in range(7):  # three of each worker, and one more
        pool.submit(f"task {n}")
        assert "SIGKILL" in pool.lost(f"task {n}").reason
    with pytest.raises(FfnnError, match="7 worker processes"):
        pool.pool.submit(pool.task("one more"))
    with pytest.raises(FfnnError, match="SIGKILL"):
        pool.pool.wait(0)


@pytest.mark.parametrize("appears", [True, False])
def test_the_run_of_a_worker_that_dies_while_it_begins_is_known(
    opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, appears: bool
) -> None:
    pool = opened(PoolOptions(1))
    sitecustomize(tmp_path, monkeypatch, DIES_AT_THE_RUN.format(first="true_rename(*names)" * appears))
    pool.submit()
    assert [pool.lost().run_id] == (pool.place.context.runs.ids() or [None])
    assert (pool.lost().run_id is not None) is appears


def test_workers_that_die_of_their_trainings_do_not(opened: Opened) -> None:
    """As those that need more memory than there is: whether they are tried again is up to the caller."""
    pool = opened(PoolOptions(1))
    for n in range(5):
        pool.submit(f"dies {n}", waits_for_verdict=True)
        pool.kill(f"dies {n}")
        assert pool.lost(f"dies {n}").run_id == pool.started(f"dies {n}").run_id
    pool.submit("ends")
    assert pool.ended("ends").status == "finished"


def test_a_worker_that_is_told_to_end_says_so(opened: Opened) -> None:
    pool = opened(PoolOptions(1))
    pool.submit(config={"epochs": 100_000})
    pool.epoch(1)
    pool.kill(number=signal.SIGTERM)
    ended = pool.ended()
    assert (ended.status, ended.error, ended.fatal) == ("interrupted", None, False)
    assert ended.run_id is not None
    assert pool.place.context.runs.read(ended.run_id).status == "interrupted"
    pool.submit("two")
    assert pool.ended("two").status == "finished"
    assert pool.of(TaskLost) == []


@pytest.mark.parametrize("seconds", [0.5, pytest.param(180, marks=pytest.mark.slow)])
def test_a_stopped_worker_continues_where_it_was(opened: Opened, seconds: float) -> None:
    pool = opened(PoolOptions(1))
    pool.submit(waits_for_verdict=True)
    pool.epoch(1)
    pool.kill(number=signal.SIGSTOP)
    pool.pool.verdict("one", stop=False)
    assert not pool.pool.wait(seconds)
    pool.kill(number=signal.SIGCONT)
    pool.epoch(2)


def test_a_dataset_that_is_replaced_in_between_is_refused(opened: Opened) -> None:
    pool = opened(PoolOptions(1))
    pool.submit("before")
    assert pool.ended("before").status == "finished"
    write_dataset(pool.place.dataset, seed=1)
    pool.submit("after")
    ended = pool.ended("after")
    assert (ended.status, ended.fatal) == ("failed", True)


@pytest.mark.parametrize(
    "cause", ["EDQUOT", "EIO", "EROFS", "EMFILE", "ENFILE", "EFBIG", "EACCES", "EPERM", "ENOENT"]
)
def test_limits_of_the_machine_and_the_process_are_no_fault_of_a_task(cause: str) -> None:
    assert is_fatal(OSError(getattr(errno, cause), "")) is (cause != "ENOENT")


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc")
@pytest.mark.parametrize(("cause", "fatal"), [("ENOSPC", True), ("EDQUOT", True), ("EINVAL", False)])
def test_a_full_disk_is_no_fault_of_the_task(
    opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cause: str, fatal: bool
) -> None:
    pool = opened(PoolOptions(1))
    sitecustomize(tmp_path, monkeypatch, UNBEGUN)
    monkeypatch.setenv("TEST_ERRNO", cause)
    pool.submit()
    ended = pool.ended()
    assert (ended.status, ended.run_id, ended.fatal) == ("failed", None, fatal)
    assert "no such luck" in (ended.error or "")
