"""``ffnn runs compare`` as a user sees it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cli_helpers import Cli, bare, on_terminal

LISTED = "run_id name status dataset sweep_id tags config best_epoch best_val_acc seconds started"


@pytest.fixture
def pair(cli: Cli, tiny: Path) -> list[dict[str, Any]]:
    options = ([], ["-lr", 0.05, "-o", "nag", "--name", "[red]two[/red]"])
    return [json.loads(cli("train", "-d", tiny, "-e", 2, "--json", *each).out) for each in options]


def test_a_list_with_the_promised_keys(cli: Cli, pair: list[dict[str, Any]]) -> None:
    done = cli("runs", "compare", *(run["run_id"] for run in pair), "--json", "-o", "c.png")
    assert (done.code, done.err) == (0, "")
    first, second = json.loads(done.out)
    assert set(LISTED.split()) <= set(first)
    assert second["different"] == {"optimizer": "nesterov", "learning_rate": 0.05}
    assert (first["png"], Path("c.png").read_bytes()[:4]) == ("c.png", b"\x89PNG")


def test_differences_first_and_the_rest_on_request(cli: Cli, pair: list[dict[str, Any]]) -> None:
    ids = [run["run_id"] for run in pair]
    out = cli("runs", "compare", *ids).out
    assert [line.split() for line in out.splitlines() if line.startswith("≠")] == [
        ["≠", "optimizer", "adam", "nesterov"],
        ["≠", "learning_rate", "0.001", "0.05"],
    ]
    assert "batch_size" not in out
    assert f"{len(pair[0]['config']) - 2} other hyper-parameters (--all shows them)" in out
    assert f"{pair[1]['best_val_acc']:.4f}" in next(
        line for line in out.splitlines() if line.startswith("val_acc")
    )
    assert "[red]two[/red]" in out
    assert "learning curves: runs-compare.png" in out
    everything = cli("runs", "compare", *ids, "--all").out
    assert ["batch_size", "32", "32"] in [line.split() for line in everything.splitlines()]
    assert "--all shows" not in everything


def test_the_same_configuration_twice_is_said_to_be_so(cli: Cli, tiny: Path) -> None:
    runs = [json.loads(cli("train", "-d", tiny, "-e", 1, "--json").out)["run_id"] for _ in range(2)]
    assert "the configurations are the same" in cli("runs", "compare", *runs).out


def test_six_runs_fit_80_columns(tmp_path: Path, cli: Cli, tiny: Path) -> None:
    losses = ["cross_entropy", "squared_error"] * 3
    runs = [
        json.loads(cli("train", "-d", tiny, "-e", 1, "-l", loss, "--seed", seed, "--json").out)["run_id"]
        for seed, loss in enumerate(losses)
    ]
    _, seen = on_terminal(tmp_path, "runs", "compare", *runs, "--all")
    lines = bare(seen).replace("\r", "").splitlines()
    assert max(map(len, lines)) <= 80
    assert sum(run_id in line for run_id in runs for line in lines) == 6


@pytest.mark.parametrize(
    ("words", "said"),
    [(["nope", "nope2"], "There is no run 'nope'"), ([], "RUN"), (["x", "y", "-o", "no/x.png"], "--out")],
)
def test_wrong_requests(cli: Cli, words: list[str], said: str) -> None:
    done = cli("runs", "compare", *words)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
