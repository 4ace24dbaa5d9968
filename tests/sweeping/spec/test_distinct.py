"""Combinations that train alike are one training."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ffcli.config import TrainConfig
from ffcli.sweeping.spec.spec import SweepSpec, parse_spec


def grid(**parameters: object) -> SweepSpec:
    lines = "".join(f"  {name}: {value}\n" for name, value in parameters.items())
    return parse_spec(f"method: grid\nparameters:\n{lines}")


def test_eight_combinations_are_three_trainings():
    found = grid(
        optimizer="{values: [sgd, adam]}", beta1="{values: [0.8, 0.9]}", momentum="{values: [0.5, 0.9]}"
    )
    assert (found.distinct.combinations, found.size, found.most_trials()) == (8, 3, 3)
    assert list(found.combinations()) == [
        {"optimizer": "sgd", "beta1": 0.8, "momentum": 0.5},
        {"optimizer": "adam", "beta1": 0.8, "momentum": 0.5},
        {"optimizer": "adam", "beta1": 0.9, "momentum": 0.5},
    ]
    assert any("8 combinations" in notice and "3 distinct" in notice for notice in found.notices)
    assert not grid(beta1="{values: [0.8, 0.9]}").notices, "adam is the default, which uses it"
    assert grid(momentum="{values: [0.8, 0.9]}").size == 1


def test_without_hidden_layers_their_size_means_nothing():
    found = grid(num_layers="{min: 0, max: 10000}", hidden_size="{values: [8, 16]}", seed="{values: [1, 2]}")
    assert found.size == 2 + 10_000 * 4
    assert found.combination(0) == {"num_layers": 0, "hidden_size": 8, "seed": 1}
    assert found.combination(found.size - 1) == {"num_layers": 10_000, "hidden_size": 16, "seed": 2}


def test_lists_of_sizes_always_count():
    assert grid(hidden_layers="{values: [[8], [8, 8]]}", activation="{values: [relu, tanh]}").size == 4


def test_draws_that_train_alike_are_the_same():
    found = parse_spec(
        "method: random\nparameters:\n  optimizer: {values: [sgd]}\n  beta1: {min: 0.1, max: 0.9}\n"
        "  momentum: {values: [0.5, 0.9]}\n  seed: {min: 1, max: 2}\n"
    )
    rng = np.random.default_rng(0)
    drawn = [found.sample(rng) for _ in range(20)]
    assert {values["beta1"] for values in drawn} == {0.5}
    assert {values["momentum"] for values in drawn} == {0.5}
    assert {values["seed"] for values in drawn} == {1, 2}


VALUES = {
    "optimizer": ["sgd", "momentum", "nesterov", "rmsprop", "adam", "nadam"],
    "num_layers": [0, 1, 2],
    "schedule": ["constant", "step", "cosine"],
    "momentum": [0.1, 0.2, 0.3],
    "beta": [0.1, 0.2],
    "beta1": [0.1, 0.2],
    "hidden_size": [4, 8],
    "activation": ["relu", "tanh"],
    "decay_epochs": [1, 2],
    "seed": [1, 2],
}


def trains_as(config: TrainConfig) -> tuple[object, ...]:
    """Return all that training depends on, worked out anew."""
    layers = (config.num_layers, config.hidden_sizes, config.activation if config.num_layers else None)
    decay = config.decay_epochs if config.schedule == "step" else None
    return (
        *layers,
        config.schedule,
        decay,
        config.optimizer,
        *config.optimizer_arguments().values(),
        config.seed,
    )


@pytest.mark.parametrize("numbers", [True, False], ids=["range", "list"])
@given(
    st.dictionaries(st.sampled_from(list(VALUES)), st.integers(1, 3), min_size=1, max_size=5).filter(
        lambda sizes: sum(sizes.values()) <= 12
    )
)
def test_they_are_counted_and_numbered_as_by_trying_all(numbers, sizes):
    chosen = {name: VALUES[name][:count] for name, count in sizes.items()}
    parameters = {name: f"{{values: {values}}}".replace("'", "") for name, values in chosen.items()}
    if numbers and len(chosen.get("num_layers", [])) > 1:
        parameters["num_layers"] = f"{{min: 0, max: {len(chosen['num_layers']) - 1}}}"
    found = grid(**parameters)
    everything = [dict(zip(chosen, values)) for values in product(*chosen.values())]
    trainings = {trains_as(TrainConfig(**values)) for values in everything}
    listed = list(found.combinations())
    assert found.size == len(listed) == len(trainings)
    assert {trains_as(TrainConfig(**values)) for values in listed} == trainings
    assert [found.distinct.index(values) for values in listed] == list(range(len(listed)))
    for values in everything:
        index = found.distinct.index(values)
        assert index is not None
        assert trains_as(TrainConfig(**listed[index])) == trains_as(TrainConfig(**values))
