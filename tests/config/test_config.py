from __future__ import annotations

import math
import re
import warnings
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ffcli.config import (
    FIELDS,
    NAMES,
    Choice,
    Option,
    TrainConfig,
    allowed,
    merge,
    metadata,
    run_name,
    unused,
    used_by,
    validate,
)
from ffcli.core.activations import ACTIVATIONS
from ffcli.core.initializers import INITIALIZERS
from ffcli.core.losses import LOSSES
from ffcli.core.optimizers import OPTIMIZERS
from ffcli.errors import RequestError

SHARES = st.floats(0, 1, exclude_max=True, allow_subnormal=False, width=32)
POSITIVE = st.floats(0, 1e6, exclude_min=True, allow_subnormal=False, width=32)


@st.composite
def configs(draw: st.DrawFn) -> TrainConfig:
    """Draw any configuration whatever."""
    sizes = draw(
        st.one_of(
            st.fixed_dictionaries({"num_layers": st.integers(0, 60), "hidden_size": st.integers(1, 4096)}),
            st.fixed_dictionaries({"hidden_size": st.lists(st.integers(1, 4096), min_size=1, max_size=6)}),
        )
    )
    rest = st.fixed_dictionaries(
        {
            "dataset": st.sampled_from(["fashion_mnist", "mnist", "/home/me/Daten ü, 2.npz"]),
            "val_fraction": st.floats(
                0, 1, exclude_min=True, exclude_max=True, allow_subnormal=False, width=32
            ),
            "activation": st.sampled_from(list(ACTIVATIONS)),
            "weight_init": st.sampled_from(list(INITIALIZERS)),
            "optimizer": st.sampled_from(list(OPTIMIZERS)),
            "loss": st.sampled_from(list(LOSSES)),
            "learning_rate": POSITIVE,
            "epsilon": POSITIVE,
            **dict.fromkeys(("momentum", "beta", "beta1", "beta2"), SHARES),
            "weight_decay": st.floats(0, 1e6, allow_subnormal=False, width=32),
            "epochs": st.integers(1, 10**6),
            "batch_size": st.integers(1, 10**6),
            "seed": st.integers(-(2**70), 2**70),
        }
    )
    return TrainConfig(**sizes, **draw(rest))


def as_flags(config: TrainConfig) -> dict[str, str]:
    """Return the values as a command line would give them."""
    return {
        name: ",".join(map(str, value)) if isinstance(value, list) else str(value)
        for name, value in config.as_dict().items()
    }


@given(configs())
def test_to_yaml_and_back_is_an_identity(config):
    assert TrainConfig(**yaml.safe_load(yaml.safe_dump(config.as_dict()))) == config
    assert validate(yaml.safe_load(yaml.safe_dump(config.as_dict()))) == config


@given(configs(), st.booleans())
def test_to_flags_and_back_is_an_identity(config, brackets):
    flags = as_flags(config)
    if isinstance(config.hidden_size, tuple) and (brackets or len(config.hidden_size) == 1):
        flags["hidden_size"] = str(list(config.hidden_size))
    assert validate(flags) == config


def test_as_dict_holds_every_field_in_plain_types():
    values = TrainConfig(hidden_size=(5, 4)).as_dict()
    assert list(values) == list(FIELDS)
    assert values["hidden_size"] == [5, 4]
    assert {type(value) for value in values.values()} <= {int, float, str, list, bool}


def test_every_field_has_help_a_flag_group_and_a_known_default():
    for name, info in FIELDS.items():
        assert info.description, name
        assert metadata(info, Option) is not None, name
    assert validate(TrainConfig().as_dict()) == TrainConfig()
    flags = [flag for info in FIELDS.values() for flag in metadata(info, Option).flags]
    assert len(set(flags)) == len(flags)


def test_fields_and_flags_are_those_promised():
    promised = {
        "dataset": "-d", "epochs": "-e", "batch_size": "-b", "loss": "-l", "optimizer": "-o",
        "learning_rate": "-lr", "momentum": "-m", "beta": "-beta", "beta1": "-beta1", "beta2": "-beta2",
        "epsilon": "-eps", "weight_decay": "-w_d", "weight_init": "-w_i", "num_layers": "-nhl",
        "hidden_size": "-sz", "activation": "-a", "seed": None, "val_fraction": None,
    }  # fmt: skip
    for name, flag in promised.items():
        assert metadata(FIELDS[name], Option).flags[:1] == ((flag,) if flag else ())
    defaults = TrainConfig()
    assert (defaults.momentum, defaults.beta, defaults.beta1, defaults.beta2) == (0.9, 0.9, 0.9, 0.999)
    assert (defaults.epsilon, defaults.val_fraction) == (1e-7, 0.1)


@pytest.mark.parametrize(
    ("name", "given_as", "stored"),
    [
        ("optimizer", "nag", "nesterov"),
        ("optimizer", "NADAM", "nadam"),
        ("loss", "mean_squared_error", "squared_error"),
        ("loss", "Cross-Entropy", "cross_entropy"),
        ("weight_init", "Xavier", "xavier"),
        ("activation", "ReLU", "relu"),
        ("dataset", "fashion-mnist", "fashion_mnist"),
        ("dataset", "MNIST", "mnist"),
        ("learning_rate", "1e-5", 1e-5),  # YAML 1.1 takes 1e-5 for a string
        ("learning_rate", " 0.5 ", 0.5),
        ("learning_rate", 1, 1.0),
        ("epochs", "12", 12),
        ("epochs", 12.0, 12),  # as a sweep's q_uniform gives it
        ("batch_size", "64", 64),
        ("seed", -3, -3),
        ("weight_decay", 0, 0.0),
        ("momentum", 0, 0.0),
        ("num_layers", 0, 0),
        ("hidden_size", "64", 64),
        ("hidden_size", [128, 64], (128, 64)),
        ("hidden_size", "128,64", (128, 64)),
        ("hidden_size", "[128, 64]", (128, 64)),
        ("hidden_size", " 128 , 64 ", (128, 64)),
        ("hidden_size", ["128", 64.0], (128, 64)),
        ("hidden_size", [32], (32,)),
        ("hidden_size", "[32]", (32,)),
    ],
)
def test_values_are_taken_and_stored_under_the_first_name(name, given_as, stored):
    value = getattr(validate({name: given_as}), name)
    assert value == stored
    assert type(value) is type(stored)


def test_a_users_file_is_stored_by_its_resolved_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert validate({"dataset": "mine.npz"}).dataset == str(Path("mine.npz").resolve())


@pytest.mark.parametrize(
    "key", ["num_layers", "num-layers", "NUM_LAYERS", "hidden_layers", "hidden-layers", " Hidden_Layers "]
)
def test_keys_know_hyphens_case_and_older_names(key):
    assert NAMES.field(key) == "num_layers"
    assert validate({key: 2}).num_layers == 2


BAD = [
    ("epochs", [0, -1, 1.5, "1e3", "ten", "", None, True, "true", math.nan, [3]]),
    ("batch_size", [0, -5, 2.5, True]),
    ("num_layers", [-1, 0.5, False]),
    (
        "hidden_size",
        [0, -1, 1.5, True, "", "[]", [], [0], "128,0", "128,,64", "128,", "a,b", "[128", "128 a"],
    ),
    ("hidden_size", [[True, 2], [[1], 2], {"a": 1}, None, "1is,2", "-" * 20000 + "1,2", "1" * 5000 + ",1"]),
    ("learning_rate", [0, -1, "fast", None, True, math.nan, "nan", math.inf, "-inf", [0.1], 1e-300, 3.5e38]),
    ("momentum", [-0.1, 1, 1.0, 2, math.nan, True]),
    ("beta", [-0.1, 1]),
    ("beta1", [-0.1, 1]),
    ("beta2", [-0.1, 1]),
    ("epsilon", [0, -1e-7, math.inf, 5e-324, 1.17e-38]),
    ("weight_decay", [-1e-9, math.inf, math.nan, 1e-40]),
    ("val_fraction", [0, 1, -0.1, 1.1, math.nan]),
    ("seed", ["x", 0.5, None, True]),
]


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in BAD for value in values])
def test_a_bad_value_is_refused_in_one_line(name, value):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(RequestError) as caught:
            validate({name: value}, label=lambda field: f"--{field.replace('_', '-')}")
    message = str(caught.value)
    assert message.startswith(f"--{name.replace('_', '-')} must be {allowed(name)}, got ")
    assert "\n" not in message
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        assert f" got {value}" in message
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("name", "value"), [("epsilon", 1.18e-38), ("learning_rate", 3.4e38), ("weight_decay", 0)]
)
def test_what_single_precision_just_holds_is_taken(name, value):
    assert getattr(validate({name: value}), name) == value


@pytest.mark.parametrize(
    ("name", "value", "guess"),
    [
        ("optimizer", "adm", "adam"),
        ("loss", "crossentopy", "cross_entropy"),
        ("activation", "rellu", "relu"),
        ("weight_init", "xavir", "xavier"),
        ("dataset", "fashonmnist", "fashion_mnist"),
    ],
)
def test_a_bad_choice_is_refused_with_the_nearest(name, value, guess):
    with pytest.raises(RequestError) as caught:
        validate({name: value}, label=lambda field: f"--{field}")
    message = str(caught.value)
    assert message.startswith(f"--{name}: '{value}' ")
    assert f"Did you mean '{guess}'?" in message
    choice = metadata(FIELDS[name], Choice)
    for option in choice.registry if choice else ("fashion_mnist", "mnist"):
        assert option in message
    with pytest.raises(RequestError, match=name):
        validate({name: None})
    with pytest.raises(RequestError, match=name):
        validate({name: 3})


@pytest.mark.parametrize(("key", "guess"), [("learning-rte", "learning_rate"), ("optimzer", "optimizer")])
def test_an_unknown_key_is_refused_with_the_nearest(key, guess):
    with pytest.raises(RequestError, match=f"'{key}' is not a known hyper-parameter.*Did you mean '{guess}'"):
        validate({key: 1})
    with pytest.raises(RequestError, match=f"'{key}' is not a known"):
        merge({"epochs": 1}, {key: 1})


def test_keys_that_are_no_words_are_unknown_too():
    for key in (1, None, True, 1.5):
        with pytest.raises(RequestError, match=re.escape(f"'{key}' is not a known hyper-parameter")):
            validate({key: 1})


def test_the_same_field_twice_is_refused():
    with pytest.raises(RequestError, match="num_layers is given twice"):
        validate({"num_layers": 2, "hidden-layers": 2})


def test_num_layers_follows_from_a_list():
    config = validate({"hidden_size": "128,64,32"})
    assert (config.num_layers, config.hidden_sizes) == (3, (128, 64, 32))
    assert validate({"hidden_size": 16, "num_layers": 2}).hidden_sizes == (16, 16)
    assert validate({"hidden_size": 16, "num_layers": 0}).hidden_sizes == ()
    assert len(validate({"hidden_size": 1, "num_layers": 50}).hidden_sizes) == 50


@pytest.mark.parametrize("layers", [2, "2", 2.0, "2.0"])
def test_num_layers_may_agree_with_the_list(layers):
    assert validate({"hidden_size": [128, 64], "num_layers": layers}).hidden_sizes == (128, 64)


@pytest.mark.parametrize("layers", [3, "3", 0])
@pytest.mark.parametrize("sizes", [[128, 64], "128,64", (128, 64)])
def test_num_layers_may_not_contradict_the_list(layers, sizes):
    with pytest.raises(
        RequestError, match=rf"num_layers {layers} contradicts hidden_size 128,64, which makes 2"
    ):
        validate({"hidden_size": sizes, "num_layers": layers})


def test_a_bad_num_layers_beside_a_list_is_named_itself():
    with pytest.raises(RequestError, match=r"num_layers must be an integer in .* got x"):
        validate({"hidden_size": [5], "num_layers": "x"})


@pytest.mark.parametrize(
    ("layers", "sizes"),
    [
        ([{"num_layers": 2, "hidden_size": 4}, {"hidden_size": 5}, {"num_layers": 1}], (5,)),
        ([{"num_layers": 2, "hidden_size": 32}, {"hidden_size": "9,8,7"}], (9, 8, 7)),
        ([{"num_layers": 2, "hidden_size": [9, 8]}, {"hidden_size": 32}], (32, 32)),
        ([{"hidden_size": [9, 8], "num_layers": 2}, {"hidden_size": [5]}], (5,)),
        ([{"hidden_size": [8, 8], "num_layers": 2}, {"num_layers": 3}], (8, 8, 8)),
        ([{"hidden-size": "[8, 8]"}, {"hidden_layers": 3}], (8, 8, 8)),
        ([{"hidden_layers": 4, "hidden-size": 3}, {"num_layers": 1}], (3,)),
        ([{"num_layers": 4}, {"hidden_size": [3, 2]}, {"epochs": 1}], (3, 2)),
        ([{"num_layers": 4}, {}, {"hidden_size": 6}], (6, 6, 6, 6)),
    ],
)
def test_later_layers_win_also_over_what_follows_from_earlier_ones(layers, sizes):
    kept = [dict(layer) for layer in layers]
    assert validate(merge(*layers)).hidden_sizes == sizes
    assert layers == kept


def test_layers_that_cannot_be_reconciled_are_refused():
    with pytest.raises(RequestError, match="contradicts"):
        validate(merge({"hidden_size": [9, 8]}, {"num_layers": 3}))
    with pytest.raises(RequestError, match="contradicts"):
        validate(merge({}, {"hidden_size": [9, 8], "num_layers": 3}))


def test_allowed_says_bounds_and_choices():
    texts = {name: allowed(name) for name in FIELDS}
    assert texts["epochs"] == "an integer ≥ 1"
    assert texts["num_layers"] == "an integer in [0, 10000]"
    assert texts["seed"] == "an integer"
    assert texts["learning_rate"] == "a number > 0"
    assert texts["weight_decay"] == "a number ≥ 0"
    assert texts["momentum"] == "a number in [0, 1)"
    assert texts["val_fraction"] == "a number in (0, 1)"
    assert texts["optimizer"] == ", ".join(OPTIMIZERS)
    assert "128,64" in texts["hidden_size"]
    assert "path" in texts["dataset"]


def test_options_without_effect_get_one_notice_each():
    config = validate({"optimizer": "adam", "momentum": 0.5, "beta1": 0.8})
    assert unused(config, ["optimizer", "momentum", "beta1", "beta", "epochs"]) == [
        "momentum is not used with optimizer adam (only by momentum, nesterov)",
        "beta is not used with optimizer adam (only by rmsprop)",
    ]
    plain = validate({"optimizer": "sgd", "num_layers": 0})
    assert [notice.split()[0] for notice in unused(plain, FIELDS)] == [
        "hidden_size", "activation", "batch_norm", "dropout", "momentum", "beta", "beta1", "beta2", "epsilon",
        "decay_epochs", "decay_factor",
    ]  # fmt: skip
    assert unused(validate({"optimizer": "nag"}), ["momentum", "learning_rate", "hidden_size"]) == []


def test_users_of_a_hyper_parameter_are_as_promised():
    assert used_by("momentum") == ["momentum", "nesterov"]
    assert used_by("beta") == ["rmsprop"]
    for name in ("beta1", "beta2"):
        assert {"adam", "adamw", "nadam"} <= set(used_by(name))
        assert not {"sgd", "momentum", "nesterov", "rmsprop"} & set(used_by(name))
    assert {"rmsprop", "adam", "adamw", "nadam"} <= set(used_by("epsilon"))
    assert used_by("epochs") == []
    for name in OPTIMIZERS:
        arguments = TrainConfig(optimizer=name, learning_rate=0.25).optimizer_arguments()
        assert arguments["learning_rate"] == 0.25
        assert all(name in used_by(key) for key in arguments)


def test_a_configuration_does_not_change():
    with pytest.raises(ValueError, match="frozen"):
        TrainConfig().epochs = 3


def test_run_name_is_as_promised():
    config = TrainConfig(num_layers=3, batch_size=16, activation="tanh", optimizer="adam")
    assert run_name(config) == "run_hl-3_bs-16_act-tanh_opt-adam"


@pytest.mark.parametrize(
    ("values", "end"),
    [
        ({"learning_rate": 0.01}, "_lr-0.01"),
        ({"hidden_size": [64, 32, 16], "seed": 3}, "_seed-3_sz-64,32,16"),
        ({"fold": "2/5", "batch_norm": True}, "_fold-2of5_batch_norm-true"),
        ({"dataset": "mnist"}, ""),
    ],
)
def test_a_run_is_named_by_what_differs_from_the_defaults(values, end):
    assert run_name(TrainConfig(**values)) == f"run_hl-3_bs-32_act-relu_opt-adam{end}"


def test_a_name_is_no_longer_than_wandb_takes():
    every = TrainConfig(
        seed=10**40,
        fold="10/12",
        hidden_size=[100] * 30,
        augment="flip,shift:3",
        batch_norm=True,
        label_smoothing=0.125,
        schedule="cosine",
        epochs=170,
    )
    assert len(run_name(every)) <= 120
    assert "_fold-10of12" in run_name(every)
