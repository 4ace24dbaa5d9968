from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml

from ffcli.runs.metric import Metric
from ffcli.sweeping.spec.hyperband import Hyperband
from ffcli.sweeping.spec.spec import load_spec
from ffcli.training.experiment import Experiment

FOLDER = Path(__file__).parents[3] / "sweeps"
ORIGINAL = {
    "epochs": (5, 10),
    "num_layers": (3, 4, 5),
    "hidden_size": (32, 64, 128),
    "weight_decay": (0, 0.0005, 0.5),
    "learning_rate": (0.001, 0.0001),
    "optimizer": ("sgd", "momentum", "nesterov", "rmsprop", "adam", "nadam"),
    "batch_size": (16, 32, 64),
    "weight_init": ("random", "xavier"),
    "activation": ("sigmoid", "tanh", "relu"),
}
SIZES = {
    "bayes": 11664,  # 2·3·3·3·2·6·3·2·3
    "random": 11664,
    "hyperband": 11664,
    "grid": 24,  # 6·2·2
    "quick": 108,  # 3·2·3·2·3
    "compare_loss": 1_944_000,  # 2 losses · 3·3·2·3·3·2·3 · 1000 seeds
    "continuous": None,
    "regularised": None,
}


def test_these_are_the_files():
    assert {path.stem for path in FOLDER.iterdir()} == set(SIZES)


@pytest.mark.parametrize(("name", "size"), SIZES.items())
def test_a_shipped_file(name, size):
    spec = load_spec(FOLDER / f"{name}.yaml")
    assert spec.size == size
    assert spec.metric == Metric("val_acc", "maximize")
    assert spec.notices == ()
    assert spec.project == "ffnn"
    assert spec.name
    assert spec.description
    rng = np.random.default_rng(0)
    for _ in range(20):
        spec.config(spec.sample(rng))


@pytest.mark.parametrize("name", SIZES)
def test_plain_wandb_reads_a_shipped_file_alike(name):
    """Its loader is yaml.safe_load, which leaves 1e-5 a word; its agents put options for ``${args}``."""
    path = FOLDER / f"{name}.yaml"
    document = yaml.safe_load(path.read_text("utf-8"))
    assert document == load_spec(path).document
    assert document["program"] == "ffnn"
    assert document["command"] == ["ffnn", "train", "${args}"]


@pytest.mark.parametrize("name", ["bayes", "random", "hyperband"])
def test_the_original_space(name):
    spec = load_spec(FOLDER / f"{name}.yaml")
    assert spec.method == ("bayes" if name == "bayes" else "random")
    assert {field: found.choices for field, found in spec.parameters.items()} == ORIGINAL


def test_the_ingredients_of_better_networks(blobs):
    """It searches all of them, and whatever it draws can be trained."""
    spec = load_spec(FOLDER / "regularised.yaml")
    ingredients = {
        *("dropout", "input_dropout", "batch_norm", "label_smoothing", "augment"),
        *("optimizer", "weight_decay", "schedule", "warmup_epochs", "ema", "clip_norm"),
    }
    searched = {name for name, found in spec.parameters.items() if found.size != 1}
    assert ingredients <= searched
    assert {"flip", "shift:1", "flip,shift:1", "none"} == set(spec.parameters["augment"].choices)
    rng = np.random.default_rng(1)
    small = {"epochs": 2, "hidden_size": 8}
    for _ in range(20):
        drawn = spec.config(spec.sample(rng)).model_copy(update=small)
        results = list(Experiment(drawn, blobs()))
        assert len(results) == 2
        assert not any(result.diverged for result in results)


def test_particulars():
    assert load_spec(FOLDER / "hyperband.yaml").early_terminate == Hyperband(min_iter=1, eta=3)
    assert load_spec(FOLDER / "grid.yaml").method == "grid"
    assert load_spec(FOLDER / "quick.yaml").run_cap == 40
    continuous = load_spec(FOLDER / "continuous.yaml").parameters
    assert {continuous[name].kind for name in ("learning_rate", "weight_decay")} == {"log_uniform_values"}
    losses = load_spec(FOLDER / "compare_loss.yaml")
    assert losses.parameters["loss"].choices == ("cross_entropy", "squared_error")
    assert losses.run_cap is None  # so that compare-loss takes any --runs
