"""Runs of the store sent to W&B afterwards."""

from __future__ import annotations

import json
import signal
from datetime import datetime
from pathlib import Path

import pytest
from child_processes import wait_until
from tracking_helpers import Ffnn
from wandb_standin import StandIn

from ffcli.runs.store import RunStore

SWEEP = """
method: grid
name: four
metric: {name: val_acc, goal: maximize}
parameters:
  dataset: {value: "%s"}
  epochs: {value: 3}
  num_layers: {value: 1}
  hidden_size: {values: [3, 4]}
  learning_rate: {values: [0.01, 0.02]}
"""


def sweep_file(ffnn: Ffnn) -> Path:
    path = ffnn.folder / "four.yaml"
    path.write_text(SWEEP % ffnn.dataset)
    return path


def epochs(server: StandIn) -> dict[str, list[int]]:
    return {name: [row["epoch"] for row in run.history] for name, run in server.runs.items()}


def forget(ffnn: Ffnn, run_id: str) -> None:
    """Leave a run as a process does that was killed before it could note what it had sent."""
    path = ffnn.folder / "runs" / run_id / "summary.json"
    record = json.loads(path.read_text())
    record["wandb"].pop("synced", None)
    path.write_text(json.dumps(record))


@pytest.fixture
def swept(ffnn: Ffnn) -> tuple[str, list[str]]:
    """A sweep of four runs made without W&B: its id and theirs."""
    made = ffnn("sweep", sweep_file(ffnn), "--backend", "local", "--workers", 1, "--json")
    assert made.code == 0, made.err
    sweep_id = made.document["sweep_id"]
    runs = RunStore(ffnn.folder / "runs").ids()
    assert len(runs) == 4
    return sweep_id, sorted(runs)


def test_a_local_sweep_is_sent_once(ffnn: Ffnn, server: StandIn, swept: tuple[str, list[str]]) -> None:
    sweep_id, run_ids = swept
    assert server.requests == []
    process = ffnn.start("sync", sweep_id, "-wp", "later", "--json")
    wait_until(lambda: any(run.state == "finished" for run in list(server.runs.values())))
    process.send_signal(signal.SIGINT)
    assert ffnn.done(process).code == 130
    assert list((ffnn.folder / "tmp").iterdir()) == [], "what W&B keeps for the time being stays"
    lost = server.runs[run_ids[0]]
    del lost.lines["wandb-history.jsonl"][2]
    forget(ffnn, run_ids[0])

    again = ffnn("sync", sweep_id, "-wp", "later", "--json")
    assert again.code == 0, again.err
    assert sorted(again.document["synced"] + again.document["skipped"]) == run_ids
    assert run_ids[0] in again.document["synced"]
    assert again.document["failed"] == []
    assert epochs(server) == {run_id: [1, 2, 3] for run_id in run_ids}
    for run_id, run in server.runs.items():
        stored = ffnn("runs", "show", run_id, "--json").document if run_id == run_ids[0] else None
        assert (run.group, run.project, run.state) == (sweep_id, "later", "finished")
        assert run.config == {**ffnn.summary(run_id)["config"], "dataset": "tiny.npz"}
        assert run.summary["val_acc"] == ffnn.summary(run_id)["best_val_acc"]
        assert run.tags == ["sweep"]
        for row, epoch in zip(run.history, stored["epochs"] if stored else ()):
            assert row["val_loss"] == epoch["val_loss"]
            assert row["_timestamp"] == pytest.approx(timestamp(epoch["time"]), abs=1e-3)

    before = len(server.requests)
    third = ffnn("sync", *run_ids, sweep_id, "--json")
    assert third.document == {"synced": [], "skipped": run_ids, "failed": [], "problems": {}}
    assert len(server.requests) == before
    for run_id in run_ids[:2]:
        forget(ffnn, run_id)
    assert ffnn("sync", sweep_id, "--json").document["synced"] == run_ids[:2]
    assert epochs(server) == {run_id: [1, 2, 3] for run_id in run_ids}, "what W&B has is not sent again"


def test_what_was_asked_for_in_vain_is_still_missing(ffnn: Ffnn) -> None:
    wish = ("-wp", "elsewhere", "--log-model")
    run_id = ffnn.train("--wandb", "online").document["run_id"]
    assert ffnn("sync", run_id, "--json").document["skipped"] == [run_id]
    lost = ffnn("sync", run_id, *wish, "--json", WANDB_BASE_URL="http://127.0.0.1:9")
    assert (lost.code, lost.document["failed"]) == (1, [run_id])
    assert ffnn("sync", run_id, *wish, "--json").document["synced"] == [run_id]


def timestamp(time: str) -> float:
    return datetime.fromisoformat(time.replace("Z", "+00:00")).timestamp()


@pytest.mark.slow
def test_a_local_sweep_is_followed_when_asked_for(ffnn: Ffnn, server: StandIn) -> None:
    made = ffnn("sweep", sweep_file(ffnn), "--backend", "local", "--wandb", "online", "--json")
    assert made.code == 0, made.err
    assert len(server.runs) == 4
    assert {run.group for run in server.runs.values()} == {made.document["sweep_id"]}
    assert all(len(run.history) == 3 and run.state == "finished" for run in server.runs.values())
    assert ffnn("sync", made.document["sweep_id"], "--json").document["synced"] == []


def test_requests_that_are_wrong(ffnn: Ffnn, server: StandIn) -> None:
    assert ffnn("sync", "nosuch").code == 2
    no_key = ffnn("sync", "nosuch", WANDB_API_KEY="")
    assert no_key.code == 1
    assert "no W&B key is configured" in no_key.err
    run_id = ffnn.train("--wandb", "disabled").document["run_id"]
    wrong = ffnn("sync", run_id, "--json", WANDB_API_KEY="x" * 40)
    assert wrong.code == 1
    assert wrong.document["failed"] == [run_id]
    assert "refuses the API key" in wrong.err
    assert "x" * 40 not in wrong.err + wrong.out
    assert not server.runs
