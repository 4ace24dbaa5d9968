"""The shipped sweep files with nothing but ``wandb sweep`` and ``wandb agent``, which call ``ffnn train``."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
import yaml
from test_wandb_sweeps import at_wandb, stored
from tracking_helpers import ROOT, Ffnn
from wandb_standin import StandIn

from ffcli.cli.app import main


def shrunk(name: str) -> dict[str, Any]:
    """Return a shipped file with small networks on the tiny dataset, and nothing else changed."""
    document = yaml.safe_load((ROOT / "sweeps" / name).read_text())
    document["metric"]["name"] = "validation_accuracy"  # as the user may call it
    document["parameters"] |= {
        "dataset": {"value": "tiny.npz"},
        "epochs": {"value": 2},
        "hidden_size": {"values": [4, 8]},
    }
    return dict(document)


def test_wandb_sweep_and_wandb_agent(ffnn: Ffnn, server: StandIn) -> None:
    document = shrunk("bayes.yaml")
    (ffnn.folder / "bayes.yaml").write_text(yaml.safe_dump(document))
    registered = ffnn.wandb("sweep", "bayes.yaml")
    assert registered.code == 0, registered.err
    (sweep,) = server.sweeps.values()
    path = f"tester/{document['project']}/{sweep.name}"
    assert path in registered.err
    agent = ffnn.wandb("agent", "--count", 2, path)
    assert agent.code == 0, agent.err
    records = at_wandb(stored(ffnn.folder / "runs"))
    assert len(records) == len(server.runs) == 2
    for run_id, run in server.runs.items():
        record = records[run_id]
        assert (run.sweep, run.state, run.exit_code) == (sweep.name, "finished", 0)
        assert run.config["num_layers"] == record["config"]["num_layers"]
        assert run.config["weight_decay"] == record["config"]["weight_decay"]
        assert [row["epoch"] for row in run.history] == [1, 2]
        assert all(row["validation_accuracy"] == row["val_acc"] for row in run.history)
        assert run.summary["val_acc"] == record["best_val_acc"]
    best = max(server.runs.values(), key=lambda run: run.summary["val_acc"])
    evaluated = ffnn("evaluate", "--best", "--sweep", path, "--json")
    assert evaluated.code == 0, evaluated.err
    assert evaluated.document["run_id"] == records[best.name]["run_id"]


OWN = """
program: train.py
method: random
project: CS6910_A1
metric: {name: Validation Accuracy, goal: maximize}
parameters:
  Epochs: {value: 2}
  NumLayers: {values: [1, 2]}
  fc_layer_size: {values: [4, 8]}
  lr: {values: [0.01, 0.1]}
  optimiser: {values: [NAG, Adam]}
  data_set: {value: tiny.npz}
command: [ffnn, train, "${args}"]
"""


def test_a_persons_own_file_by_plain_agents(ffnn: Ffnn, server: StandIn) -> None:
    """Its names are options as they are, and its metric is logged under its own name beside ours."""
    (ffnn.folder / "own.yaml").write_text(OWN)
    registered = ffnn.wandb("sweep", "own.yaml")
    assert registered.code == 0, registered.err
    (sweep,) = server.sweeps.values()
    agent = ffnn.wandb("agent", "--count", 1, f"tester/CS6910_A1/{sweep.name}")
    assert agent.code == 0, agent.err
    (run,) = server.runs.values()
    assert (run.sweep, run.state, run.exit_code) == (sweep.name, "finished", 0)
    assert run.config["hidden_size"] == run.config["fc_layer_size"]
    assert run.config["learning_rate"] == run.config["lr"]
    assert run.config["optimizer"] == {"NAG": "nesterov", "Adam": "adam"}[run.config["optimiser"]]
    assert run.config["dataset"] == "tiny.npz"
    assert [row["Validation Accuracy"] for row in run.history] == [row["val_acc"] for row in run.history]
    assert len(run.history) == 2


_ARGUMENTS = """
import json, sys
from wandb.sdk.launch.sweeps.utils import create_sweep_command_args
for values in json.loads(sys.argv[1]):
    args = {name: {"value": value} for name, value in values.items()}
    print(json.dumps(create_sweep_command_args({"args": args})["args"]))
"""
_SENT: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"hidden_size": [16, 8]}, {"hidden_size": [16, 8], "num_layers": 2}),
    ({"hidden_size": 64.0, "hidden_layers": 2}, {"hidden_size": 64, "num_layers": 2}),
    ({"learning_rate": 1e-05, "weight_decay": 0}, {"learning_rate": 1e-05, "weight_decay": 0.0}),
    ({"optimizer": "NAG", "loss": "mean_squared_error"}, {"optimizer": "nesterov", "loss": "squared_error"}),
    ({"batch_size": 16, "log_model": True}, {"batch_size": 16}),
    ({"seed": -3, "log_model": False}, {"seed": -3}),
]


def test_values_as_an_agent_sends_them(
    ffnn: Ffnn, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Lists, floats, words and truth values, written by the SDK's own function; None is no value."""
    monkeypatch.chdir(ffnn.folder)
    given = [values for values, _ in _SENT] + [{"hidden_size": None}]
    command = [sys.executable, "-c", _ARGUMENTS, json.dumps(given)]
    written = subprocess.run(command, check=True, capture_output=True, text=True)
    *sent, none = [json.loads(line) for line in written.stdout.splitlines()]
    for args, (_, config) in zip(sent, _SENT, strict=True):
        capsys.readouterr()
        assert main(["train", *args, "--dataset=tiny.npz", "--dry-run", "--json"]) == 0
        found = json.loads(capsys.readouterr().out)["config"]
        assert {name: found[name] for name in config} == config
    assert main(["train", *none, "--dataset=tiny.npz", "--dry-run"]) == 2
    assert "--hidden-size must be" in capsys.readouterr().err
