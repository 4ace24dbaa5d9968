"""A sweep made again from the table of its runs: its trials and their results, nothing that is not there.

The table has no epochs, no times and no networks. So the report of such a sweep shows neither learning curves
nor times, and whoever asks for a network has it trained again.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

from ffcli.sweeping.database import TRIALS
from ffcli.sweeping.store import TrialStore
from ffcli.sweeping.trials import digest
from sqlalchemy import Connection, insert

from benchmarks.measure import ROOT
from ffcli.config import FIELDS, TrainConfig
from ffcli.services.sweeps.create import create, storage_url
from ffcli.sweeping.search.paired import proposer
from ffcli.training.context import Context


def rebuild(runs: Path, data: Path, table: Path, file: Path = ROOT / "sweeps" / "bayes.yaml") -> str:
    """Store a sweep of ``file`` whose trials are the rows of ``table``, and return its id."""
    context = Context(data_dir=data.resolve(), runs_dir=runs.resolve(), notify=lambda _: None)
    with table.open(newline="", encoding="utf-8") as text:
        read = list(csv.DictReader(text))
    sweep = create(context, file, 0, None, count=len(read))
    places = proposer(sweep.spec, sweep.base, sweep.seed, None)
    rows = []
    for row in read:
        config = TrainConfig.model_validate({name: _value(row[name]) for name in row if name in FIELDS})
        # What the table does not say is the same in all runs.
        known = {name: getattr(config, name) for name in sweep.spec.space if name in row}
        place = places.place({**sweep.spec.combination(0), **known})
        assert place is not None
        values = sweep.spec.combination(place)
        config = sweep.spec.config(values, sweep.base)
        rows.append(
            {
                "sweep": sweep.id,
                "number": int(row["trial"]),
                "place": str(place),
                "key": digest(config),
                "drawn": json.dumps(values),
                "config": json.dumps(config.as_dict()),
                "state": row["status"],
                "attempts": 1,
                "value": float(row["best_val_acc"]),
                "best_epoch": int(row["best_epoch"]),
                "created": sweep.created,
            }
        )

    def work(connection: Connection) -> None:
        connection.execute(insert(TRIALS), rows)

    store = TrialStore(storage_url(context, sweep.id, None))
    try:
        store.database.run(work)
    finally:
        store.close()
    return sweep.id


def _value(text: str) -> Any:
    """Return a cell as a number, where it is one."""
    try:
        number = float(text)
    except ValueError:
        return text
    return int(number) if number.is_integer() and "." not in text else number
