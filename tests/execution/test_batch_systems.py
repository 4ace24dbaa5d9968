"""Clusters whose workers are jobs of a batch system: of stand-ins for its commands, and of a real Slurm."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from child_processes import wait_until
from pool_helpers import Pool

from ffcli.errors import FfnnError
from ffcli.execution import dask_cluster, dask_link
from ffcli.execution.dask_cluster import WORKER_ENVIRONMENT, connect
from ffcli.execution.open import PoolOptions
from ffcli.util.signals import interrupts_deferred, termination_heeded

dask = pytest.importorskip("dask")
pytest.importorskip("distributed")
with interrupts_deferred():
    pytest.importorskip("dask_jobqueue")

Commands = Callable[..., Path]


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Commands:
    """Puts commands on the path, and returns the folder in which they run."""

    def put(**scripts: str) -> Path:
        folder = tmp_path / "commands"
        folder.mkdir(exist_ok=True)
        for name, script in scripts.items():
            (folder / name).write_text(f"#!/bin/sh\n{script}\n")
            (folder / name).chmod(0o755)
        monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
        monkeypatch.chdir(tmp_path)
        return tmp_path

    return put


def test_jobs_start_workers_outside_of_the_current_folder_and_are_cancelled(commands: Commands) -> None:
    folder = commands(
        sbatch='cp "$1" job.sh; echo >> jobs; echo "Submitted batch job $(wc -l < jobs)"',
        scancel='echo "$1" >> cancelled',
    )
    settings = {"cores": 2, "memory": "1GB", "job-script-prologue": ["module load python"]}
    with dask.config.set({"jobqueue.slurm": {**dask.config.get("jobqueue.slurm"), **settings}}):
        connection = connect("slurm", 0, 3)
        connection.close()
    script = (folder / "job.sh").read_text().splitlines()
    start = next(line for line in script if "dask_worker" in line)
    assert start.split()[start.split().index("--nworkers") :][:2] == ["--nworkers", "2"]
    assert script.index("cd /") < script.index("module load python") < script.index(start)
    assert {f"export {name}={value}" for name, value in WORKER_ENVIRONMENT.items()} < set(script)
    assert sorted((folder / "cancelled").read_text().split()) == ["1", "2", "3"]


@pytest.mark.parametrize(
    ("sbatch", "says"),
    [('echo "no partition maim" >&2; exit 1', "no partition maim"), (None, "sbatch")],
)
def test_a_job_that_is_refused_is_told_and_no_other_is_left(
    commands: Commands, monkeypatch: pytest.MonkeyPatch, sbatch: str | None, says: str
) -> None:
    commands(**({} if sbatch is None else {"sbatch": sbatch}))
    if sbatch is None:
        monkeypatch.setenv("PATH", "")
    with pytest.raises(FfnnError) as caught:
        connect("slurm", 0, 2)
    assert caught.value.exit_code == 1
    assert says in str(caught.value)


def test_a_job_that_is_being_submitted_at_an_interrupt_is_cancelled(commands: Commands) -> None:
    folder = commands(
        sbatch='echo >> jobs; kill -TERM $PPID; sleep 0.5; echo "Submitted batch job $(wc -l < jobs)"',
        scancel='echo "$1" >> cancelled',
    )
    with termination_heeded(), pytest.raises(KeyboardInterrupt):
        connect("slurm", 0, 2)
    assert (folder / "cancelled").read_text().split() == ["1"]


def test_a_batch_system_that_does_not_answer_holds_up_nobody(
    commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dask_cluster, "_ANSWER", 0.5)
    monkeypatch.setattr(dask_cluster, "_LAST_ANSWER", 0.5)
    commands(sbatch="exec sleep 4", scancel="exec sleep 4")
    with pytest.raises(FfnnError, match="no answer within"):
        connect("slurm", 0, 1)
    commands(sbatch="kill -TERM $PPID; exec sleep 4", scancel="exec sleep 4")
    monkeypatch.setattr(dask_cluster, "_ANSWER", 60.0)
    with termination_heeded(), pytest.raises(KeyboardInterrupt):
        connect("slurm", 0, 1)
    commands(sbatch='echo "Submitted batch job 1"', scancel="exec sleep 4")
    connect("slurm", 0, 1).close()


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], list[str]]]:
    """Submits small jobs to a real Slurm; returns the ids of this test's jobs in its queue."""
    about = shutil.which("sinfo") and subprocess.run(
        ["sinfo", "-h", "-o", "%a"], capture_output=True, check=False
    )
    if not about or b"up" not in about.stdout:
        pytest.skip("needs a Slurm cluster (docs/testing.md)")
    name = f"ffnn-{os.getpid()}"
    settings = {"cores": 1, "memory": "1GB", "walltime": "00:10:00", "name": name}
    monkeypatch.setattr(dask_link, "_RETURN", 5.0)
    monkeypatch.chdir(tmp_path)  # where Slurm writes what the jobs print
    with dask.config.set({f"jobqueue.slurm.{key}": value for key, value in settings.items()}):
        yield lambda: _said("squeue", "-h", "-n", name, "-o", "%A").split()


def _said(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.slow
def test_real_jobs_train_are_cancelled_and_leave_nothing(
    opened: Callable[[PoolOptions], Pool], slurm: Callable[[], list[str]]
) -> None:
    pool = opened(PoolOptions(0, "slurm", jobs=2))
    pool.until(lambda: pool.pool.size == 2)
    pool.submit()
    assert pool.ended().status == "finished"
    pool.submit("long", config={"epochs": 100_000, "batch_size": 1})
    pool.epoch(1, "long")
    jobs = slurm()
    assert len(jobs) == 2
    subprocess.run(["scancel", *jobs], check=True)
    pool.lost("long")
    with pytest.raises(FfnnError) as caught:
        pool.until(lambda: False)
    assert caught.value.exit_code == 1


@pytest.mark.slow
def test_a_pool_that_is_shut_down_cancels_its_real_jobs(
    opened: Callable[[PoolOptions], Pool], slurm: Callable[[], list[str]]
) -> None:
    pool = opened(PoolOptions(0, "slurm", jobs=2))
    assert len(slurm()) == 2
    pool.until(lambda: pool.pool.size > 0)
    pool.pool.shut_down()
    wait_until(lambda: not slurm(), "jobs are left")
