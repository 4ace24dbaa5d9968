"""Pictures that W&B gets: with the run that they are about, or in a run of their own."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from small_runs import Place
from tracking_helpers import Ffnn
from wandb_standin import Run, StandIn


def pictures(run: Run) -> list[bytes]:
    """Return the PNG files of a run."""
    return [content for name, content in run.files.items() if name.endswith(".png")]


def tables(run: Run) -> dict[str, dict[str, list[Any]]]:
    """Return the tables of a run by the name under which they were logged, a list for each column."""
    found = {}
    for name, content in run.files.items():
        if name.endswith(".table.json"):
            table = json.loads(content)
            title = re.sub(r"_\d+_[0-9a-f]+\.table\.json$", "", name.removeprefix("media/table/"))
            columns = zip(*table["data"]) if table["data"] else ([] for _ in table["columns"])
            found[title] = {head: list(cells) for head, cells in zip(table["columns"], columns)}
    return found


def charts(run: Run) -> dict[str, str]:
    """Return which of W&B's own charts a run shows under which name."""
    raw = json.loads(run.fields["config"])
    shown = raw["_wandb"]["value"]["visualize"]
    return {name: about["panel_config"]["panelDefId"] for name, about in shown.items()}


def test_pictures_of_a_tracked_run_go_to_it(ffnn: Ffnn, server: StandIn) -> None:
    run_id = ffnn.train().document["run_id"]
    run = server.runs[run_id]
    ffnn("visualize", "--misclassified", "--run", run_id, "-o", "wrong.png", "--wandb", "disabled")
    assert pictures(run) == []
    document = ffnn("confusion", run_id, "--json", "-o", "confusion.png").document
    assert run.summary["test_acc"] == document["accuracy"]
    (table,) = tables(run).values()
    names = document["labels"]
    assert charts(run) == {"confusion_matrix": "wandb/confusion_matrix/v1"}
    assert {(true, guess): count for true, guess, count in zip(*table.values())} == {
        (true, guess): document["matrix"][i][j]
        for i, true in enumerate(names)
        for j, guess in enumerate(names)
    }
    mistakes = ffnn("visualize", "--misclassified", "--run", run_id, "-o", "wrong.png", "--json").document
    assert tables(run)["mistakes"] == {
        "image": [each["index"] for each in mistakes["samples"]],
        "class": [each["name"] for each in mistakes["samples"]],
        "predicted as": [each["predicted"]["name"] for each in mistakes["samples"]],
        "probability": [each["probability"] for each in mistakes["samples"]],
    }
    before = len(tables(run))
    ffnn("predict", 1, "--run", run_id, "-o", "none.png", "--wandb", "disabled")
    assert len(tables(run)) == before
    predicted = ffnn("predict", 1, "--run", run_id, "-o", "one.png", "--json").document
    assert charts(run)["prediction"] == "wandb/bar/v0"
    bars = tables(run)["prediction_table"]
    assert dict(zip(bars["class"], bars["probability"])) == predicted["probabilities"]
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
    assert set(charts(run).values()) == {"wandb/lineseries/v0"}
    curves, difference = (tables(run)[f"{name}_table"] for name in ("accuracies", "difference"))
    pairs = done.document["pairs"]
    for loss, name in (("cross_entropy", "cross-entropy"), ("squared_error", "squared error")):
        ends = [pair[loss]["val_acc_by_epoch"][0] for pair in pairs]
        middle = curves["lineVal"][curves["lineKey"].index(name)]
        assert middle == pytest.approx(sum(ends) / 2), "the median of two is their mean"
    assert len(difference["lineKey"]) == 3
    table = tables(run)["pairs"]
    assert table["hidden_size"] == [pair["config"]["hidden_size"] for pair in pairs]
    assert table["test_nll/squared_error"] == [pair["squared_error"]["test_nll"] for pair in pairs]


def test_an_untrained_prediction_is_a_run_of_its_own(ffnn: Ffnn, server: StandIn) -> None:
    words = ("predict", 1, "-d", ffnn.dataset, "--hidden-size", "4,3", "--wandb", "online", "--json")
    ffnn(*words)
    assert not server.runs, "nothing was drawn"
    document = ffnn(*words, "-o", "one.png", "-wp", "pictures").document
    (run,) = server.runs.values()
    assert (run.project, run.state) == ("pictures", "finished")
    assert pictures(run) == [(ffnn.folder / "one.png").read_bytes()]
    (bars,) = tables(run).values()
    assert dict(zip(bars["class"], bars["probability"])) == document["probabilities"]
    assert list(charts(run).values()) == ["wandb/bar/v0"]


def test_a_comparison_of_tracked_runs_is_a_run_of_its_own(ffnn: Ffnn, server: StandIn) -> None:
    ids = [ffnn.train("-wp", "mine", "-lr", rate).document["run_id"] for rate in (0.01, 0.1)]
    documents = ffnn("runs", "compare", *ids, "-o", "two.png", "--json").document
    (run,) = (run for name, run in server.runs.items() if name not in ids)
    assert (run.project, pictures(run)) == ("mine", [(ffnn.folder / "two.png").read_bytes()])
    assert charts(run) == dict.fromkeys(
        ("train_loss", "train_acc", "val_loss", "val_acc", "val_f1"), "wandb/lineseries/v0"
    )
    drawn = tables(run)["val_acc_table"]
    assert drawn["lineVal"] == [row["val_acc"] for each in documents for row in each["epochs"]]
    assert drawn["step"] == [1, 2, 3, 1, 2, 3]
    differences = tables(run)["differences"]
    assert list(differences.values()) == [["learning_rate"], [0.01], [0.1]]
    ffnn("runs", "compare", *ids, "--wandb", "disabled")
    assert len(server.runs) == 3
    here = Place(ffnn.folder)
    untracked = [here.train().run_id for _ in range(2)]
    ffnn("runs", "compare", *untracked)
    assert len(server.runs) == 3, "they were not tracked, and nobody asked for it"


def test_the_report_of_a_tracked_sweep_is_a_run_of_its_own(ffnn: Ffnn, server: StandIn) -> None:
    space = {
        "dataset": {"value": str(ffnn.dataset)},
        "epochs": {"value": 1},
        "num_layers": {"value": 1},
        "hidden_size": {"values": [4, 5, 6, 7, 8]},
        "optimizer": {"values": ["adam", "sgd"]},
    }
    (ffnn.folder / "s.yaml").write_text(json.dumps({"method": "grid", "parameters": space}))
    words = ("--backend", "local", "--wandb", "online", "--workers", 1, "--json")
    sweep = ffnn("sweep", "s.yaml", *words).document["sweep_id"]
    trained = set(server.runs)
    assert len(trained) == 10
    ffnn("report", sweep, "-o", "page.html")
    (run,) = (run for name, run in server.runs.items() if name not in trained)
    assert run.display_name == f"report {sweep}"
    (page,) = (content for name, content in run.files.items() if name.endswith(".html"))
    assert b"Sweep report" in page
    assert "importance" not in charts(run), "of so few runs it is mostly chance"
    assert charts(run)["confusion_matrix"] == "wandb/confusion_matrix/v1"
    shown = tables(run)
    assert set(shown["correlation"]["hyper-parameter"]) == {"hidden_size", "optimizer"}
    assert shown["runs"]["val_acc"] == [server.runs[name].summary["val_acc"] for name in sorted(trained)]
    assert shown["best_so_far_table"]["lineVal"] == [
        max(shown["runs"]["val_acc"][: at + 1]) for at in range(10)
    ]
    assert "adam" in shown["correlation"]["value"]
