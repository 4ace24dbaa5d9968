"""``ffnn rerun``: its document, its table, killed and repeated."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from child_processes import children, wait_until_gone
from cli_helpers import Cli, bare, environment, on_terminal
from stored_sweeps import Made, put_trial

from ffcli.runs.record import RunRecord
from ffcli.runs.store import RunStore
from ffcli.services.sweeps.create import create, sweep_folder
from ffcli.sweeping.study.writer import StudyWriter
from ffcli.training.context import Context

GRID = """
method: grid
metric: {name: val_acc, goal: maximize}
parameters:
  dataset: {value: tiny.npz}
  epochs: {value: 1}
  hidden_size: {values: [4, 8]}
  num_layers: {value: 1}
"""
SEARCHED = "hidden_size: {values: [4, 8]}"
TRAIN_KEYS = {"run_id", "name", "path", "status", "config", "epochs", "best_epoch", "best_val_acc", "seconds"}


@pytest.fixture
def other(tmp_path: Path, tiny: Path) -> str:
    """Another dataset: the same images under other labels."""
    with np.load(tiny) as arrays:
        turned = {name: (array + 1) % 3 if name[0] == "y" else array for name, array in arrays.items()}
    np.savez(tmp_path / "other.npz", **turned)
    return "other.npz"


def sweep(cli: Cli, tmp_path: Path, searched: str = SEARCHED) -> str:
    (tmp_path / "grid.yaml").write_text(GRID.replace(SEARCHED, searched))
    done = cli("sweep", "grid.yaml", "--workers", "1", "--json", "--quiet")
    assert done.code == 0, done.err
    return str(json.loads(done.out)["sweep_id"])


@pytest.fixture
def long(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A sweep of two configurations that take seconds, which it is made to believe it has trained."""
    folder = tiny.parent
    monkeypatch.chdir(folder)
    (folder / "grid.yaml").write_text(GRID.replace("epochs: {value: 1}", "epochs: {value: 150}"))
    context = Context(folder / "data", folder / "runs")
    made = create(context, folder / "grid.yaml", 0)
    writer = StudyWriter(sweep_folder(context, made.id), lambda: None)
    for index in range(2):
        put_trial(writer, index, Made([(0.5, 1.0)]))
    return made.id


def stored(tmp_path: Path) -> list[RunRecord]:
    """Read the runs within this process: the ones under way do not wait for another to start."""
    return [record for record in RunStore(tmp_path / "runs").records() if "rerun" in record.tags]


def test_documents_and_table_on_another_dataset(cli: Cli, tmp_path: Path, other: str) -> None:
    sweep_id = sweep(cli, tmp_path)
    command = ["rerun", "--sweep", sweep_id[-4:], "--dataset", other, "--top", "3", "--repeats", "2"]
    done = cli(*command, "--json")
    assert done.code == 0, done.err
    documents = json.loads(done.out)
    assert len(documents) == 4
    assert all(document.keys() >= {*TRAIN_KEYS, "test_acc"} for document in documents)
    assert {document["dataset"] for document in documents} == {str(tmp_path / other)}
    assert "has only 2 such configurations" in done.err
    assert "4/4  2" in done.err
    for document in documents:
        evaluated = json.loads(cli("evaluate", document["run_id"], "--json").out)
        assert document["test_acc"] == evaluated["accuracy"]
        assert document["original"]["test_acc"] is not None
    again = cli(*command)
    assert again.code == 0
    assert "mean ± standard error of 2 seeds" in again.out
    summary = documents[0]["over_runs"]["test_acc"]
    assert f"{summary['mean']:.4f} ± {summary['se']:.4f}" in again.out
    assert f"{documents[0]['original']['value']:.4f}" in again.out
    assert "runs to train" not in again.err
    assert len(stored(tmp_path)) == 4


@pytest.fixture
def under_way(tmp_path: Path, long: str, other: str) -> Iterator[subprocess.Popen[str]]:
    """A rerun of two runs that both have some epochs; killed at the end with all that it started."""
    started = subprocess.Popen(
        [sys.executable, "-m", "ffcli", "rerun", "--sweep", long, "--dataset", other, "--workers", "2"],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    until = time.monotonic() + 60
    while len([run for run in stored(tmp_path) if run.epochs_done > 1]) < 2:
        assert time.monotonic() < until
        assert started.poll() is None
        time.sleep(0.05)
    yield started
    if started.poll() is None:
        os.killpg(started.pid, signal.SIGKILL)
    started.communicate()


def resume(cli: Cli, tmp_path: Path, sweep_id: str, other: str) -> None:
    """Repeat the command, and see that it continues the very runs that are there and ends them."""
    before = {run.run_id for run in stored(tmp_path)}
    done = cli("rerun", "--sweep", sweep_id, "--dataset", other, "--workers", "2", "--json")
    assert done.code == 0, done.err
    documents = json.loads(done.out)
    assert {document["run_id"] for document in documents} == before
    for document in documents:
        assert document["status"] == "finished"
        assert [epoch["epoch"] for epoch in document["epochs"]] == list(range(1, 151))


def test_a_killed_parent_leaves_no_process_and_the_same_command_resumes(
    cli: Cli, tmp_path: Path, under_way: subprocess.Popen[str], long: str, other: str
) -> None:
    workers = children(under_way.pid)
    os.kill(under_way.pid, signal.SIGKILL)
    wait_until_gone(workers)
    assert {run.status for run in stored(tmp_path)} == {"interrupted"}
    resume(cli, tmp_path, long, other)


def test_all_killed_at_once_the_same_command_resumes(
    cli: Cli, tmp_path: Path, under_way: subprocess.Popen[str], long: str, other: str
) -> None:
    workers = children(under_way.pid)
    os.killpg(under_way.pid, signal.SIGKILL)
    wait_until_gone(workers)
    resume(cli, tmp_path, long, other)


def test_ctrl_c_ends_it_and_the_same_command_resumes(
    cli: Cli, tmp_path: Path, under_way: subprocess.Popen[str], long: str, other: str
) -> None:
    os.killpg(under_way.pid, signal.SIGINT)
    out, errors = under_way.communicate(timeout=60)
    assert (under_way.returncode, out) == (130, "")
    assert errors.splitlines()[-1].startswith("Interrupted.")
    assert {run.status for run in stored(tmp_path)} == {"interrupted"}
    resume(cli, tmp_path, long, other)


def test_a_diverged_run_is_shown_and_fails(
    cli: Cli, tmp_path: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    sweep_id = sweep(cli, tmp_path, "optimizer: {value: sgd}")
    arrays = dict(np.load(tiny))
    arrays["x_train"] = np.full_like(arrays["x_train"], 1, dtype=np.float32) * np.float32(1e30)
    np.savez("huge.npz", **{**arrays, "x_test": arrays["x_test"].astype(np.float32)})
    done = cli("rerun", "--sweep", sweep_id, "--dataset", "huge.npz", "--json")
    assert done.code == 1
    (document,) = json.loads(done.out)
    assert (document["status"], document["test_acc"]) == ("diverged", None)
    assert f"1 of 1 run did not finish: {document['run_id']} (diverged)" in done.err


def test_a_terminal_of_80_columns_shows_bars_and_holds_the_table(
    tmp_path: Path, long: str, other: str
) -> None:
    words = ["--sweep", long, "--dataset", other, "--seeds", "2", "--top", "1"]
    code, seen = on_terminal(tmp_path, "rerun", *words)
    assert code == 0
    assert "/150" in bare(seen)
    table = bare(seen).replace("\r", "").splitlines()[-6:]
    assert max(map(len, table)) <= 80
    assert any(line.startswith("1  1×4 relu adam bs32") and line.count("±") == 2 for line in table)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--sweep", "nope", "--seeds", "1"], "no sweep 'nope'"),
        (["--seeds", "1"], "--sweep"),
        (["--sweep", "ID"], "Expected --dataset, --repeats or --folds"),
        (["--sweep", "ID", "--seeds", "0"], "--repeats must be "),
        (["--sweep", "ID", "--top", "no"], "--top must be "),
        (["--sweep", "ID", "--dataset", "mnits"], "Did you mean 'mnist'"),
    ],
)
def test_wrong_requests(cli: Cli, long: str, options: list[str], said: str) -> None:
    done = cli("rerun", *(long if word == "ID" else word for word in options))
    assert (done.code, done.out) == (2, "")
    assert said in done.err
