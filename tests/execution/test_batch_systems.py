"""Clusters whose workers are jobs of a batch system, of which there are only the commands."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ffcli.errors import FfnnError
from ffcli.execution.dask_cluster import connect
from ffcli.util.signals import interrupts_deferred

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
        folder.mkdir()
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
    assert "export DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED=False" in script
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
