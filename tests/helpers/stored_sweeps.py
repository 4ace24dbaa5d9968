"""Sweeps whose trials are made up, for what is done with a sweep afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from small_runs import Place

from ffcli.core.training import EpochResult
from ffcli.runs.record import HistoryRow, history_csv
from ffcli.runs.store import HISTORY
from ffcli.services.sweeps.create import create, sweep_folder
from ffcli.sweeping.search.base import Proposal
from ffcli.sweeping.study.record import EndState, best_epoch
from ffcli.sweeping.study.writer import StudyWriter

SPACE = """
method: METHOD
metric: {name: METRIC, goal: GOAL}
parameters:
  dataset: {value: DATASET}
  epochs: {value: 3}
  batch_size: {value: 64}
  hidden_size: {value: 5}
  num_layers: {value: 1}
"""


@dataclass(frozen=True)
class Made:
    """What a trial came to: (val_acc, val_loss) after each epoch, and how it ended."""

    epochs: Sequence[tuple[float, float]]
    state: EndState | Literal["open"] = "finished"
    run_id: str | None = None


def put_sweep(place: Place, search: str, made: Sequence[Made], metric: str = "val_acc") -> str:
    """Store a grid sweep over ``search``, lines of YAML, whose first trials went so; return its id."""
    sweep = create(place.context, sweep_file(place, search, metric), 0)
    writer = writer_of(place, sweep.id)
    for index, trial in enumerate(made):
        put_trial(writer, index, trial)
        _put_history(place, trial)
    return sweep.id


def sweep_file(place: Place, search: str, metric: str = "val_acc", method: str = "grid") -> Path:
    """Write a sweep file over ``search``, lines of YAML, and return it."""
    goal = "minimize" if metric.endswith("loss") else "maximize"
    searched = {line.partition(":")[0].strip() for line in search.splitlines()}
    lines = SPACE.replace("METRIC", metric).replace("GOAL", goal).replace("METHOD", method).splitlines()
    kept = [line for line in lines if line.partition(":")[0].strip() not in searched]
    file = place.folder / "sweep.yaml"
    file.write_text("\n".join([*kept, f"  {search}"]).replace("DATASET", str(place.dataset)))
    return file


def writer_of(place: Place, sweep_id: str) -> StudyWriter:
    """Return what writes the record of a sweep, as the process that owns it."""
    return StudyWriter(sweep_folder(place.context, sweep_id), lambda: None)


def put_trial(writer: StudyWriter, index: int, made: Made) -> None:
    """Store what a trial with this combination of a finite space came to."""
    sweep = writer.sweep
    values = sweep.spec.combination(index)
    trial = writer.begin(Proposal(values, sweep.spec.config(values)))
    if made.run_id is not None:
        writer.set_runs(trial, [made.run_id])
    results = _results(made)
    for result in results:
        writer.epoch(trial, result.epoch, getattr(result, sweep.metric.name))
    if made.state != "open":
        value, epoch = (None, None) if made.state == "failed" else best_epoch(sweep.metric, results)
        writer.end(trial, made.state, value=value, best_epoch=epoch)


def _results(made: Made) -> list[EpochResult]:
    return [
        EpochResult(epoch, 1.0, 0.5, val_loss, val_acc, 0.2, 0.1, 0.5)
        for epoch, (val_acc, val_loss) in enumerate(made.epochs, 1)
    ]


def _put_history(place: Place, made: Made) -> None:
    """Let a trial's run have its epochs, where it has a name and none yet."""
    if made.run_id is None or (place.path(made.run_id) / HISTORY).exists():
        return
    place.path(made.run_id).mkdir(parents=True, exist_ok=True)
    rows = [HistoryRow(result, "2026-01-01T00:00:00.000Z") for result in _results(made)]
    (place.path(made.run_id) / HISTORY).write_text(history_csv(rows))
