"""What is learnt of a run later goes to the same run at W&B."""

from __future__ import annotations

import json

import pytest
from tracking_helpers import Ffnn
from wandb_standin import StandIn


def cells(server: StandIn) -> dict[tuple[str, str], float]:
    """Return the counts of the only confusion matrix by (true, predicted) class."""
    (chart,) = (known for known in server.artifacts.values() if known["type"] == "run_table")
    (table,) = chart["files"].values()
    document = json.loads(table)
    assert document["columns"] == ["Actual", "Predicted", "nPredictions"]
    return {(true, predicted): count for true, predicted, count in document["data"]}


def test_confusion_and_evaluate_attach(ffnn: Ffnn, server: StandIn) -> None:
    run_id = ffnn.train("--name", "mine").document["run_id"]
    run = server.runs[run_id]
    before, config, own = run.history, run.config, set(run.summary)
    confusion = ffnn("confusion", run_id, "--json")
    assert confusion.code == 0, confusion.err
    document = confusion.document
    assert list(server.runs) == [run_id]
    names, matrix = document["labels"], document["matrix"]
    assert cells(server) == {
        (names[true], names[predicted]): matrix[true][predicted]
        for true in range(len(names))
        for predicted in range(len(names))
    }
    assert run.summary["test_acc"] == document["accuracy"]
    (picture,) = (content for name, content in run.files.items() if name.endswith(".png"))
    assert picture == (ffnn.folder / document["png"]).read_bytes()

    evaluated = ffnn("evaluate", run_id, "--json")
    assert evaluated.code == 0
    assert run.summary["test_loss"] == pytest.approx(evaluated.document["loss"])
    averaged = ffnn("evaluate", run_id, "--tta", "--json").document
    assert run.summary["test_acc_tta"] == averaged["accuracy"]
    assert run.summary["test_loss_tta"] == pytest.approx(averaged["loss"])
    assert run.summary["test_acc"] == evaluated.document["accuracy"]
    assert run.history[: len(before)] == before
    assert run.config == config
    assert (run.display_name, run.state) == ("mine", "finished")
    assert run.summary["val_acc"] == ffnn.summary(run_id)["best_val_acc"]

    mistakes = ffnn("visualize", "--misclassified", "--run", run_id, "-o", "wrong.png")
    assert mistakes.code == 0
    added = set(run.summary) - own
    assert {"test_acc", "test_loss_tta", "confusion matrix", "mistakes"} <= added
    more = ffnn("train", "--resume", run_id, "-e", 4)
    assert more.code == 0
    assert all(run.summary.get(name) is None for name in added), "they are of the network of before"
    assert run.summary["val_acc"] == ffnn.summary(run_id)["best_val_acc"]
    assert [row["epoch"] for row in run.history if "epoch" in row] == [1, 2, 3, 4]


def test_nothing_is_attached_to_what_is_not_there(ffnn: Ffnn, server: StandIn) -> None:
    run_id = ffnn.train("--wandb", "disabled").document["run_id"]
    done = ffnn("evaluate", run_id)
    assert done.code == 0
    assert "W&B" not in done.err
    assert server.requests == []


def test_a_server_that_is_gone_does_not_fail_an_evaluation(ffnn: Ffnn, server: StandIn) -> None:
    run_id = ffnn.train().document["run_id"]
    server.go_away()
    done = ffnn("evaluate", run_id, "--json", WANDB_INIT_TIMEOUT="2")
    assert done.code == 0
    assert done.document["run_id"] == run_id
    assert f"ffnn evaluate {run_id}" in done.err


def test_visualize_makes_a_run_of_its_own(ffnn: Ffnn, server: StandIn) -> None:
    done = ffnn("visualize", "-d", ffnn.dataset, "--json")
    assert done.code == 0, done.err
    (run,) = server.runs.values()
    (picture,) = (content for name, content in run.files.items() if name.endswith(".png"))
    assert picture == (ffnn.folder / done.document["png"]).read_bytes()
    assert run.state == "finished"
