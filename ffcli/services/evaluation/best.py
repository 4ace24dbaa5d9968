"""The run that a command is about, a named one or the best one, with its weights and its data."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from ffcli.datasets import Dataset
from ffcli.errors import RequestError
from ffcli.runs.metric import BY_VAL_ACC, Metric
from ffcli.runs.store import DamagedRunError
from ffcli.services.runs.select import StoredRun, best_run, load_run
from ffcli.training.context import Context
from ffcli.training.events import OnTraining, null_observer
from ffcli.util.text import counted


@dataclass(frozen=True)
class RunChoice:
    """One stored run: ``run`` where it is named, else the best. Raises RequestError for both.

    Attributes:
        best: the best one is asked for.
        metric: what ranks the runs; without it the sweep's own, else val_acc.
        dataset: of the best run; a named one is evaluated on it in place of its own.
        sweep_id: the best run is of this sweep, which may be entity/project/id at W&B.
        on_event: observes the training where the best run has to be trained again for its weights.
        command_line: what is recorded with that training.
    """

    run: str | None = None
    best: bool = False
    metric: str | None = None
    dataset: str | None = None
    sweep_id: str | None = None
    on_event: OnTraining = null_observer
    command_line: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.run is not None and (self.best or self.sweep_id is not None):
            raise RequestError("Expected either a run or the best one (of a sweep), got both.")


def best_with_weights(context: Context, choice: RunChoice) -> str:
    """Return the id of a run with weights in the store: the best one, or the same training.

    It is the best finished run of one dataset (see `best_run`), or of a sweep (see `ranked_originals`). Where
    the store has the weights of no such training, it is trained again, with a notice, as an ordinary run
    tagged ``retrained``. Raises FfnnError where it cannot come out the same, and errors as these two do.
    """
    if choice.sweep_id is None:
        by = BY_VAL_ACC.or_named(choice.metric)
        record = best_run(context, by, choice.dataset)
        if context.runs.has_model(record.run_id):
            return _told_of(context, record.run_id, by)
    # Optuna and all that trains take as long to import as thousands of records to read.
    from ffcli.services.evaluation.retrained import of_store, with_weights
    from ffcli.services.sweeps.originals import ranked_originals

    if choice.sweep_id is None:
        best = of_store(record, by)
    else:
        best = ranked_originals(context, choice.sweep_id, metric=choice.metric, dataset=choice.dataset)[0]
    return _told_of(context, with_weights(context, best, choice.on_event, choice.command_line), best.metric)


def _told_of(context: Context, run_id: str, metric: Metric) -> str:
    """Return the run, with a notice where it is the best by an epoch that its stored network is not of."""
    if metric.name == BY_VAL_ACC.name:
        return run_id
    from ffcli.sweeping.study.record import best_epoch

    with suppress(DamagedRunError):  # whose network can be used without its history
        stored = context.runs.read(run_id).best_epoch
        value, epoch = best_epoch(metric, [row.result for row in context.runs.history(run_id)])
        if value is not None and epoch != stored:
            context.notify(
                f"run {run_id} has its best {metric.name}, {value:.4f}, in epoch {epoch}; "
                f"its stored network is that of epoch {stored}, the best by val_acc"
            )
    return run_id


def chosen_run(context: Context, choice: RunChoice) -> tuple[StoredRun, Dataset]:
    """Return the chosen run with its weights, and the dataset: its own unless the choice names one.

    Raises RequestError and FfnnError as `best_with_weights`, `load_run` and `check_fits` do.
    """
    run = choice.run if choice.run is not None else best_with_weights(context, choice)
    stored = load_run(run, context.runs_dir)
    data = context.dataset(choice.dataset or stored.record.dataset)
    check_fits(context, stored, data)
    return stored, data


def check_fits(context: Context, run: StoredRun, dataset: Dataset) -> None:
    """Give notice where a run was trained on other data, or on other contents of it.

    Raises RequestError where the features or classes are not those of the run's network.
    """
    sizes = run.network.layer_sizes
    if (sizes[0], sizes[-1]) != (dataset.n_features, dataset.n_classes):
        raise RequestError(
            f"Run {run.record.run_id} expects {counted(sizes[0], 'feature')} and "
            f"{counted(sizes[-1], 'class', 'classes')}, "
            f"{dataset.name} has {dataset.n_features} and {dataset.n_classes}."
        )
    if dataset.name != run.record.dataset:
        context.notify(f"run {run.record.run_id} was trained on {run.record.dataset}, not on {dataset.name}")
    elif dataset.digest != run.record.provenance.dataset_digest:
        context.notify(f"{dataset.name} has changed since run {run.record.run_id} was trained on it")
