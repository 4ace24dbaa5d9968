"""Sweeps that several machines share: here folders of runs of their own, and one database."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cli_helpers import Cli
from test_cli_sweep import GRID, lines_until, start


@pytest.fixture
def grid(tmp_path: Path, tiny: Path) -> Path:
    assert tiny == tmp_path / "tiny.npz"
    path = tmp_path / "grid.yaml"
    path.write_text(GRID.replace("EPOCHS", "60"))
    return path


def result(process: subprocess.Popen[str]) -> dict[str, Any]:
    out, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    return dict(json.loads(out))


def runs_of(process: Cli, folder: str) -> list[dict[str, Any]]:
    return list(json.loads(process("runs", "list", "--runs-dir", folder, "--json").out))


@pytest.mark.postgres
def test_two_machines_share_a_sweep_without_gap_or_repeat(process: Cli, grid: Path, postgres: Any) -> None:
    url = postgres.new_database()
    shared = ("--storage", url, "--json", "--workers", "1")
    one = start(grid.parent, "grid.yaml", *shared, "--count", "10", "--runs-dir", "one")
    sweep_id = next(line.split()[1] for line in lines_until(one, " worker") if line.startswith("sweep "))
    two = start(grid.parent, sweep_id, *shared, "--count", "10", "--runs-dir", "two")
    documents = [result(one), result(two)]
    for document in documents:
        assert document["counts"] == {"finished": 10, "pruned": 0, "failed": 0}
        assert document["best"] == documents[0]["best"]
    found = {folder: runs_of(process, folder) for folder in ("one", "two")}
    assert all(found.values()), "one machine did it all: nothing was tested"
    both = found["one"] + found["two"]
    assert len(both) == 10
    assert len({json.dumps(run["config"], sort_keys=True) for run in both}) == 10
    assert {run["status"] for run in both} == {"finished"}
    assert (grid.parent / "two" / "sweeps" / sweep_id / "sweep.yaml").read_text() == grid.read_text()
    (listed,) = json.loads(process("sweeps", "list", "--storage", url, "--json").out)
    assert listed["counts"]["finished"] == 10
    more = process("sweep", sweep_id, *shared, "--count", "11", "--runs-dir", "three")
    assert json.loads(more.out)["counts"]["finished"] == 11


def test_a_machine_without_the_run_trains_the_best_again_once(process: Cli, grid: Path) -> None:
    grid.write_text(GRID.replace("EPOCHS", "3"))
    url = f"sqlite:///{grid.parent / 'shared.db'}"
    shared = ("--storage", url, "--workers", "1", "--json")
    document = json.loads(process("sweep", grid, *shared, "--count", "3", "--runs-dir", "one").out)
    best = ("evaluate", "--best", "--sweep", document["sweep_id"], "--storage", url, "--json")
    own = json.loads(process(*best, "--runs-dir", "one").out)
    assert own["run_id"] == document["best"]["run_id"]
    first = process(*best, "--runs-dir", "two")
    judged = json.loads(first.out)
    assert "trained again" in first.err
    assert own["run_id"] in first.err
    assert (judged["accuracy"], judged["loss"]) == (own["accuracy"], own["loss"])
    (run,) = runs_of(process, "two")
    assert run["run_id"] == judged["run_id"]
    assert run["config"] == document["best"]["config"]
    assert "retrained" in run["tags"]
    again = process(*best, "--runs-dir", "two")
    assert json.loads(again.out) == judged
    assert len(runs_of(process, "two")) == 1


def test_the_same_file_in_the_same_database_is_gone_on_with(process: Cli, grid: Path) -> None:
    grid.write_text(GRID.replace("EPOCHS", "3"))
    shared = ("--storage", f"sqlite:///{grid.parent / 'shared.db'}", "--workers", "1", "--json")
    refused = process("sweep", grid, *shared, "--resume")
    assert (refused.code, "no sweep in the database is of" in refused.err) == (2, True)
    first = json.loads(process("sweep", grid, *shared, "--count", "1").out)
    more = json.loads(process("sweep", grid, *shared, "--count", "2", "--resume", "--runs-dir", "two").out)
    assert (more["sweep_id"], more["counts"]["finished"]) == (first["sweep_id"], 2)
    again = process("sweep", grid, *shared, "--count", "1")
    assert f"ffnn sweep {first['sweep_id']} --storage URL would go on" in again.err
    lost = process("sweep", first["sweep_id"])
    assert lost.code == 2
    assert "in a shared database" in lost.err
    assert "--storage" in lost.err
    (run,) = json.loads(process("runs", "list", "--sweep", first["sweep_id"], "--json").out)
    assert process("runs", "rm", "--sweep", first["sweep_id"], "--yes").out == f"removed {run['run_id']}\n"
