"""The ended trials as an Optuna study in the same database, which optuna-dashboard opens."""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any, cast

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages import RDBStorage
from optuna.trial import TrialState, create_trial
from sqlalchemy import Connection, CursorResult, or_, update

from ffcli.sweeping.database import SWEEPS
from ffcli.sweeping.spec.distributions import Distribution
from ffcli.sweeping.store import TrialStore
from ffcli.sweeping.trials import END_STATES, Sweep, Trial

_NUMBER = "trial"  # the user attribute that holds our number: Optuna counts by the order of publishing
_TURN = 600.0  # seconds after which a publisher that has not said it is done is taken for dead
_STATES = {"finished": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}


def publish(store: TrialStore, sweep: Sweep, go_on: Callable[[], bool] = lambda: True) -> int:
    """Add the ended trials that the study of the sweep's id lacks, and return how many.

    Each has the values of the searched parameters, the metric after each epoch, and the user attributes
    ``trial`` (our number), ``run_id``, ``best_epoch`` and ``error``. ``go_on`` is asked before each. While
    another process publishes the same sweep, nothing is added.
    """
    with _turn(store, sweep) as mine:
        return _publish(store, sweep, go_on) if mine else 0


def _publish(store: TrialStore, sweep: Sweep, go_on: Callable[[], bool]) -> int:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    url = store.database.url
    storage = RDBStorage(
        url.render_as_string(hide_password=False),
        engine_kwargs={"connect_args": {"timeout": 30}} if url.drivername.startswith("sqlite") else None,
    )
    try:
        study = optuna.create_study(
            storage=storage, study_name=sweep.id, direction=sweep.metric.goal, load_if_exists=True
        )
        known = {trial.user_attrs.get(_NUMBER) for trial in study.get_trials(deepcopy=False)}
        missing = [t for t in store.trials(sweep) if t.state in END_STATES and t.number not in known]
        histories: dict[int, dict[int, float]] = defaultdict(dict)
        for epoch in store.epochs(sweep.id) if missing else ():
            value = getattr(epoch.result, sweep.metric.name)
            histories[epoch.number][epoch.result.epoch] = value
        for added, trial in enumerate(missing):
            if not go_on():
                return added
            study.add_trial(_frozen(sweep, trial, histories[trial.number]))
    finally:
        storage.remove_session()
        storage.engine.dispose()
    return len(missing)


def _frozen(sweep: Sweep, trial: Trial, history: Mapping[int, float]) -> optuna.trial.FrozenTrial:
    about = {"run_id": trial.run_id, "best_epoch": trial.best_epoch, "error": trial.error}
    frozen = create_trial(
        state=_STATES[trial.state],
        value=trial.value,
        params={name: plain(value) for name, value in trial.values.items()},
        distributions={name: published(each) for name, each in sweep.spec.parameters.items()},
        intermediate_values=dict(history),
        user_attrs={
            _NUMBER: trial.number,
            **{key: value for key, value in about.items() if value is not None},
        },
    )
    if trial.started is not None and trial.ended is not None:
        frozen.datetime_start, frozen.datetime_complete = map(
            datetime.fromtimestamp, (trial.started, trial.ended)
        )
    return frozen


def plain(value: Any) -> Any:
    """Return a value of the kinds that Optuna knows: a list of sizes becomes text."""
    return ",".join(map(str, value)) if isinstance(value, tuple) else value


def published(distribution: Distribution) -> BaseDistribution:
    """Return the distribution as Optuna has it."""
    if distribution.choices:
        return CategoricalDistribution([plain(choice) for choice in distribution.choices])
    # Optuna knows no unbounded ones; these end at the quantiles 2⁻⁵³ and 1 - 2⁻⁵³.
    low = distribution.from_uniform(0.0) if distribution.low is None else distribution.low
    high = distribution.from_uniform(1.0) if distribution.high is None else distribution.high
    log = distribution.log and low > 0
    if isinstance(low, int) and isinstance(high, int):
        return IntDistribution(low, high, log=log, step=1 if log else int(distribution.step or 1))
    return FloatDistribution(low, high, log=log)


@contextmanager
def _turn(store: TrialStore, sweep: Sweep) -> Iterator[bool]:
    """Be the one process that publishes the sweep, or learn that another one does."""
    token = secrets.token_hex(16)
    now = store.database.now
    mine = SWEEPS.c.id == sweep.id
    until = SWEEPS.c.publishing_until  # far ahead where the clock was set back since
    over = or_(until < now, until > now + 2 * _TURN)
    free = or_(SWEEPS.c.publisher.is_(None), SWEEPS.c.publisher == token, over)

    def take(connection: Connection) -> bool:
        change = update(SWEEPS).where(mine, free).values(publisher=token, publishing_until=now + _TURN)
        return cast("CursorResult[Any]", connection.execute(change)).rowcount == 1

    def give_back(connection: Connection) -> None:
        connection.execute(update(SWEEPS).where(mine, SWEEPS.c.publisher == token).values(publisher=None))

    taken = store.database.run(take)
    try:
        yield taken
    finally:
        if taken:
            store.database.run(give_back)
