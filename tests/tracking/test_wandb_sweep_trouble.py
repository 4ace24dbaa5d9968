"""Sweeps by W&B's agents where something goes wrong: each is bounded, and costs no local result."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from child_processes import children, wait_until
from test_wandb_sweeps import SPEC, at_wandb, stored
from tracking_helpers import Ffnn, not_to_disk
from wandb_standin import Request, StandIn
from wandb_standin import Sweep as RemoteSweep

QUICK = {"epochs": 2, "hidden_layers": 1, "hidden_size": 4, "learning_rate": 0.01}
SOME_SECONDS = {**QUICK, "epochs": 150, "batch_size": 1}
ENDLESS = {**QUICK, "epochs": 1_000_000, "batch_size": 1}
DIVERGES = {**QUICK, "optimizer": "sgd", "learning_rate": 1e30, "loss": "squared_error", "weight_decay": 1}


@pytest.fixture
def sweeper(ffnn: Ffnn) -> Ffnn:
    (ffnn.folder / "spec.yaml").write_text(SPEC)
    ffnn.environment["WANDB_HTTP_TIMEOUT"] = "3"
    return ffnn


def hand_out(server: StandIn, *runs: Mapping[str, Any]) -> None:
    """Let the server hand out these values one after another, the last for ever."""

    def suggest(_: RemoteSweep, number: int) -> dict[str, Any]:
        return {"dataset": "tiny.npz", **runs[min(number, len(runs) - 1)]}

    server.suggest = suggest


def start(sweeper: Ffnn, count: int, workers: int) -> subprocess.Popen[str]:
    return sweeper.start("sweep", "spec.yaml", "--backend", "wandb", "--count", count, "--workers", workers)


def path_of(server: StandIn) -> str:
    (sweep,) = server.sweeps.values()
    return f"tester/nets/{sweep.name}"


def workers(process: subprocess.Popen[str]) -> list[int]:
    """Return the processes that train."""
    return [
        pid for pid in children(process.pid) if b"local_worker" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]


def under_way(sweeper: Ffnn, server: StandIn, runs: int) -> None:
    """Wait until so many runs train: here they have epochs, and W&B knows that they run."""

    def train() -> bool:
        epochs = [record["epochs_done"] for record in stored(sweeper.folder / "runs")]
        running = [run for run in list(server.runs.values()) if run.state == "running"]
        return len(running) >= runs and sum(map(bool, epochs)) >= runs

    wait_until(train)


def test_a_run_that_wandb_stops_is_pruned(sweeper: Ffnn, server: StandIn) -> None:
    hand_out(server, ENDLESS, QUICK)

    def stop_the_first(request: Request) -> None:
        if request.operation == "file_stream":
            min(server.runs.values(), key=lambda run: run.number).stop = True

    server.fail = stop_the_first
    done = sweeper("sweep", "spec.yaml", "--count", 2, "--workers", 1, "--json")
    assert done.code == 0, done.err
    assert done.document["counts"] == {"finished": 1, "pruned": 1, "failed": 0}
    assert [record["status"] for record in stored(sweeper.folder / "runs")] == ["pruned", "finished"]
    assert {(run.state, run.summary["status"]) for run in server.runs.values()} == {
        ("finished", "pruned"),
        ("finished", "finished"),
    }


def test_three_failures_at_the_start_end_the_sweep(sweeper: Ffnn, server: StandIn) -> None:
    hand_out(server, DIVERGES, {**QUICK, "learning_rate": -1}, DIVERGES)
    done = sweeper("sweep", "spec.yaml", "--count", 9, "--workers", 1, "--json")
    assert done.code == 1
    assert done.document["ended"] == "failures"
    assert done.document["counts"] == {"finished": 0, "pruned": 0, "failed": 3}
    assert "learning_rate" in done.err
    assert [record["status"] for record in stored(sweeper.folder / "runs")] == ["diverged", "diverged"]
    assert [(run.state, run.exit_code) for run in server.runs.values()] == [("failed", 1)] * 3


@pytest.mark.parametrize("cause", ["EINVAL", "ENOSPC"])
def test_a_run_that_cannot_be_begun_here_has_an_end_at_wandb(
    sweeper: Ffnn, server: StandIn, cause: str
) -> None:
    hand_out(server, QUICK)
    sweeper.train("--wandb", "disabled")  # unpacks the images
    words = ("sweep", "spec.yaml", "--backend", "wandb", "--count", 1, "--workers", 1, "--json")
    done = sweeper(*words, **not_to_disk(sweeper, cause, "/.begun-", "config.yaml"))
    assert done.code == 1, done.err
    assert "no such luck" in done.err
    assert "stored here" not in done.err
    assert len(stored(sweeper.folder / "runs")) == 1
    assert [(run.state, run.exit_code) for run in server.runs.values()] == [("failed", 1)]
    (run,) = server.runs.values()
    assert "no such luck" in run.summary["error"]
    if cause == "EINVAL":
        assert done.document["counts"] == {"finished": 0, "pruned": 0, "failed": 1}


def test_no_run_is_asked_for_where_none_can_be_stored(sweeper: Ffnn, server: StandIn) -> None:
    hand_out(server, QUICK, QUICK)
    words = ("sweep", "spec.yaml", "--backend", "wandb", "--count", 2, "--workers", 2, "--json")
    done = sweeper(*words, **not_to_disk(sweeper, "ENOSPC"))
    assert done.code == 1
    assert "no such luck" in done.err
    assert server.runs == {}
    assert sweeper(*words).document["counts"] == {"finished": 2, "pruned": 0, "failed": 0}


def test_a_run_that_the_machine_ends_can_be_finished(sweeper: Ffnn, server: StandIn) -> None:
    hand_out(server, QUICK, QUICK)
    words = ("sweep", "spec.yaml", "--backend", "wandb", "--count", 2, "--workers", 1, "--json")
    done = sweeper(*words, **not_to_disk(sweeper, "ENOSPC", "checkpoint"))
    assert done.code == 1
    assert "no such luck" in done.err
    (cut,) = stored(sweeper.folder / "runs")
    assert cut["status"] == "interrupted"
    assert f"--resume {cut['run_id']}" in done.err
    assert sweeper(*words).document["counts"]["finished"] == 2  # it does not count
    assert sweeper("train", "--resume", cut["run_id"]).code == 0
    assert {record["status"] for record in stored(sweeper.folder / "runs")} == {"finished"}
    assert {(run.state, run.summary["status"]) for run in server.runs.values()} == {("finished", "finished")}


def test_a_value_that_cannot_be_told_back_fails_its_run(sweeper: Ffnn, server: StandIn) -> None:
    nested: Any = 1
    for _ in range(900):
        nested = [nested]
    hand_out(server, QUICK, {**QUICK, "learning_rate": nested})
    done = sweeper("sweep", "spec.yaml", "--count", 2, "--workers", 1, "--json")
    assert done.code == 0, done.err
    assert done.document["counts"]["finished"] == 1
    assert "Traceback" not in done.err


def test_a_run_that_is_handed_out_twice_ends_the_sweep(sweeper: Ffnn, server: StandIn) -> None:
    hand_out(server, SOME_SECONDS)
    hand_out_new = server._next_command
    handed_out: list[dict[str, Any]] = []

    def hand_out_the_same(sweep: RemoteSweep) -> dict[str, Any]:
        handed_out.extend([] if handed_out else [hand_out_new(sweep)])
        return handed_out[0]

    server._next_command = hand_out_the_same  # type: ignore[method-assign]
    done = sweeper("sweep", "spec.yaml", "--count", 4, "--workers", 2, "--json")
    assert done.code == 1
    assert handed_out[0]["run_id"] in done.err
    assert [record["status"] for record in stored(sweeper.folder / "runs")] == ["finished"]


def test_a_dataset_that_was_replaced_is_refused_at_the_next_run(sweeper: Ffnn, server: StandIn) -> None:
    hand_out(server, QUICK)
    assert sweeper("sweep", "spec.yaml", "--count", 1, "--workers", 1).code == 0
    with np.load(sweeper.dataset) as arrays:
        replaced = {**arrays, "y_train": arrays["y_train"][::-1]}
    np.savez(sweeper.dataset, **replaced)
    done = sweeper("sweep", path_of(server), "--count", 2, "--workers", 1)
    assert done.code == 1
    assert "has changed" in done.err
    assert [record["status"] for record in stored(sweeper.folder / "runs")] == ["finished"]


def test_a_run_whose_folder_is_removed_is_one_run_at_wandb(sweeper: Ffnn, server: StandIn) -> None:
    hand_out(server, ENDLESS)
    process = start(sweeper, 1, 1)
    under_way(sweeper, server, 1)
    (record,) = stored(sweeper.folder / "runs")
    (sweeper.folder / "runs" / record["run_id"]).rename(sweeper.folder / "removed")
    done = sweeper.done(process)
    assert "it was removed while the run was trained" in done.err
    (run,) = server.runs.values()
    assert (run.state, run.exit_code) == ("failed", 1)
    assert run.history
    assert not run.display_name.startswith("refused")


def test_the_server_lost_in_the_middle_costs_no_run(sweeper: Ffnn, server: StandIn) -> None:
    hand_out(server, QUICK, QUICK, {**QUICK, "epochs": 3})

    def leave_at_the_third_run(request: Request) -> None:
        if request.operation == "file_stream" and len(server.runs) == 3:
            threading.Thread(target=server.go_away).start()

    server.fail = leave_at_the_third_run
    done = sweeper("sweep", "spec.yaml", "--count", 9, "--workers", 1)
    assert done.code == 1
    path = path_of(server)
    (line,) = (line for line in done.err.splitlines() if line.startswith("Error: "))
    assert "does not answer within 3 s" in line
    assert (
        f"1 of its runs is stored here and not, or not wholly, at W&B: ffnn sync {path} pushes them" in line
    )
    assert f"Then: ffnn sweep {path}" in done.err
    records = stored(sweeper.folder / "runs")
    assert [record["status"] for record in records] == ["finished"] * 3
    assert ["synced" in record["wandb"] for record in records] == [True, True, False]
    server.fail = lambda _: None
    server.come_back()
    pushed = sweeper("sync", path, "--json")
    assert pushed.document["synced"] == [records[2]["run_id"]]
    last = server.runs[records[2]["wandb"]["id"]]
    assert (last.sweep, last.state, len(last.history)) == (path.split("/")[2], "finished", 3)
    assert len(server.runs) == 3


def test_ctrl_c_finishes_what_runs_and_asks_for_no_more(sweeper: Ffnn, server: StandIn) -> None:
    hand_out(server, SOME_SECONDS)
    process = start(sweeper, 9, 2)
    under_way(sweeper, server, 2)
    process.send_signal(signal.SIGINT)
    done = sweeper.done(process)
    assert done.code == 130
    assert f"Resume with: ffnn sweep {path_of(server)}" in done.err
    assert {run.state for run in server.runs.values()} == {"finished"}
    assert {record["status"] for record in stored(sweeper.folder / "runs")} == {"finished"}
    assert 2 <= len(server.runs) <= 4


@pytest.mark.slow
def test_a_second_ctrl_c_closes_the_runs_here_and_there(sweeper: Ffnn, server: StandIn) -> None:
    hand_out(server, ENDLESS, ENDLESS, QUICK)
    process = start(sweeper, 3, 2)
    under_way(sweeper, server, 2)
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    while "Ctrl-C" not in process.stderr.readline():
        pass
    process.send_signal(signal.SIGINT)
    assert sweeper.done(process).code == 130
    records = at_wandb(stored(sweeper.folder / "runs"))
    assert {record["status"] for record in records.values()} == {"interrupted"}
    assert {(run.state, run.exit_code) for run in server.runs.values()} == {("failed", 255)}
    more = sweeper("sweep", path_of(server), "--count", 1, "--workers", 1, "--json")
    assert more.document["counts"]["finished"] == 1, "runs that were cut short do not count"


@pytest.mark.slow
def test_a_killed_worker_is_replaced(sweeper: Ffnn, server: StandIn) -> None:
    hand_out(server, ENDLESS, QUICK)
    process = start(sweeper, 2, 1)
    under_way(sweeper, server, 1)
    (victim,) = workers(process)
    os.kill(victim, signal.SIGKILL)
    done = sweeper.done(process)
    assert done.code == 0, done.err
    assert "2 finished" in done.out
    records = stored(sweeper.folder / "runs")
    assert [record["status"] for record in records] == ["running", "finished", "finished"]
    killed = server.runs[records[0]["wandb"]["id"]]
    wait_until(lambda: killed.state != "running")
    assert (killed.state, killed.exit_code) == ("failed", 255)
    assert len(server.runs) == 3


def test_a_sweep_that_is_over_hands_out_nothing(sweeper: Ffnn, server: StandIn) -> None:
    server.suggest = lambda _, number: {"dataset": "tiny.npz", **QUICK} if number < 1 else None
    done = sweeper("sweep", "spec.yaml", "--workers", 2, "--json")
    assert done.code == 0, done.err
    assert done.document["counts"]["finished"] == 1
    assert done.document["ended"] == "space"


def test_without_a_key_a_sweep_is_local_and_nobody_is_asked(sweeper: Ffnn, server: StandIn) -> None:
    del sweeper.environment["WANDB_API_KEY"]
    done = sweeper("sweep", "spec.yaml", "--count", 1, "--workers", 1, "--json")
    assert (done.code, done.document["backend"]) == (0, "local"), done.err
    assert "--backend local, because no W&B key is configured" in done.err
    assert server.requests == []
