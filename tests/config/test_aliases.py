"""The other names of hyper-parameters, and what is suggested for names that are none."""

from __future__ import annotations

import pickle

import pytest

from ffcli.config import FIELDS, NAMES, Option, TrainConfig, merge, metadata, validate
from ffcli.errors import FfnnError, InvalidValueError, RequestError, UnknownNameError
from ffcli.util.suggest import compact

# name in the wild: field
PROMISED = {
    "num_layers": "num_hidden_layers number_of_hidden_layers no_hidden_layers n_hidden n_layers hidden_layer "
    "layers",
    "hidden_size": "hidden_layer_size hidden_units hidden_nodes hidden_neurons neurons_per_layer num_neurons "
    "layer_size units hls hs",
    "epochs": "epoch n_epochs num_epochs max_epochs",
    "batch_size": "bs batch batchsize minibatch_size",
    "learning_rate": "lr eta step_size",
    "weight_decay": "l2 l2_reg reg regularization lambda lam wd weight_decay",
    "optimizer": "opt optim optimiser optimizer_name",
    "weight_init": "init initializer initialization initialisation weight_initialization weights_init w_init",
    "activation": "act act_func activation_func activation_fn activation_function af",
    "loss": "loss_func loss_fn loss_function criterion cost",
    "beta1": "beta_1",
    "beta2": "beta_2",
    "epsilon": "eps",
    "momentum": "gamma mu",
    "dropout": "dropout_rate",
}


@pytest.mark.parametrize(("field", "names"), PROMISED.items())
def test_each_is_understood_in_any_spelling(field, names):
    for name in names.split():
        for spelling in (name, name.upper(), name.replace("_", "-"), name.replace("_", " "), name.title()):
            assert NAMES.field(spelling) == field
            assert NAMES.field(spelling.replace("_", "")) == field


def test_no_alias_stands_for_two_fields():
    spelled = [compact(alias) for info in FIELDS.values() for alias in metadata(info, Option).aliases]
    assert len(set(spelled)) == len(spelled)
    assert not set(spelled) & {compact(field) for field in FIELDS}


def test_a_configuration_takes_them():
    config = TrainConfig(lr=0.1, num_hidden_layers=2, units=8, alpha=0.01, optimiser="nag")
    assert (config.learning_rate, config.hidden_sizes, config.weight_decay) == (0.1, (8, 8), 0.01)
    assert validate(merge({"lr": 0.1}, {"eta": 0.2})).learning_rate == 0.2, "the later layer wins"


@pytest.mark.parametrize(
    "values",
    [{"lr": 1, "learning_rate": 1}, {"alpha": 1}, {"alpha": 1, "lr": 1, "wd": 1}, {"epohcs": 1}, {"lr": 0}],
)
def test_what_is_wrong_is_a_request_error_that_can_be_pickled(values):
    with pytest.raises(RequestError) as caught:
        TrainConfig(**values)
    again = pickle.loads(pickle.dumps(caught.value))  # noqa: S301 - our own
    assert (type(again), str(again), again.hint) == (type(caught.value), str(caught.value), caught.value.hint)


def test_errors_hold_what_they_are_about():
    with pytest.raises(UnknownNameError) as unknown:
        TrainConfig(epohcs=1)
    assert (unknown.value.kind, unknown.value.name, unknown.value.meant) == (
        "hyper-parameter",
        "epohcs",
        ("epochs",),
    )
    assert unknown.value.choices == tuple(FIELDS)
    with pytest.raises(InvalidValueError) as invalid:
        TrainConfig(lr=0)
    assert str(invalid.value.named(lambda name: f"--{name}")).startswith("--learning_rate must be ")
    assert isinstance(invalid.value, FfnnError)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("learning_rat", ["learning_rate"]),
        ("epohcs", ["epochs"]),
        ("initial_learning_rat", ["learning_rate"]),
        ("my_learning_rate", ["learning_rate"]),
        ("sgd_momentum", ["momentum"]),
        ("adamax_eps", ["epsilon"]),
        ("theta", []),
        ("zeta", []),
        ("val_factor", []),
        ("architecture", []),
        ("data_scaling", []),
        ("wandb_project", []),
        ("num_classes", []),
        ("device", []),
        ("x" * 100_000, []),
        ("", []),
    ],
)
def test_suggestions_do_not_mislead(name, meant):
    assert NAMES.meant(name) == meant
