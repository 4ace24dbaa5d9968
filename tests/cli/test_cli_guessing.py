"""Options that there are not, and which are meant."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_helpers import Cli

from ffcli.core.guessing import guesses


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("train --lr 0.01", "'--learning-rate'"),
        ("train --lr=0.01", "'--learning-rate'"),
        ("train --LR 0.01", "'--learning-rate'"),
        ("train --bs 32", "'--batch-size'"),
        ("train --wd 0.1", "'--weight-decay'"),
        ("train --w_d 0.1", "'--weight-decay'"),
        ("train --eps 1e-8", "'--epsilon'"),
        ("train --epoch 3", "'--epochs'"),
        ("train --epohcs 3", "'--epochs'"),
        ("train --opt adam", "'--optimizer'"),
        ("train --act relu", "'--activation'"),
        ("train --nhl 3", "'--num-layers'"),
        ("train --layers 3", "'--num-layers'"),
        ("train --batch 3", "'--batch-norm' or '--batch-size'"),
        ("train --l2 0.1", "'--weight-decay'"),
        ("train --bn", "'--batch-norm'"),
        ("train --learning_rte 1", "'--learning-rate'"),
        ("evaluate --runs_directory x", "'--runs-dir'"),
        ("runs list --sorted val_acc", "'--sort'"),
        ("sweep quick --worker 2", "'--workers'"),
        ("--data x train", "'--data-dir'"),
    ],
)
def test_the_option_that_is_meant_is_named(cli: Cli, line: str, meant: str) -> None:
    done = cli(*line.split())
    assert (done.code, done.out) == (2, "")
    assert f"Did you mean {meant}?" in done.err


@pytest.mark.parametrize(
    "line", ["train --nosuch 4", "train --xy 3", "runs list --lr 1", "train --z", "train -x"]
)
def test_a_guess_that_is_far_off_is_not_made(cli: Cli, line: str) -> None:
    done = cli(*line.split())
    assert (done.code, done.out) == (2, "")
    assert "No such option" in done.err
    assert "Did you mean" not in done.err


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("lr", "'learning_rate'"),
        ("LR", "'learning_rate'"),
        ("nhl", "'num_layers'"),
        ("l2", "'weight_decay'"),
        ("layers", "'num_layers'"),
        ("batch", "'batch_norm' or 'batch_size'"),
        ("learning_rte", "'learning_rate'"),
    ],
)
def test_a_file_is_helped_like_a_command_line(cli: Cli, tmp_path: Path, key: str, meant: str) -> None:
    config, sweep = tmp_path / "config.yaml", tmp_path / "sweep.yaml"
    config.write_text(f"{key}: 1\n")
    sweep.write_text(f"method: grid\nparameters:\n  {key}: {{values: [1, 2]}}\n")
    for words in (["train", "--config", config], ["sweep", sweep, "--dry-run"]):
        done = cli(*map(str, words))
        assert (done.code, done.out) == (2, "")
        assert done.err.splitlines()[0].endswith(f" Did you mean {meant}?")


def test_what_may_mean_anything_means_nothing() -> None:
    assert guesses("ab", ["abc", "abd", "abe"]) == ["abc", "abd", "abe"]
    assert guesses("ab", ["abc", "abd", "abe", "abf"]) == []
    assert guesses("flag", ["flag-it", "no-flag-it"]) == ["flag-it"]
    assert guesses("no-fl", ["flag-it", "no-flag-it"]) == ["no-flag-it"]
