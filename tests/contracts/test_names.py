"""The names by which things are asked for: those that are stored and shown, and others that will do."""

from __future__ import annotations

import pytest

from ffcli.core.activations import ACTIVATIONS
from ffcli.core.initializers import INITIALIZERS
from ffcli.core.losses import LOSSES
from ffcli.core.optimizers import OPTIMIZERS
from ffcli.core.schedules import SCHEDULES

# what it is called in messages, and each first name with its others
PROMISED = [
    (
        OPTIMIZERS,
        "optimizer",
        {"sgd": [], "momentum": [], "nesterov": ["nag"], "rmsprop": [], "adam": [], "adamw": [], "nadam": []},
    ),
    (LOSSES, "loss", {"cross_entropy": [], "squared_error": ["mean_squared_error", "mse"]}),
    (
        ACTIVATIONS,
        "activation",
        {"identity": ["linear"], "sigmoid": ["logistic"], "tanh": [], "relu": []},
    ),
    (INITIALIZERS, "weight_init", {"random": [], "xavier": ["glorot", "glorot_uniform"]}),
    (SCHEDULES, "schedule", {"constant": [], "cosine": [], "step": [], "plateau": ["reduce_on_plateau"]}),
]


@pytest.mark.parametrize(("registry", "kind", "names"), PROMISED, ids=[kind for _, kind, _ in PROMISED])
def test_what_was_promised_is_understood_and_stored_under_its_first_name(registry, kind, names):
    for first, others in names.items():
        assert first in list(registry)
        assert registry.aliases(first) == others
        for name in (first, *others):
            assert registry.canonical(name.upper().replace("_", "-")) == first
            assert registry[name] is registry[first]
    with pytest.raises(
        ValueError, match=f"'qqqqq' is not a known {kind}. Choose one of {next(iter(names))}, "
    ):
        registry.canonical("qqqqq")
