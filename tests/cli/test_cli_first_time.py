"""What annoyed people who used the command for the first time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_helpers import Cli, bare, on_terminal

from ffcli.cli.text import number, roughly
from ffcli.services.sweeps.create import SweepSource
from ffcli.services.sweeps.shipped import sweep_file


@pytest.mark.parametrize(
    ("words", "same"), [(("help",), ("--help",)), (("help", "sweeps", "rm"), ("sweeps", "rm", "--help"))]
)
def test_help_is_a_word_too(cli: Cli, words: tuple[str, ...], same: tuple[str, ...]) -> None:
    assert cli(*words) == cli(*same)
    assert cli(*words).code == 0


@pytest.mark.parametrize("words", [("--json", "--version"), ("--version", "--json")])
def test_the_version_in_json(cli: Cli, words: tuple[str, ...]) -> None:
    (version,) = json.loads(cli(*words).out).values()
    assert cli("--version").out == f"ffnn {version}\n"


@pytest.mark.parametrize("command", ["train", "sweep quick", "compare-loss"])
def test_online_without_a_key_is_refused(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    for name in ("WANDB_API_KEY", "WANDB_IDENTITY_TOKEN_FILE", "WANDB_MODE", "WANDB_SWEEP_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path / "none"))
    done = cli(*command.split(), "--wandb", "online", "--data-dir", tmp_path / "data")
    assert done.code == 2
    assert "--wandb" in done.err
    assert not (tmp_path / "data").exists()


def test_a_shipped_file_is_called_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert SweepSource(sweep_file("quick")).called == "quick"
    (tmp_path / "quick.yaml").write_text("")
    assert SweepSource(tmp_path / "quick.yaml").called == str(tmp_path / "quick.yaml")


def test_bars_in_ascii(process: Cli, tiny: Path) -> None:
    ascii_only = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C", "PYTHONIOENCODING": "ascii"}
    done = process("predict", "1", "-d", tiny, "--hidden-size", "4", **ascii_only)
    assert done.code == 0
    assert "?" not in done.out
    assert "###" in done.out


def test_words_stay_whole_at_80_columns(tmp_path: Path) -> None:
    code, seen = on_terminal(tmp_path, "predict", "1", "-o", "a.png", "-wp", "p", "--run", "none")
    lines = [line.rstrip("\r") for line in bare(seen).split("\n")]
    assert code == 2
    assert "not used: the prediction goes to the run at W&B" in " ".join(map(str.strip, lines))
    assert all(len(line) <= 80 for line in lines if "/" not in line)


@pytest.mark.parametrize(
    ("value", "digits", "sign", "shown"),
    [(-0.001, 2, "-", "0.00"), (-0.001, 2, "+", "+0.00"), (-0.006, 2, "+", "-0.01"), (0.5, 4, "-", "0.5000")],
)
def test_no_negative_zero(value: float, digits: int, sign: str, shown: str) -> None:
    assert number(value, digits, sign=sign) == shown  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(1.234, "1.2 s"), (45.4, "45 s"), (99, "99 s"), (130, "2.2 min"), (3600, "60 min"), (36_000, "10 h")],
)
def test_estimates_have_two_digits(seconds: float, shown: str) -> None:
    assert roughly(seconds) == shown


def test_names_of_hyper_parameters_ignore_case(cli: Cli, tiny: Path) -> None:
    words = ("--Epochs=2", "--NumLayers=1", "--HIDDEN_SIZE", "8", "--FC_layer_Size=8")
    done = cli("train", "-d", tiny, *words[:-1], "--dry-run", "--json")
    found = json.loads(done.out)["config"]
    assert (found["epochs"], found["num_layers"], found["hidden_size"]) == (2, 1, 8)
    assert cli("train", "-d", tiny, *words, "--dry-run").code == 2  # given twice
