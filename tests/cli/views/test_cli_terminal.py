"""What a real terminal shows."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cli_helpers import Cli, bare, environment, on_terminal
from small_runs import write_dataset

pytestmark = pytest.mark.usefixtures("tiny")

TRAIN = ["train", "-d", "tiny.npz", "-e", "3", "-b", "1"]


def test_training_is_a_table_above_a_bar(tmp_path: Path) -> None:
    code, seen = on_terminal(tmp_path, *TRAIN)
    assert code == 0
    assert "epoch  train_loss  train_acc" in bare(seen)
    assert re.search(r"2/3 +\d\.\d{4}", bare(seen))
    assert "/81 steps" in bare(seen)
    assert "\x1b[3" in seen


def test_no_color_is_honoured(tmp_path: Path) -> None:
    code, seen = on_terminal(tmp_path, *TRAIN, NO_COLOR="1")
    assert code == 0
    assert "/81 steps" in bare(seen)
    colours = [
        found for found in re.findall(r"\x1b\[([0-9;]*)m", seen) if re.search(r"(^|;)(3|4|9)\d", found)
    ]
    assert colours == []


@pytest.mark.parametrize("how", [{"TERM": "dumb"}, {"quiet": "1"}])
def test_no_bar_where_it_cannot_be_drawn_or_is_not_wanted(tmp_path: Path, how: dict[str, str]) -> None:
    quiet = ["-q"] if how.pop("quiet", None) else []
    code, seen = on_terminal(tmp_path, *TRAIN, *quiet, **how)
    assert code == 0
    assert "steps  " not in seen
    assert ("epoch 2/3" in seen) is not bool(quiet)


@pytest.mark.parametrize(("answer", "code", "left"), [("y\n", 0, 0), ("n\n", 1, 1), ("\n", 1, 1)])
def test_runs_rm_asks(cli: Cli, tmp_path: Path, answer: str, code: int, left: int) -> None:
    cli(*TRAIN)
    (run,) = (path.name for path in (tmp_path / "runs").iterdir())
    done, seen = on_terminal(tmp_path, "runs", "rm", run, answer=answer)
    assert done == code
    assert f"Remove {run}? [y/N]" in bare(seen)
    assert len(list((tmp_path / "runs").iterdir())) == left


def test_a_list_of_runs_fits_80_columns_and_keeps_ids_whole(cli: Cli, tmp_path: Path) -> None:
    cli(*TRAIN)
    (run,) = (path.name for path in (tmp_path / "runs").iterdir())
    _, seen = on_terminal(tmp_path, "runs", "list")
    lines = bare(seen).replace("\r", "").splitlines()
    assert max(map(len, lines)) <= 80
    assert any(line.startswith(run) and "finished" in line for line in lines)


SWEEP = ["sweep", "grid.yaml", "--workers", "1", "--count"]


@pytest.fixture(scope="module")
def one_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a sweep of which one run is done, to be copied."""
    folder = tmp_path_factory.mktemp("one-run")
    write_dataset(folder / "tiny.npz")
    space = "{dataset: {value: tiny.npz}, epochs: {value: 1}, seed: {values: [1, 2, 3]}}"
    (folder / "grid.yaml").write_text(f"method: grid\nparameters: {space}")
    assert on_terminal(folder, *SWEEP, "1")[0] == 0
    return folder


@pytest.fixture
def sweep_id(one_run: Path, tmp_path: Path) -> str:
    """The id of a copy of that sweep."""
    shutil.copytree(one_run, tmp_path, dirs_exist_ok=True)
    (path,) = (tmp_path / "runs" / "sweeps").iterdir()
    return path.name


def test_a_sweep_that_has_as_many_runs_is_not_asked_about(tmp_path: Path, sweep_id: str) -> None:
    code, seen = on_terminal(tmp_path, *SWEEP, "1", "--json")
    assert code == 0
    assert "Resume sweep" not in seen
    assert "resumes that sweep" in " ".join(bare(seen).split())
    assert len(list((tmp_path / "runs" / "sweeps").iterdir())) == 2
    assert sweep_id in bare(seen)


@pytest.mark.parametrize(("answer", "sweeps"), [("y\n", 1), ("\n", 1), ("n\n", 2)])
def test_a_sweep_of_the_same_file_is_resumed_if_wanted(
    tmp_path: Path, sweep_id: str, answer: str, sweeps: int
) -> None:
    code, seen = on_terminal(tmp_path, *SWEEP, "2", answer=answer, columns=200)
    assert code == 0
    far = r"\(ended: 1 run of 1, best val_acc 0\.\d{4}\)"
    asked = rf"Resume sweep {sweep_id} of the same file {far}\? n begins a new one\. \[Y/n\]"
    assert re.search(asked, bare(seen))
    assert "was run before" not in seen
    assert len(list((tmp_path / "runs" / "sweeps").iterdir())) == sweeps


def test_a_damaged_sweep_is_no_hindrance_to_a_new_one(tmp_path: Path, sweep_id: str) -> None:
    study = tmp_path / "runs" / "sweeps" / sweep_id / "study.log"
    study.write_text(study.read_text().replace('"starts":1', '"starts":"odd"'))
    code, seen = on_terminal(tmp_path, *SWEEP, "2", columns=200)
    assert f"sweep {sweep_id} is left out" in bare(seen)
    assert code == 0
    assert len(list((tmp_path / "runs" / "sweeps").iterdir())) == 2


def test_a_sweeps_live_view_shows_val_acc_and_lets_a_long_name_go(tmp_path: Path) -> None:
    (tmp_path / "long.yaml").write_text(
        "method: grid\n"
        "parameters:\n"
        "  dataset: {value: tiny.npz}\n"
        "  epochs: {value: 20}\n"
        "  batch_size: {value: 100000}\n"
        "  hidden_size: {value: 4}\n"
        "  num_layers: {value: 1}\n"
        "  activation: {value: sigmoid}\n"
        "  optimizer: {value: nesterov}\n"
        "  learning_rate: {values: [0.1, 0.01]}\n"
    )
    code, seen = on_terminal(tmp_path, "sweep", "long.yaml", "--workers", "1")
    assert code == 0
    doing = [line for line in re.split(r"[\r\n]+", bare(seen)) if line.startswith("trial ")]
    assert max(map(len, doing)) <= 80
    last = [line for line in doing if "epoch 20/20" in line]
    assert last
    for line in last:
        assert re.fullmatch(r"trial \d  epoch 20/20  val_acc \d\.\d{4}  run_hl-1_bs-100000_.*…", line)


def test_a_run_taken_up_again_has_one_head_and_its_own_rows(cli: Cli, tmp_path: Path) -> None:
    cli(*TRAIN)
    (run,) = (path.name for path in (tmp_path / "runs").iterdir())
    code, seen = on_terminal(tmp_path, "train", "--resume", run, "-e", "5")
    assert code == 0
    assert bare(seen).count("train_loss") == 1
    assert re.findall(r"^ +(\d/5) ", bare(seen).replace("\r", "\n"), re.MULTILINE) == ["4/5", "5/5"]


def test_a_terminal_that_goes_away_costs_no_training(tmp_path: Path, tiny: Path) -> None:
    """As where it was started with nohup or disowned, and the window is closed."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "ffcli", "train", "-d", tiny, "-e", "150", "--wandb", "disabled"],
        cwd=tmp_path,
        env=environment(TERM="xterm-256color"),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    seen = b""
    while b"/150" not in seen:
        seen += os.read(ours, 65536)
    os.close(ours)
    assert process.wait(60) == 0
    (path,) = (tmp_path / "runs").iterdir()
    record = json.loads((path / "summary.json").read_text())
    assert (record["status"], record["epochs_done"]) == ("finished", 150)
