"""What the methods of a sweep file propose."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from engine_helpers import EVERY_KIND, FINITE, INFINITE, score, sweep_of
from hypothesis import given
from hypothesis import strategies as st
from optuna.trial import TrialState

from ffcli.errors import FfnnError
from ffcli.sweeping.search.base import Known, Proposer
from ffcli.sweeping.search.methods import proposer as method_of
from ffcli.sweeping.spec.distinct import position
from ffcli.sweeping.spec.spec import parse_spec
from ffcli.sweeping.study.record import Sweep

ORIGIN = """
  epochs: {values: [5, 10]}
  hidden_layers: {values: [3, 4, 5]}
  hidden_size: {values: [32, 64, 128]}
  weight_decay: {values: [0, 0.0005, 0.5]}
  learning_rate: {values: [1.0e-3, 1.0e-4]}
  optimizer: {values: [sgd, momentum, nesterov, rmsprop, adam, nadam]}
  batch_size: {values: [16, 32, 64]}
  weight_init: {values: [random, xavier]}
  activation: {values: [sigmoid, tanh, relu]}
"""


def proposer(sweep: Sweep) -> Proposer:
    return method_of(sweep.spec, sweep.seed)


def run(
    sweep: Sweep, count: int, value: Any = score, known: list[Known] | None = None
) -> list[dict[str, Any]]:
    """Propose and learn without a store, one trial after the other, after those already known."""
    source = proposer(sweep)
    trials = list(known or [])
    for trial in trials:
        source.learn(trial)
    values = []
    for number in range(len(trials) + 1, count + 1):
        proposal = source.propose(number)
        values.append(dict(proposal.values))
        trials.append(Known(number, False, value(proposal.config), proposal.values, proposal.point))
        source.learn(trials[-1])
    if known is not None:
        known[:] = trials
    return values


def test_grid_goes_in_wandbs_order_and_around_what_is_taken():
    sweep = sweep_of("grid")
    assert run(sweep, 24) == list(sweep.spec.combinations())
    source = proposer(sweep)
    for index in (0, 1, 3):
        source.learn(Known(index + 1, True, None, sweep.spec.combination(index), None))
    assert source.propose(4).values == sweep.spec.combination(2)


def test_random_takes_the_draws_as_they_come_without_repeats():
    sweep = sweep_of("random")
    source = proposer(sweep)
    assert run(sweep, 1) == [sweep.spec.sample(source.generator(1))]
    values = run(sweep, 24)
    assert sorted(map(repr, values)) == sorted(map(repr, sweep.spec.combinations()))
    assert values != list(sweep.spec.combinations())
    assert run(sweep_of("random", seed=1), 24) != values


def test_an_unlikely_rest_is_found_too():
    space = "\n  activation: {values: [relu, tanh, sigmoid], probabilities: [0.999998, 0.000001, 0.000001]}\n"
    for method in ("random", "bayes"):
        values = run(sweep_of(method, space), 3)
        assert {each["activation"] for each in values} == {"relu", "tanh", "sigmoid"}


def test_any_that_is_left_is_as_likely_as_another():
    source = proposer(sweep_of("random", "\n  epochs: {min: 1, max: 6}\n"))
    for epochs in (1, 3, 6):
        source.learn(Known(1, True, None, {"epochs": epochs}, None))
    seen = Counter(source.untried(source.generator(n))["epochs"] for n in range(3000))
    assert set(seen) == {2, 4, 5}
    assert min(seen.values()) > 900


def test_a_space_that_is_used_up_gives_nothing():
    source = proposer(sweep_of("random", "\n  epochs: {value: 2}\n"))
    source.learn(Known(1, True, None, {"epochs": 2}, None))
    with pytest.raises(FfnnError, match="No combination of the sweep's space is left"):
        source.propose(2)


def test_an_infinite_space_is_drawn_from_by_its_distributions():
    sweep = sweep_of("random", INFINITE)
    source = proposer(sweep)
    assert run(sweep, 5) == [sweep.spec.sample(source.generator(number)) for number in range(1, 6)]


@pytest.mark.parametrize("method", ["random", "bayes"])
def test_a_draw_that_its_field_refuses_is_drawn_again(method):
    sweep = sweep_of(method, "\n  learning_rate: {distribution: normal, mu: 0.1, sigma: 0.03}\n")
    values = run(
        sweep, 40, lambda config: -config.learning_rate
    )  # smaller is better: it presses on the bound
    assert all(each["learning_rate"] > 0 for each in values)


IDLE_RANGE = """
  optimizer: {values: [sgd, momentum]}
  learning_rate: {values: [0.1, 0.01]}
  momentum: {min: 0.1, max: 0.9}
"""


@pytest.mark.parametrize("method", ["random", "bayes"])
def test_a_range_without_effect_makes_no_difference_between_trainings(method):
    values = run(sweep_of(method, IDLE_RANGE), 30)
    rates = [each["learning_rate"] for each in values if each["optimizer"] == "sgd"]
    assert sorted(rates) == [0.01, 0.1]
    momenta = [each["momentum"] for each in values if each["optimizer"] == "momentum"]
    assert len(set(momenta)) == len(momenta) == 28


@pytest.mark.parametrize("method", ["random", "bayes"])
def test_where_no_range_has_an_effect_trainings_are_repeated(method):
    space = IDLE_RANGE.replace("[sgd, momentum]", "[sgd]")
    rates = [each["learning_rate"] for each in run(sweep_of(method, space), 5)]
    assert sorted(rates[:2]) == [0.01, 0.1]
    assert len(rates) == 5


@given(st.data())
def test_positions_and_grid_indices_are_those_of_the_values(data):
    space = EVERY_KIND[: EVERY_KIND.index("  learning_rate")] + EVERY_KIND[EVERY_KIND.index("  beta1") :]
    spec = parse_spec(f"method: random\nparameters:{space}")
    source = method_of(spec, 0)
    index = data.draw(st.integers(0, spec.size - 1))
    values = spec.combination(index)
    assert spec.distinct.index(values) == index
    source.learn(Known(1, True, None, values, None))
    assert source.has_tried(values)
    for name, distribution in spec.parameters.items():
        assert distribution.value(position(distribution, values[name])) == values[name]


def test_bayes_never_repeats_and_ends_with_the_whole_space():
    sweep = sweep_of("bayes")
    values = run(sweep, 24)
    assert sorted(map(repr, values)) == sorted(map(repr, sweep.spec.combinations()))


def origin_score(config: Any) -> float:
    return (
        0.5
        + 0.10 * (config.optimizer in ("adam", "nadam"))
        + 0.10 * (config.activation == "relu")
        + 0.05 * (config.weight_init == "xavier")
        + 0.05 * (config.weight_decay == 0)
        + 0.03 * (config.learning_rate == 1e-3)
        + 0.0001 * config.hidden_sizes[0]
        + 0.003 * config.epochs
    )


def test_bayes_learns():
    """In the latter half of 80 trials it proposes far better ones than chance does."""
    means = {}
    for method in ("bayes", "random"):
        seen: list[float] = []
        run(
            sweep_of(method, ORIGIN),
            80,
            lambda config, seen=seen: seen.append(origin_score(config)) or seen[-1],
        )
        means[method] = sum(seen[40:]) / 40
    assert means["bayes"] > means["random"] + 0.08


def test_bayes_learns_the_other_direction_and_on_every_scale():
    text = parse_spec(f"method: bayes\nmetric: {{name: val_loss}}\nparameters:{EVERY_KIND}").text
    spec = parse_spec(text)
    source = method_of(spec, 0)
    losses = []
    for number in range(1, 81):
        proposal = source.propose(number)
        config = proposal.config
        losses.append(abs(math.log10(config.learning_rate) + 3) + abs(math.log(config.weight_decay) + 9))
        assert 16 <= config.batch_size <= 256
        assert config.batch_size % 16 == 0
        source.learn(Known(number, False, losses[-1], proposal.values, proposal.point))
    assert sum(losses[60:]) < 0.6 * sum(losses[:20])


def test_trials_that_still_run_are_not_proposed_again():
    sweep = sweep_of("bayes", INFINITE)
    trials: list[Known] = []
    run(sweep, 20, lambda config: -abs(math.log10(config.learning_rate) + 3), trials)
    source = proposer(sweep)
    for trial in trials:
        source.learn(trial)
    alone = source.propose(21)
    for number in range(21, 29):
        source.learn(Known(number, True, None, alone.values, alone.point))
    assert source.propose(29).point != alone.point


def test_open_trials_are_learned_once_they_end():
    sweep = sweep_of("bayes", INFINITE)

    def after(*changes: Known) -> Any:
        source = proposer(sweep)
        for trial in known:
            source.learn(trial)
        for number, change in enumerate(changes, start=100):
            source.propose(number)
            for trial in range(21, 29):
                source.learn(replace(change, number=trial))
        point = source.propose(50).point
        states = Counter(trial.state for trial in source._study.get_trials(deepcopy=False))
        assert states[TrialState.RUNNING] == len(source._open)
        return point

    known: list[Known] = []
    run(sweep, 20, lambda config: -abs(math.log10(config.learning_rate) + 3), known)
    proposal = proposer(sweep).propose(99)
    values, point = proposal.values, proposal.point
    running, ended = Known(21, True, None, values, point), Known(21, False, 9.0, values, point)
    failed = Known(21, False, None, values, point)
    assert after(running, ended) == after(ended)
    assert after(running, failed) == after() == after(failed)
    assert after(running) != after(ended)


@pytest.mark.parametrize("method", ["random", "bayes"])
@pytest.mark.parametrize("space", [FINITE, INFINITE, EVERY_KIND])
def test_a_resumed_sweep_proposes_what_it_would_have(method, space):
    sweep = sweep_of(method, space)
    whole = run(sweep, 22)
    known: list[Known] = []
    assert run(sweep, 13, known=known) + run(sweep, 22, known=known) == whole


def test_a_long_history_is_cut_to_the_same_when_resumed(monkeypatch):
    from ffcli.sweeping.search import bayes

    for name, size in {"_MOST": 20, "_BEST": 4, "_LATEST": 8, "_BLOCK": 10}.items():
        monkeypatch.setattr(bayes, name, size)
    sweep = sweep_of("bayes", ORIGIN)
    whole = run(sweep, 75, origin_score)
    known: list[Known] = []
    for upto in (33, 47, 75):
        run(sweep, upto, origin_score, known)
    source = proposer(sweep)
    for trial in known:
        source.learn(trial)
    assert [dict(trial.values) for trial in known] == whole
    source.propose(76)
    complete_trials = [t for t in source._study.get_trials(deepcopy=False) if t.value is not None]
    assert len(complete_trials) <= 4 + 8 + 10
    best = sorted(-trial.value for trial in known)
    assert [t.value for t in sorted(complete_trials, key=lambda t: t.value)][:4] == best[:4]
