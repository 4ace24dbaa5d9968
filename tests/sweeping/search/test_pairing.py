"""Trials in pairs: each configuration with every value of the field that is compared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from engine_helpers import FINITE, INFINITE, objective, sweep_of
from fake_pool import Train

from ffcli.core.training import EpochResult
from ffcli.execution.pool import Task
from ffcli.sweeping.search.base import Known
from ffcli.sweeping.search.methods import proposer
from ffcli.sweeping.study.record import Sweep, Trial

LOSS = "\n  loss: {values: [cross_entropy, squared_error]}"
LOSSES = ["cross_entropy", "squared_error"]


def paired(method: str = "random", parameters: str = FINITE, **options: Any) -> Sweep:
    return replace(sweep_of(method, LOSS + parameters, **options), paired="loss")


def others(values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name != "loss"}


def assert_paired(trials: Sequence[Trial]) -> None:
    """Trials 1 and 2, 3 and 4 … differ in the loss, and in nothing else."""
    assert [trial.number for trial in trials] == list(range(1, len(trials) + 1))
    firsts = []
    for first, second in zip(trials[::2], trials[1::2]):
        assert [first.config.loss, second.config.loss] == LOSSES
        assert first.config.model_copy(update={"loss": "squared_error"}) == second.config
        assert first.config not in firsts
        firsts.append(first.config)


@pytest.mark.parametrize("method", ["random", "grid"])
def test_a_finite_space_is_used_up_pair_by_pair(engine, method):
    sweep = engine.create(paired(method))
    assert engine.complete(sweep, workers=3).reason == "space"
    assert engine.writer(sweep).sweep == sweep
    trials = engine.trials(sweep)
    assert len(trials) == 48
    assert_paired(trials)
    plain = sweep_of(method, seed=0)
    if method == "grid":  # in the order of the other parameters
        assert [others(trial.values) for trial in trials[::2]] == list(plain.spec.combinations())


@pytest.mark.parametrize(("method", "space"), [("random", FINITE), ("random", INFINITE), ("grid", FINITE)])
def test_resumed_after_each_trial_it_proposes_what_it_would_have(engine, method, space):
    one, two = (engine.create(paired(method, space, id=name)) for name in ("one", "two"))
    engine.complete(one, 12)
    for count in range(1, 13):
        engine.complete(two, count)
    assert engine.drawn(one) == engine.drawn(two)
    assert_paired(engine.trials(two))
    if method == "random":
        other = engine.create(paired(method, space, id="other", seed=1))
        engine.complete(other, 12)
        assert engine.drawn(one) != engine.drawn(other)


def test_the_value_of_a_trial_changes_nothing():
    sweep = paired()
    source = proposer(sweep.spec, 0, "loss")
    first = source.propose(1)
    for value in (None, 0.9):
        source.learn(Known(1, value is None, value, first.values, None))
        assert others(source.propose(2).values) == others(first.values)


def test_three_values_come_in_threes(engine):
    sweep = engine.create(replace(sweep_of("random"), paired="activation"))
    engine.complete(sweep, 9)
    found = engine.drawn(sweep)
    for start in (0, 3, 6):
        assert [each["activation"] for each in found[start : start + 3]] == ["tanh", "relu", "sigmoid"]
        assert len({(each["batch_size"], each["weight_init"]) for each in found[start : start + 3]}) == 1


def test_a_half_that_fails_leaves_the_others_where_they_are(engine):
    sweep = engine.create(paired())

    def some_fail(task: Task) -> Iterator[EpochResult]:
        if task.config.loss == "squared_error" and task.config.activation == "tanh":
            raise ValueError("no")
        return objective(task)

    engine.complete(sweep, workers=2, train=lambda task: late(some_fail, task))
    assert_paired(engine.trials(sweep))
    assert engine.counts(sweep).failed == 8


def late(train: Train, task: Task) -> Iterator[EpochResult]:
    yield from train(task)
