"""The script behind the answers to the assignment: a sweep rebuilt from its table, and its blocks."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import numpy as np
import pytest

from benchmarks import answers
from benchmarks.answers import PAGE, filled, without_pairs, without_path
from benchmarks.answers_sweep import rebuild
from benchmarks.measure import MeasurementError
from ffcli.services.sweeps.results import TrialCounts
from ffcli.services.sweeps.summary import show_sweep
from ffcli.training.context import Context

SWEEP = """
method: bayes
metric: {name: val_acc, goal: maximize}
parameters:
  dataset: {value: "DATASET"}
  epochs: {values: [1, 2]}
  hidden_layers: {value: 1}
  weight_decay: {values: [0, 0.5]}
  optimizer: {values: [adam, sgd]}
"""
TABLE = """\
trial,epochs,num_layers,weight_decay,optimizer,status,best_val_acc,best_epoch,seconds
1,2,1,0.0,adam,finished,0.75,2,1.0
2,1,1,0.5,sgd,finished,0.25,1,1.0
3,2,1,0.0,sgd,finished,0.5,1,1.0
"""


def test_a_sweep_is_made_again_from_its_table(tmp_path: Path) -> None:
    labels = (np.arange(60) % 3).astype(np.uint8)
    images = np.zeros((60, 4, 4), np.uint8)
    np.savez(tmp_path / "t.npz", x_train=images, y_train=labels, x_test=images, y_test=labels)
    file, table = tmp_path / "sweep.yaml", tmp_path / "table.csv"
    file.write_text(SWEEP.replace("DATASET", str(tmp_path / "t.npz")))
    # The rows say nothing of the dataset, which the sweep's file fixes.
    table.write_text(TABLE)
    sweep = rebuild(tmp_path / "runs", tmp_path / "data", table, file)
    context = Context(data_dir=tmp_path / "data", runs_dir=tmp_path / "runs", notify=lambda _: None)
    shown = show_sweep(context, sweep)
    assert shown.counts == TrialCounts(3, 0, 0)
    assert [trial.value for trial in shown.top] == [0.75, 0.5, 0.25]
    assert [trial.values["optimizer"] for trial in shown.top] == ["adam", "sgd", "sgd"]
    best = shown.best.config
    assert (best["weight_decay"], best["epochs"], best["dataset"]) == (0.0, 2, str(tmp_path / "t.npz"))


def test_a_block_is_filled_and_nothing_else_changes() -> None:
    text = "before\n<!-- answer: one -->\n```\nold\n```\nafter\n<!-- answer: two -->\n```\n```\n"
    new = filled(text, "one", "$ ffnn \\1 \nout\n\n")
    assert new == text.replace("old", "$ ffnn \\1\nout")
    assert filled(new, "two", "x") == new.replace("```\n```", "```\nx\n```")
    with pytest.raises(MeasurementError, match="0 blocks <!-- answer: three -->"):
        filled(text, "three", "x")


def test_the_page_has_the_blocks_and_pictures_that_the_script_fills() -> None:
    text = PAGE.read_text("utf-8")
    shown = re.findall(r'answers\.show\(\s*"([a-z]+)"', inspect.getsource(answers.answer))
    assert sorted(re.findall(r"^<!-- answer: (.*?) -->$", text, flags=re.M)) == sorted(shown)
    for block in re.findall(r"^<!-- answer: .*? -->\n```\n(.*?)^```$", text, flags=re.M | re.S):
        assert block.startswith("$ ffnn ")
        assert block.count("\n") > 1
    pictures = re.findall(r"\]\((images/.*?)\)", text)
    assert pictures
    for picture in pictures:
        assert (PAGE.parent / picture).is_file(), picture


def test_lines_that_nobody_needs_are_left_out() -> None:
    assert without_path("a\nstored in /x/y\nb\n") == "a\nb\n"
    out = "comparison c: 4 finished\nstored in /x\n\npair  acc\n   1  0.5\n\nmeasure\n"
    assert (
        without_pairs(out) == "comparison c: 4 finished\n\n… (a line for each of the 25 pairs)\n\nmeasure\n"
    )
