"""Known configurations as the first proposals of a sweep."""

from __future__ import annotations

import math
from typing import Any

import pytest
from engine_helpers import FINITE, INFINITE, sweep_of

from ffcli.sweeping.search.base import Known
from ffcli.sweeping.search.first import FirstProposals
from ffcli.sweeping.search.methods import proposer
from ffcli.sweeping.spec.distinct import member
from ffcli.sweeping.spec.spec import parse_spec


@pytest.mark.parametrize(
    ("parameter", "given", "found"),
    [
        ("learning_rate: {values: [0.1, 0.01]}", 0.01, 0.01),
        ("learning_rate: {values: [0.1, 0.01]}", 0.02, None),
        ("hidden_size: {values: [[64, 32], [32]]}", (64, 32), (64, 32)),
        ("hidden_size: {values: [[64, 32], [32]]}", 64, None),
        ("hidden_size: {min: 32, max: 64}", 64, 64),
        ("hidden_size: {min: 32, max: 64}", 65, None),
        ("hidden_size: {min: 32, max: 64}", (64, 32), None),
        ("dropout: {min: 0.0, max: 0.5}", 0.0, 0.0),
        ("dropout: {min: 0.0, max: 0.5}", 0.6, None),
        ("dropout: {distribution: q_uniform, min: 0.0, max: 0.5, q: 0.1}", 0.1 + 0.2, 3 * 0.1),
        ("dropout: {distribution: q_uniform, min: 0.0, max: 0.5, q: 0.1}", 0.25, None),
        ("learning_rate: {distribution: log_uniform_values, min: 0.001, max: 0.1}", 0.001, 0.001),
        ("learning_rate: {distribution: log_uniform_values, min: 0.001, max: 0.1}", 0.0009, None),
        ("weight_decay: {distribution: log_normal, mu: -8, sigma: 1}", 1e-4, 1e-4),
        ("weight_decay: {distribution: log_normal, mu: -8, sigma: 1}", 0.0, None),
        ("seed: {distribution: q_normal, mu: 0, sigma: 10, q: 2}", -4, -4),
        ("seed: {distribution: q_normal, mu: 0, sigma: 10, q: 2}", 3, None),
        ("beta: {distribution: beta, a: 8, b: 2}", 0.25, 0.25),
    ],
)
def test_a_value_is_known_to_lie_in_a_distribution(parameter: str, given: Any, found: Any) -> None:
    spec = parse_spec(f"method: random\nparameters:\n  {parameter}")
    (distribution,) = spec.parameters.values()
    assert member(distribution, given) == found


def test_bayes_gets_the_coordinates_of_known_values() -> None:
    space = """
  learning_rate: {distribution: log_uniform_values, min: 1.0e-4, max: 1.0e-1}
  dropout: {min: 0.0, max: 0.5}
  weight_decay: {distribution: log_normal, mu: -8, sigma: 1}
  hidden_size: {min: 32, max: 64}
  activation: {values: [relu, tanh]}
"""
    values = {
        "learning_rate": 1e-3,
        "dropout": 0.1,
        "weight_decay": math.exp(-8),
        "hidden_size": 40,
        "activation": "tanh",
    }
    sweep = sweep_of("bayes", space)
    found = FirstProposals(sweep.spec, 0).complete(values)
    assert found is not None
    assert found.values == values
    # A third of three powers of ten; 0.1 of 0.5; the median; the 9th of the integers; the second choice.
    expected = {
        "learning_rate": 1 / 3,
        "dropout": 0.2,
        "weight_decay": 0.5,
        "hidden_size": 8,
        "activation": 1,
    }
    assert found.point == pytest.approx(expected)

    bayes = proposer(sweep.spec, 0)
    for number in range(1, 11):  # so many have to be known before there is a model
        bayes.learn(
            Known(number, False, 0.1, bayes.propose(number).values, {**expected, "dropout": number / 20})
        )
    bayes.learn(Known(11, False, 0.9, found.values, found.point))
    near = [bayes.propose(number).point or {} for number in range(12, 22)]
    assert sum(abs(point["dropout"] - 0.2) < 0.25 for point in near) > 5


@pytest.mark.parametrize("method", ["grid", "random", "bayes"])
def test_a_finite_space_has_each_training_once(method: str) -> None:
    spec = sweep_of(method, FINITE).spec
    first = FirstProposals(spec, 0)
    relu = [first.complete({"activation": "relu", "batch_size": 32}) for _ in range(3)]
    assert {each.values["weight_init"] for each in relu if each is not None} == {"xavier", "random"}
    assert relu[2] is None  # there are two of them
    again = {"epochs": 2, "activation": "relu", "batch_size": 32, "weight_init": "xavier"}
    assert first.complete(again) is None
    assert first.whole(again, spec.config(again)) is None

    search = proposer(spec, 0)
    for number, each in enumerate(relu[:2], 1):
        assert each is not None
        search.learn(Known(number, True, None, each.values, each.point))
    drawn = []
    for number in range(3, 25):
        proposal = search.propose(number)
        search.learn(Known(number, True, None, proposal.values, proposal.point))
        drawn.append(spec.distinct.index(proposal.values))
    known = [spec.distinct.index(each.values) for each in relu[:2] if each is not None]
    assert sorted([*drawn, *known]) == list(range(24))


def test_what_is_left_open_is_drawn_by_seed_and_number() -> None:
    spec = sweep_of("random", INFINITE).spec
    one, same, other = (FirstProposals(spec, seed) for seed in (0, 0, 1))
    drawn = [[each.complete({"batch_size": 32}) for _ in range(2)] for each in (one, same, other)]
    assert drawn[0] == drawn[1] != drawn[2]
    rates = {each.values["learning_rate"] for each in drawn[0] if each is not None}
    assert len(rates) == 2
    assert all(each is not None and each.values["batch_size"] == 32 for each in drawn[0])
    whole = {"epochs": 2, "batch_size": 16, "learning_rate": 0.01}
    assert one.complete(whole) is not None
    assert one.complete(whole) is None


def test_a_value_without_effect_changes_no_training() -> None:
    space = "\n  optimizer: {values: [adam, momentum]}\n  momentum: {values: [0.5, 0.9]}\n"
    spec = sweep_of("grid", space).spec
    assert not spec.distinct.has_effect("momentum", {"optimizer": "adam"})
    assert spec.distinct.has_effect("momentum", {"optimizer": "momentum"})
    assert spec.distinct.has_effect("momentum", {}), "the optimizer may still be drawn"
    first = FirstProposals(spec, 0)
    assert first.whole({"optimizer": "adam", "momentum": 0.9}, spec.config({"optimizer": "adam"})) is not None
    assert first.complete({"optimizer": "adam", "momentum": 0.5}) is None
