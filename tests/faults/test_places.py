"""Places that do not do as one would like: full disks, folders that cannot be written, too few open files."""

from __future__ import annotations

import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fault_helpers import Done, Site, assert_same_run

from ffcli.runs.record import STATUSES
from ffcli.services.runs.listing import list_runs
from ffcli.services.train import train
from ffcli.training.context import Context
from ffcli.training.events import null_observer
from ffcli.training.options import RunOptions

SWEEP = """
method: grid
metric: {name: val_acc, goal: maximize}
parameters:
  dataset: {value: mine.npz}
  epochs: {value: 3}
  num_layers: {value: 2}
  hidden_size: {values: [30, 60]}
"""
WIDE = {"epochs": 4, "hidden_size": 128, "num_layers": 2, "learning_rate": 0.01}


def slowly(value: int) -> Any:
    """Return a parameter for the slow tests."""
    return pytest.param(value, marks=pytest.mark.slow)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Makes a disk of some size, or gives it another one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = False

    def resize(size: str) -> Path:
        nonlocal mounted
        how = f"remount,size={size}" if mounted else f"size={size}"
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", how, "tmpfs", str(folder)], capture_output=True, check=False
        )
        if done.returncode != 0:
            pytest.skip("mounting is not permitted here")
        mounted = True
        return folder

    yield resize
    if mounted:
        subprocess.run(["umount", str(folder)], check=True)


def ids(err: str, word: str) -> str:
    """Return the id after a word of what a command said."""
    return err.partition(f"{word} ")[2].split()[0].rstrip(":")


@pytest.mark.parametrize("size", ["4k", "100k", "700k"])
def test_a_full_disk_costs_one_epoch(site: Site, disk: Callable[[str], Path], size: str) -> None:
    """Too small for a record, for a checkpoint, for a second one beside the first."""
    runs = disk(size) / "runs"
    flags = [f"--{name}={value}" for name, value in WIDE.items()]
    words = ["train", "-d", site.dataset, *flags, "--wandb", "disabled", "--runs-dir", runs]
    full = site(*words)
    assert (full.code, full.out) == (1, "")
    assert "No space left on device" in full.err
    assert "Free some space" in full.err
    stored = list_runs(Context(site.folder / "data", runs))
    assert [path for path in runs.rglob(".*") if path.is_file()] == [], "halves of files take space"
    disk("20m")
    reference = train(site.context, site.config(**WIDE), RunOptions(), null_observer)
    if size == "4k":
        assert stored == []
        assert list(runs.iterdir()) == []
        again = site(*words)
    else:
        (run,) = stored
        assert run.status == "failed"
        assert f"Resume with: ffnn train --resume {run.run_id}" in full.err
        again = site("train", "--resume", run.run_id, "--runs-dir", runs)
    assert again.code == 0, again.err
    (path,) = runs.iterdir()
    assert_same_run(path, Path(reference.path))


def test_a_sweep_on_a_full_disk_goes_on_when_there_is_room(site: Site, disk: Callable[[str], Path]) -> None:
    (site.folder / "sweep.yaml").write_text(SWEEP)
    runs = disk("180k") / "runs"
    words = ["--backend", "local", "--workers", "2", "--runs-dir", runs]
    full = site("sweep", "sweep.yaml", *words)
    assert full.code == 1
    assert "No space left" in full.err or "disk is full" in full.err
    sweep_id = ids(full.err, "Resume with: ffnn sweep")
    assert {run.status for run in list_runs(Context(site.folder, runs))} <= set(STATUSES) - {"running"}
    disk("20m")
    more = site("sweep", sweep_id, *words, "--json")
    assert more.code == 0, more.err
    assert more.document["counts"] == {"finished": 2, "pruned": 0, "failed": 0}
    assert [run.status for run in list_runs(Context(site.folder, runs))] == ["finished"] * 2


def test_a_download_onto_a_full_disk_leaves_nothing(site: Site, disk: Callable[[str], Path]) -> None:
    data = disk("1m") / "data"
    words = ["download", "some", "--from", site.source, "--data-dir", data]
    full = site(*words)
    assert full.code == 1
    assert "No space left on device" in full.err
    assert list(data.iterdir()) == []
    disk("20m")
    assert site(*words).code == 0


def close(*folders: Path) -> None:
    """Take away the right to write there."""
    for folder in folders:
        for path in [folder, *folder.rglob("*")]:
            path.chmod(0o555 if path.is_dir() else 0o444)


@pytest.fixture
def closed(site: Site) -> Iterator[Callable[..., Done]]:
    """Calls the command in a place whose runs and data can be read only, where modes count for root too."""
    train(site.context, site.config(epochs=2), RunOptions(), null_observer)
    (site.folder / "sweep.yaml").write_text(SWEEP)
    assert site("sweep", "sweep.yaml", "--backend", "local", "--workers", "1").code == 0
    folders = (site.folder / "runs", site.folder / "data")
    close(*folders)

    def call(*args: object) -> Done:
        return site(*args, TEST_MODES_COUNT="yes")

    yield call
    for folder in folders:
        for path in [folder, *folder.rglob("*")]:
            path.chmod(stat.S_IMODE(path.stat().st_mode) | 0o200)


def test_a_read_only_store_can_be_looked_at(site: Site, closed: Callable[..., Done]) -> None:
    (sweep_id,) = (path.name for path in (site.folder / "runs" / "sweeps").iterdir())
    for words in (
        ["runs", "list"],
        ["sweeps", "list"],
        ["sweeps", "show", sweep_id],
        ["evaluate", "--best", "-d", site.dataset],
        ["evaluate", "--best", "--sweep", sweep_id],
        ["predict", "3", "--best", "-d", site.dataset],
        ["report", sweep_id, "-o", "report.html"],
    ):
        done = closed(*words, "--json")
        assert done.code == 0, (words, done.err)
        assert done.document


def test_a_read_only_store_takes_nothing_and_says_so(site: Site, closed: Callable[..., Done]) -> None:
    (sweep_id,) = (path.name for path in (site.folder / "runs" / "sweeps").iterdir())
    before = sorted(path for folder in ("runs", "data") for path in (site.folder / folder).rglob("*"))
    first = site.context.runs.ids()[0]
    for words, said in (
        (["train", "-d", site.dataset, "-e", "1"], "Permission denied"),
        (["train", "--resume", first, "-e", "9"], "Permission denied"),
        (["train", "-d", site.other, "-e", "1"], "Permission denied"),
        (["sweep", "sweep.yaml", "--backend", "local", "--new"], "Permission denied"),
        (["sweep", sweep_id, "--count", "9"], "Permission denied"),
        (["runs", "rm", first, "--yes"], "Permission denied"),
        (["download", "some", "--from", site.source], "Permission denied"),
    ):
        done = closed(*words)
        assert (done.code, done.out) == (1, ""), (words, done.err)
        assert said in done.err, words
    assert sorted(path for folder in ("runs", "data") for path in (site.folder / folder).rglob("*")) == before
    site.check()


@pytest.mark.parametrize("files", [slowly(6), 8, slowly(11)])
def test_too_few_open_files_are_told_of_and_cost_nothing(site: Site, files: int) -> None:
    words = ["-d", site.dataset, "-e", "3", "--wandb", "disabled"]
    done = site("train", *words, TEST_OPEN_FILES=str(files))
    site.check()
    if done.code != 0:
        assert done.code == 1
        assert "Too many open files" in done.err
        assert "ulimit -n" in done.err
    assert site("train", *words).code == 0
    assert "finished" in {run["status"] for run in site.runs().values()}


@pytest.mark.parametrize("files", [12, slowly(20)])
def test_a_sweep_with_too_few_open_files_goes_on_with_more(site: Site, files: int) -> None:
    (site.folder / "sweep.yaml").write_text(SWEEP)
    words = ["--backend", "local", "--workers", "2", "--json"]
    done = site("sweep", "sweep.yaml", *words, TEST_OPEN_FILES=str(files))
    site.check()
    if done.code != 0:
        assert done.code == 1
        assert "open" in done.err
    more = site("sweep", "sweep.yaml", "--new", *words)
    assert more.code == 0, more.err
    site.check()
