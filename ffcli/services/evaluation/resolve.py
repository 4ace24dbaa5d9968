"""A stored network together with the data that it is evaluated or shown on."""

from __future__ import annotations

from ffcli.datasets import Dataset
from ffcli.errors import RequestError
from ffcli.services.evaluation.best import RunChoice, best_with_weights
from ffcli.services.runs.select import StoredRun, load_run
from ffcli.training.context import Context
from ffcli.util.text import counted


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
