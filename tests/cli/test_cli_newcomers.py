"""What annoyed three people: a student without W&B, a teacher with a script, a node without a network."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from child_processes import patience
from cli_helpers import Cli, environment

from ffcli.runs.store import RunStore
from ffcli.services.sweeps.shipped import shipped_files, sweep_file
from ffcli.util.text import counted

SHORT = ("--epochs", "1", "--num-layers", "1", "--hidden-size", "4")
W_AND_B_IS_OFF = "W&B is off"


@pytest.fixture
def no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user who has no account at W&B."""
    for variable in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_BASE_URL"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / "no-netrc"))


@pytest.mark.usefixtures("no_key")
def test_a_student_is_told_once_that_wandb_is_off(cli: Cli, tiny: Path) -> None:
    train = ("train", "--dataset", tiny, *SHORT)
    assert W_AND_B_IS_OFF in cli(*train).err
    assert W_AND_B_IS_OFF not in cli(*train).err
    assert W_AND_B_IS_OFF in cli(*train, "-wp", "my-project").err  # who names a place there wants it on


def test_a_student_who_installed_ffnn_has_its_sweep_files(cli: Cli, tmp_path: Path) -> None:
    assert {"bayes", "random", "grid", "quick", "compare_loss"} <= set(shipped_files())
    for word in ("quick", "quick.yaml", "sweeps/quick.yaml"):
        assert sweep_file(word) == shipped_files()["quick"]
    own = tmp_path / "quick.yaml"
    own.touch()
    assert sweep_file(str(own)) == own
    assert sweep_file("elsewhere/quick.yaml") == Path("elsewhere/quick.yaml")
    done = cli("sweep", "quik")
    assert done.code == 2
    assert "quick" in done.err


def test_a_shipped_file_is_swept_by_its_name(
    cli: Cli, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "package" / "sweeps"
    folder.mkdir(parents=True)
    (folder / "small.yaml").write_text(
        "method: grid\nmetric: {name: val_acc, goal: maximize}\nparameters:\n"
        f"  dataset: {{value: {tiny}}}\n  epochs: {{value: 1}}\n  hidden_size: {{values: [4, 5]}}\n"
    )
    monkeypatch.setattr("ffcli.services.sweeps.shipped._PACKAGE", folder.parent)
    done = cli("sweep", "small", "--workers", "1", "--backend", "local", "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["counts"]["finished"] == 2


# A line that students hand in, the exit code it earns, and what the teacher reads where it is not 0.
HANDED_IN = [
    ("-e 1 -b 16 -l cross_entropy -o sgd -lr 0.1 -m 0.5 -beta 0.5 -beta1 0.5 -beta2 0.5 -eps 1e-6 -w_d 0 "
     "-w_i random -nhl 1 -sz 4 -a sigmoid", 0, ""),
    ("-e 1 -l mean_squared_error -o NAG -w_i Xavier -nhl 2 -sz 4 -a ReLU", 0, ""),
    ("--epochs=1 --batch_size=16 --optimizer=Nadam --hidden_layers=2 --hidden_size=8", 0, ""),
    ("-wp project -we name -e 1 -nhl 1 -sz 4", 0, ""),
    ("-e 1 --hidden_size [8,4] --batch_norm=True", 0, ""),
    ("-e 1 --hidden_size 8,4 --batch_norm True", 0, ""),
    ("-e 1 --batch_norm false -sz 4", 0, ""),
    ("-e 2 -lr .01 -sz 4 -e 1", 0, ""),
    ("-o sgd -a identity -l squared_error -lr 1e30 -e 2 -sz 4", 1, "diverged"),
    ("-e 0", 2, "--epochs must be "),
    ("-e ten", 2, "--epochs must be "),
    ("-o adamm", 2, "Did you mean 'adam' or 'adamw'?"),
    ("-lr nan", 2, "--learning-rate must be "),
    ("-epochs 3", 2, "Did you mean '--epochs'?"),
    ("-d nosuch.npz", 2, "nosuch.npz"),
    ("-e 1 extra", 2, "extra"),
    ("-e", 2, "-e needs a value"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "code", "told"), HANDED_IN, ids=[line for line, _, _ in HANDED_IN])
def test_a_teacher_reads_json_and_exit_codes(cli: Cli, tiny: Path, line: str, code: int, told: str) -> None:
    done = cli("train", "--dataset", tiny, *line.split(), "--json")
    assert done.code == code, done.err
    assert told in done.err
    assert "Traceback" not in done.err
    if code == 2:
        assert done.out == ""
    else:
        document = json.loads(done.out)
        assert document["status"] == ("finished" if code == 0 else "diverged")
        assert len(document["epochs"]) == document["config"]["epochs"] or code == 1


def test_a_guess_that_is_far_off_is_not_made(cli: Cli) -> None:
    """--nosuch was taken for --epochs."""
    assert "Did you mean" not in cli("train", "--nosuch", "4").err


def test_a_boolean_with_its_value_apart_leaves_arguments_alone(cli: Cli, tiny: Path) -> None:
    done = cli("train", "--dry-run", "--batch-norm", "False", "--dataset", tiny, "--json")
    assert json.loads(done.out)["config"]["batch_norm"] is False


def cut_off(*args: object, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Call the command where no network is, not even loopback."""
    return subprocess.run(
        ["unshare", "-n", sys.executable, "-m", "ffcli", *map(str, args)],
        cwd=folder,
        env=environment(**variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=patience(),
        check=False,
    )


def may_unshare() -> bool:
    if shutil.which("unshare") is None:
        return False
    return subprocess.run(["unshare", "-n", "true"], capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not may_unshare(), reason="a network namespace needs privileges")
@pytest.mark.usefixtures("no_key")
def test_a_node_without_a_network_trains_sweeps_and_evaluates(tiny: Path, tmp_path: Path) -> None:
    sweep = tmp_path / "sweep.yaml"
    sweep.write_text(
        "method: grid\nmetric: {name: val_acc, goal: maximize}\nparameters:\n"
        f"  dataset: {{value: {tiny}}}\n  epochs: {{value: 1}}\n  hidden_size: {{values: [4, 5]}}\n"
    )
    for args in (
        ("train", "--dataset", tiny, *SHORT),
        ("sweep", sweep, "--workers", "1"),
        ("evaluate", "--best", "--dataset", tiny),
        ("confusion", "--best", "--dataset", tiny),
        ("runs", "list"),
    ):
        done = cut_off(*args, folder=tmp_path)
        assert done.returncode == 0, (args, done.stderr)
        assert "does not answer" not in done.stderr
    assert len(RunStore(tmp_path / "runs").ids()) == 3


@pytest.mark.skipif(not may_unshare(), reason="a network namespace needs privileges")
def test_a_node_without_a_network_is_told_how_to_bring_the_data(tmp_path: Path) -> None:
    done = cut_off("download", "mnist", "--source", "mirror", folder=tmp_path)
    assert done.returncode == 1
    assert "cannot be reached" in done.stderr
    assert "ffnn download mnist --from PATH" in done.stderr
    local = cut_off("download", "mnist", "--source", "local", folder=tmp_path, HOME=str(tmp_path))
    assert local.stderr.count("not on this machine") == 1  # in the message, and not before it too


@pytest.mark.slow  # W&B's SDK takes its ten seconds
@pytest.mark.skipif(not may_unshare(), reason="a network namespace needs privileges")
def test_a_node_with_a_key_and_no_network_is_told_how_to_sweep(tiny: Path, tmp_path: Path) -> None:
    sweep = tmp_path / "sweep.yaml"
    sweep.write_text(f"method: grid\nparameters:\n  dataset: {{value: {tiny}}}\n  epochs: {{value: 1}}\n")
    done = cut_off("sweep", sweep, folder=tmp_path, WANDB_API_KEY="0" * 40, WANDB_MODE="online")
    assert done.returncode == 1
    assert "ffnn sweep --backend local needs no W&B." in done.stderr


@pytest.mark.parametrize(("number", "told"), [(1, "1 worker"), (2, "2 workers"), (0, "0 workers")])
def test_one_worker_is_no_workers(number: int, told: str) -> None:
    assert counted(number, "worker") == told
