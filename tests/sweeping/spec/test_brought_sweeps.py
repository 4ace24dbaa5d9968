"""Sweep files as people have them: their names, values and forms."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ffcli.errors import RequestError, UnknownParameterError
from ffcli.sweeping.spec.spec import SweepSpec, load_spec, parse_spec

SHARED = os.environ.get("FFNN_TEST_SHARED")
TOP = "method: random\nmetric: {name: val_acc, goal: maximize}\n"


def spec(*parameters: str, top: str = TOP) -> SweepSpec:
    return parse_spec(top + "parameters:\n" + "".join(f"  {line}\n" for line in parameters), "a.yaml")


def choices(found: SweepSpec) -> dict[str, tuple[object, ...]]:
    return {name: each.choices for name, each in found.parameters.items()}


@pytest.mark.parametrize(
    ("goal", "meant"),
    [("maximise", "maximize"), ("MAX", "maximize"), ("minimise", "minimize"), ("min", "minimize")],
)
def test_spellings_of_the_goal(goal: str, meant: str) -> None:
    found = spec("epochs: {value: 1}", top=TOP.replace("maximize", goal))
    assert found.metric is not None
    assert found.metric.goal == found.document["metric"]["goal"] == meant


def test_short_names_and_values_of_others():
    found = spec(
        "n_epochs: {value: 2}",
        "Number of Hidden Layers: {values: [1, 2]}",
        "hls: {values: [16, 32]}",
        "l2_reg: {values: [0, 0.001]}",
        "LR: {values: [0.01]}",
        "opt: {values: [SGD, nag, RMSProp, Adam, sgdm]}",
        "bs: {values: [16]}",
        "w_init: {values: [Glorot, He]}",
        "act_func: {values: [logistic, ReLU]}",
        "criterion: {values: [cross-entropy, MSE]}",
        top=TOP.replace("val_acc", "Validation Accuracy"),
    )
    assert choices(found) == {
        "epochs": (2,),
        "num_layers": (1, 2),
        "hidden_size": (16, 32),
        "weight_decay": (0.0, 0.001),
        "learning_rate": (0.01,),
        "optimizer": ("sgd", "nesterov", "rmsprop", "adam", "momentum"),
        "batch_size": (16,),
        "weight_init": ("xavier", "he"),
        "activation": ("sigmoid", "relu"),
        "loss": ("cross_entropy", "squared_error"),
    }
    assert found.metric is not None
    assert found.metric.name == "val_acc"
    told = found.notices[0]
    assert all(
        name in told for name in ("Number of Hidden Layers as num_layers", "Validation Accuracy as val_acc")
    )
    assert len([notice for notice in found.notices if " as " in notice]) == 1


def test_what_wandb_is_told_are_the_names_and_values_under_which_runs_are_logged():
    found = spec(
        "lr: {min: 0.1, max: 0.2}",
        "opt: {values: [NAG, adam]}",
        "hidden_layers: {values: [[8, 4], [3]]}",
        "wandb_project: {value: mine}",
        top=TOP.replace("val_acc", "val_accuracy"),
    )
    assert found.document == {
        "method": "random",
        "metric": {"name": "val_acc", "goal": "maximize"},
        "parameters": {
            "learning_rate": {"min": 0.1, "max": 0.2},
            "optimizer": {"values": ["nesterov", "adam"]},
            "hidden_size": {"values": [[8, 4], [3]]},
        },
    }
    # and what an agent of a sweep that was registered as it is hands over is understood
    given = {"lr": 0.15, "opt": "NAG", "hidden_layers": [8, 4], "wandb_project": "mine"}
    config = found.config(given)
    assert (config.learning_rate, config.optimizer, config.hidden_sizes) == (0.15, "nesterov", (8, 4))


@pytest.mark.parametrize(
    ("lines", "field"),
    [
        (["alpha: {values: [0, 0.1]}", "eta: {value: 0.01}"], "weight_decay"),
        (["Alpha: {values: [0.5, 0.1]}", "l2: {value: 0}"], "learning_rate"),
    ],
)
def test_alpha_is_what_the_file_does_not_name_otherwise(lines, field):
    assert spec(*lines).space[field].key.lower() == "alpha"


@pytest.mark.parametrize("others", [[], ["lr: {value: 0.1}", "wd: {value: 0.1}"]])
def test_alpha_is_refused_where_it_may_be_either(others):
    with pytest.raises(RequestError, match="alpha is ambiguous"):
        spec("alpha: {values: [0, 0.1]}", *others)


def test_one_field_under_two_names_is_refused_with_both():
    with pytest.raises(RequestError, match="learning_rate is given twice, as lr and as eta"):
        spec("lr: {value: 0.1}", "eta: {value: 0.2}")


def test_lists_of_layers_are_their_sizes():
    found = spec("hidden_layers: {values: [[128, 64, 32], [64, 64], [32]]}")
    assert choices(found) == {"hidden_size": ((128, 64, 32), (64, 64), (32,))}
    with pytest.raises(RequestError, match="hidden_size is given twice, as hidden_layers and as units"):
        spec("hidden_layers: {values: [[128], [64, 64]]}", "units: {value: 3}")


def test_a_value_given_twice_counts_double():
    found = spec("optimizer: {values: [adam, Adam, adam, sgd]}", "weight_decay: {values: [0.0, 0.0]}")
    assert found.parameters["optimizer"].choices == ("adam", "sgd")
    assert found.parameters["optimizer"].probabilities == (0.75, 0.25)
    assert found.parameters["weight_decay"].choices == (0.0,)
    assert found.size == 2
    assert any("optimizer" in notice for notice in found.notices)
    weighted = spec("optimizer: {values: [adam, nag, nesterov], probabilities: [0.5, 0.25, 0.25]}")
    assert weighted.parameters["optimizer"].probabilities == (0.5, 0.5)


def test_a_grid_tries_a_value_given_twice_once():
    found = spec("optimizer: {values: [adam, adam, sgd]}", top=TOP.replace("random", "grid"))
    assert [values["optimizer"] for values in found.combinations()] == ["adam", "sgd"]
    assert found.document["parameters"]["optimizer"]["values"] == ["adam", "sgd"]
    assert any("once" in notice for notice in found.notices)


def test_groups_are_flattened():
    found = spec(
        "optimizer: {parameters: {name: {values: [adam, rmsprop]}, lr: {value: 0.1}, beta_1: {value: 0.8}}}",
        "model: {parameters: {hidden: {parameters: {size: {value: 8}, layers: {value: 2}}}, "
        "act: {value: tanh}}}",
    )
    assert choices(found) == {
        "optimizer": ("adam", "rmsprop"),
        "learning_rate": (0.1,),
        "beta1": (0.8,),
        "hidden_size": (8,),
        "num_layers": (2,),
        "activation": ("tanh",),
    }
    config = found.config({"optimizer": {"name": "adam", "lr": 0.1, "beta_1": 0.8}, "model": {"act": "tanh"}})
    assert (config.optimizer, config.learning_rate, config.activation) == ("adam", 0.1, "tanh")
    with pytest.raises(RequestError, match=r"optimizer\.parameters\.nonsense"):
        spec("optimizer: {parameters: {name: {value: adam}, nonsense: {value: 1}}}")


def test_what_wandb_knows_is_accepted_with_one_notice():
    top = (
        "apiVersion: v1\nkind: sweep\ncontroller: {type: local}\njob: a/b\nimage_uri: x\nprogram: train.py\n"
        "method: random\nmetric: {name: val_loss, impute: worst, impute_while_running: latest}\n"
        "command: ['${env}', python, 3, '${program}', '${args_no_boolean_flags}', '${args_json}']\n"
    )
    found = spec("epochs: {value: 1}", top=top)
    assert len(found.notices) == 1
    idle = ("apiVersion", "kind", "controller", "job", "image_uri", "metric.impute", "program", "command")
    assert all(name in found.notices[0] for name in idle)
    assert found.command is not None
    assert found.command[2] == "3"
    assert not spec("epochs: {value: 1}", top=TOP + "program: x\ncommand: [ffnn, train, '${args}']\n").notices


def test_constants_that_mean_nothing_are_left_out():
    found = spec(
        "wandb_project: {value: mine}", "data_scaling: {values: [standard]}", "architecture: {value: mlp}",
        "epochs: {values: [1, 2]}",
    )  # fmt: skip
    assert set(found.parameters) == {"epochs"}
    assert found.left_out == ("wandb_project", "data_scaling", "architecture")
    assert all(name in found.notices[0] for name in found.left_out)


@pytest.mark.parametrize("line", ["architecture: {values: [mlp, cnn]}", "data_scaling: {min: 1, max: 3}"])
def test_the_same_searched_is_refused(line):
    with pytest.raises(UnknownParameterError):
        spec(line, "epochs: {value: 1}")


def test_a_typing_error_is_refused_though_constant():
    with pytest.raises(UnknownParameterError) as caught:
        spec("learning_rat: {value: 0.1}")
    assert caught.value.meant == ("learning_rate",)


def test_parameters_can_be_ignored(tmp_path: Path):
    file = tmp_path / "a.yaml"
    file.write_text(
        "sweep:\n  method: random\n  parameters:\n    architecture: {values: [mlp, cnn]}\n"
        "    epochs: {value: 1}\n"
        "    optimizer: {parameters: {name: {value: sgd}, warm: {values: [1, 2]}}}\n"
    )
    found = load_spec(file, ignore=["architecture", "optimizer.warm"])
    assert set(found.parameters) == {"epochs", "optimizer"}
    assert set(parse_spec(found.text).parameters) == {"epochs", "optimizer"}, "what is stored says the same"
    with pytest.raises(RequestError, match=r"'architectur'.*'architecture'"):
        load_spec(file, ignore=["architectur"])


@pytest.mark.parametrize("key", ["sweep", "sweep_config", "config"])
def test_a_sweep_may_stand_under_a_key(key):
    inner = "  method: random\n  parameters: {epochs: {value: 1}}\n"
    found = parse_spec(f"project: p\n{key}:\n{inner}", "a.yaml")
    assert (found.project, choices(found)) == ("p", {"epochs": (1,)})
    assert f"'{key}'" in found.notices[0]
    assert parse_spec(f"{key}:\n{inner}").document["method"] == "random"


def test_json_is_json():
    found = parse_spec(
        '{\n\t"method": "random",\n\t"parameters": {"lr": {"values": [1e-3, 1e-4]}}\n}', "a.json"
    )
    assert choices(found) == {"learning_rate": (0.001, 0.0001)}
    with pytest.raises(RequestError, match="given twice"):
        parse_spec('{"method": "random", "method": "grid"}')


@pytest.mark.parametrize(
    ("value", "meant"),
    [("064", "52"), ("-010", "-8"), ("1:30", "1:30"), ("12:30:45", "12:30"), ("1:30.5", "1:30")],
)
def test_numbers_that_yaml_reads_as_others_are_refused(value, meant):
    with pytest.raises(RequestError, match=meant):
        spec(f"batch_size: {{values: [{value}, 128]}}")
    assert spec("epochs: {value: 1}", top=TOP + f"name: '{value}'\n").name == value


def test_tabs_are_named():
    with pytest.raises(RequestError, match=r"line 2.*tab"):
        parse_spec("method: random\n\tparameters: {}")


def test_hyperband_that_never_prunes_is_noticed():
    top = TOP + "early_terminate: {type: hyperband, min_iter: %d}\n"
    assert any("pruned" in notice for notice in spec("epochs: {values: [1, 2]}", top=top % 2).notices)
    assert any("pruned" in notice for notice in spec("seed: {values: [1, 2]}", top=top % 10).notices)
    assert not spec("epochs: {values: [1, 2]}", top=top % 1).notices


@pytest.mark.parametrize(
    "section",
    [
        "{type: hyperband, min_iter: 1, eta: 1.0000000001}",
        "{type: hyperband, max_iter: 1000000000, s: 100, eta: 1.000000001}",
        "{type: hyperband, min_iter: 9000000000000000000, eta: 1.0e+300}",
    ],
)
def test_the_bands_of_hyperband_are_few(section):
    found = spec("epochs: {value: 1000000000}", top=f"{TOP}early_terminate: {section}\n")
    assert found.early_terminate is not None
    assert len(found.early_terminate.bands(10**9)) <= 100


@pytest.mark.parametrize(
    ("line", "top", "key"),
    [
        (
            "epochs: {value: 1}",
            "early_terminate: {type: hyperband, max_iter: 9, s: 1000000000}\n",
            "early_terminate.s",
        ),
        ("epochs: {values: [1, 2], probabilities: [1.0e+308, 1.0e+308]}", "", "epochs.probabilities"),
        ("num_layers: {value: 1000000000000}", "", "num_layers"),
        ("hidden_size: {value: 1000000000000}", "", "hidden_size"),
    ],
)
def test_small_files_ask_for_no_unbounded_work(line, top, key):
    with pytest.raises(RequestError, match=key):
        spec(line, top=TOP + top)


def test_many_values_are_read_in_time():
    found = spec(f"seed: {{values: [{','.join(map(str, range(20_000)))}]}}")
    assert found.size == 20_000


@pytest.mark.skipif(not SHARED, reason="the shared cases are not here")
@pytest.mark.parametrize(
    "path", sorted(Path(SHARED or ".").glob("cases/sweeps/*")), ids=lambda path: path.name
)
def test_each_shared_case_is_read_or_refused_as_its_name_says(path):
    if "refuse" in path.name:
        with pytest.raises(RequestError):
            load_spec(path)
    else:
        assert load_spec(path).metric is not None
