"""One run store and what happens to it: several processes, a removed folder, thousands of runs."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from child_processes import wait_until
from fault_helpers import Site

from ffcli.config import TrainConfig
from ffcli.runs.record import RunRecord
from ffcli.runs.store import SUMMARY, RunStore
from ffcli.services.runs.listing import list_runs
from ffcli.training.context import Context

ENDLESS = ["-e", "100000", "-sz", "8", "-nhl", "1", "--wandb", "disabled"]


def test_several_processes_share_a_store(site: Site) -> None:
    """Nobody who looks at it meanwhile sees anything but runs that train or are finished."""
    small = ["-e", "30", "-sz", "8", "-nhl", "1", "--wandb", "disabled", "--json"]
    processes = [site.start("train", "-d", site.dataset, *small, "--seed", seed) for seed in range(3)]
    seen: set[str] = set()
    while any(process.poll() is None for process in processes):
        seen |= {run["status"] for run in site.runs().values()}
    done = [site.done(process) for process in processes]
    assert [each.code for each in done] == [0, 0, 0]
    assert seen <= {"running", "finished"}
    assert {each.document["run_id"] for each in done} == set(site.runs())
    assert len(site.runs()) == 3
    site.check()
    site.assert_tidy()


def running(site: Site, process: subprocess.Popen[str]) -> Path:
    """Wait until a training has had some epochs, and return the folder of its run."""
    wait_until(lambda: any(run["epochs_done"] for run in site.runs().values()), "no epoch is over")
    assert process.poll() is None
    (run_id,) = site.runs()
    return site.context.runs_dir / run_id


def test_a_run_whose_folder_is_removed_ends_and_says_why(site: Site) -> None:
    process = site.start("train", "-d", site.dataset, *ENDLESS, "--json")
    path = running(site, process)
    path.rename(site.folder / "moved")  # at once, unlike a removal file by file
    done = site.done(process)
    assert (done.code, done.out) == (1, "")
    assert f"The folder of run {path.name} is gone: it was removed while the run was trained." in done.err
    assert "--resume" not in done.err
    assert not path.exists()
    assert site.runs() == {}
    assert site("train", "-d", site.dataset, "-e", "1", "--wandb", "disabled").code == 0


def test_a_run_whose_folder_is_removed_file_by_file_ends(site: Site) -> None:
    process = site.start("train", "-d", site.dataset, *ENDLESS)
    path = running(site, process)
    while path.exists():
        shutil.rmtree(path, ignore_errors=True)
    done = site.done(process)
    assert done.code == 1
    assert "is gone" in done.err or "No such file" in done.err
    assert not path.exists()


@pytest.mark.parametrize("n", [500, pytest.param(5000, marks=pytest.mark.slow)])
def test_thousands_of_runs_of_which_some_are_damaged(site: Site, n: int) -> None:
    runs = site.context.runs_dir
    config = TrainConfig(epochs=2).as_dict()
    for number in range(n):
        run_id = f"20260101-{number // 3600:02d}{number // 60 % 60:02d}{number % 60:02d}-000-aaaa"
        record = RunRecord(run_id, "a run", "finished", "mnist", config, f"2026-01-01T00:00:00.{number:04d}Z")
        record.best = {"val_acc": number / n}
        (runs / run_id).mkdir(parents=True)
        kinds = ("whole", '{"run_id": 1', "", None)  # None: without a record
        kind = kinds[0] if number % 100 else kinds[1 + number // 100 % 3]
        if kind is not None:
            text = json.dumps(record.as_dict()) if kind == "whole" else kind
            (runs / run_id / SUMMARY).write_text(text)
    listed = site("runs", "list", "--json")
    assert listed.code == 0
    assert f"{n // 100} runs are damaged" in listed.err
    assert len(listed.document) == n
    assert [run["status"] for run in listed.document[-n // 100 :]] == ["damaged"] * (n // 100)
    assert {run["status"] for run in listed.document[: -n // 100]} == {"finished"}
    best = site("runs", "list", "--sort", "val_acc", "--limit", "1", "--json").document
    assert best[0]["run_id"] == run_id
    gone = site("runs", "rm", "--status", "damaged", "--yes", "--json").document
    assert len(gone["removed"]) == n // 100
    assert (
        len(site("runs", "rm", "--keep-best", "10", "--yes", "--json").document["removed"])
        == n - n // 100 - 10
    )
    assert len(site.runs()) == 10


def test_a_run_that_is_just_being_begun_is_not_yet_there(tmp_path: Path) -> None:
    with RunStore(tmp_path).create() as new:
        assert list_runs(Context(tmp_path, tmp_path)) == []
        assert new.place.is_dir()
