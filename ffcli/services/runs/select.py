"""Selection of stored runs: by id, or the best of the store."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ffcli.core.network import Network
from ffcli.datasets import canonical_name
from ffcli.errors import FfnnError
from ffcli.runs.integrity import load_model
from ffcli.runs.metric import Metric, Standing
from ffcli.runs.record import RunRecord
from ffcli.runs.store import CONFIG, MODEL, RunStore
from ffcli.training.context import Context
from ffcli.util.folders import runs_folder

_SPLIT = ("val_fraction", "fold")  # the fields that say which images validate


@dataclass(frozen=True)
class StoredRun:
    """A run with its trained network, as `load_run` gives it.

    ``network`` has the weights of the best epoch; ``about`` is the metadata of the model file.
    """

    record: RunRecord
    path: Path
    network: Network
    about: dict[str, Any]


def load_run(run: str, runs_dir: str | Path | None = None) -> StoredRun:
    """Return the run with this id, or the one id that starts or ends so, with its network.

    ``runs_dir`` defaults to FFNN_RUNS_DIR, else to ``runs``. Raises RequestError where there is no such
    run, FfnnError where it holds no weights.
    """
    store = RunStore(runs_folder(runs_dir))
    path = store.find(run)
    record = store.read(path.name)
    if not (path / MODEL).exists():
        hint = None
        if record.status == "interrupted":
            hint = f"Resume it: ffnn train --resume {record.run_id}"
        elif record.sweep_id is not None and record.status in ("finished", "pruned"):
            hint = (
                "A sweep keeps the networks of its best runs only. "
                f"Train the same network again: ffnn train --config {path / CONFIG}"
            )
        raise FfnnError(f"Run {record.run_id} ({record.status}) has no stored weights.", hint=hint)
    network, about = load_model(path, record)
    return StoredRun(record, path, network, about)


def standing_by(metric: Metric) -> Callable[[RunRecord], Standing]:
    """Return what decides the rank of a stored run by a metric."""

    def standing(record: RunRecord) -> Standing:
        return Standing(record.best.get(metric.name), record.config.get("loss"), record.status == "pruned")

    return standing


def _validated_on(record: RunRecord) -> list[Any]:
    """Return what says which images have validated a run on a dataset."""
    return [*(record.config.get(field) for field in _SPLIT), record.provenance.dataset_digest]


def best_run(context: Context, metric: Metric, dataset: str | None) -> RunRecord:
    """Return the finished run of one dataset with the best ``metric``; the earliest on a tie.

    The value of a run is that of its best epoch: the highest accuracy or the lowest loss. Notice is given
    where the runs were validated on different images, also of a dataset that has changed. Raises
    RequestError where a loss is to rank runs that were trained with different losses, FfnnError where no
    run has finished.
    """
    name, standing = canonical_name(dataset or "fashion_mnist"), standing_by(metric)
    # No records are kept: to hold thousands takes half as long again as to read them.
    finished = [
        (record.run_id, standing(record), _validated_on(record))
        for record in context.runs.records()
        if record.status == "finished" and record.dataset == name and metric.name in record.best
    ]
    ranked = metric.ranked(finished, lambda run: run[1])
    if not ranked:
        raise FfnnError(
            f"There is no finished run on {name} in {context.runs_dir}.",
            hint=f"Train one with ffnn train, or name another dataset (got {name}).",
        )
    best = context.runs.read(ranked[0][0])
    for at, field in enumerate(_SPLIT):
        if len({split[at] for _, _, split in finished}) > 1:
            context.notify(
                f"the runs on {name} differ in {field}, so their {metric.name} was measured on different "
                f"images; the best run has {field} {best.config.get(field)}"
            )
    if len({split[-1] for _, _, split in finished}) > 1:
        context.notify(
            f"{name} has changed between the runs on it, so their {metric.name} was measured on different "
            "images"
        )
    return best
