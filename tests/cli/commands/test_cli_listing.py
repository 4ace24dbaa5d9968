"""``runs list`` and ``sweeps show``: columns, conditions and formats."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from cli_helpers import Cli

GRID = """
method: grid
metric: {name: val_acc, goal: maximize}
parameters:
  dataset: {value: tiny.npz}
  epochs: {value: 1}
  num_layers: {value: 1}
  hidden_size: {values: [4, 8, 16]}
"""


def train(cli: Cli, tiny: Path, *words: object) -> str:
    done = cli("train", "-d", tiny, "-e", 1, "-sz", 4, "-nhl", 1, "--json", "--no-wandb", *words)
    return str(json.loads(done.out)["run_id"])


def test_runs_as_table_csv_and_markdown(cli: Cli, tiny: Path) -> None:
    first = train(cli, tiny, "-lr", 0.01, "--tag", "a,b")
    second = train(cli, tiny, "-lr", 0.002)
    accuracy = json.loads(cli("evaluate", second, "--json").out)["accuracy"]
    listed = {run["run_id"]: run for run in json.loads(cli("runs", "list", "--json").out)}
    assert (listed[first]["test_acc"], listed[second]["test_acc"]) == (None, accuracy)
    assert json.loads(cli("runs", "show", second, "--json").out)["test_acc"] == accuracy

    head, *rows = cli("runs", "list", "--sort", "lr").out.splitlines()
    assert "learning_rate" in head.split()
    assert "test_acc" in head.split()
    assert [row.split()[0] for row in rows] == [second, first]
    assert [row.split()[0] for row in cli("runs", "list", "--where", "lr>0.005").out.splitlines()[1:]] == [
        first
    ]

    whole = list(csv.DictReader(io.StringIO(cli("runs", "list", "--format", "csv").out)))
    assert [row["run_id"] for row in whole] == [second, first]
    assert float(whole[0]["test_acc"]) == accuracy
    assert float(whole[0]["val_acc"]) == listed[second]["best_val_acc"]
    assert (whole[1]["learning_rate"], whole[1]["tags"]) == ("0.01", "a,b")
    chosen = cli("runs", "list", "--columns", "run,lr", "--format", "CSV").out
    assert chosen == f"run_id,learning_rate\n{second},0.002\n{first},0.01\n"
    marked = cli("runs", "list", "--columns", "run,lr", "--format", "markdown").out
    assert marked == f"| run | learning_rate |\n| --- | --: |\n| {second} | 0.002 |\n| {first} | 0.01 |\n"


def test_the_trials_of_a_sweep(cli: Cli, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tiny.parent / "grid.yaml").write_text(GRID)
    sweep = json.loads(cli("sweep", "grid.yaml", "--workers", 1, "--backend", "local", "--json", "-q").out)
    trials = {trial["number"]: trial for trial in sweep["top"]}
    show = ["sweeps", "show", sweep["sweep_id"]]
    top = json.loads(cli(*show, "--top", 2, "--json").out)["top"]
    assert [trial["number"] for trial in top] == [trial["number"] for trial in sweep["top"][:2]]
    small = json.loads(cli(*show, "--where", "sz<16", "--sort", "sz", "--json").out)["top"]
    assert [trial["values"]["hidden_size"] for trial in small] == [4, 8]
    text = cli(*show, "--columns", "number,sz,epochs,val_acc", "--sort", "number", "--format", "csv").out
    assert text.splitlines()[0] == "number,hidden_size,epochs,val_acc"
    assert [float(line.split(",")[3]) for line in text.splitlines()[1:]] == [
        trials[number]["value"] for number in (1, 2, 3)
    ]
    words = ("--set", "hls=[4],[4,4]", "--set", f"dataset={tiny}", "--set", "epochs=1", "--workers", 1)
    layers = json.loads(cli("sweep", *words, "--json", "-q").out)["sweep_id"]
    text = cli("sweeps", "show", layers, "--columns", "number,num_layers", "--sort", "number", "--format=csv")
    assert text.out == "number,num_layers\n1,1\n2,2\n"
    monkeypatch.setattr("ffcli.services.sweeps.summary.TOP", 2)
    assert len(cli(*show, "--format", "csv").out.splitlines()) == 1 + 3, "all trials"
    table = cli(*show).out
    assert "correlation" not in table, "three trials tell nothing"
    runs = cli("runs", "list").out
    assert sweep["sweep_id"] in runs


@pytest.mark.parametrize(
    "words",
    [
        ["runs", "list", "--format", "html"],
        ["runs", "list", "--format", "csv", "--json"],
        ["runs", "list", "--columns", "run", "--json"],
        ["runs", "list", "--columns", "run,colour"],
        ["runs", "list", "--where", "lr"],
        ["runs", "list", "--sort", "colour"],
    ],
)
def test_what_cannot_be_listed_is_refused(cli: Cli, words: list[str]) -> None:
    done = cli(*words)
    assert (done.code, done.out) == (2, "")
    assert words[2] in done.err
