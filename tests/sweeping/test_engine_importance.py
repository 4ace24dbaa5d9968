"""Which hyper-parameters mattered."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import pytest
from engine_helpers import FINITE, complete, epoch, objective, sweep_of

from ffcli.runs.metric import Metric
from ffcli.sweeping.importance import effects

# https://en.wikipedia.org/wiki/Spearman%27s_rank_correlation_coefficient#Example: r = -29/165
IQ = [106, 100, 86, 101, 99, 103, 97, 113, 112, 110]
HOURS = [7, 27, 2, 50, 28, 29, 20, 12, 6, 17]


def found(store, sweep):
    listed = effects(sweep, store.trials(sweep))
    json.dumps([asdict(effect) for effect in listed], allow_nan=False)
    return {effect.name: effect for effect in listed}


def trained(store, values, parameters=FINITE, method="grid", **more):
    """Return a sweep in which the trial of each number has the value of its place; None fails."""
    sweep = store.create(sweep_of(method, parameters, **more))

    def train(config, trial):
        value = values[trial.number - 1] if isinstance(values, list) else values(config)
        if value is None:
            raise ValueError("none")
        trial.report(epoch(1, value))

    complete(store, sweep, len(values) if isinstance(values, list) else None, objective=train)
    return sweep


def test_the_correlation_is_spearmans(sqlite):
    parameters = f"\n  seed: {{values: {IQ}}}\n"
    sweep = trained(sqlite, [float(hours) for hours in HOURS], parameters)
    assert found(sqlite, sweep)["seed"].correlation == pytest.approx(-29 / 165)


def test_equal_values_share_the_mean_of_their_ranks(sqlite):
    """By hand: ranks 1, 2, 3, 4 against 1.5, 1.5, 3.5, 3.5 give 4 / √(5 · 4) = 2/√5."""
    sweep = trained(sqlite, [0.1, 0.1, 0.7, 0.7], "\n  seed: {values: [1, 2, 3, 4]}\n")
    assert found(sqlite, sweep)["seed"].correlation == pytest.approx(2 / 5**0.5)


def test_a_choice_counts_as_one_variable_for_each_value(sqlite):
    """By hand: 1, 1, 0, 0 against the ranks 4, 3, 2, 1 gives 2 / √(1 · 5)."""
    parameters = "\n  optimizer: {values: [adam, sgd]}\n  seed: {values: [1, 2]}\n"
    sweep = trained(sqlite, [0.9, 0.8, 0.7, 0.6], parameters)
    effect = found(sqlite, sweep)["optimizer"]
    assert effect.correlation is None
    assert effect.by_value == pytest.approx({"adam": 2 / 5**0.5, "sgd": -2 / 5**0.5})
    sizes = "\n  hidden_size: {values: [8, [8, 4]]}\n  seed: {values: [1, 2]}\n"
    effect = found(sqlite, trained(sqlite, [0.9, 0.8, 0.7, 0.6], sizes, id="s2"))["hidden_size"]
    assert effect.by_value == pytest.approx({"8": 2 / 5**0.5, "8,4": -2 / 5**0.5})


def test_what_decides_alone_is_the_most_important(store):
    sweep = trained(store, lambda config: 0.9 - 0.2 * (config.activation == "sigmoid"))
    listed = effects(sweep, store.trials(sweep))
    assert listed[0].name == "activation"
    shares = [effect.importance for effect in listed]
    assert sum(shares) == pytest.approx(1)
    assert shares[0] > 0.9
    assert listed[0].by_value["sigmoid"] == pytest.approx(-1)
    assert "epochs" not in found(store, sweep)  # it has one value


def test_the_best_are_those_by_the_goal(sqlite):
    """The same values, in which relu alone is higher: to be minimised, the best have the others."""
    maximised = trained(sqlite, lambda config: 0.5 + 0.4 * (config.activation == "relu"))
    metric = Metric("val_acc", "minimize")
    minimised = replace(maximised, spec=replace(maximised.spec, metric=metric))
    for sweep in (maximised, minimised):
        effect = found(sqlite, sweep)["activation"]
        assert effect.importance > 0.9
        assert effect.by_value["relu"] == pytest.approx(1)


def test_few_constant_or_failed_trials_say_nothing(sqlite):
    none = sqlite.create(sweep_of("grid"))
    assert {(e.importance, e.correlation) for e in found(sqlite, none).values()} == {(None, None)}
    two = trained(sqlite, [0.1, 0.2], id="two")
    assert {(e.importance, e.correlation) for e in found(sqlite, two).values()} == {(None, None)}
    equal = trained(sqlite, lambda _: 0.5, id="equal")
    for effect in found(sqlite, equal).values():
        assert effect.importance is None
        assert effect.correlation is None
        assert set((effect.by_value or {}).values()) <= {None}


def test_failed_trials_are_left_out(sqlite):
    sweep = trained(sqlite, [0.1, None, 0.3, 0.2], "\n  seed: {values: [1, 2, 3, 4]}\n")
    assert found(sqlite, sweep)["seed"].correlation == pytest.approx(0.5)  # of 1, 3, 4 with 0.1, 0.3, 0.2


def test_a_pruned_trial_counts_with_what_it_reached(sqlite):
    top = "early_terminate: {type: hyperband, min_iter: 1}"
    sweep = sqlite.create(sweep_of("grid", top=top))
    complete(sqlite, sweep, objective=objective)
    states = {trial.state for trial in sqlite.trials(sweep)}
    assert states == {"finished", "pruned"}
    assert found(sqlite, sweep)["activation"].by_value["relu"] > 0.7
