"""Pictures that W&B gets: with the run that they are about, or in a run of their own."""

from __future__ import annotations

import json

from tracking_helpers import Ffnn
from wandb_standin import Run, StandIn


def pictures(run: Run) -> list[bytes]:
    """Return the PNG files of a run."""
    return [content for name, content in run.files.items() if name.endswith(".png")]


def test_pictures_of_a_tracked_run_go_to_it(ffnn: Ffnn, server: StandIn) -> None:
    run_id = ffnn.train().document["run_id"]
    run = server.runs[run_id]
    ffnn("visualize", "--misclassified", "--run", run_id, "-o", "wrong.png", "--wandb", "disabled")
    assert pictures(run) == []
    document = ffnn("confusion", run_id, "--json", "-o", "confusion.png").document
    assert run.summary["test_acc"] == document["accuracy"]
    (table,) = (content for name, content in run.files.items() if name.endswith(".table.json"))
    names = document["labels"]
    assert {(true, guess): count for true, guess, count in json.loads(table)["data"]} == {
        (true, guess): document["matrix"][i][j]
        for i, true in enumerate(names)
        for j, guess in enumerate(names)
    }
    ffnn("visualize", "--misclassified", "--run", run_id, "-o", "wrong.png")
    ffnn("predict", 1, "--run", run_id, "-o", "one.png")
    files = ("confusion.png", "wrong.png", "one.png")
    assert set(pictures(run)) == {(ffnn.folder / name).read_bytes() for name in files}
    assert (run.state, list(server.runs)) == ("finished", [run_id])
    assert run.summary["val_acc"] == ffnn.summary(run_id)["best_val_acc"]


def test_samples_are_a_run_of_their_own(ffnn: Ffnn, server: StandIn) -> None:
    done = ffnn("visualize", "-d", ffnn.dataset, "--wandb", "online", "-wp", "pictures")
    assert done.code == 0
    (run,) = server.runs.values()
    assert (run.project, run.display_name, run.state) == ("pictures", "visualize-tiny", "finished")
    assert pictures(run) == [(ffnn.folder / "visualize-tiny.png").read_bytes()]
    ffnn("visualize", "-d", ffnn.dataset, "--wandb", "disabled")
    assert len(server.runs) == 1


def test_a_comparison_of_losses_is_a_run_of_its_own(ffnn: Ffnn, server: StandIn) -> None:
    file = ffnn.folder / "losses.yaml"
    space = {
        "dataset": {"value": str(ffnn.dataset)},
        "epochs": {"value": 1},
        "hidden_size": {"values": [4, 5, 6]},
        "loss": {"values": ["cross_entropy", "squared_error"]},
    }
    metric = {"name": "val_acc", "goal": "maximize"}
    file.write_text(json.dumps({"method": "grid", "metric": metric, "parameters": space}))
    done = ffnn("compare-loss", file, "--runs", 4, "--workers", 1, "--wandb", "online", "--json")
    assert done.code == 0
    (run,) = server.runs.values()
    assert run.display_name == f"compare-loss {done.document['sweep_id']}"
    assert pictures(run) == [(ffnn.folder / "compare-loss.png").read_bytes()]
    found = done.document["summary"]["measures"]["test_acc"]
    assert run.summary["test_acc/difference"] == found["difference"]
    assert run.summary["test_acc/cross_entropy"] == found["cross_entropy"]
