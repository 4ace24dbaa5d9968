"""Choosing runs: by id, or the best of the store."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ffcli.core.network import Network
from ffcli.datasets import canonical_name
from ffcli.errors import FfnnError, RequestError
from ffcli.runs.integrity import load_model
from ffcli.runs.record import METRICS, RunRecord, is_loss
from ffcli.runs.store import CONFIG, MODEL, RunStore
from ffcli.training.context import Context
from ffcli.util.suggest import unknown


@dataclass(frozen=True)
class StoredRun:
    """A run with its trained network, as `load_run` gives it.

    ``network`` has the weights of the best epoch; ``about`` is what the model file says of itself.
    """

    record: RunRecord
    path: Path
    network: Network
    about: dict[str, Any]


def load_run(run: str, runs_dir: str | Path | None = None) -> StoredRun:
    """Return the run with this id, or the one id that starts or ends so, with its network.

    ``runs_dir`` is FFNN_RUNS_DIR, else ``runs``, unless given. Raises RequestError where there is no such
    run, FfnnError where it holds no weights.
    """
    store = RunStore(Path(runs_dir or os.environ.get("FFNN_RUNS_DIR") or "runs"))
    path = store.find(run)
    record = store.read(path.name)
    if not (path / MODEL).exists():
        hint = None
        if record.status == "interrupted":
            hint = f"ffnn train --resume {record.run_id} trains it on."
        elif record.sweep_id is not None and record.status in ("finished", "pruned"):
            hint = (
                "A sweep keeps the networks of its best runs only. "
                f"To the same network: ffnn train --config {path / CONFIG}"
            )
        raise FfnnError(f"Run {record.run_id} ({record.status}) has no stored weights.", hint=hint)
    network, about = load_model(path, record)
    return StoredRun(record, path, network, about)


def best_run(context: Context, metric: str, dataset: str | None) -> RunRecord:
    """Return the finished run of one dataset with the best ``metric``; the earliest on a tie.

    A run's value is that of its best epoch: the highest accuracy or the lowest loss. Notice is given where
    the runs were not all judged on the same images. Raises RequestError for an unknown metric, FfnnError
    where no run has finished.
    """
    key = metric.strip().lower().replace("-", "_")
    if key not in METRICS:
        raise RequestError(f"--metric: {unknown('metric', metric, METRICS)}")
    name = canonical_name(dataset or "fashion_mnist")
    sign = -1 if is_loss(key) else 1
    best: RunRecord | None = None
    fractions = set()
    for record in context.runs.records():
        if record.status != "finished" or record.dataset != name or key not in record.best:
            continue
        fractions.add(record.config.get("val_fraction"))
        if best is None or sign * record.best[key] > sign * best.best[key]:
            best = record
    if best is None:
        raise FfnnError(
            f"There is no finished run on {name} in {context.runs_dir}.",
            hint=f"Train one: ffnn train --dataset {name}, or name another --dataset.",
        )
    if len(fractions) > 1:
        context.notify(
            f"the runs on {name} differ in val_fraction, so that their {key} "
            f"is not of the same images; the best run's is {best.config.get('val_fraction')}"
        )
    return best
