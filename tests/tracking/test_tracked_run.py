"""Runs that W&B follows while they train, end to end: the real SDK against the stand-in."""

from __future__ import annotations

import signal
from datetime import datetime

import pytest
from child_processes import wait_until
from tracking_helpers import Ffnn, not_to_disk, wait_for_rows
from wandb_standin import KEY, StandIn

METRICS = ("train_loss", "train_acc", "val_loss", "val_acc", "val_f1")


def seconds(time: str) -> float:
    return datetime.fromisoformat(time.replace("Z", "+00:00")).timestamp()


def assert_same_history(server: StandIn, document: dict) -> None:
    run = server.runs[document["run_id"]]
    for row, epoch in zip(run.history, document["epochs"], strict=True):
        assert row["epoch"] == epoch["epoch"]
        assert [row[metric] for metric in METRICS] == [epoch[metric] for metric in METRICS]
        assert row["_timestamp"] == pytest.approx(seconds(epoch["time"]), abs=1e-3)
        assert not row.keys() - {"epoch", *METRICS, "_timestamp", "_runtime", "_step"}


def test_a_run_is_followed(ffnn: Ffnn, server: StandIn) -> None:
    done = ffnn.train("--tag", "first", "-wp", "my project", "--log-model", "--learning-rate", 0.05)
    assert done.code == 0
    document = done.document
    run = server.runs[document["run_id"]]
    assert (run.entity, run.project) == ("tester", "my project")
    assert run.display_name == document["name"] == "run_hl-1_bs-32_act-relu_opt-adam_sz-4_lr-0.05_e-3"
    assert run.config == {**document["config"], "dataset": "tiny.npz"}  # the folders above stay here
    assert run.tags == ["first"]
    assert run.group is None
    assert (run.state, run.exit_code) == ("finished", 0)
    assert_same_history(server, document)
    assert run.summary["val_acc"] == document["best_val_acc"]
    assert run.summary["best_epoch"] == document["best_epoch"]
    assert run.summary["status"] == "finished"
    steps = {metric["1"]: metric.get("5") for metric in run.defined_metrics}
    assert set(steps) == {"epoch", *METRICS}
    assert len({steps[metric] for metric in METRICS}) == 1, "all charts go by the epoch"

    about = ffnn.summary(document["run_id"])["wandb"]
    assert about["url"] == f"{server.url}/tester/my%20project/runs/{document['run_id']}"
    assert about == document["wandb"]
    assert about["synced"] == "finished 3"
    assert f"W&B: {about['url']}" in done.err

    (artifact,) = server.artifacts.values()
    assert artifact["type"] == "model"
    model = ffnn.folder / "runs" / document["run_id"] / "model.safetensors"
    assert artifact["files"] == {"model.safetensors": model.read_bytes()}
    left = {path.name for path in ffnn.folder.iterdir()}
    assert left == {"home", "tmp", "data", "runs", "tiny.npz"}, (
        "nothing is left in the folder one happens to be in"
    )
    assert not list((ffnn.folder / "tmp").iterdir())
    assert KEY not in done.err + done.out
    assert not any(KEY in path.read_text("latin-1") for path in ffnn.folder.rglob("*") if path.is_file())


def test_a_resumed_run_goes_on_as_the_same(ffnn: Ffnn, server: StandIn) -> None:
    first = ffnn.train("--wandb", "online", "-we", "team").document
    run = server.runs[first["run_id"]]
    again = ffnn("train", "--resume", first["run_id"], "--epochs", 5, "--json")
    assert again.code == 0
    assert len(server.runs) == 1
    assert run.entity == "team"
    assert [row["epoch"] for row in run.history] == [1, 2, 3, 4, 5]
    assert_same_history(server, again.document)
    assert run.summary["val_acc"] == again.document["best_val_acc"]
    assert run.config["epochs"] == 5
    assert ffnn.summary(first["run_id"])["wandb"]["synced"] == "finished 5"


def test_offline_runs_are_sent_by_wandb_sync(ffnn: Ffnn, server: StandIn) -> None:
    done = ffnn.train("--wandb", "offline", "--name", "later", "--log-model")
    run_id = done.document["run_id"]
    assert done.code == 0
    ffnn("train", "--resume", run_id, "-e", 4)
    assert server.requests == []
    folders = sorted((ffnn.folder / "runs" / run_id / "wandb").glob("offline-run-*"))
    assert len(folders) == 2
    assert f"wandb sync {folders[0]}" in done.err
    sent = ffnn.wandb("sync", *folders)
    assert sent.code == 0, sent.err
    run = server.runs[run_id]
    assert run.display_name == "later"
    assert run.config["epochs"] == 4
    assert_same_history(server, ffnn("runs", "show", run_id, "--json").document)
    assert run.summary["val_acc"] == ffnn.summary(run_id)["best_val_acc"]
    assert run.state == "finished"
    assert [artifact["type"] for artifact in server.artifacts.values()] == ["model"]
    assert ffnn("sync", run_id).code == 0
    assert [row["epoch"] for row in run.history] == [1, 2, 3, 4], "ffnn sync has found nothing to add"


def test_an_offline_run_without_a_folder_is_not_said_to_be_kept(ffnn: Ffnn) -> None:
    wrong = ffnn.folder / "file"
    wrong.touch()
    done = ffnn.train("--wandb", "offline", WANDB_DIR=str(wrong))
    assert done.code == 0
    assert str(wrong) in done.err
    assert "offline-run" not in done.err
    assert done.document["status"] == "finished"
    assert list((ffnn.folder / "tmp").iterdir()) == []


def test_a_diverged_run_does_not_look_like_a_result(ffnn: Ffnn, server: StandIn) -> None:
    done = ffnn.train("-o", "sgd", "-lr", 1e30, "-l", "squared_error", "-w_d", 1)
    assert done.code == 1
    document = done.document
    assert document["status"] == "diverged"
    run = server.runs[document["run_id"]]
    assert (run.state, run.exit_code) == ("failed", 1)
    assert run.summary["status"] == "diverged"
    assert all(isinstance(value, (int, float)) for row in run.history for value in row.values())


def test_a_run_that_cannot_be_begun_is_none_at_wandb_either(ffnn: Ffnn, server: StandIn) -> None:
    ffnn.train("--wandb", "disabled")  # unpacks the images
    full = ffnn.train(**not_to_disk(ffnn, "ENOSPC"))
    assert full.code == 1
    assert "no such luck" in full.err
    assert server.runs == {}
    assert len(ffnn("runs", "list", "--json").document) == 1


@pytest.mark.slow
def test_a_killed_run_is_over_at_wandb_too(ffnn: Ffnn, server: StandIn) -> None:
    process = ffnn.start_long()
    run = wait_for_rows(server)
    process.kill()
    process.communicate()
    wait_until(lambda: run.state != "running")
    assert (run.state, run.exit_code) == ("failed", 255)
    ffnn("train", "--resume", run.name, "--epochs", ffnn.summary(run.name)["epochs_done"] + 1)
    epochs = [row["epoch"] for row in run.history]
    assert epochs == list(range(1, len(epochs) + 1)), "each epoch once"
    assert run.state == "finished"


@pytest.mark.slow
def test_an_interrupted_run_is_stopped_at_wandb_too(ffnn: Ffnn, server: StandIn) -> None:
    process = ffnn.start_long()
    run = wait_for_rows(server)
    process.send_signal(signal.SIGINT)
    done = ffnn.done(process)
    assert done.code == 130
    assert ffnn.summary(run.name)["status"] == "interrupted"
    assert (run.state, run.exit_code, run.summary["status"]) == ("failed", 255, "interrupted")
    assert len(run.history) == ffnn.summary(run.name)["epochs_done"]
