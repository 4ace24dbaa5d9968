"""The study that optuna-dashboard opens."""

from __future__ import annotations

import optuna
import pytest
from engine_helpers import complete, epoch, sweep_of
from optuna.trial import TrialState
from sqlalchemy import update
from test_engine_proposing import EVERY_KIND

from ffcli.sweeping.database import SWEEPS
from ffcli.sweeping.publishing import publish


def study_of(store, sweep):
    storage = optuna.storages.RDBStorage(store.database.url.render_as_string(hide_password=False))
    study = optuna.load_study(study_name=sweep.id, storage=storage)
    trials, direction = study.trials, study.direction
    storage.remove_session()
    storage.engine.dispose()
    return trials, direction


def mixed(config, trial):
    """Fail the third, and finish the others but for those that early termination stops: each is worse."""
    trial.set_run(f"run {trial.number}")
    if trial.number == 3:
        raise ValueError("three")
    for number in range(1, config.epochs + 1):
        if trial.report(epoch(number, 0.9 - 0.01 * trial.number)):
            return


def test_every_ended_trial_is_published_once_with_what_it_had(store):
    sweep = store.create(
        sweep_of("random", EVERY_KIND, top="early_terminate: {type: hyperband, min_iter: 1}")
    )
    complete(store, sweep, 4, objective=mixed)
    assert publish(store, sweep) == 4
    assert publish(store, sweep) == 0
    complete(store, sweep, 9, objective=mixed)
    assert publish(store, sweep) == 5
    published, direction = study_of(store, sweep)
    assert direction == optuna.study.StudyDirection.MAXIMIZE
    own = store.trials(sweep)
    assert [trial.user_attrs["trial"] for trial in published] == [trial.number for trial in own]
    states = {"finished": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}
    for there, here in zip(published, own):
        assert there.state == states[here.state]
        assert there.value == here.value
        assert there.datetime_start.timestamp() == pytest.approx(here.started, abs=1e-3)
        assert there.datetime_complete.timestamp() == pytest.approx(here.ended, abs=1e-3)
        assert there.user_attrs["run_id"] == f"run {here.number}"
        assert there.user_attrs.get("error") == here.error
        epochs = store.epochs(sweep.id, here.number)
        assert there.intermediate_values == {each.result.epoch: each.result.val_acc for each in epochs}
        sizes = here.values["hidden_size"]
        expected = {**here.values, "hidden_size": "64,32" if isinstance(sizes, tuple) else sizes}
        assert there.params == pytest.approx(expected)
    assert {trial.state for trial in own} == {"finished", "pruned", "failed"}


@pytest.mark.parametrize("over", [-60, 86400])  # the latter as after the clock was set back
def test_two_do_not_publish_at_once(sqlite, over):
    sweep = sqlite.create(sweep_of())
    complete(sqlite, sweep, 3)
    for until, expected in ((60, 0), (over, 3)):
        change = update(SWEEPS).values(publisher="another", publishing_until=sqlite.database.now + until)
        sqlite.database.run(lambda connection, change=change: connection.execute(change))
        assert publish(sqlite, sweep) == expected


def test_what_was_cut_short_is_made_good(sqlite, monkeypatch):
    sweep = sqlite.create(sweep_of())
    complete(sqlite, sweep, 5)
    add, left = optuna.Study.add_trial, iter(range(2))

    def failing(study, trial):
        if next(left, None) is None:
            raise KeyboardInterrupt
        add(study, trial)

    monkeypatch.setattr(optuna.Study, "add_trial", failing)
    with pytest.raises(KeyboardInterrupt):
        publish(sqlite, sweep)
    monkeypatch.undo()
    assert publish(sqlite, sweep) == 3
    assert sorted(trial.user_attrs["trial"] for trial in study_of(sqlite, sweep)[0]) == [1, 2, 3, 4, 5]


def test_publishing_stops_when_it_is_told_to(sqlite):
    sweep = sqlite.create(sweep_of())
    complete(sqlite, sweep, 3)
    answers = iter([True, False])
    assert publish(sqlite, sweep, lambda: next(answers)) == 1
    assert publish(sqlite, sweep) == 2


def test_unfinished_trials_are_left_for_later(sqlite):
    sweep = sqlite.create(sweep_of())

    def interrupted(_, trial):
        trial.report(epoch(1))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        complete(sqlite, sweep, 2, objective=interrupted)
    assert publish(sqlite, sweep) == 0
    complete(sqlite, sweep, 2)
    assert publish(sqlite, sweep) == 2
