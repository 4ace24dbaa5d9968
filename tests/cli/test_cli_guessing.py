"""Options that there are not, and which are meant."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_helpers import Cli

from ffcli.util.suggest import guesses


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("train --epohcs 3", "'--epochs'"),
        ("train --learning_rte 1", "'--learning-rate'"),
        ("train --optimzer sgd", "'--optimizer'"),
        ("train --initial_batch_size 3", "'--batch-size'"),
        ("train --rmsprop_epsilon 3", "'--epsilon'"),
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
    "line",
    [
        "train --nosuch 4",
        "train --xy 3",
        "runs list --lr 1",
        "train --z",
        "train -x",
        "train --theta 3",  # not --beta
        "train --val_factor 3",  # not --val-fraction
    ],
)
def test_a_guess_that_is_far_off_is_not_made(cli: Cli, line: str) -> None:
    done = cli(*line.split())
    assert (done.code, done.out) == (2, "")
    assert "No such option" in done.err
    assert "Did you mean" not in done.err


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("optimzer", "'optimizer'"),
        ("initial_batch_size", "'batch_size'"),
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
        assert f"'{key}' is not a known hyper-parameter. Did you mean {meant}? Choose one of " in done.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("runs show", "ffnn runs list shows them all. Try 'ffnn runs show --help'."),
        ("runs compare", "ffnn runs list shows them all. Try 'ffnn runs compare --help'."),
        ("sweeps show", "ffnn sweeps list shows them all. Try 'ffnn sweeps show --help'."),
        ("ensembles show", "ffnn ensembles list shows them all. Try 'ffnn ensembles show --help'."),
        (
            "sweep",
            "For a first look: ffnn sweep quick. Earlier ones: ffnn sweeps list. Try 'ffnn sweep --help'.",
        ),
    ],
)
def test_where_an_id_is_missing_it_says_where_they_are(cli: Cli, words: str, said: str) -> None:
    done = cli(*words.split())
    assert (done.code, done.out) == (2, "")
    assert done.err.splitlines()[-1] == said


def test_compare_loss_takes_count_for_runs(cli: Cli) -> None:
    for word in ("--runs", "--count"):
        done = cli("compare-loss", word, "0")
        assert (done.code, done.out) == (2, "")
        assert done.err.startswith("Error: --runs: must be an even number ≥ 2, got 0")


def test_all_that_is_unknown_in_a_file_is_named_at_once(cli: Cli, tmp_path: Path) -> None:
    config, sweep = tmp_path / "config.yaml", tmp_path / "sweep.yaml"
    keys = ["learning_rat", "epochs", "zzz", "hiden_size"]
    config.write_text("".join(f"{key}: 1\n" for key in keys))
    sweep.write_text(
        "method: grid\nparameters:\n" + "".join(f"  {key}: {{values: [1, 2]}}\n" for key in keys)
    )
    for words, place in (
        (["train", "--config", config], f"--config {config}: 'learning_rat'"),
        (["sweep", sweep, "--dry-run"], f"{sweep}: parameters.learning_rat: 'learning_rat'"),
    ):
        done = cli(*map(str, words))
        assert (done.code, done.out) == (2, "")
        assert f"{place} is not a known hyper-parameter. Did you mean 'learning_rate'?" in done.err
        assert " Not known either: 'zzz', 'hiden_size' (hidden_size?)." in done.err
    config.write_text("".join(f"{letter * 9}: 1\n" for letter in "abcdefgh"))
    done = cli("train", "--config", str(config))
    assert done.err.count("'") == 2 * 6
    assert done.err.strip().endswith(", 'fffffffff' ….")


def test_what_may_mean_anything_means_nothing() -> None:
    assert guesses("ab", ["abc", "abd", "abe"]) == ["abc", "abd", "abe"]
    assert guesses("ab", ["abc", "abd", "abe", "abf"]) == []
    assert guesses("flag", ["flag-it", "no-flag-it"]) == ["flag-it"]
    assert guesses("no-fl", ["flag-it", "no-flag-it"]) == ["no-flag-it"]
