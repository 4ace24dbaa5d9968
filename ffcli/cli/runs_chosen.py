"""The runs that ``ffnn runs list`` and ``ffnn runs rm`` choose by the same options, and their table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from ffcli.cli.completion import complete_dataset, complete_status, complete_sweep
from ffcli.cli.help import CHOICE, option
from ffcli.cli.text import duration, number, size
from ffcli.cli.views.tables import Columns

Tag = Annotated[str | None, option("--tag", group=CHOICE, metavar="TEXT", help="Only runs with this tag.")]
Status = Annotated[
    str | None,
    option(
        "--status",
        group=CHOICE,
        metavar="NAME",
        help="Only finished, interrupted, damaged, … runs.",
        completes=complete_status,
    ),
]
DatasetName = Annotated[
    str | None,
    option(
        "--dataset",
        "-d",
        group=CHOICE,
        metavar="NAME",
        help="Only runs on this dataset.",
        completes=complete_dataset,
    ),
]
SweepName = Annotated[
    str | None,
    option(
        "--sweep", group=CHOICE, metavar="SWEEP", help="Only runs of this sweep.", completes=complete_sweep
    ),
]


def table(documents: list[dict[str, Any]], elsewhere: str = "with --json") -> Columns:
    """Return what is listed of runs; all of it, on a narrow terminal, ``elsewhere``."""
    return Columns(
        ["run", "status", "val_acc", "best epoch", "time", "size", "dataset", "name", "tags"],
        map(_row, documents),
        right=["val_acc", "best epoch", "time", "size"],
        ends=["name"],  # in which most names differ: that of a run begins with run_hl-
        spare=["dataset", "best epoch", "tags", "time", "size"],
        elsewhere=elsewhere,
    )


def _row(document: dict[str, Any]) -> list[Any]:
    best = document["best_epoch"]
    return [
        document["run_id"],
        document["status"],
        number(document["best_val_acc"]),
        "–" if best is None else f"{best}/{document['config'].get('epochs', '?')}",
        duration(document["seconds"]),
        size(document["size"]),
        document["dataset"] and Path(document["dataset"]).name,
        document["name"],
        document["tags"],
    ]
