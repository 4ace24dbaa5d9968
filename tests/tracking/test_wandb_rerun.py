"""``ffnn rerun`` of a sweep at W&B, and its runs there."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from tracking_helpers import Ffnn
from wandb_standin import StandIn

FILE = """
program: ffnn
method: grid
metric: {name: val_acc, goal: maximize}
parameters:
  dataset: {value: tiny.npz}
  epochs: {value: 2}
  hidden_layers: {value: 1}
  hidden_size: {value: 4}
  learning_rate: {values: [0.001, 0.05]}
command: ["${interpreter}", "-m", "ffcli", "train", "${args}"]
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Ffnn, StandIn, str]]:
    """Where a sweep of two runs was made by W&B's own agent, its server and its address there."""
    with StandIn() as server:
        ffnn = Ffnn(tmp_path_factory.mktemp("made"), server)
        (ffnn.folder / "sweep.yaml").write_text(FILE)
        assert ffnn.wandb("sweep", "--project", "p", "sweep.yaml").code == 0
        (name,) = server.sweeps
        agent = ffnn.wandb("agent", f"tester/p/{name}")
        assert agent.code == 0, agent.err
        assert len(server.runs) == 2
        shutil.copytree(ffnn.folder / "runs", ffnn.folder / "copied")
        yield ffnn, server, f"tester/p/{name}"


def rerun(ffnn: Ffnn, address: str, *args: object, **variables: str) -> list[dict[str, Any]]:
    done = ffnn("rerun", "--sweep", address, "--seeds", 1, "--workers", 2, "--json", *args, **variables)
    assert done.code == 0, done.err
    return list(done.document)


def rates(documents: list[dict[str, Any]]) -> list[float]:
    return [document["config"]["learning_rate"] for document in documents]


def test_the_best_of_wandb_are_trained_and_tracked(made: tuple[Ffnn, StandIn, str]) -> None:
    ffnn, server, address = made
    ranked = sorted(server.runs.values(), key=lambda run: -run.summary["val_acc"])
    here = rerun(ffnn, address)
    assert rates(here) == [run.config["learning_rate"] for run in ranked]
    assert [each["original"]["value"] for each in here] == [run.summary["val_acc"] for run in ranked]
    assert all(each["original"]["test_acc"] is not None for each in here), "the runs are in this store"
    for document in here:
        tracked = server.runs[document["wandb"]["id"]]
        assert tracked.summary["test_acc"] == document["test_acc"]
        assert tracked.tags == ["rerun"]
    elsewhere = rerun(
        ffnn, address, "--runs-dir", "elsewhere", "--wandb", "disabled", "--metric", "train_loss"
    )
    assert sorted(rates(elsewhere)) == [0.001, 0.05]
    assert {each["original"]["metric"] for each in elsewhere} == {"train_loss"}
    assert [each["original"]["test_acc"] for each in elsewhere] == [None, None]
    assert len(server.runs) == 4


def test_without_the_server_the_runs_stored_here_are_taken(
    made: tuple[Ffnn, StandIn, str], server: StandIn
) -> None:
    ffnn, _, address = made
    server.go_away()
    gone = {"WANDB_BASE_URL": server.url, "WANDB_HTTP_TIMEOUT": "2"}
    words = ("rerun", "--sweep", address, "--seeds", 1)
    done = ffnn("--runs-dir", "copied", *words, "--json", "--wandb", "disabled", **gone)
    assert done.code == 0, done.err
    assert "2 runs that are stored here" in done.err
    assert sorted(rates(done.document)) == [0.001, 0.05]
    alone = ffnn("--runs-dir", "empty", *words, **gone)
    assert alone.code == 1
    assert "does not answer" in alone.err


def test_without_a_key_it_says_what_is_missing(ffnn: Ffnn) -> None:
    done = ffnn("rerun", "--sweep", "tester/p/abc", "--seeds", 1, WANDB_API_KEY="")
    assert done.code == 2
    assert "key" in done.err
