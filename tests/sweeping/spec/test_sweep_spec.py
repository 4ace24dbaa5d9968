from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from sweep_golden import BANDS

from ffcli.config import TrainConfig
from ffcli.errors import RequestError
from ffcli.runs.metric import Metric
from ffcli.sweeping.spec.hyperband import Hyperband
from ffcli.sweeping.spec.spec import SweepSpec, load_spec, parse_spec


def space(*lines: str, method: str = "random", top: str = "") -> SweepSpec:
    return parse_spec("\n".join([f"method: {method}", top, "parameters:", *(f"  {line}" for line in lines)]))


WHOLE = """\
# A comment that is kept.
method: bayes
metric: {name: val_loss, target: 0.3}
early_terminate: {type: hyperband, max_iter: 27, s: 2, eta: 3, strict: true}
run_cap: 12
name: my sweep
project: p
entity: e
description: what it is for
program: ffnn
command: [ffnn, train, "${args}"]
parameters:
  learning_rate: {min: 1e-5, max: 1.0e-2}
"""


def test_everything_in_a_file_is_read():
    spec = parse_spec(WHOLE)
    assert spec.text == WHOLE
    assert spec.method == "bayes"
    assert spec.metric == Metric("val_loss", "minimize", 0.3)
    assert spec.early_terminate == Hyperband(max_iter=27, s=2, eta=3, strict=True)
    assert spec.run_cap == 12
    assert (spec.name, spec.project, spec.entity) == ("my sweep", "p", "e")
    assert (spec.description, spec.program) == ("what it is for", "ffnn")
    assert spec.command == ("ffnn", "train", "${args}")
    assert spec.notices == ()
    assert spec.document["parameters"]["learning_rate"] == {"min": 1e-5, "max": 1e-2}


def test_the_least_of_count_run_cap_and_size_is_the_most_that_there_is_to_try():
    spec = parse_spec(WHOLE)
    assert (spec.most_trials(), spec.most_trials(5), spec.most_trials(13)) == (12, 5, 12)
    six = space("epochs: {values: [1, 2]}", "seed: {min: 1, max: 3}")
    assert (six.most_trials(), six.most_trials(5), six.most_trials(13)) == (6, 5, 6)
    assert space("learning_rate: {min: 0.1, max: 0.2}").most_trials() is None


def test_what_is_not_given_has_wandbs_default():
    spec = parse_spec(
        "method: random\nmetric: {name: train_loss}\nearly_terminate: {type: hyperband, min_iter: 2}\n"
        "parameters: {epochs: {value: 3}}"
    )
    assert spec.metric == Metric("train_loss", "minimize", None)
    assert spec.early_terminate == Hyperband(min_iter=2, eta=3, strict=True)
    assert (spec.run_cap, spec.name, spec.command) == (None, None, None)
    assert space("epochs: {value: 3}").metric is None


def test_a_file_and_its_text_give_the_same(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_bytes(b"\xef\xbb\xbfmethod: grid\r\nparameters: {epochs: {value: 3}}\r\n")
    spec = load_spec(path)
    assert spec == parse_spec(spec.text)
    assert spec.text.startswith("method: grid\r\n")


def test_names_and_values_are_canonical_and_the_files_own_are_kept():
    spec = space(
        "hidden_layers: {values: [3, 4]}",
        "Optimizer: {values: [nag, Adam]}",
        "weight_init: {value: Xavier}",
        "activation: {values: [ReLU, tanh]}",
        "hidden-size: {value: '64'}",
    )
    assert list(spec.parameters) == ["num_layers", "optimizer", "weight_init", "activation", "hidden_size"]
    assert spec.parameters["optimizer"].choices == ("nesterov", "adam")
    values = {
        "num_layers": 4,
        "optimizer": "nesterov",
        "weight_init": "xavier",
        "activation": "relu",
        "hidden_size": 64,
    }
    given = {"hidden_layers": 4, "Optimizer": "nag", "activation": "ReLU", "hidden-size": "64"}
    assert spec.config({**given, "weight_init": "Xavier"}) == spec.config(values)
    assert set(spec.document["parameters"]) == set(values)


def test_numbers_as_yaml_1_1_takes_them_for_words():
    spec = space("learning_rate: {values: [1e-3, 1E-4, +1e-2, 5.e-1, '1e-6']}", "epochs: {values: [1e1, 5]}")
    assert spec.parameters["learning_rate"].choices == (1e-3, 1e-4, 1e-2, 0.5, 1e-6)
    assert spec.parameters["epochs"].choices == (10, 5)
    assert space("epochs: {value: 1}", top="name: '1e5'").name == "1e5"


def test_fields_of_integers_get_integers():
    spec = space(
        "batch_size: {distribution: q_uniform, min: 16.0, max: 64.0, q: 16.0}",
        "hidden_size: {distribution: q_normal, mu: 128, sigma: 10, q: 8.0}",
        "epochs: {distribution: q_log_uniform_values, min: 2, max: 9}",
    )
    values = spec.sample(np.random.default_rng(1))
    assert all(type(value) is int for value in values.values())
    assert list(spec.parameters["batch_size"].values()) == [16, 32, 48, 64]


def test_lists_of_sizes():
    spec = space("hidden_size: {values: [[128, 64], '32,16,8', 64]}")
    assert spec.parameters["hidden_size"].choices == ((128, 64), (32, 16, 8), 64)
    assert spec.document["parameters"]["hidden_size"]["values"] == [[128, 64], [32, 16, 8], 64]
    base = TrainConfig().as_dict()
    assert spec.config({"hidden_size": (32, 16, 8)}, base).hidden_sizes == (32, 16, 8)
    assert spec.config({"hidden_size": 64}, base).hidden_sizes == (64, 64, 64)
    assert space("hidden_size: {values: [[8, 4], [4, 8]]}", "num_layers: {value: 2}").size == 2


def test_a_run_lies_over_its_base():
    spec = space("hidden_layers: {value: 2}")
    config = spec.config({"hidden_layers": 2}, {"hidden_size": [64, 64, 64], "epochs": 3})
    assert (config.num_layers, config.hidden_sizes, config.epochs) == (2, (64, 64), 3)
    with pytest.raises(RequestError, match="learning_rate must be a number > 0, got -1"):
        spec.config({"learning_rate": -1})


def test_the_grid_goes_in_wandbs_order():
    """As wandb's grid_search_next_runs gives it: parameters sorted by name, the last one fastest."""
    spec = space(
        "optimizer: {values: [sgd, adam]}",
        "epochs: {values: [3, 1]}",
        "batch_size: {min: 7, max: 9}",
        "seed: {value: 4}",
        method="grid",
    )
    assert spec.size == 12
    found = list(spec.combinations())
    assert list(found[0]) == ["optimizer", "epochs", "batch_size", "seed"]
    order = itertools.product([7, 8, 9], [3, 1], ["sgd", "adam"])
    assert found == [{"optimizer": o, "epochs": e, "batch_size": b, "seed": 4} for b, e, o in order]


def test_aliases_sort_by_their_fields():
    spec = space(
        "hidden_layers: {values: [1, 2]}", "loss: {values: [cross_entropy, squared_error]}", method="grid"
    )
    assert [values["num_layers"] for values in spec.combinations()] == [1, 2, 1, 2]


def test_a_huge_space_is_not_laid_out():
    spec = space(
        "seed: {min: 0, max: 999999999999}", "epochs: {min: 1, max: 1000}", "batch_size: {values: [1, 2]}"
    )
    assert spec.size == 2 * 10**15
    assert spec.combination(spec.size - 1) == {"seed": 999999999999, "epochs": 1000, "batch_size": 2}
    assert next(spec.combinations()) == {"batch_size": 1, "epochs": 1, "seed": 0}


@pytest.mark.parametrize("index", [-1, 6])
def test_there_is_no_combination_outside(index):
    spec = space("epochs: {min: 1, max: 3}", "seed: {values: [1, 2]}")
    with pytest.raises(IndexError, match=f"{index} is none of 6 combinations"):
        spec.combination(index)
    with pytest.raises(IndexError, match="infinitely many"):
        space("learning_rate: {min: 0.1, max: 1}").combination(0)


def test_samples_are_configurations_and_repeat_with_a_seed():
    spec = space(
        "learning_rate: {distribution: log_normal, mu: -6}",
        "epochs: {values: [1, 2], probabilities: [0.0, 1.0]}",
        "momentum: {distribution: beta, a: 5}",
    )
    one, other = (
        [spec.sample(rng) for _ in range(20)] for rng in (np.random.default_rng(9), np.random.default_rng(9))
    )
    assert one == other
    assert all(spec.config(values).epochs == 2 for values in one)
    assert spec.parameters["epochs"].size == 1
    assert spec.size is None


@pytest.mark.parametrize(("section", "bands"), BANDS)
def test_bands_are_those_of_wandb(section, bands):
    assert Hyperband(**section).bands(30) == tuple(bands)


def test_bands_end_with_the_run():
    assert Hyperband(min_iter=1).bands(9) == (1, 3, 9)
    assert Hyperband(min_iter=1).bands(8) == (1, 3)
    assert Hyperband(max_iter=27, s=3).bands(5) == (1, 3)


def test_a_metric_knows_what_is_better():
    accuracy, loss = Metric("val_acc", "maximize", 0.9), Metric("val_loss", target=0.3)
    assert accuracy.better(0.8, 0.7)
    assert not accuracy.better(0.7, 0.7)
    assert loss.better(0.1, 0.2)
    assert [accuracy.reached(value) for value in (0.89, 0.9, 0.91, float("nan"))] == [
        False,
        True,
        True,
        False,
    ]
    assert [loss.reached(value) for value in (0.31, 0.3, 0.29, float("nan"))] == [False, True, True, False]
    assert not Metric("val_acc").reached(1)


@pytest.mark.parametrize(
    ("text", "notice"),
    [
        (
            "method: random\nmetric: {name: val_acc}\nparameters: {epochs: {value: 1}}",
            "one would maximize val_acc",
        ),
        (
            "method: random\nmetric: {name: val_loss, goal: maximize}\nparameters: {epochs: {value: 1}}",
            "one would minimize val_loss",
        ),
        (
            "method: random\nparameters: {learning_rate: {distribution: log_uniform, min: 0.001, max: 0.1}}",
            "log_uniform_values takes the bounds themselves",
        ),
        (
            "method: grid\nparameters: {batch_size: {distribution: q_uniform, min: 16, max: 64, q: 16}}",
            "parameters.batch_size: a grid walks 16 to 48 in steps of 16, short of max",
        ),
        (
            "method: random\nmetric: {name: val_loss}\nparameters: {epochs: {value: 1}}\n"
            "early_terminate: {type: hyperband, min_iter: 1, max_iter: 9, s: 2}",
            "early_terminate.min_iter has no effect beside max_iter and s",
        ),
        (
            "method: random\nmetric: {name: val_loss}\nparameters: {epochs: {value: 1}}\n"
            "early_terminate: {type: hyperband, min_iter: 1, s: 2}",
            "early_terminate.s has no effect beside min_iter",
        ),
    ],
)
def test_what_may_surprise_is_noticed(text, notice):
    assert any(notice in found for found in parse_spec(text).notices)


def test_anchors_are_welcome():
    spec = space("epochs: &two {values: [1, 2]}", "num_layers: *two", "seed: {<<: *two}")
    assert spec.size == 8


def test_a_relative_dataset_is_found_from_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    spec = space("dataset: {values: [mnist, ./mine.npz]}")
    assert spec.parameters["dataset"].choices == ("mnist", str(Path("mine.npz").resolve()))
