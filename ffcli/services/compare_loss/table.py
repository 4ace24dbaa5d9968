"""The pairs of a comparison as a table, for spreadsheets and for W&B."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

from ffcli.services.compare_loss.results import ComparedPair
from ffcli.services.compare_loss.statistics import GOALS, LOSSES, MEASURES
from ffcli.tracking.base import Rows
from ffcli.util.atomic_files import cell as harmless


def table(pairs: Sequence[ComparedPair]) -> Rows:
    """Return a row for each pair: what varies in its configuration, and each measure of both networks.

    A measure that nobody knows is None.
    """
    configs = [pair.config for pair in pairs]
    varied = [name for name in configs[0] if any(config[name] != configs[0][name] for config in configs)]
    measures = [(loss, name) for name in (*MEASURES, *GOALS) for loss in LOSSES]
    rows = [
        [
            number,
            *(_plain(pair.config[name]) for name in varied),
            *(pair.value(loss, name) for loss, name in measures),
            pair.left_out,
        ]
        for number, pair in enumerate(pairs, start=1)
    ]
    return Rows("pairs", ["pair", *varied, *(f"{name}/{loss}" for loss, name in measures), "left_out"], rows)


def table_csv(pairs: Sequence[ComparedPair]) -> str:
    """Return the same as CSV, with six digits of what was measured."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    if pairs:
        shown = table(pairs)
        writer.writerow(shown.columns)
        writer.writerows([_short(cell) for cell in row] for row in shown.rows)
    return text.getvalue()


def _plain(value: Any) -> Any:
    return ",".join(map(str, value)) if isinstance(value, list) else value


def _short(cell: Any) -> Any:
    return f"{cell:.6g}" if isinstance(cell, float) else harmless(cell)
