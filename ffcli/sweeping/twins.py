"""Trials of earlier sweeps that are sure to have come out as one that is to be trained."""

from __future__ import annotations

from sqlalchemy import select

from ffcli.sweeping.database import SWEEPS, TRIALS
from ffcli.sweeping.store import TrialStore
from ffcli.sweeping.trials import Past, Trial
from ffcli.util.safe_read import is_name


def twin(store: TrialStore, trial: Trial, dataset_digest: str, core_version: int) -> Past | None:
    """Return the earliest finished training of another sweep of the database with the same outcome, or None.

    That is one of the same configuration (the seed is part of it), dataset and version of the core. Of a
    sweep that searches the dataset itself the database does not say on what contents each trial was trained,
    so that none of its trials is taken.
    """
    query = (
        select(TRIALS.c.sweep, TRIALS.c.number, TRIALS.c.run_id)
        .join(SWEEPS, SWEEPS.c.id == TRIALS.c.sweep)
        .where(
            TRIALS.c.key == trial.key,
            TRIALS.c.state == "finished",
            TRIALS.c.sweep != trial.sweep_id,
            SWEEPS.c.dataset_digest == dataset_digest,
            SWEEPS.c.core_version == core_version,
        )
        .order_by(TRIALS.c.ended)
    )
    rows = store.database.run(lambda connection: connection.execute(query).all())
    for sweep_id, number, run_id in rows:
        if not store.sweep(sweep_id).has_one_dataset:
            continue
        epochs = store.epochs(sweep_id, number)
        if [epoch.result.epoch for epoch in epochs] == list(range(1, trial.config.epochs + 1)):
            results = tuple(epoch.result for epoch in epochs)
            source = run_id if run_id and is_name(run_id) else f"{sweep_id}/{number}"
            return Past(source, results, tuple(epoch.time for epoch in epochs))
    return None
