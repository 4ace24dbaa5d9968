"""A stored network together with the data that it is evaluated or shown on."""

from __future__ import annotations

from ffcli.datasets import Dataset
from ffcli.services.evaluation.best import best_with_weights
from ffcli.services.evaluation.evaluate import check_fits
from ffcli.services.runs.select import StoredRun, load_run
from ffcli.training.context import Context
from ffcli.training.events import OnTraining, null_observer


def chosen_run(
    context: Context,
    run: str | None,
    dataset: str | None,
    *,
    metric: str | None = None,
    sweep_id: str | None = None,
    on_event: OnTraining = null_observer,
    command_line: tuple[str, ...] = (),
) -> tuple[StoredRun, Dataset]:
    """Return the named run with the dataset, its own unless another is given.

    Without a name it is the best run of the dataset or of the sweep, trained again where its weights are not
    in the store; the other arguments are for that (see `best_with_weights`). Raises RequestError and
    FfnnError as `best_with_weights`, `load_run` and `check_fits` do.
    """
    if run is None:
        run = best_with_weights(
            context,
            metric=metric,
            dataset=dataset,
            sweep_id=sweep_id,
            on_event=on_event,
            command_line=command_line,
        )
    stored = load_run(run, context.runs_dir)
    data = context.dataset(dataset or stored.record.dataset)
    check_fits(context, stored, data)
    return stored, data
