"""``ffnn train --recipe``."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from cli_helpers import Cli

from ffcli.config import load_recipe


def planned(cli: Cli, *words: object) -> dict[str, Any]:
    return dict(json.loads(cli("train", *words, "--dry-run", "--json", "-q").out)["config"])


def test_a_recipe_is_beaten_by_a_file_and_that_by_flags(cli: Cli, tiny: Path) -> None:
    recipe = load_recipe("fast").config.as_dict()
    config = planned(cli, "--recipe", "FAST", "-d", tiny)
    assert {**config, "dataset": "fashion_mnist"} == recipe
    Path("c.yaml").write_text(f"dataset: {tiny}\nepochs: 7\nbatch_size: 9\nhidden_size: [8, 4, 3]\n")
    config = planned(cli, "--recipe", "fast", "--config", "c.yaml", "-b", 10)
    assert (config["epochs"], config["batch_size"]) == (7, 10)
    assert (config["hidden_size"], config["num_layers"]) == ([8, 4, 3], 3)
    assert config["dropout"] == recipe["dropout"]
    assert planned(cli, "--recipe", "fast", "-d", tiny, "--num-layers", 1)["hidden_size"] == 512


def test_the_record_says_which_recipe_it_was(cli: Cli, tiny: Path) -> None:
    words = ["-d", tiny, "-e", 1, "-sz", 4, "--augment", "none", "-q", "--json"]
    run = json.loads(cli("train", "--recipe", "Accurate", *words).out)
    assert run["recipe"] == "accurate"
    assert json.loads(Path(run["path"], "summary.json").read_text())["recipe"] == "accurate"
    assert run["config"]["label_smoothing"] == 0.1
    assert "accurate" in cli("runs", "show", run["run_id"]).out
    assert json.loads(cli("runs", "list", "--json").out)[0]["recipe"] == "accurate"
    assert json.loads(cli("train", *words).out)["recipe"] is None


def test_a_recipes_file_is_a_configuration_file(cli: Cli, tiny: Path) -> None:
    recipe = load_recipe("accurate")
    assert planned(cli, "--config", recipe.path, "-d", tiny, "--augment", "none") == {
        **recipe.config.as_dict(),
        "dataset": str(tiny),
        "augment": "none",
    }
    Path("mine.yaml").write_text(f"about: just a note\ndataset: {tiny}\nepochs: 2\n")
    assert planned(cli, "--config", "mine.yaml")["epochs"] == 2


def test_the_list(cli: Cli) -> None:
    documents = json.loads(cli("train", "--recipe", "list", "--json").out)
    assert {document["recipe"] for document in documents} == {"plain", "fast", "accurate", "best", "mnist"}
    for document in documents:
        recipe = load_recipe(document["recipe"])
        assert document["config"] == recipe.config.as_dict()
        assert document["measured"] == recipe.measured
        assert document["description"] == recipe.description
        assert Path(document["path"]).is_file()
    shown = cli("train", "--recipe", "LIST")
    assert (shown.code, shown.err) == (0, "")
    plain = next(line for line in shown.out.splitlines() if line.startswith("plain"))
    measured = load_recipe("plain").measured
    assert f"{measured['val_acc']:.4f}" in plain
    assert f"{measured['test_acc']:.4f}" in plain
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--recipe", "fsat"], "--recipe: 'fsat' is not a known recipe. Did you mean 'fast'?"),
        (["--recipe", "fast", "--resume", "x"], "--recipe cannot be given with --resume"),
        (["--recipe", "fast", "--dropout", "2"], "--dropout must be "),
    ],
)
def test_wrong_requests(cli: Cli, words: list[str], message: str) -> None:
    done = cli("train", *words)
    assert (done.code, done.out) == (2, "")
    assert re.search(message, done.err)


def test_the_list_goes_with_no_other_option(cli: Cli) -> None:
    refused = cli("train", "--recipe", "list", "--epochs", "3")
    assert refused.code == 2
    assert "no other option" in refused.err
