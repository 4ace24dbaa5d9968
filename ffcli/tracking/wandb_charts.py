"""W&B's own charts; imported by `wandb_process` alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any


def native(chart: Mapping[str, Any]) -> Any:
    """Return a chart of `ffcli.tracking.base` as W&B's own; what is no finite number in it as no value."""
    import wandb

    if chart["kind"] == "Bars":
        rows = [[name, _cell(value)] for name, value in chart["bars"].items()]
        table = wandb.Table(columns=[chart["label"], chart["value"]], data=rows)
        return wandb.plot.bar(table, chart["label"], chart["value"], title=chart["title"])
    if chart["kind"] == "Lines":
        lines = {
            name: [(x, y) for x, y in enumerate(values, 1) if finite(y)]
            for name, values in chart["lines"].items()
        }
        return wandb.plot.line_series(
            xs=[[x for x, _ in line] for line in lines.values()],
            ys=[[y for _, y in line] for line in lines.values()],
            keys=list(lines),
            title=chart["title"],
            xname=chart["x"],
        )
    # A column may hold numbers and words, such as 128 and "128,64", which W&B refuses unless it is told.
    rows = [[_cell(value) for value in row] for row in chart["rows"]]
    return wandb.Table(columns=list(chart["columns"]), data=rows, allow_mixed_types=True)


def confusion(counts: Sequence[Sequence[int]], names: Sequence[str]) -> Any:
    """Return W&B's chart of a confusion matrix, which it counts anew from (true, predicted) pairs."""
    import wandb

    cells = [(i, j, count) for i, row in enumerate(counts) for j, count in enumerate(row)]
    return wandb.plot.confusion_matrix(
        y_true=[i for i, _, count in cells for _ in range(count)],
        preds=[j for _, j, count in cells for _ in range(count)],
        class_names=list(names),
        title="Confusion matrix on the test images",
    )


def _cell(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def finite(value: Any) -> bool:
    """Whether W&B can chart a value."""
    return isinstance(value, (int, float)) and math.isfinite(value)
