"""A Dask cluster whose processes and connections fail under a pool."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from child_processes import die_with_parent, is_gone, wait_until
from dask_clusters import Cluster, Proxy
from pool_helpers import Pool

from ffcli.errors import FfnnError
from ffcli.execution import dask, dask_client, dask_link
from ffcli.execution.dask_client import is_exposed
from ffcli.execution.open import PoolOptions
from ffcli.execution.pool import Notice, TaskEnded, TaskEpoch, TaskLost

Opened = Callable[[PoolOptions], Pool]
LONG = {"epochs": 100_000, "batch_size": 1, "hidden_size": 128}  # an epoch takes some hundredths of a second


def notices(pool: Pool) -> str:
    return " ".join(event.text for event in pool.events if isinstance(event, Notice))


def opened_on(cluster: Cluster, opened: Opened, n: int, workers: int = 0, address: str | None = None) -> Pool:
    """Open a pool and wait for ``n`` workers."""
    pool = opened(PoolOptions(workers, address or cluster.address))
    pool.until(lambda: pool.pool.size == n)
    return pool


def test_workers_that_join_late_are_used(cluster: Cluster, opened: Opened) -> None:
    pool = opened(PoolOptions(0, cluster.address))
    assert pool.pool.free == 0
    assert not [event for event in pool.pool.wait(0) if not isinstance(event, Notice)]
    cluster.worker()
    pool.submit()
    assert pool.ended().status == "finished"
    cluster.worker()
    pool.until(lambda: pool.pool.size == 2)


def test_a_task_whose_worker_has_other_work_is_told_of_once_and_trained_then(
    cluster: Cluster, opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from distributed import Client

    monkeypatch.setattr(dask, "_LATE", 1.0)
    begun, free = tmp_path / "begun", tmp_path / "free"
    cluster.worker()
    pool = opened_on(cluster, opened, 1)
    with Client(cluster.address, set_as_default=False) as other:
        busy = other.submit(lambda: [begun.touch(), *(time.sleep(0.05) for _ in iter(free.exists, True))])
        wait_until(begun.exists)
        pool.submit()
        told = notices(pool).count(cluster.address) + 1
        try:
            pool.until(lambda: notices(pool).count(cluster.address) == told)
            later = time.monotonic() + 2
            pool.until(lambda: time.monotonic() > later)
            assert notices(pool).count(cluster.address) == told, "one message is enough"
        finally:
            free.touch()
        assert busy.result()
    assert pool.ended().status == "finished"


def test_no_more_tasks_are_open_than_asked_for(cluster: Cluster, opened: Opened) -> None:
    cluster.worker(2)
    pool = opened(PoolOptions(1, cluster.address))
    pool.until(lambda: len(pool.pool._accepted) == 2)  # type: ignore[attr-defined]
    assert pool.pool.size == 1
    pool.submit(waits_for_verdict=True)
    assert pool.pool.free == 0


def test_a_node_that_goes_loses_its_task_and_another_takes_it(cluster: Cluster, opened: Opened) -> None:
    node = cluster.worker()
    pool = opened_on(cluster, opened, 1)
    pool.submit(waits_for_verdict=True)
    pool.epoch(1)
    told = notices(pool)
    cluster.end(node)  # nanny and worker
    assert pool.lost().run_id == pool.started().run_id
    pool.until(lambda: pool.pool.size == 0)
    assert f"dask worker {cluster.address}" in notices(pool).removeprefix(told)
    cluster.worker(nanny=False)
    pool.submit("again")
    assert pool.ended("again").status == "finished"


def test_a_worker_without_a_nanny_that_is_killed_loses_its_task(cluster: Cluster, opened: Opened) -> None:
    cluster.worker(nanny=False)
    cluster.worker(nanny=False)
    pool = opened_on(cluster, opened, 2)
    pool.submit(config=LONG)
    pool.epoch(1)
    pool.kill()
    pool.lost()
    pool.submit("again")
    assert pool.ended("again").status == "finished"
    assert len(pool.of(TaskLost)) == 1


def test_a_local_cluster_whose_processes_are_killed_is_not_waited_for(opened: Opened) -> None:
    pytest.importorskip("distributed")
    pool = opened(PoolOptions(1, "local"))
    pool.submit(config=LONG)
    pool.epoch(1)
    pool.pool._link._starter.kill()  # type: ignore[attr-defined]
    with pytest.raises(FfnnError, match="exit code -9"):
        pool.until(lambda: False)


def test_a_stopped_worker_continues_where_it_was(cluster: Cluster, opened: Opened) -> None:
    cluster.worker()
    pool = opened_on(cluster, opened, 1)
    pool.submit(config=LONG)
    pool.epoch(1)
    pool.kill(number=signal.SIGSTOP)
    threading.Timer(5, pool.kill, kwargs={"number": signal.SIGCONT}).start()
    before = len(pool.of(TaskEpoch))
    pool.until(lambda: len(pool.of(TaskEpoch)) > before + 20)
    assert not pool.of(TaskLost)
    pool.pool.stop("one")
    assert pool.ended().status == "pruned"


@pytest.mark.slow
def test_a_worker_that_no_longer_answers_is_lost(
    tmp_path: Path, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL", "2s")
    with Cluster(tmp_path) as cluster:
        cluster.worker(nanny=False)
        pool = opened_on(cluster, opened, 1)
        pool.submit(config=LONG)
        pool.epoch(1)
        pool.kill(number=signal.SIGSTOP)
        pool.lost()
        cluster.worker()
        pool.submit("again")
        assert pool.ended("again").status == "finished"


def patched(folder: Path, source: str) -> dict[str, str]:
    """Return the environment in which workers run some lines before all else."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(source)
    return {"PYTHONPATH": str(folder)}


FULL_DISK = """
import ffcli.execution.dask_data as data

def save(*_):
    raise OSError(28, "No space left on device")

data.save = save
"""


def test_a_worker_whose_machine_fails_is_not_used_any_more(
    cluster: Cluster, opened: Opened, tmp_path: Path
) -> None:
    cluster.worker(**patched(tmp_path / "patch", FULL_DISK))
    pool = opened_on(cluster, opened, 1)
    (failing,) = pool.pool._accepted  # type: ignore[attr-defined]
    node = cluster.worker(local_directory="elsewhere")
    pool.until(lambda: pool.pool.size == 2)
    pool.submit("one")
    pool.submit("two")
    pool.until(lambda: len(pool.of(TaskLost, "one") + pool.of(TaskLost, "two")) == 1)
    (lost,) = pool.of(TaskLost, "one") + pool.of(TaskLost, "two")
    assert lost.worker_failed
    assert failing in lost.reason
    assert "No space" in lost.reason
    assert pool.ended("two" if lost.key == "one" else "one").status == "finished"
    assert pool.pool.size == 1
    assert failing not in notices(pool), "one message is enough"
    pool.submit("again")
    assert pool.ended("again").status == "finished"
    cluster.end(node)
    with pytest.raises(FfnnError, match="No space") as caught:
        pool.until(lambda: False)
    assert caught.value.exit_code == 1


LOSES_A_MESSAGE = """
import ffcli.execution.dask_task as task

deliver, n = task.deliver, 0

def deliver_but_one(token, message):
    global n
    n += 1
    if n == {lost}:
        raise OSError("the mail is lost")
    deliver(token, message)

task.deliver = deliver_but_one
"""


@pytest.mark.parametrize("lost", [1, 2])  # part of the dataset, "go" or a verdict
def test_a_task_that_a_message_does_not_reach_is_lost(
    cluster: Cluster, opened: Opened, tmp_path: Path, lost: int
) -> None:
    cluster.worker(**patched(tmp_path / "patch", LOSES_A_MESSAGE.format(lost=lost)))
    pool = opened_on(cluster, opened, 1)
    pool.submit(waits_for_verdict=True)
    if lost == 2:
        pool.until(lambda: bool(pool.of(TaskEpoch)) or bool(pool.of(TaskLost)))
        pool.pool.verdict("one", stop=False)
    assert "lost" in pool.lost().reason
    pool.submit("again")
    assert pool.ended("again").status == "finished"
    assert len(pool.of(TaskLost)) == 1


ANSWERS = """
import time
import ffcli.execution.dask_task as task

versions, began = task.versions, time.monotonic()

def slow_or_late():
    if {slow} and time.monotonic() < began + 30:
        time.sleep(30)
    if time.monotonic() < began + {fails}:
        raise ConnectionResetError("for a moment")
    return versions()

task.versions = slow_or_late
"""


def test_a_worker_that_does_not_answer_holds_up_no_other(
    cluster: Cluster, opened: Opened, tmp_path: Path
) -> None:
    cluster.worker()
    pool = opened_on(cluster, opened, 1)
    cluster.worker(**patched(tmp_path / "slow", ANSWERS.format(slow=True, fails=0)))
    pool.until(lambda: len(pool.pool._present) == 2)  # type: ignore[attr-defined]
    node = cluster.worker()
    pool.until(lambda: pool.pool.size == 2, 15)
    cluster.end(node)
    pool.until(lambda: pool.pool.size == 1, 15)
    pool.until(lambda: pool.pool.size == 2)  # it has answered


def test_a_worker_whose_connection_fails_for_a_moment_is_asked_again(
    cluster: Cluster, opened: Opened, tmp_path: Path
) -> None:
    pool = opened(PoolOptions(0, cluster.address))
    cluster.worker(**patched(tmp_path / "late", ANSWERS.format(slow=False, fails=8)))
    pool.until(lambda: pool.pool.size == 1)
    assert "cannot run" not in notices(pool)


SLOW_REPORT = """
import asyncio
from distributed.worker import Worker

get_data = Worker.get_data

async def late(self, comm, keys, **kwargs):
    await asyncio.sleep(6)
    return await get_data(self, comm, keys, **kwargs)

Worker.get_data = late
"""


def test_a_report_that_takes_long_holds_up_no_other_task(
    cluster: Cluster, opened: Opened, tmp_path: Path
) -> None:
    cluster.worker(**patched(tmp_path / "slow", SLOW_REPORT))
    pool = opened_on(cluster, opened, 1)
    pool.submit()
    pool.epoch(4)
    waits = []
    while not pool.of(TaskEnded):
        began = time.monotonic()
        pool.events += pool.pool.wait(0.1)
        waits.append(time.monotonic() - began)
        assert sum(waits) < 60, pool.events
    assert pool.ended().status == "finished"
    assert sum(waits) > 5
    assert max(waits) < 3


def other_version(folder: Path) -> dict[str, str]:
    """Return the environment in which workers have another version of ffnn."""
    return patched(folder, "import ffcli.version\nffcli.version.__version__ = '9.9.9'\n")


def test_workers_of_another_version_are_refused(cluster: Cluster, opened: Opened, tmp_path: Path) -> None:
    from ffcli.version import __version__

    fake = other_version(tmp_path / "other")
    waiting = opened(PoolOptions(0, cluster.address))
    cluster.worker(**fake)
    waiting.until(lambda: "9.9.9" in notices(waiting))
    assert __version__ in notices(waiting)
    assert waiting.pool.size == 0
    with pytest.raises(FfnnError, match=r"9\.9\.9") as caught:
        opened(PoolOptions(0, cluster.address))
    assert caught.value.exit_code == 1
    cluster.worker()
    waiting.until(lambda: waiting.pool.size == 1)
    pool = opened_on(cluster, opened, 1)
    pool.submit()
    assert pool.ended().status == "finished"


def test_workers_of_several_threads_are_refused(cluster: Cluster, opened: Opened) -> None:
    pool = opened(PoolOptions(0, cluster.address))
    cluster.worker(threads=2)
    pool.until(lambda: "2 threads" in notices(pool))
    assert pool.pool.size == 0


@pytest.mark.parametrize("side", ["coordinator", "worker"])
def test_a_connection_held_up_loses_nothing(cluster: Cluster, opened: Opened, side: str) -> None:
    with Proxy(cluster.address) as proxy:
        cluster.worker(address=proxy.address if side == "worker" else None)
        pool = opened_on(cluster, opened, 1, address=proxy.address if side == "coordinator" else None)
        pool.submit(config=LONG)
        pool.epoch(1)
        proxy.hold(10)
        before = len(pool.of(TaskEpoch))
        pool.until(lambda: len(pool.of(TaskEpoch)) > before + 20)
        pool.pool.stop("one")
        ended = pool.ended()
    assert ended.status == "pruned"
    epochs = [event.result.epoch for event in pool.of(TaskEpoch)]
    assert epochs == list(range(1, len(epochs) + 1))


@pytest.mark.slow
def test_a_task_whose_coordinator_is_silent_for_long_is_lost_and_counts_once(
    cluster: Cluster, opened: Opened
) -> None:
    with Proxy(cluster.address) as proxy:
        cluster.worker()
        pool = opened_on(cluster, opened, 1, address=proxy.address)
        pool.submit(config=LONG)
        pool.epoch(1)
        proxy.hold(120)
        pool.lost()
        pool.submit("again")
        assert pool.ended("again").status == "finished"
        assert len(pool.of(TaskLost)) == 1


def test_a_scheduler_that_is_killed_fails_the_pool(cluster: Cluster, opened: Opened) -> None:
    cluster.worker()
    pool = opened_on(cluster, opened, 1)
    pool.submit(config=LONG)
    run_id = pool.epoch(1) and pool.started().run_id
    cluster.end(cluster.scheduler)
    with pytest.raises(FfnnError) as caught:
        pool.until(lambda: False)
    assert caught.value.exit_code == 1
    assert not pool.of(TaskLost), "no start is to be counted"
    pool.pool.shut_down()
    assert pool.place.context.runs.read(run_id).status == "interrupted"


def test_notice_is_given_of_a_scheduler_that_does_not_answer(
    cluster: Cluster, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dask_link, "_SILENCE", 2)
    cluster.worker()
    pool = opened_on(cluster, opened, 1)
    pool.events.clear()
    cluster.scheduler.send_signal(signal.SIGSTOP)
    pool.until(lambda: notices(pool).count(cluster.address) == 1)
    cluster.scheduler.send_signal(signal.SIGCONT)
    pool.until(lambda: notices(pool).count(cluster.address) == 2)
    pool.submit()
    assert pool.ended().status == "finished"


def test_a_scheduler_that_is_silent_for_long_fails_the_pool(
    cluster: Cluster, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dask_link, "_LONGEST_SILENCE", 2)
    cluster.worker()
    pool = opened_on(cluster, opened, 1)
    cluster.scheduler.send_signal(signal.SIGSTOP)
    with pytest.raises(FfnnError, match="not answered") as caught:
        pool.until(lambda: False)
    assert caught.value.exit_code == 1
    cluster.scheduler.send_signal(signal.SIGCONT)


COORDINATOR = """
import sys
from pathlib import Path
sys.path.append(sys.argv[2])
from pool_helpers import Pool
from small_runs import Place
from ffcli.execution.open import PoolOptions, open_pool

place = Place(Path(sys.argv[3]))
with open_pool(place.context, PoolOptions(0, sys.argv[1])) as opened:
    pool = Pool(place, opened)
    pool.submit(config={"epochs": 100_000, "batch_size": 1, "hidden_size": 128})
    pool.epoch(1)
    print("trains", flush=True)
    pool.until(lambda: False, 600)
"""


def coordinator(cluster: Cluster, folder: Path) -> subprocess.Popen[str]:
    """Start another coordinator, and wait until its task trains."""
    folder.mkdir()
    helpers = str(Path(__file__).parents[1] / "helpers")
    process = subprocess.Popen(
        [sys.executable, "-c", COORDINATOR, cluster.address, helpers, str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=die_with_parent,  # noqa: PLW1509 - nothing of this process holds a lock then
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "trains\n"
    return process


def test_the_task_of_a_coordinator_that_is_killed_ends(
    cluster: Cluster, opened: Opened, tmp_path: Path
) -> None:
    cluster.worker()
    with coordinator(cluster, tmp_path / "other") as process:
        process.kill()
    pool = opened_on(cluster, opened, 1)
    pool.submit()
    assert pool.ended().status == "finished"  # on the one worker


@pytest.mark.slow
def test_the_task_of_a_coordinator_that_is_stopped_ends_within_a_minute(
    cluster: Cluster, opened: Opened, tmp_path: Path
) -> None:
    cluster.worker()
    with coordinator(cluster, tmp_path / "other") as process:
        process.send_signal(signal.SIGSTOP)
        pool = opened_on(cluster, opened, 1)
        pool.submit()
        assert pool.ended().status == "finished"
        process.kill()


def test_a_cluster_on_this_machine_imports_nothing_from_its_folder_and_ends(tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    for name in ("types", "struct", "random", "logging", "numpy", "tornado"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'imported')!r}, 'a').write(__name__)\n")
    script = tmp_path / "elsewhere" / "open_local.py"
    script.parent.mkdir()
    script.write_text(
        "from pathlib import Path\n"
        "from ffcli.execution.open import PoolOptions, open_pool\n"
        "from ffcli.training.context import Context\n"
        f"with open_pool(Context(Path({str(tmp_path)!r}), Path({str(tmp_path)!r})), "
        "PoolOptions(1, 'local')) as pool:\n"
        "    print(*pool._link._client.run(__import__('os').getpid).values(), pool.size, flush=True)\n"
        "    input()\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONSAFEPATH"}
    with subprocess.Popen(
        [sys.executable, str(script)],
        cwd=tmp_path,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=die_with_parent,  # noqa: PLW1509 - nothing of this process holds a lock then
    ) as process:
        assert process.stdout is not None
        worker, size = process.stdout.readline().split()
        assert size == "1"
        assert not (tmp_path / "imported").exists()
        process.kill()
    wait_until(lambda: is_gone(int(worker)))


@pytest.mark.parametrize(
    ("address", "exposed"),
    [
        ("tcp://127.0.0.1:8786", False),
        ("tcp://[::1]:8786", False),
        ("tcp://localhost:8786", False),
        ("tcp://10.0.0.7:8786", True),
        ("tcp://head.cluster:8786", True),
        ("tls://10.0.0.7:8786", False),
        ("inproc://10.0.0.7/1", False),
    ],
)
def test_an_unprotected_connection_is_one_that_leaves_the_machine(address: str, exposed: bool) -> None:
    assert is_exposed(address) == exposed


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        (PoolOptions(1, "slrum"), 2, "slurm"),
        (PoolOptions(1, "no/such/file.json"), 2, "file"),
        (PoolOptions(1, "local", 3), 2, "jobs"),
        (PoolOptions(1, "tcp://127.0.0.1:1"), 1, "127.0.0.1:1"),
        (PoolOptions(1, "tls://127.0.0.1:1"), 1, "CA_FILE"),
    ],
)
def test_a_cluster_that_cannot_be_used_is_named(
    opened: Opened, monkeypatch: pytest.MonkeyPatch, options: PoolOptions, code: int, says: str
) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr(dask_client, "_CONNECT", 0.5)
    with pytest.raises(FfnnError) as caught:
        opened(options)
    assert caught.value.exit_code == code
    assert says in f"{caught.value} {caught.value.hint}"


def test_without_the_extra_the_command_to_install_it_is_named(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(FfnnError) as caught:
        opened(PoolOptions(1, "tcp://127.0.0.1:8786"))
    assert "ffnn[cluster]" in str(caught.value.hint)
