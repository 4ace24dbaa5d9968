"""One sweep without training as a line of the table: what a trial of it costs."""

from __future__ import annotations

import time
from typing import Any

from ffcli.sweeping.publishing import publish
from ffcli.sweeping.store import TrialStore

from benchmarks import sweep_engines
from benchmarks.sweep_engines import OURS, Task

STUDY_TRIALS = 1000  # up to which the writing of the study is measured, too: it takes longer than the rest


def cell(task: Task, storage: str, method: str) -> dict[str, Any]:
    """Measure, and return JSON-ready values; the seconds a trial are those that one worker spends on it."""
    taken = sweep_engines.run(task)
    ends, workers = taken.pop("ends"), task.workers
    study = None
    if task.engine == OURS and taken["trials"] <= STUDY_TRIALS:
        study = _publish(task.url, taken["sweep_id"]) / taken["trials"]
    last = max(1, len(ends) // 10)
    before = ends[-last - 1] if len(ends) > last else 0.0
    for key in ("statements", "transactions"):
        if key in taken:
            taken[key] /= taken["trials"]
    return {
        "engine": task.engine,
        "storage": storage,
        "method": method,
        "asked": task.trials,
        "workers": workers,
        **taken,
        "seconds_a_trial": taken["seconds"] * workers / taken["trials"],
        "seconds_a_trial_at_the_end": (ends[-1] - before) * workers / last,
        "study_seconds_a_trial": study,
        "parts": {part: seconds / taken["trials"] for part, seconds in taken["parts"].items()},
    }


def _publish(url: str, sweep_id: str) -> float:
    """Write a sweep's trials into its Optuna study, as its main process does, and return the seconds."""
    store = TrialStore(url)
    try:
        sweep = store.sweep(sweep_id)
        start = time.perf_counter()
        publish(store, sweep)
        return time.perf_counter() - start
    finally:
        store.close()
