"""``ffnn report`` from a sweep file to the page."""

from __future__ import annotations

import html
import json
import re
import shlex
from pathlib import Path

import pytest
from cli_helpers import Cli

from ffcli.config import validate
from ffcli.services.report.report import train_command

FILE = """
method: grid
metric: {name: val_acc, goal: maximize}
parameters:
  dataset: {value: tiny.npz}
  epochs: {value: 2}
  hidden_size: {values: [4, [8, 4]]}
  optimizer: {values: [sgd, nadam]}
"""


@pytest.mark.usefixtures("tiny")
def test_a_sweep_becomes_a_page(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "grid.yaml").write_text(FILE)
    made = json.loads(cli("sweep", "grid.yaml", "--workers", "1", "--json").out)
    done = cli("report", made["sweep_id"][-4:], "--json")
    document = json.loads(done.out)
    path = tmp_path / document["html"]
    assert document == {"html": f"report-{made['sweep_id']}.html", "sweep_id": made["sweep_id"], "runs": 4}
    text = path.read_text("utf-8")
    assert "On the 30 test images" in text
    # The command on the page is that of the best configuration.
    shown = re.search("<pre.*?<code>(.*?)</code>", text, flags=re.S)
    assert shown is not None
    command = html.unescape(re.sub("<[^>]+>", "", shown[1]))
    planned = json.loads(cli(*shlex.split(command)[1:], "--dry-run", "--json").out)
    assert planned["config"] == made["best"]["config"]
    assert cli("report", made["sweep_id"], "-o", "mine.html").out == "4 runs in mine.html\n"
    assert (tmp_path / "mine.html").is_file()


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"hidden_size": [128, 64], "optimizer": "rmsprop", "epsilon": 1e-10, "seed": -3},
        {"optimizer": "momentum", "momentum": 0.99, "weight_decay": 5e-4, "num_layers": 0, "beta": 0.5},
        {"learning_rate": 0.1 + 0.2, "batch_norm": True, "augment": "flip,shift:1"},
    ],
)
def test_the_command_makes_the_same_configuration(cli: Cli, tiny: Path, values: dict[str, object]) -> None:
    dataset = tiny.rename(tiny.with_name("my own data.npz"))
    config = validate({"dataset": str(dataset), **values})
    words = shlex.split(train_command(config, threads=2))
    assert words[:2] == ["ffnn", "train"]
    planned = cli(*words[1:], "--dry-run", "--json")
    assert validate(json.loads(planned.out)["config"]) == config
    assert words[-2:] == ["--threads", "2"]


def test_an_unknown_sweep_is_refused(cli: Cli) -> None:
    done = cli("report", "nope")
    assert (done.code, done.out) == (2, "")
    assert "no sweep 'nope'" in done.err


def test_a_sweep_is_reported_and_shown_by_its_name(cli: Cli, tiny: Path) -> None:
    (tiny.parent / "s.yaml").write_text(
        "name: first look\nmethod: grid\nparameters:\n"
        f"  dataset: {{value: {tiny}}}\n  epochs: {{value: 1}}\n  hidden_size: {{values: [4, 5]}}\n"
    )
    made = json.loads(cli("sweep", "s.yaml", "--workers", 1, "--json").out)
    assert cli("report", "First look", "-o", "named.html").out == "2 runs in named.html\n"
    assert json.loads(cli("sweeps", "show", "s.yaml", "--json").out)["sweep_id"] == made["sweep_id"]
    for command in (["evaluate"], ["predict", "1", "--run"], ["confusion"], ["runs", "show"]):
        done = cli(*command, made["sweep_id"])
        assert (done.code, done.out) == (2, "")
        assert f"'{made['sweep_id']}' is a sweep, not a run." in done.err
    run = made["best"]["run_id"]
    for command in (["sweep"], ["sweeps", "show"], ["report"], ["evaluate", "--best", "--sweep"]):
        done = cli(*command, run)
        assert (done.code, done.out) == (2, "")
        assert f"'{run}' is a run, not a sweep." in done.err
