"""A sweep rebuilt from the table of its runs: its trials and their results, and nothing that is not in it.

The table has no epochs, no times and no networks. So the report of such a sweep shows neither learning curves
nor times, and a network that is needed is trained again.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any, cast

from benchmarks.measure import ROOT
from ffcli.config import FIELDS, TrainConfig
from ffcli.services.sweeps.create import create, sweep_folder
from ffcli.sweeping.search.base import Proposal
from ffcli.sweeping.study.lock import SweepLock
from ffcli.sweeping.study.record import EndState
from ffcli.sweeping.study.writer import StudyWriter
from ffcli.training.context import Context


def rebuild(runs: Path, data: Path, table: Path, file: Path = ROOT / "sweeps" / "bayes.yaml") -> str:
    """Store a sweep of ``file`` whose trials are the rows of ``table``, and return its id."""
    context = Context(data_dir=data.resolve(), runs_dir=runs.resolve(), notify=lambda _: None)
    with table.open(newline="", encoding="utf-8") as text:
        rows = list(csv.DictReader(text))
    sweep = create(context, file, 0, count=len(rows))
    folder = sweep_folder(context, sweep.id)
    fixed = {
        name: each.distribution.value(0)
        for name, each in sweep.spec.space.items()
        if each.distribution.size == 1
    }
    with SweepLock(folder) as lock:
        writer = StudyWriter(folder, lock.check)
        for row in rows:
            config = TrainConfig.model_validate({name: _value(row[name]) for name in row if name in FIELDS})
            values = {
                name: fixed[name] if name in fixed else getattr(config, name) for name in sweep.spec.space
            }
            trial = writer.begin(Proposal(values, sweep.spec.config(values)))
            value, epoch = float(row["best_val_acc"]), int(row["best_epoch"])
            writer.end(trial, cast("EndState", row["status"]), value=value, best_epoch=epoch)
    return sweep.id


def _value(text: str) -> Any:
    """Return a cell as a number, where it is one."""
    try:
        number = float(text)
    except ValueError:
        return text
    return int(number) if number.is_integer() and "." not in text else number
