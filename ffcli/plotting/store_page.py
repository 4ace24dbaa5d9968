"""The live page of the store: its sweeps and runs, the newest first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ffcli.plotting.html import Curve, Document, Parameter, axis, column, curve_data
from ffcli.runs.record import RunRecord
from ffcli.util.text import value_text

_SCRIPTS = ("data", "table", "figure", "curves", "live", "store")


@dataclass(frozen=True)
class StorePage:
    """All that the page shows: the newest of ``n_sweeps`` sweeps and ``n_runs`` runs, the newest first.

    ``sweeps`` are those that ``ffnn sweeps list`` lists (`ListedSweep`). ``numbers`` are those of the
    ``runs``, from 1 for the oldest run of the store; ``curves`` have them too.
    """

    folder: str
    about: Mapping[str, str]
    sweeps: Sequence[Any]
    n_sweeps: int
    runs: Sequence[RunRecord]
    numbers: Sequence[int]
    n_runs: int
    curves: Sequence[Curve] = ()


def store_document(store: StorePage) -> Document:
    """Return the content of the page."""
    values = {"store": store, "metric": "val_acc"}
    return Document(f"{store.folder} · sweeps and runs", "store.html", values, _SCRIPTS, _data(store))


def _data(store: StorePage) -> dict[str, Any]:
    """Return what the script draws, as of a sweep: here the axes are the hyper-parameters that differ."""
    runs = store.runs
    columns = ("run_id", "name", "status", "sweep_id", "test_acc", "best_epoch", "epochs_done", "seconds")
    return {
        "metric": "val_acc",
        "maximize": True,
        "best": None,
        "n_runs": store.n_runs,
        "n_sweeps": store.n_sweeps,
        "runs": {
            **{name: column(runs, name) for name in (*columns, "started", "error")},
            "number": store.numbers,
            "value": column(runs, "best_val_acc"),
            "tags": [", ".join(run.tags) for run in runs],
        },
        "axes": [axis(Parameter(name), [_value(run, name) for run in runs]) for name in _differing(runs)],
        "curves": list(map(curve_data, store.curves)),
    }


def _differing(runs: Sequence[RunRecord]) -> list[str]:
    """Return the names of the hyper-parameters that have more than one value, the dataset first."""
    names = dict.fromkeys(["dataset", *(name for run in runs for name in run.config)])
    return [name for name in names if len({_value(run, name) for run in runs}) > 1]


def _value(run: RunRecord, name: str) -> str | float | None:
    """Return a value of a run's configuration; what is no number is text: a record may hold anything."""
    value = run.config.get(name)
    if value is None or (isinstance(value, (int, float)) and not isinstance(value, bool)):
        return value
    return value_text(value)
