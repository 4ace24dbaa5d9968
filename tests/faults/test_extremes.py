"""Settings at the edge of what is allowed: each trains, or diverges with a record of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_runs import Place

from ffcli.cli.app import main
from ffcli.core.optimizers import OPTIMIZERS
from ffcli.services.evaluation.best import RunChoice
from ffcli.services.evaluation.evaluate import evaluate
from ffcli.util.atomic_files import json_text, json_value


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def trained(place: Place, **values: Any) -> dict[str, Any]:
    """Train, and evaluate what has finished; the document is JSON, with null for what is not finite."""
    run = place.train(**values)
    stored = json.loads((place.path(run.run_id) / "summary.json").read_text())
    assert run.status == stored["status"]
    if run.status == "finished":
        (evaluation,) = evaluate(place.context, [RunChoice(run.run_id)])
        assert evaluation.n == 100
    return dict(json.loads(json_text(json_value(run)), parse_constant=pytest.fail))


@pytest.mark.parametrize("loss", ["cross_entropy", "squared_error"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_learning_rate_of_a_million(place: Place, optimizer: str, loss: str) -> None:
    run = trained(place, optimizer=optimizer, loss=loss, learning_rate=1e6)
    assert run["status"] in ("finished", "diverged")
    if run["status"] == "diverged":
        assert "was not finite in epoch" in run["error"]
        assert run["epochs"][-1]["train_loss"] is None or run["epochs"][-1]["val_loss"] is None


def test_divergence_ends_with_a_message_and_exit_code_1(
    place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place.folder)
    words = ["train", "-d", str(place.dataset), "-lr", "1e6", "-o", "sgd", "-a", "identity", "-e", "9"]
    assert main([*words, "--wandb", "disabled", "--json"]) == 1
    out, err = capsys.readouterr()
    document = json.loads(out, parse_constant=pytest.fail)
    assert document["status"] == "diverged"
    assert f"run {document['run_id']} diverged: the loss was not finite" in err
    assert "smaller --learning-rate" in err
    assert not list(Path(document["path"]).glob("checkpoint*"))


@pytest.mark.parametrize(
    "values",
    [
        {"batch_size": 361},
        {"batch_size": 10**12},
        {"num_layers": 0},
        {"num_layers": 0, "batch_norm": True, "dropout": 0.5, "input_dropout": 0.5},
        {"num_layers": 50, "activation": "relu", "epochs": 2},
        {"num_layers": 50, "activation": "sigmoid", "epochs": 2, "batch_norm": True},
        {"hidden_size": 1},
        {"hidden_size": 4096, "num_layers": 1, "epochs": 1},
        {"hidden_size": [1, 4096, 1], "num_layers": 3, "epochs": 1, "batch_size": 200},
        {"epochs": 1, "schedule": "cosine", "warmup_epochs": 1},
        {"epochs": 1, "warmup_epochs": 1e9, "patience": 1},
        {"weight_decay": 0.5, "optimizer": "sgd"},
        {"weight_decay": 0.5, "optimizer": "sgd", "learning_rate": 1.0},
        {"val_fraction": 0.9},
        {"val_fraction": 0.9999},
        {"val_fraction": 0.003},
        {"batch_size": 1, "batch_norm": True, "epochs": 1},
        {"dropout": 0.999, "input_dropout": 0.999, "label_smoothing": 0.999, "ema": 0.999},
        {"seed": -(2**80)},
    ],
    ids=str,
)
def test_other_extremes_train(place: Place, values: dict[str, Any]) -> None:
    run = trained(place, **values)
    assert run["status"] == "finished"
    assert 0 <= run["best_val_acc"] <= 1


@pytest.mark.parametrize("missing", ["in training", "in test", "in both"])
def test_a_class_without_images(
    place: Place, missing: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every command that shows classes does without images of one."""
    monkeypatch.chdir(place.folder)
    arrays = dict(np.load(place.dataset))
    for part in ("train", "test"):
        if missing in (f"in {part}ing", f"in {part}", "in both"):
            kept = arrays[f"y_{part}"] != 1
            arrays |= {f"{name}_{part}": arrays[f"{name}_{part}"][kept] for name in "xy"}
    np.savez("gap.npz", **arrays)
    words = [
        ["train", "-d", "gap.npz", "-e", "2", "--wandb", "disabled"],
        ["evaluate", "--best", "-d", "gap.npz"],
        ["confusion", "--best", "-d", "gap.npz", "--normalize", "-o", "confusion.png"],
        ["visualize", "-d", "gap.npz", "-o", "images.png"],
        ["visualize", "-d", "gap.npz", "--misclassified", "--best", "-o", "mistakes.png"],
        ["predict", "1", "--best", "-d", "gap.npz"],
    ]
    for each in words:
        assert main([*each, "--json"]) == 0, (each, capsys.readouterr().err)
        document = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
        if each[0] == "evaluate":
            # A label that occurs nowhere is no class: integers keep their names.
            assert len(document["per_class"]) == (2 if missing == "in both" else 3)
        assert main(each) == 0
        capsys.readouterr()
