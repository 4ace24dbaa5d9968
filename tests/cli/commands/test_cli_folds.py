"""``ffnn train --folds`` and ``--repeats``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_helpers import Cli


def test_the_runs_and_their_mean(cli: Cli, tiny: Path) -> None:
    words = ["train", "-d", tiny, "-e", 1, "-sz", 4, "--folds", 2, "--workers", 1, "--no-wandb"]
    document = json.loads(cli(*words, "--json").out)
    assert (document["folds"], document["repeats"], document["finished"]) == (2, 1, 2)
    first, second = (run["best_val_acc"] for run in document["runs"])
    assert document["val_acc"]["mean"] == pytest.approx((first + second) / 2)
    assert document["val_acc"]["se"] == pytest.approx(abs(first - second) / 2)
    done = cli(*words, "-q")
    assert done.code == 0
    assert [line.split()[1:3] for line in done.out.splitlines()[1:3]] == [["1/2", "0"], ["2/2", "0"]]
    mean, error = document["val_acc"]["mean"], document["val_acc"]["se"]
    assert f"val_acc {mean:.4f} ± {error:.4f}" in done.out
    command = done.out.splitlines()[-1].partition(": ffnn ")[2].split()
    assert cli(*command, "--json").code == 0, "the command that it names works"


def test_a_fold_alone_is_a_run_like_any_other(cli: Cli, tiny: Path) -> None:
    run = json.loads(cli("train", "-d", tiny, "-e", 1, "-sz", 4, "--fold", "2/3", "--json").out)
    assert run["config"]["fold"] == "2/3"
    again = json.loads(cli("train", "--config", Path(run["path"], "config.yaml"), "--json").out)
    figures = [[row["val_acc"] for row in each["epochs"]] for each in (run, again)]
    assert figures[0] == figures[1]


def test_the_plan_counts_all_runs(cli: Cli, tiny: Path) -> None:
    words = ["train", "-d", tiny, "--folds", 3, "--repeats", 2, "--workers", 4, "--dry-run", "--json"]
    plan = json.loads(cli(*words).out)
    assert (plan["runs"], plan["workers"], plan["train"], plan["validation"]) == (6, 4, 60, 30)


@pytest.mark.parametrize(
    "words",
    [
        ["--folds", 1],
        ["--repeats", 0],
        ["--repeats", 10**9],
        ["--folds", 10000],
        ["--folds", 31],  # of 30 images a class
        ["--folds", 2, "--fold", "1/2"],
        ["--workers", 2],
        ["--resume", "x", "--folds", 2],
    ],
)
def test_what_does_not_go_together_is_refused(cli: Cli, tiny: Path, words: list[object]) -> None:
    done = cli("train", "-d", tiny, *words) if "--resume" not in words else cli("train", *words)
    assert (done.code, done.out) == (2, "")
    assert f"{words[0]}" in done.err or "--folds" in done.err


@pytest.mark.parametrize(
    "words",
    [
        ("train", "-e", 1, "-sz", 4, "--folds", 2),
        ("train", "-e", 1, "-sz", 4, "--repeats", 2),
        ("rerun", "--sweep", "x", "--repeats", 2),
        ("sweep", "quick", "--backend", "local", "--count", 2),
    ],
)
def test_an_agent_of_wandb_has_begun_one_run(
    cli: Cli, tiny: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.setenv("WANDB_SWEEP_ID", "s1")
    monkeypatch.setenv("WANDB_RUN_ID", "r1")
    refused = cli(*words, "--workers", 1, "--wandb", "offline")
    assert (refused.code, refused.out) == (2, "")
    assert "--folds" in refused.err
    assert not Path("runs").exists()
    command = ("train", "-d", tiny, "-e", 1, "-sz", 4, "--repeats", 2, "--workers", 1)
    assert cli(*command).code == 0  # WANDB_MODE is disabled
