"""The best run with its weights."""

from __future__ import annotations

from ffcli.runs.metric import BY_VAL_ACC
from ffcli.runs.store import MODEL
from ffcli.services.runs.select import best_run
from ffcli.training.context import Context
from ffcli.training.events import OnTraining, null_observer


def best_with_weights(
    context: Context,
    *,
    metric: str | None = None,
    dataset: str | None = None,
    sweep_id: str | None = None,
    on_event: OnTraining = null_observer,
    command_line: tuple[str, ...] = (),
) -> str:
    """Return the id of a run with weights in the store: the best by ``metric``, or the same training.

    It is the best finished run of one dataset (see `best_run`), or of a sweep (see `ranked_originals`). Where
    the store has the weights of no such training, it is trained again, with a notice, as an ordinary run
    tagged ``retrained``. Raises FfnnError where it cannot come out the same, and errors as these two do.
    """
    if sweep_id is None:
        by = BY_VAL_ACC.or_named(metric)
        record = best_run(context, by, dataset)
        if (context.runs.path(record.run_id) / MODEL).is_file():
            return record.run_id
    # Optuna and all that trains take as long to import as thousands of records to read.
    from ffcli.services.evaluation.retrained import of_store, of_sweep, with_weights

    best = of_store(record, by) if sweep_id is None else of_sweep(context, sweep_id, metric, dataset)
    return with_weights(context, best, on_event, command_line)
