"""``ffnn confusion``: which class a stored network takes for which."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from ffcli.core.metrics import class_scores, confusion_matrix
from ffcli.errors import RequestError
from ffcli.plotting.confusion import confusion_figure, row_shares
from ffcli.plotting.style import check_target, label, save_file, save_png
from ffcli.runs.documents import label_document
from ffcli.services.evaluation.images import file_stem
from ffcli.services.evaluation.resolve import chosen_run
from ffcli.tracking.base import Additions
from ffcli.training.context import Context
from ffcli.training.runner import Watcher
from ffcli.training.tracking import attach
from ffcli.util.atomic_files import cell
from ffcli.util.text import counted

_TOP = 3


def confusion(
    context: Context,
    run: str | None,
    *,
    best: bool,
    metric: str | None,
    dataset: str | None,
    sweep_id: str | None,
    normalize: bool,
    out: Path | None,
    csv_file: Path | None,
    watcher: Watcher | None = None,
    command_line: tuple[str, ...] = (),
) -> dict[str, Any]:
    """Judge a run, or the best one, on the test images; write the PNG and, if it is asked for, the CSV.

    A run that W&B follows gets the matrix there too.

    The document is {run_id, name, dataset, n, accuracy, labels, matrix, normalized, per_class, confusions:
    [{true, predicted, count}], png, csv}. ``matrix`` has a row for each true class and a column for each
    predicted one: counts, or with ``normalize`` shares of the row. ``dataset`` limits which run is the best;
    a run named by id is judged on it instead of its own. The best run is trained again where its weights are
    not in the store (see `best_with_weights`).
    """
    if run is not None and (best or sweep_id is not None):
        raise RequestError("Name a run or give --best or --sweep, not both.")
    if out is not None:
        out = check_target("--out", out, ".png")
    if csv_file is not None:
        csv_file = check_target("--csv", csv_file)
    stored, data = chosen_run(
        context,
        run,
        dataset,
        metric=metric,
        sweep_id=sweep_id,
        watcher=watcher,
        command_line=command_line,
    )
    counts = confusion_matrix(data.y_test, stored.network.predict(data.x_test), data.n_classes)
    run_id, n, accuracy = stored.record.run_id, len(data.y_test), float(counts.trace() / counts.sum())
    rows = counts.tolist()
    matrix = row_shares(rows) if normalize else rows
    png = out or Path(f"confusion-{run_id}.png")
    images = counted(n, "test image")
    title = f"Run {run_id} on {label(Path(data.name).name)}\n{accuracy:.2%} of {images} right"
    save_png(confusion_figure(rows, data.class_names, title, normalize=normalize), png)
    if csv_file is not None:
        save_file(csv_file, matrix_csv(matrix, data.class_names))
    document = {
        "run_id": run_id,
        "name": stored.record.name,
        "dataset": data.name,
        "n": n,
        "accuracy": accuracy,
        "labels": list(data.class_names),
        "matrix": matrix,
        "normalized": normalize,
        "per_class": [
            {**label_document(class_, data.class_names), **asdict(score)}
            for class_, score in enumerate(class_scores(counts))
        ],
        "confusions": _most_frequent(counts, data.class_names),
        "png": str(png),
        "csv": None if csv_file is None else str(csv_file),
    }
    if data.name == stored.record.dataset:
        additions = Additions(
            values={"test_acc": accuracy},
            images={"confusion matrix": png},
            confusion=(rows, data.class_names),
        )
    else:
        additions = Additions(images={f"confusion matrix on {file_stem(data.name)}": png})
    attach(context, stored.record, additions)
    return document


def _most_frequent(counts: np.ndarray, names: Sequence[str]) -> list[dict[str, Any]]:
    """Return the largest counts off the diagonal, the first in reading order on a tie."""
    wrong = counts.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:_TOP]
    return [
        {
            "true": label_document(true, names),
            "predicted": label_document(predicted, names),
            "count": int(wrong[true, predicted]),
        }
        for true, predicted in zip(*np.unravel_index(order, wrong.shape))
        if wrong[true, predicted]
    ]


def matrix_csv(matrix: Sequence[Sequence[float]], names: Sequence[str]) -> str:
    """Return a matrix as CSV, the true class first in its row and the predicted ones in the head.

    No name in it is run as a formula by a spreadsheet (see `cell`).
    """
    safe = [cell(name) for name in names]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["true \\ predicted", *safe])
    writer.writerows([name, *row] for name, row in zip(safe, matrix))
    return text.getvalue()
