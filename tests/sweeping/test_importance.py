"""Which hyper-parameters mattered."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import pytest
from engine_helpers import FINITE, epoch, sweep_of, trial_of

from ffcli.runs.metric import Metric
from ffcli.sweeping.importance import effects

# https://en.wikipedia.org/wiki/Spearman%27s_rank_correlation_coefficient#Example: r = -29/165
IQ = [106, 100, 86, 101, 99, 103, 97, 113, 112, 110]
HOURS = [7, 27, 2, 50, 28, 29, 20, 12, 6, 17]


def found(engine, sweep):
    listed = effects(sweep, engine.trials(sweep))
    json.dumps([asdict(effect) for effect in listed], allow_nan=False)
    return {effect.name: effect for effect in listed}


def trained(engine, values, parameters=FINITE, method="grid", **more):
    """Return a sweep in which the trial of each number has the value at its index; None fails."""
    sweep = engine.create(sweep_of(method, parameters, **more))

    def train(task):
        value = values[trial_of(task) - 1] if isinstance(values, list) else values(task.config)
        if value is None:
            raise ValueError("none")
        yield epoch(1, value)

    engine.complete(sweep, len(values) if isinstance(values, list) else None, train=train)
    return sweep


def test_the_correlation_is_spearmans(engine):
    parameters = f"\n  seed: {{values: {IQ}}}\n"
    sweep = trained(engine, [float(hours) for hours in HOURS], parameters)
    assert found(engine, sweep)["seed"].correlation == pytest.approx(-29 / 165)


def test_equal_values_share_the_mean_of_their_ranks(engine):
    """By hand: ranks 1, 2, 3, 4 against 1.5, 1.5, 3.5, 3.5 give 4 / √(5 · 4) = 2/√5."""
    sweep = trained(engine, [0.1, 0.1, 0.7, 0.7], "\n  seed: {values: [1, 2, 3, 4]}\n")
    assert found(engine, sweep)["seed"].correlation == pytest.approx(2 / 5**0.5)


def test_a_choice_counts_as_one_variable_for_each_value(engine):
    """By hand: 1, 1, 0, 0 against the ranks 4, 3, 2, 1 gives 2 / √(1 · 5)."""
    parameters = "\n  optimizer: {values: [adam, sgd]}\n  seed: {values: [1, 2]}\n"
    sweep = trained(engine, [0.9, 0.8, 0.7, 0.6], parameters)
    effect = found(engine, sweep)["optimizer"]
    assert effect.correlation is None
    assert effect.by_value == pytest.approx({"adam": 2 / 5**0.5, "sgd": -2 / 5**0.5})
    sizes = "\n  hidden_size: {values: [8, [8, 4]]}\n  seed: {values: [1, 2]}\n"
    effect = found(engine, trained(engine, [0.9, 0.8, 0.7, 0.6], sizes, id="s2"))["hidden_size"]
    assert effect.by_value == pytest.approx({"8": 2 / 5**0.5, "8,4": -2 / 5**0.5})


def test_what_decides_alone_is_the_most_important(engine):
    sweep = trained(engine, lambda config: 0.9 - 0.2 * (config.activation == "sigmoid"))
    listed = effects(sweep, engine.trials(sweep))
    assert listed[0].name == "activation"
    shares = [effect.importance for effect in listed]
    assert sum(shares) == pytest.approx(1)
    assert shares[0] > 0.9
    assert listed[0].by_value["sigmoid"] == pytest.approx(-1)
    assert "epochs" not in found(engine, sweep)  # it has one value


def test_the_best_are_those_by_the_goal(engine):
    """The same values, in which relu alone is higher: to be minimised, the best have the others."""
    maximised = trained(engine, lambda config: 0.5 + 0.4 * (config.activation == "relu"))
    metric = Metric("val_acc", "minimize")
    minimised = replace(maximised, spec=replace(maximised.spec, metric=metric))
    for sweep in (maximised, minimised):
        effect = found(engine, sweep)["activation"]
        assert effect.importance > 0.9
        assert effect.by_value["relu"] == pytest.approx(1)


def test_few_constant_or_failed_trials_say_nothing(engine):
    none = engine.create(sweep_of("grid"))
    assert {(e.importance, e.correlation) for e in found(engine, none).values()} == {(None, None)}
    two = trained(engine, [0.1, 0.2], id="two")
    assert {(e.importance, e.correlation) for e in found(engine, two).values()} == {(None, None)}
    equal = trained(engine, lambda _: 0.5, id="equal")
    for effect in found(engine, equal).values():
        assert effect.importance is None
        assert effect.correlation is None
        assert set((effect.by_value or {}).values()) <= {None}


def test_failed_trials_are_left_out(engine):
    sweep = trained(engine, [0.1, None, 0.3, 0.2], "\n  seed: {values: [1, 2, 3, 4]}\n")
    assert found(engine, sweep)["seed"].correlation == pytest.approx(0.5)  # of 1, 3, 4 with 0.1, 0.3, 0.2


def test_a_pruned_trial_counts_with_what_it_reached(engine):
    top = "early_terminate: {type: hyperband, min_iter: 1}"
    sweep = engine.create(sweep_of("grid", top=top))
    engine.complete(sweep)
    states = {trial.state for trial in engine.trials(sweep)}
    assert states == {"finished", "pruned"}
    assert found(engine, sweep)["activation"].by_value["relu"] > 0.7
