"""Bad requests end with one clear line, exit code 2 and nothing on stdout."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from cli_helpers import Cli


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            "train --optimizer adm",
            "--optimizer: 'adm' is not a known optimizer. Did you mean 'adam'. Choose one of sgd, ",
        ),
        ("train --activation rleu", "--activation: 'rleu' .*'relu'"),
        ("train --dataset fashion-mnits", "--dataset: 'fashion-mnits' .*'fashion_mnist'"),
        ("train --learning-rate -1", "--learning-rate must be a number > 0"),
        ("train --epsilon 5e-324", "--epsilon must be "),
        ("train --augment flop", "--augment must be none, flip, shift:PIXELS or"),
        ("train --augment shift:1000", "--augment must be "),
        ("train -lr nan", "--learning-rate must be "),
        ("train -lr 0,1", "--learning-rate must be "),
        ("train --epochs 0", "--epochs must be an integer ≥ 1"),
        ("train --epochs 1.5", "--epochs must be an integer ≥ 1"),
        ("train --beta1 1", r"--beta1 must be a number in \[0, 1\)"),
        ("train --hidden-size 0", "--hidden-size must be "),
        ("train --hidden-size 128,64 --num-layers 3", "--num-layers 3 contradicts --hidden-size 128,64"),
        ("train --threads 0", "--threads must be an integer ≥ 1"),
        ("train --threads two", "--threads must be an integer ≥ 1"),
        ("train --wandb ofline", "--wandb: 'ofline' .*'offline'.* auto, online, offline, disabled"),
        ("train --resume nope -b 3", "--batch-size cannot be given with --resume"),
        ("train --resume nope --dry-run", "--dry-run cannot be given with --resume"),
        ("train --resume nope -e x", "--epochs must be "),
        ("train --resume nope", "no run 'nope'"),
        ("train -epochs 3", "No such option '-epochs'. Did you mean '--epochs'"),
        ("train 3", r"unexpected extra argument\(s\) \(3\)"),
        ("predict 0", "INDEX must be an integer ≥ 1"),
        ("predict -3", "INDEX must be "),
        ("predict one", "INDEX must be "),
        ("predict", "INDEX|index"),
        ("predict 1 --hidden-size 0", "--hidden-size must be "),
        ("evaluate nope", "no run 'nope'"),
        ("evaluate", "best"),
        ("evaluate --best --metric val_ac", "--metric: 'val_ac' .*'val_acc'"),
        ("download fashion", "'fashion' is not a known dataset.*'fashion_mnist'"),
        ("download --source mirrors", "'mirrors' .*'mirror'"),
        ("runs show nope", "no run 'nope'"),
        ("runs rm nope --yes", "no run 'nope'"),
        ("runs rm", "id of a run"),
        ("runs list --limit 0", "--limit must be an integer ≥ 1"),
        ("runs list --status done", "--status: 'done'"),
        ("runs list --sort vl_acc", "--sort: .*'val_acc'"),
        ("--data-dir", "--data-dir needs a value"),
        ("train --runs-dir=", "--runs-dir needs the path of a folder"),
    ],
)
def test_options(cli: Cli, line: str, said: str) -> None:
    done = cli(*line.split())
    assert (done.code, done.out) == (2, "")
    first, *hints = done.err.splitlines()
    assert first.startswith("Error: ")
    assert re.search(said, first)
    assert len(hints) <= 1


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"epohcs: 3\n", "'epohcs' is not a known hyper-parameter. Did you mean 'epochs'"),
        (b"epochs: 0\n", "epochs must be an integer ≥ 1, got 0"),
        (b"epochs: true\n", "epochs must be an integer ≥ 1, got True"),
        (b"epsilon: 5e-324\n", r"epsilon must be .* got 5e-324: .* \(1.18e-38 to 3.4e\+38\)"),
        (b"learning_rate:\n", "learning_rate must be a number > 0, got None"),
        (b"learning_rate: {value: 1}\n", "learning_rate must be a number > 0, got a nested value"),
        (
            b"num_layers: 3\nhidden_layers: 2\n",
            "num_layers is given twice, as num_layers and as hidden_layers",
        ),
        (b"num_layers: 3\nhidden_size: [8, 4]\n", "num_layers 3 contradicts .*hidden_size 8,4"),
        (b"optimizer: adm\n", "'adm' .* 'adam'"),
        (b"epochs: [1\n", "this is not YAML in line 2, column 1"),
        (b"epochs: !!python/object/apply:os.getcwd []\n", "this is not YAML in line 1"),
        (b"[" * 600, "this is not YAML"),
        (b"\x00\x01", "this is not YAML"),
        (b"\xff\xfe\xfa", "this is not a text file in UTF-8"),
        (b"", "expected lines such as 'epochs: 5', got an empty file"),
        (b"- 1\n", "expected lines such as 'epochs: 5', got a list"),
        (b"epochs", "expected lines such as 'epochs: 5', got a bare value"),
        (b"#" * 2**21, "larger than"),
    ],
    ids=lambda value: value[:30].decode("latin-1") if isinstance(value, bytes) else "",
)
def test_config_files(cli: Cli, tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "c.yaml").write_bytes(content)
    done = cli("train", "--config", "c.yaml")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("Error: --config c.yaml: ")
    assert len(done.err.splitlines()) == 1
    assert re.search(said, done.err)


def test_a_config_file_of_nested_aliases_is_refused_at_once(cli: Cli, tmp_path: Path) -> None:
    lines = ["seed: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"epochs: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30)]
    (tmp_path / "c.yaml").write_text("\n".join(lines))
    done = cli("train", "--config", "c.yaml")
    assert done.code == 2
    assert len(done.err) < 1000


def test_missing_and_unreadable_config_files(cli: Cli, tmp_path: Path) -> None:
    assert "--config nope.yaml: there is no such YAML file" in cli("train", "--config", "nope.yaml").err
    done = cli("train", "--config", tmp_path)
    assert done.code == 2
    assert f"--config {tmp_path}: expected a YAML file, got a folder" in done.err
    locked = tmp_path / "locked.yaml"
    locked.write_text("epochs: 1")
    locked.chmod(0)
    if not os.access(locked, os.R_OK):  # root may read everything
        done = cli("train", "--config", "locked.yaml")
        assert "--config locked.yaml: it cannot be read: Permission denied" in done.err


def test_runs_rm_never_asks_away_from_a_terminal(cli: Cli, tiny: Path) -> None:
    cli("train", "-d", tiny, "-e", 1, "--quiet")
    (run,) = (path.name for path in Path("runs").iterdir())
    done = cli("runs", "rm", run)
    assert (done.code, done.out) == (2, "")
    assert "--yes" in done.err
    assert cli("runs", "rm", run, "--yes").out == f"removed {run}\n"
    assert list(Path("runs").iterdir()) == []
