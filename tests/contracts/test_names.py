"""The names by which things are asked for: those that are stored and shown, and others that will do."""

from __future__ import annotations

import pytest

from ffcli.core.activations import ACTIVATIONS
from ffcli.core.initializers import INITIALIZERS
from ffcli.core.losses import LOSSES
from ffcli.core.optimizers import OPTIMIZERS
from ffcli.core.schedules import SCHEDULES

# what it is called in messages, and each first name with others that must be understood
PROMISED = [
    (
        OPTIMIZERS,
        "optimizer",
        {
            "sgd": ["gd", "vanilla", "SGD", "stochastic gradient descent"],
            "momentum": ["sgdm", "Momentum", "sgd_momentum"],
            "nesterov": ["nag", "NAG", "nesterov_momentum"],
            "rmsprop": ["RMSProp", "rms_prop", "rms-prop"],
            "adam": ["Adam"],
            "adamw": ["AdamW", "adam_w"],
            "nadam": ["NAdam"],
        },
    ),
    (
        LOSSES,
        "loss",
        {
            "cross_entropy": [
                "ce",
                "cross-entropy",
                "crossentropy",
                "categorical_crossentropy",
                "Cross Entropy",
            ],
            "squared_error": ["mean_squared_error", "mse", "MSE", "squared_loss", "squared error"],
        },
    ),
    (
        ACTIVATIONS,
        "activation",
        {
            "identity": ["linear"],
            "sigmoid": ["logistic"],
            "tanh": ["Tanh"],
            "relu": ["ReLU"],
            "gelu": ["GELU"],
            "silu": ["swish", "SiLU"],
            "leaky_relu": ["LeakyReLU", "leaky relu", "lrelu"],
            "elu": ["ELU"],
        },
    ),
    (
        INITIALIZERS,
        "weight_init",
        {
            "random": ["uniform", "random_uniform"],
            "xavier": ["Xavier", "glorot", "glorot_uniform", "GlorotUniform", "xavier_uniform"],
            "he": ["He", "kaiming", "he_normal", "kaiming_normal"],
            "xavier_normal": ["glorot_normal", "Xavier Normal"],
            "random_normal": ["normal", "gaussian", "RandomNormal"],
            "zeros": ["zero", "Zeros"],
        },
    ),
    (SCHEDULES, "schedule", {"constant": [], "cosine": [], "step": [], "plateau": ["reduce_on_plateau"]}),
]


@pytest.mark.parametrize(("registry", "kind", "names"), PROMISED, ids=[kind for _, kind, _ in PROMISED])
def test_what_was_promised_is_understood_and_stored_under_its_first_name(registry, kind, names):
    assert list(registry) == list(names)
    for first, others in names.items():
        for name in (first, *others):
            for spelling in (name, name.upper(), name.replace("_", "-"), name.replace("_", " ")):
                assert registry.canonical(spelling) == first
                assert registry[spelling] is registry[first]
    with pytest.raises(
        ValueError, match=f"'qqqqq' is not a known {kind}. Choose one of {next(iter(names))}, "
    ):
        registry.canonical("qqqqq")


@pytest.mark.parametrize("registry", [row[0] for row in PROMISED], ids=[row[1] for row in PROMISED])
def test_every_alias_leads_to_its_first_name(registry):
    for first in registry:
        assert all(registry.canonical(alias) == first for alias in registry.aliases(first))
        assert first not in registry.aliases(first)
