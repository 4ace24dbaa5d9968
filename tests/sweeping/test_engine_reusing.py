"""Results that are taken over from an earlier training instead of training again."""

from __future__ import annotations

from dataclasses import replace

import pytest
from engine_helpers import FINITE, claim, complete, drawn, epoch, objective, score, sweep_of, take
from sqlalchemy import update

from ffcli.sweeping.database import TRIALS
from ffcli.sweeping.events import TrialEnded
from ffcli.sweeping.trials import LostTrialError, Past
from ffcli.sweeping.twins import twin

DIGEST = "digest of the data"
PAST = Past("old run", (epoch(1, 0.3), epoch(2, 0.8)), (1000.0, 1001.5))


def test_the_same_training_in_another_sweep_is_found(store):
    old = store.create(sweep_of("grid"))
    complete(store, old, 5)
    new = store.create(sweep_of("random", id="new", seed=3))
    complete(store, new)
    found = 0
    for trial in store.trials(new):
        past = twin(store, trial, DIGEST, 1)
        assert (past is not None) == (trial.values in drawn(store, old))
        assert twin(store, trial, "other data", 1) is None
        assert twin(store, trial, DIGEST, 2) is None
        if past is not None:
            found += 1
            number = drawn(store, old).index(trial.values) + 1
            assert past.source == f"{old.id}/{number}"
            assert [result.val_acc for result in past.results] == pytest.approx(
                [score(trial.config), score(trial.config) - 0.01]
            )
            assert list(past.times) == [each.time for each in store.epochs(old.id, number)]
    assert found == 5


def test_only_whole_and_finished_trainings_are_found(sqlite):
    old = sqlite.create(sweep_of("grid"))

    def train(_, trial):
        if trial.number == 1:
            raise ValueError("one")
        trial.report(epoch(1))
        if trial.number == 2:
            trial.report(epoch(2))

    complete(sqlite, old, 3, objective=train)  # one failed, one whole, one of half the epochs
    new = sqlite.create(sweep_of("grid", id="new"))
    complete(sqlite, new, 3)
    found = [twin(sqlite, trial, DIGEST, 1) is not None for trial in sqlite.trials(new)]
    assert found == [False, True, False]


def test_a_sweep_that_searches_the_dataset_gives_no_results_away(sqlite):
    """Its one digest is of one dataset: of the trials on the other one it says nothing."""
    parameters = FINITE + "  dataset: {values: [mnist, fashion_mnist]}\n"
    old = sqlite.create(sweep_of("grid", parameters))
    complete(sqlite, old)
    for name, same in (("both", parameters), ("one", FINITE + "  dataset: {value: mnist}\n")):
        new = sqlite.create(sweep_of("grid", same, id=name))
        complete(sqlite, new, 3)
        assert [twin(sqlite, trial, DIGEST, 1) for trial in sqlite.trials(new)] == [None] * 3
    third = sqlite.create(sweep_of("grid", parameters, id="third"))
    complete(sqlite, third)
    known = [trial for trial in sqlite.trials(third) if twin(sqlite, trial, DIGEST, 1) is not None]
    assert {(trial.config.dataset) for trial in known} == {"mnist"}  # those of the sweep "one"
    assert len(known) == 3


def taking_over(_, trial):
    trial.take_over(PAST)


def test_a_trial_that_is_taken_over_is_finished_and_shows_it(store):
    sweep = store.create(sweep_of())
    events = []
    complete(store, sweep, 1, objective=taking_over, on_event=events.append)
    complete(store, sweep, 2)
    first, second = store.trials(sweep)
    assert (first.state, first.value, first.best_epoch, first.reused) == ("finished", 0.8, 2, "old run")
    assert second.reused is None
    assert [(each.result, each.time) for each in store.epochs(sweep.id, 1)] == list(
        zip(PAST.results, PAST.times)
    )
    assert [event.reused for event in events if isinstance(event, TrialEnded)] == ["old run"]


def test_a_trial_cut_short_after_it_was_taken_over_is_tried_again_from_nothing(store):
    sweep = store.create(sweep_of())
    held = take(store, sweep, "a")
    store.take_over(held, PAST)
    store.take_over(held, PAST)  # once more: the answer to the first may have got lost
    assert len(store.epochs(sweep.id, 1)) == 2
    late = update(TRIALS).values(lease=0.0)
    store.database.run(lambda connection: connection.execute(late))
    assert claim(store, sweep, "b").trial.number == 1
    assert store.epochs(sweep.id, 1) == []
    with pytest.raises(LostTrialError):
        store.take_over(held, PAST)
    store.release("b")
    complete(store, sweep, 1)
    assert [trial.reused for trial in store.trials(sweep)] == [None]


@pytest.mark.parametrize("pruned", [False, True])
def test_a_trial_whose_end_was_not_noted_is_no_reused_one(store, pruned):
    sweep = store.create(sweep_of())
    own = replace(PAST, source=None, pruned=pruned)
    complete(store, sweep, 1, objective=lambda _, trial: trial.take_over(own))
    (trial,) = store.trials(sweep)
    assert (trial.state, trial.value, trial.reused) == ("pruned" if pruned else "finished", 0.8, None)
    assert [(each.result, each.time) for each in store.epochs(sweep.id, 1)] == list(
        zip(PAST.results, PAST.times)
    )


def test_early_termination_counts_what_was_taken_over(sqlite):
    """Each later trial is worse at the band than the one taken over, which itself is never stopped."""
    sweep = sqlite.create(sweep_of(top="early_terminate: {type: hyperband, min_iter: 1}"))
    past = replace(PAST, results=(epoch(1, 0.9), epoch(2, 0.95)))

    def train(config, trial):
        if trial.number == 1:
            trial.take_over(past)
        else:
            objective(config, trial)

    complete(sqlite, sweep, 2, objective=train)
    assert [trial.state for trial in sqlite.trials(sweep)] == ["finished", "pruned"]
