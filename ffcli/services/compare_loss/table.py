"""The pairs of a comparison as a table, for spreadsheets and for W&B."""

from __future__ import annotations

from collections.abc import Sequence

from ffcli.services.compare_loss.results import ComparedPair
from ffcli.services.compare_loss.statistics import GOALS, LOSSES, MEASURES
from ffcli.tracking.base import Rows
from ffcli.util.atomic_files import csv_text, joined


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
            *(joined(pair.config[name]) for name in varied),
            *(pair.value(loss, name) for loss, name in measures),
            pair.left_out,
        ]
        for number, pair in enumerate(pairs, start=1)
    ]
    return Rows("pairs", ["pair", *varied, *(f"{name}/{loss}" for loss, name in measures), "left_out"], rows)


def table_csv(pairs: Sequence[ComparedPair]) -> str:
    """Return the same as CSV, with six digits of what was measured."""
    if not pairs:
        return ""
    shown = table(pairs)
    rows = ([f"{cell:.6g}" if isinstance(cell, float) else cell for cell in row] for row in shown.rows)
    return csv_text([shown.columns, *rows])
