"""Trials in pairs: each configuration with every value of the field that is compared."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain
from typing import Any

import pytest
from engine_helpers import FINITE, INFINITE, complete, drawn, ended_numbers, objective, start_worker, sweep_of

from ffcli.sweeping.database import PAIRINGS
from ffcli.sweeping.search.paired import proposer
from ffcli.sweeping.search.proposers import Known
from ffcli.sweeping.store import TrialStore
from ffcli.sweeping.trials import Sweep, Trial

LOSS = "\n  loss: {values: [cross_entropy, squared_error]}"
LOSSES = ["cross_entropy", "squared_error"]


def paired(method: str = "random", parameters: str = FINITE, **options: Any) -> Sweep:
    return replace(sweep_of(method, LOSS + parameters, **options), paired="loss")


def others(values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name != "loss"}


def assert_paired(trials: list[Trial]) -> None:
    """Trials 1 and 2, 3 and 4 … differ in the loss, and in nothing else."""
    assert [trial.number for trial in trials] == list(range(1, len(trials) + 1))
    firsts = []
    for first, second in zip(trials[::2], trials[1::2]):
        assert [first.config.loss, second.config.loss] == LOSSES
        assert first.config.model_copy(update={"loss": "squared_error"}) == second.config
        firsts.append(first.key)
    assert len(set(firsts)) == len(firsts)


@pytest.mark.parametrize("method", ["random", "grid"])
def test_a_finite_space_is_used_up_pair_by_pair(store, method):
    sweep = store.create(paired(method))
    assert sweep.paired == "loss"
    assert complete(store, sweep).reason == "space"
    trials = store.trials(sweep)
    assert len(trials) == 48
    assert_paired(trials)
    plain = sweep_of(method, seed=0)
    if method == "grid":  # in the order of the other parameters
        assert [others(trial.values) for trial in trials[::2]] == list(plain.spec.combinations())


def test_a_sweep_that_is_not_paired_says_so(store):
    assert store.create(sweep_of("random", LOSS + FINITE)).paired is None


@pytest.mark.parametrize(("method", "space"), [("random", FINITE), ("random", INFINITE), ("grid", FINITE)])
def test_resumed_after_each_trial_it_goes_on_as_it_would_have(sqlite, method, space):
    one, two = (sqlite.create(paired(method, space, id=name)) for name in ("one", "two"))
    complete(sqlite, one, 12)
    for count in range(1, 13):
        sqlite._claiming.clear()  # as a new process
        complete(sqlite, two, count)
    assert drawn(sqlite, one) == drawn(sqlite, two)
    assert_paired(sqlite.trials(two))
    if method == "random":
        other = sqlite.create(paired(method, space, id="other", seed=1))
        complete(sqlite, other, 12)
        assert drawn(sqlite, one) != drawn(sqlite, other)


def test_the_value_of_a_trial_changes_nothing():
    sweep = paired()
    source = proposer(sweep.spec, {}, 0, "loss")
    first = source.propose(1)
    for value in (None, 0.9):
        source.learn(Known(1, value is None, value, first.place, None))
        assert others(source.propose(2).values) == others(first.values)


def test_three_values_come_in_threes(sqlite):
    sweep = replace(sweep_of("random"), paired="activation")
    complete(sqlite, sqlite.create(sweep), 9)
    found = drawn(sqlite, sweep)
    for start in (0, 3, 6):
        assert [each["activation"] for each in found[start : start + 3]] == ["tanh", "relu", "sigmoid"]
        assert len({(each["batch_size"], each["weight_init"]) for each in found[start : start + 3]}) == 1


def test_pairs_survive_workers_at_once_and_killed_ones(store, url):
    sweep = store.create(paired())
    for moment in (4, 8, 13):
        start_worker(url, sweep, count=20, moment=moment).communicate()
    workers = [start_worker(url, sweep, count=20, pause=0.01) for _ in range(3)]
    ended = list(chain.from_iterable(map(ended_numbers, workers)))
    assert len(ended) == len(set(ended))
    trials = store.trials(sweep)
    assert len(trials) == store.counts(sweep).ended == 20
    assert_paired(trials)


def test_a_half_that_fails_leaves_the_others_in_their_places(sqlite):
    sweep = sqlite.create(paired())

    def some_fail(config: Any, trial: Any) -> None:
        if config.loss == "squared_error" and config.activation == "tanh":
            raise ValueError("no")
        objective(config, trial)

    complete(sqlite, sweep, objective=some_fail)
    assert_paired(sqlite.trials(sweep))
    assert sqlite.counts(sweep).failed == 8


def test_a_database_of_before_there_were_pairs_is_read(tmp_path):
    url = f"sqlite:///{tmp_path / 'old.db'}"
    store = TrialStore(url)
    store.create(sweep_of())
    store.database.run(PAIRINGS.drop)
    store.close()
    store = TrialStore(url)
    assert store.sweep("s1").paired is None
    store.close()
