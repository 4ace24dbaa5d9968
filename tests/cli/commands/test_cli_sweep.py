"""Sweeps: run by workers, killed, interrupted, resumed."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import optuna
import pytest
from child_processes import children, wait_until_gone
from cli_helpers import Cli, environment

from ffcli.errors import FfnnError
from ffcli.sweeping.study.lock import SweepLock
from ffcli.sweeping.study.study import read

GRID = """
method: grid
metric: {name: val_acc, goal: maximize}
parameters:
  dataset: {value: tiny.npz}
  epochs: {value: EPOCHS}
  hidden_size: {values: [4, 8]}
  num_layers: {value: 1}
  optimizer: {values: [sgd, adam, nadam]}
  learning_rate: {values: [0.1, 0.01]}
"""


@pytest.fixture
def grid(tmp_path: Path, tiny: Path) -> Path:
    assert tiny == tmp_path / "tiny.npz"
    path = tmp_path / "grid.yaml"
    path.write_text(GRID.replace("EPOCHS", "3"))
    return path


def runs(cli: Cli, sweep_id: str) -> list[dict[str, Any]]:
    return list(json.loads(cli("runs", "list", "--sweep", sweep_id, "--json").out))


def start(tmp_path: Path, *args: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "ffcli", "sweep", *args],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def lines_until(process: subprocess.Popen[str], word: str) -> list[str]:
    """Read stderr up to the line that holds ``word``."""
    assert process.stderr is not None
    lines: list[str] = []
    while not lines or word not in lines[-1]:
        line = process.stderr.readline()
        assert line, lines
        lines.append(line)
    return lines


def id_in(lines: list[str]) -> str:
    return next(line.split()[1] for line in lines if line.startswith("sweep "))


@pytest.fixture
def slow(request: pytest.FixtureRequest, grid: Path) -> Iterator[subprocess.Popen[str]]:
    """A sweep whose trials last (the parameter: epochs), with two workers, killed at the end."""
    grid.write_text(GRID.replace("EPOCHS", str(getattr(request, "param", 60))))
    process = start(grid.parent, "grid.yaml", "--workers", "2", "--count", "11")
    yield process
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def test_a_grid_is_trained_once_each_and_ends(cli: Cli, grid: Path) -> None:
    done = cli("sweep", grid, "--workers", "2", "--json")
    assert done.code == 0, done.err
    document = json.loads(done.out)
    assert document["backend"] == "local"
    assert document["counts"] == {"finished": 12, "pruned": 0, "failed": 0}
    found = runs(cli, document["sweep_id"])
    assert len({json.dumps(run["config"], sort_keys=True) for run in found}) == 12
    best = max(run["best_val_acc"] for run in found)
    assert document["best"]["value"] == best
    assert document["best"]["metric"] == "val_acc"
    with (grid.parent / document["path"] / "runs.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {(row["run"], float(row["value"])) for row in rows} == {
        (run["run_id"], run["best_val_acc"]) for run in found
    }
    assert [row["optimizer"] for row in rows[:6]] == ["sgd", "adam", "nadam"] * 2
    kept = [run for run in found if (grid.parent / "runs" / run["run_id"] / "model.safetensors").exists()]
    assert len(kept) == 5
    assert min(run["best_val_acc"] for run in kept) >= sorted(run["best_val_acc"] for run in found)[-5]
    evaluated = json.loads(cli("evaluate", "--best", "--sweep", document["sweep_id"], "--json").out)
    assert evaluated["run_id"] in {run["run_id"] for run in found if run["best_val_acc"] == best}
    again = json.loads(cli("sweep", document["sweep_id"], "--json").out)
    assert again["counts"] == document["counts"]
    names = [effect["name"] for effect in document["mattered"]["hyperparameters"]]
    assert sorted(names) == ["hidden_size", "learning_rate", "optimizer"]
    importances = [effect["importance"] for effect in document["mattered"]["hyperparameters"]]
    assert importances == [None] * 3, "12 trials cannot tell"
    assert len(published(grid.parent / document["path"] / "study.log", document["sweep_id"])) == 12
    (listed,) = json.loads(cli("sweeps", "list", "--json").out)
    shown = json.loads(cli("sweeps", "show", document["sweep_id"][-4:], "--json").out)
    assert {key: shown[key] for key in listed} == listed
    assert shown["counts"] == document["counts"]


def published(path: Path, study: str) -> list[optuna.trial.FrozenTrial]:
    """Return the trials of the study that optuna-dashboard opens."""
    backend = optuna.storages.journal.JournalFileBackend(str(path))
    return optuna.load_study(study_name=study, storage=optuna.storages.JournalStorage(backend)).trials


def test_what_is_said_at_the_end_and_later(cli: Cli, grid: Path) -> None:
    done = cli("sweep", grid, "--workers", "1")
    sweep_id = id_in(done.err.splitlines())
    shown = cli("sweeps", "show", sweep_id).out
    for text in (done.out, shown):
        assert text.startswith(f"sweep {sweep_id} (grid): 12 finished, 0 pruned, 0 failed")
        assert "resume" not in text
        assert f"runs/sweeps/{sweep_id}" in text
        heads = [line for line in text.splitlines() if line.startswith(("val_acc  run", "hyper-parameter"))]
        assert heads[0].split() == ["val_acc", "run", "hidden_size", "optimizer", "learning_rate"]
        assert heads[1].split("  ") == ["hyper-parameter", "correlation with val_acc"]
        [optimizers] = [line for line in text.splitlines() if line.startswith("optimizer ")]
        assert {word for word in optimizers.split() if word.isalpha()} == {
            "optimizer",
            "adam",
            "nadam",
            "sgd",
        }
        assert "correlation of 12 trials by Spearman; importances are shown from 50 trials on" in text
    evaluate = shown.splitlines()[-1].partition(": ffnn ")[2]
    assert evaluate == f"evaluate --best --sweep {sweep_id}"
    assert cli(*evaluate.split()).code == 0


def test_identical_runs_are_taken_over_and_marked(cli: Cli, grid: Path) -> None:
    first = json.loads(cli("sweep", grid, "--count", "3", "--workers", "1", "--json").out)
    done = cli("sweep", grid, "--new", "--reuse", "--count", "4", "--workers", "1", "--json")
    second = json.loads(done.out)
    assert (second["counts"]["finished"], second["reused"]) == (4, 3)
    lines = [line for line in done.err.splitlines() if "reused from" in line]
    assert [line.split()[0] for line in lines] == ["1/4", "2/4", "3/4"]
    earlier = {run["run_id"] for run in runs(cli, first["sweep_id"])}
    assert {trial["reused"] for trial in second["top"]} == {*earlier, None}
    assert sorted("reused" in run["tags"] for run in runs(cli, second["sweep_id"])) == [False] + [True] * 3
    more = json.loads(cli("sweep", second["sweep_id"], "--count", "5", "--workers", "1", "--json").out)
    assert (more["counts"]["finished"], more["reused"]) == (5, 3)


def test_what_is_asked_of_a_new_sweep_is_stored_with_it(
    cli: Cli, grid: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ffcli.services.sweeps.create.keep_file", killed)
    for option, reuse in (("--reuse", True), ("--no-reuse", False)):
        assert cli("sweep", grid, "--new", option, "--count", "2").code == 130
        study = read(max(Path("runs/sweeps").iterdir()))
        assert (study.count, study.reuse) == (2, reuse)


def test_the_target_ends_the_sweep(cli: Cli, grid: Path) -> None:
    grid.write_text(grid.read_text().replace("goal: maximize", "goal: maximize, target: 0.01"))
    document = json.loads(cli("sweep", grid, "--workers", "1", "--json").out)
    assert (document["counts"]["finished"], document["ended"]) == (1, "target")
    assert (document["state"], document["planned"]) == ("ended", 12)
    assert "has reached the target 0.01" in document["message"]


def test_run_cap_caps_whatever_the_count(cli: Cli, grid: Path) -> None:
    grid.write_text(grid.read_text() + "run_cap: 2\n")
    done = cli("sweep", grid, "--workers", "2", "--count", "9", "--json")
    document = json.loads(done.out)
    assert (document["counts"]["finished"], document["ended"]) == (2, "count")
    assert ", 2 runs in all (not 9: by the run_cap of the file)\n" in done.err
    dry = cli("sweep", grid, "--count", "9", "--dry-run").out
    assert "2, not 9: by the run_cap of the file" in dry
    assert (document["state"], document["planned"]) == ("ended", 2)


def test_a_larger_count_continues(cli: Cli, grid: Path) -> None:
    first = json.loads(cli("sweep", grid, "--count", "2", "--workers", "1", "--json").out)
    assert sum(first["counts"].values()) == 2
    assert (first["state"], first["planned"]) == ("ended", 2)
    nothing = cli("sweep", first["sweep_id"], "--workers", "1")
    assert ", 1 worker, 2 runs in all, 2 are there already: nothing is left to do\n" in nothing.err
    assert nothing.out.splitlines()[0].startswith(f"sweep {first['sweep_id']} (grid): 2 finished, 0 pruned")
    assert nothing.out.splitlines()[-1] == f"More runs: ffnn sweep {first['sweep_id']} --count N"
    shown = cli("sweeps", "show", first["sweep_id"]).out
    assert shown.startswith(f"sweep {first['sweep_id']} (grid): 2 finished, 0 pruned, 0 failed of 2\n")
    assert "resume" not in shown
    more = json.loads(cli("sweep", first["sweep_id"], "--count", "5", "--workers", "2", "--json").out)
    assert sum(more["counts"].values()) == 5
    fewer = json.loads(cli("sweep", first["sweep_id"], "--count", "3", "--workers", "1", "--json").out)
    assert (sum(fewer["counts"].values()), fewer["planned"]) == (5, 5)


def test_one_worker_and_one_seed_give_the_same_sweep(cli: Cli, grid: Path) -> None:
    grid.write_text(grid.read_text().replace("method: grid", "method: bayes"))
    found = []
    for _ in range(2):
        document = json.loads(cli("sweep", grid, "--count", "4", "--workers", "1", "--json").out)
        found.append([(run["config"], run["best_val_acc"]) for run in runs(cli, document["sweep_id"])])
    assert found[0] == found[1]


def test_the_space_without_training(cli: Cli, grid: Path) -> None:
    done = cli("sweep", grid, "--dry-run", "--json")
    document = json.loads(done.out)
    assert (document["size"], document["runs"]) == (12, 12)
    assert document["seconds_estimate"] > document["seconds_a_run"] > 0
    grid.write_text(
        grid.read_text().replace("values: [0.1, 0.01]", "min: 0.01, max: 0.1").replace("grid", "random")
    )
    assert "about" in cli("sweep", grid, "--dry-run").out.splitlines()[-1]
    assert json.loads(cli("sweep", grid, "--dry-run", "--json").out)["seconds_estimate"] is None
    assert not (grid.parent / "runs").exists()


def test_a_sweep_without_an_end_says_so(grid: Path) -> None:
    space = "learning_rate: {min: 0.001, max: 0.1}"
    text = grid.read_text().replace("method: grid", "method: random").replace("EPOCHS", "1")
    grid.write_text(text.replace("learning_rate: {values: [0.1, 0.01]}", space))
    sweep = start(grid.parent, "grid.yaml", "--workers", "1")
    try:
        said = lines_until(sweep, "sweep ")[-1]
        assert said.endswith("1 worker, runs without an end: Ctrl-C stops it, --count N bounds it\n")
        sweep_id = id_in([said])
        lines_until(sweep, "trial 1 ")
        os.killpg(sweep.pid, signal.SIGINT)
        _, errors = sweep.communicate(timeout=60)
    finally:
        sweep.kill()
        sweep.communicate()
    assert re.search(
        rf"Interrupted\. \d+ runs? (is|are) done\. Resume with: ffnn sweep {sweep_id}\n$", errors
    )


def test_a_killed_worker_is_replaced_and_its_trial_tried_again(cli: Cli, slow: subprocess.Popen[str]) -> None:
    sweep_id = id_in(lines_until(slow, "1/11"))
    victims = children(slow.pid)
    os.kill(victims[-1], signal.SIGKILL)
    out, errors = slow.communicate(timeout=120)
    assert slow.returncode == 0, errors
    assert "11 finished" in out
    assert Counter(run["status"] for run in runs(cli, sweep_id)) == {"finished": 11}


def test_a_killed_parent_loses_no_trial(cli: Cli, slow: subprocess.Popen[str]) -> None:
    sweep_id = id_in(lines_until(slow, "2/11"))
    workers = children(slow.pid)
    os.kill(slow.pid, signal.SIGKILL)
    wait_until_gone(workers)
    shown = cli("sweeps", "show", sweep_id).out.splitlines()
    assert shown[0].endswith(" failed of 11")
    assert shown[-1] == f"resume it: ffnn sweep {sweep_id}"
    done = cli("sweep", sweep_id, "--workers", "2", "--json")
    assert json.loads(done.out)["counts"] == {"finished": 11, "pruned": 0, "failed": 0}, (
        "as many as asked for"
    )
    assert Counter(run["status"] for run in runs(cli, sweep_id)) == {"finished": 11}


def test_ctrl_c_finishes_what_runs_and_begins_nothing_new(cli: Cli, slow: subprocess.Popen[str]) -> None:
    sweep_id = id_in(lines_until(slow, "1/11"))
    os.killpg(slow.pid, signal.SIGINT)
    _, errors = slow.communicate(timeout=60)
    assert slow.returncode == 130
    ended = len(runs(cli, sweep_id))
    done = f"{ended} run{'s' * (ended > 1)} of 11 {'are' if ended > 1 else 'is'} done"
    assert errors.endswith(f"Interrupted. {done}. Resume with: ffnn sweep {sweep_id}\n")
    assert "Traceback" not in errors
    states = Counter(run["status"] for run in runs(cli, sweep_id))
    assert set(states) == {"finished"}
    assert 1 <= states["finished"] <= 4


def test_a_second_ctrl_c_leaves_at_once(cli: Cli, grid: Path) -> None:
    grid.write_text(GRID.replace("EPOCHS", "1000000"))
    sweep = start(grid.parent, "grid.yaml", "--workers", "2")
    sweep_id = id_in(lines_until(sweep, "sweep "))
    until = time.monotonic() + 30
    while len(runs(cli, sweep_id)) < 2:
        assert time.monotonic() < until
    (listed,) = json.loads(cli("sweeps", "list", "--json").out)
    assert (listed["state"], listed["planned"]) == ("running", 12)
    shown = cli("sweeps", "show", sweep_id).out
    assert shown.startswith(f"sweep {sweep_id} (grid): 0 finished, 0 pruned, 0 failed of 12, running\n")
    assert "resume" not in shown
    os.killpg(sweep.pid, signal.SIGINT)
    lines_until(sweep, "Ctrl-C")
    os.killpg(sweep.pid, signal.SIGINT)
    _, errors = sweep.communicate(timeout=60)
    assert sweep.returncode == 130
    assert "Traceback" not in errors
    document = json.loads(cli("sweeps", "show", sweep_id, "--json").out)
    assert sum(document["counts"].values()) == 0
    assert {run["status"] for run in runs(cli, sweep_id)} == {"interrupted"}


def test_three_failures_at_the_start_end_the_sweep(cli: Cli, grid: Path) -> None:
    grid.write_text(grid.read_text().replace("[0.1, 0.01]", "[1.0e+30, 1.0e+31]").replace("3}", "3}", 1))
    grid.write_text(grid.read_text().replace("[sgd, adam, nadam]", "[sgd, momentum, nesterov]"))
    done = cli("sweep", grid, "--workers", "1", "--json")
    assert done.code == 1
    document = json.loads(done.out)
    assert document["counts"] == {"finished": 0, "pruned": 0, "failed": 3}
    assert {run["status"] for run in runs(cli, document["sweep_id"])} == {"diverged"}
    assert "not finite" in done.err


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (GRID.replace("EPOCHS", "3").replace("adam", "adm"), "Did you mean 'adam'"),
        (GRID.replace("EPOCHS", "3").replace("optimizer", "optimzer"), "Did you mean 'optimizer'"),
        ("method: grid\n", "parameters"),
    ],
)
def test_a_wrong_file_ends_before_anything_runs(cli: Cli, tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "wrong.yaml").write_text(content)
    done = cli("sweep", "wrong.yaml")
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert not (tmp_path / "runs").exists()


def test_an_unknown_sweep_is_refused(cli: Cli) -> None:
    for command in (["sweep", "nope"], ["sweeps", "show", "nope"], ["evaluate", "--best", "--sweep", "nope"]):
        done = cli(*command)
        assert done.code == 2
        assert "no sweep 'nope'" in done.err


def test_a_file_that_comes_with_ffnn_goes_by_its_name(cli: Cli) -> None:
    done = cli("sweep", "Bayes", "--resume")
    assert done.code == 2
    assert "no sweep in runs is of bayes" in done.err


def test_a_name_here_beats_what_comes_with_ffnn(cli: Cli, grid: Path) -> None:
    (grid.parent / "sweeps").mkdir()
    grid.rename(grid.parent / "sweeps" / "quick.yaml")
    document = json.loads(cli("sweep", "quick", "--count", "1", "--workers", "1", "--json").out)
    assert document["method"] == "grid"
    assert document["counts"]["finished"] == 1


@pytest.mark.parametrize(
    "words", [["bays"], ["bays", "--dry-run"], ["bays", "--new"], ["bays", "--backend", "wandb"]]
)
def test_of_a_wrong_name_the_nearest_is_told(cli: Cli, words: list[str]) -> None:
    done = cli("sweep", *words)
    assert (done.code, done.out) == (2, "")
    assert "Did you mean the file 'bayes'?" in done.err


def test_the_same_file_again_begins_anew_unless_told_to_resume(cli: Cli, grid: Path) -> None:
    first = json.loads(cli("sweep", grid, "--count", "1", "--workers", "1", "--json").out)["sweep_id"]
    done = cli("sweep", grid, "--resume", "--seed", "7", "--count", "2", "--workers", "1", "--json")
    assert f"--seed is not used: sweep {first} has its own, 0" in done.err
    more = json.loads(done.out)
    assert (more["sweep_id"], sum(more["counts"].values())) == (first, 2)
    again = cli("sweep", grid, "--count", "1", "--workers", "1", "--json")
    assert json.loads(again.out)["sweep_id"] != first
    assert f"ffnn sweep {first} resumes" in again.err
    silent = cli("sweep", grid, "--new", "--count", "1", "--workers", "1", "--json")
    assert "was run before" not in silent.err


def test_resume_and_new_at_once_are_refused(cli: Cli, grid: Path) -> None:
    assert cli("sweep", grid, "--resume", "--new").code == 2
    assert cli("sweep", grid, "--resume").code == 2


def test_a_new_sweep_needs_a_file(cli: Cli) -> None:
    done = cli("sweep", "no-file", "--new")
    assert (done.code, "--new: there is no sweep file 'no-file'" in done.err) == (2, True)


@pytest.mark.parametrize("slow", [1_000_000], indirect=True)
def test_a_second_command_on_a_sweep_is_refused_with_who_runs_it(
    cli: Cli, slow: subprocess.Popen[str]
) -> None:
    sweep_id = id_in(lines_until(slow, "sweep "))
    for command in (["sweep", sweep_id], ["sweep", "grid.yaml", "--resume"]):
        done = cli(*command)
        assert (done.code, done.out) == (1, "")
        assert f":{slow.pid} " in done.err
        assert "more workers" in done.err
        assert "Resume with" not in done.err
    assert slow.poll() is None


@pytest.mark.usefixtures("grid")
def test_a_full_stderr_is_no_fault_of_the_work(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "ffcli", "sweep", "grid.yaml", "--count", "2", "--workers", "1", "--json"],
            cwd=tmp_path,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=full,
            text=True,
            check=False,
        )
    assert done.returncode == 0
    assert json.loads(done.stdout)["counts"]["finished"] == 2


def test_a_sweep_whose_trials_all_failed_fails(cli: Cli, grid: Path) -> None:
    grid.write_text(
        grid.read_text().replace("[0.1, 0.01]", "[1.0e+30]").replace("[sgd, adam, nadam]", "[sgd]")
    )
    done = cli("sweep", grid, "--workers", "1", "--json")
    assert done.code == 1
    assert json.loads(done.out)["counts"] == {"finished": 0, "pruned": 0, "failed": 2}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--cluster", "local", "--wandb", "online"], "ffnn sync"),
        (["--cluster", "local", "--backend", "wandb"], "ffnn sync"),
        (["--jobs", "2"], "--cluster"),
        (["--cluster", "nonsense"], "slurm"),
        (["--cluster", "nothing://host:1"], "tcp://"),
        (["--cluster", "local", "--jobs", "4"], "slurm"),
        (["--workers", "0"], "--workers must be an integer"),
    ],
)
def test_pools_that_do_not_go_together_are_refused(
    cli: Cli, grid: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], said: str
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "k" * 40)
    done = cli("sweep", grid, *options)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert not (grid.parent / "runs").exists()


def test_a_sweep_is_typed(cli: Cli, tiny: Path) -> None:
    words = ("--set", f"dataset={tiny}", "--set", "lr=0.1,0.01", "--set", "epochs=1", "--set", "hls=4")
    dry = json.loads(cli("sweep", *words, "--dry-run", "--json").out)
    assert (dry["method"], dry["size"]) == ("grid", 2)
    done = json.loads(cli("sweep", *words, "--workers", "1", "--json").out)
    assert done["counts"] == {"finished": 2, "pruned": 0, "failed": 0}
    again = cli("sweep", *words, "--workers", "1", "--resume", "--json")
    assert json.loads(again.out)["sweep_id"] == done["sweep_id"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("quick", "--set", "lr=1"), "--set"),
        (("quick", "--method", "grid"), "--method"),
        (("--set", "lr=1", "--method", "gird"), "grid"),
        (("--set", "lr"), "--set"),
        ((), "FILE|SWEEP"),
    ],
)
def test_typed_sweeps_that_are_refused(cli: Cli, words: tuple[str, ...], message: str) -> None:
    done = cli("sweep", *words, "--dry-run")
    assert done.code == 2
    assert message in done.err


def test_a_sweep_whose_time_is_over_and_its_removal(cli: Cli, tiny: Path) -> None:
    words = ("--set", f"dataset={tiny}", "--set", "lr=0.1,0.01", "--set", "epochs=1", "--set", "hls=4")
    done = cli("sweep", *words, "--workers", "1", "--max-time", "0s", "--json")
    document = json.loads(done.out)
    assert (done.code, document["ended"], document["state"]) == (0, "time", "open")
    assert cli("sweep", *words, "--max-time", "soon").code == 2
    sweep = document["sweep_id"]
    full = json.loads(cli("sweep", sweep, "--workers", "1", "--json").out)
    assert (full["ended"], full["counts"]["finished"]) == ("space", 2)

    runs = [run["run_id"] for run in json.loads(cli("runs", "list", "--json").out)]
    dry = json.loads(cli("sweeps", "rm", sweep, "--dry-run", "--json").out)
    assert (dry["removed"], dry["would_remove"], sorted(dry["runs"])) == ([], [sweep], sorted(runs))
    assert cli("sweeps", "rm", sweep).code == 2  # nobody to ask
    assert cli("sweeps", "rm", "no-such").code == 2
    assert len(json.loads(cli("sweeps", "list", "--json").out)) == 1
    gone = json.loads(cli("sweeps", "rm", sweep, "--keep-runs", "--yes", "--json").out)
    assert (gone["removed"], gone["runs"]) == ([sweep], [])
    assert not Path(document["path"]).exists()
    assert len(json.loads(cli("runs", "list", "--json").out)) == 2
    again = json.loads(cli("sweep", *words, "--workers", "1", "--json").out)
    assert cli("sweeps", "rm", again["sweep_id"], "--yes").code == 0
    assert sorted(run["run_id"] for run in json.loads(cli("runs", "list", "--json").out)) == sorted(runs)


def test_a_sweep_that_is_run_is_not_removed(cli: Cli, tiny: Path) -> None:
    words = ("--set", f"dataset={tiny}", "--set", "epochs=1", "--set", "hls=4", "--workers", "1", "--json")
    document = json.loads(cli("sweep", *words).out)
    with SweepLock(Path(document["path"])):
        done = cli("sweeps", "rm", document["sweep_id"], "--yes")
    assert done.code == 1
    assert len(json.loads(cli("runs", "list", "--json").out)) == 1


def test_failed_runs_are_retried(cli: Cli, tiny: Path) -> None:
    """A learning rate of 1e30 diverges, again too."""
    words = [word for each in ("lr=0.1,1e30", "optimizer=sgd", "epochs=2") for word in ("--set", each)]
    words += ["--set", f"dataset={tiny}"]
    first = json.loads(cli("sweep", *words, "--workers", "1", "--json").out)
    assert first["counts"] == {"finished": 1, "pruned": 0, "failed": 1}
    again = json.loads(cli("sweep", first["sweep_id"], "--retry-failed", "--workers", "1", "--json").out)
    assert again["counts"] == first["counts"]
    assert again["ended"] == "space"
    runs = json.loads(cli("runs", "list", "--json").out)
    assert sorted(run["status"] for run in runs) == ["diverged", "diverged", "finished"]
    same = json.loads(cli("sweep", *words, "--retry-failed", "--workers", "1", "--json").out)
    assert (same["sweep_id"], same["counts"]) == (first["sweep_id"], first["counts"])
    assert len(json.loads(cli("runs", "list", "--json").out)) == len(runs) + 1
    assert cli("sweep", *words, "--retry-failed", "--new").code == 2
    assert cli("sweep", *words, "--set", "seed=7", "--retry-failed").code == 2  # no sweep has failed runs
    assert len(json.loads(cli("sweeps", "list", "--json").out)) == 1


def test_a_sweep_says_how_many_networks_it_has_kept(cli: Cli, tiny: Path) -> None:
    each = (f"dataset={tiny}", "seed=1,2,3,4,5,6", "epochs=1", "hls=4")
    done = cli("sweep", *(word for one in each for word in ("--set", one)), "--workers", "1")
    models = list(Path("runs").glob("*/model.safetensors"))
    assert len(models) == 5
    assert f"the best {len(models)} keep their networks" in done.out


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--cluster", "slurm", "--jobs", "3"], " --cluster slurm --jobs 3"),
        (["--cluster", "tcp://host:1", "--workers", "2"], " --cluster tcp://host:1 --workers 2"),
        (["--workers", "2"], ""),
    ],
)
def test_the_command_that_resumes_uses_the_same_cluster(
    cli: Cli, grid: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], words: str
) -> None:
    def unreachable(*_: object) -> NoReturn:
        raise FfnnError("All jobs are over.")

    monkeypatch.setattr("ffcli.services.sweeps.local.open_pool", unreachable)
    grid.write_text(f"{grid.read_text()}  loss: {{values: [cross_entropy, squared_error]}}\n")
    for command in ("sweep", "compare-loss"):
        backend = ["--backend", "local"] * (command == "sweep")
        done = cli(command, grid, *backend, *options)
        assert done.code == 1
        (line,) = [line for line in done.err.splitlines() if line.startswith("Resume with: ")]
        assert re.fullmatch(rf"Resume with: ffnn {command} [\w-]+{words}", line)


def test_an_extended_sweep_has_the_folds_of_the_old_one(
    cli: Cli, grid: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*_: object) -> NoReturn:
        raise FfnnError("There is no pool.")

    monkeypatch.setattr("ffcli.services.sweeps.local.open_pool", unreachable)
    assert cli("sweep", grid, "--backend", "local", "--folds", "3").code == 1
    (old,) = [path.name for path in (grid.parent / "runs" / "sweeps").iterdir()]
    for options, runs in (([], 3), (["--repeats", "2"], 2)):
        shown = json.loads(cli("sweep", grid, "--extend", old, "--dry-run", "--json", *options).out)
        assert (shown["runs_a_trial"], shown["copied"]) == (runs, 0)


def test_what_a_new_sweep_begins_with_is_shown_by_a_dry_run(cli: Cli, grid: Path) -> None:
    known = grid.with_name("known.yaml")
    known.write_text("[{optimizer: adam, hidden_size: 8, lr: 0.1}, {optimizer: nadam}]")
    done = cli("sweep", grid, "--dry-run", "--json", "--start-from", known, "--count", "4")
    shown = json.loads(done.out)
    assert (shown["runs"], shown["copied"]) == (4, 0)
    whole, drawn = shown["start_from"]
    assert whole == {"hidden_size": 8, "optimizer": "adam", "learning_rate": 0.1}
    assert drawn["optimizer"] == "nadam"
    text = cli("sweep", grid, "--dry-run", "--start-from", known).out
    assert re.search(r"^trial 1 +hidden_size 8, optimizer adam, learning_rate 0\.1", text, re.MULTILINE)


@pytest.mark.parametrize(
    "words",
    [
        ["grid.yaml", "--backend", "wandb", "--start-from", "one.yaml"],
        ["grid.yaml", "--backend", "wandb", "--extend", "a-sweep"],
        ["grid.yaml", "--start-from", "far.yaml"],
        ["grid.yaml", "--start-from", "nothing"],
        ["grid.yaml", "--start-from", "two.yaml", "--count", "1"],
        ["grid.yaml", "--extend", "nothing"],
        ["grid.yaml", "--resume", "--start-from", "one.yaml"],
        ["grid.yaml", "--retry-failed", "--start-from", "one.yaml"],
        ["a-sweep", "--start-from", "one.yaml"],
    ],
    ids=" ".join,
)
def test_a_beginning_that_cannot_be_is_refused_before_anything_starts(
    cli: Cli, grid: Path, words: list[str]
) -> None:
    grid.with_name("one.yaml").write_text("lr: 0.1")
    grid.with_name("two.yaml").write_text("[{lr: 0.1, hidden_size: 4}, {lr: 0.1, hidden_size: 8}]")
    grid.with_name("far.yaml").write_text("lr: 0.5")
    done = cli("sweep", *words)
    assert done.code == 2
    assert any(each in done.err for each in words if each not in ("grid.yaml", "one.yaml"))
    assert not (grid.parent / "runs").exists()
