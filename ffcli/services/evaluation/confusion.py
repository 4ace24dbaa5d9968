"""``ffnn confusion``: the confusion matrix of a stored network on the test images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ffcli.core.metrics import confusion_matrix
from ffcli.plotting.confusion import confusion_figure, row_fractions
from ffcli.plotting.style import as_png, label, save_figure, save_file
from ffcli.runs.evaluated import note_test_acc
from ffcli.runs.results import ClassLabel
from ffcli.services.evaluation.best import RunChoice, chosen_run
from ffcli.services.evaluation.evaluate import by_class, matrix_accuracy
from ffcli.services.evaluation.images import file_stem
from ffcli.services.evaluation.results import Confusion, ConfusionMatrix
from ffcli.services.outputs import check_apart, check_figure, check_output, check_table
from ffcli.tracking.base import Additions
from ffcli.training.attaching import attach
from ffcli.training.context import Context
from ffcli.util.atomic_files import csv_text
from ffcli.util.text import percentage

_TOP = 3


def confusion(
    context: Context,
    choice: RunChoice,
    *,
    normalize: bool,
    out: Path | None,
    csv_file: Path | None,
    dpi: int | None = None,
) -> ConfusionMatrix:
    """Evaluate a run, or the best one, on the test images; write the figure and, if named, the CSV.

    W&B gets the matrix of a run that it tracks: that of another dataset as a picture with the dataset's name,
    none where the run's own has changed. With ``normalize`` the matrix holds fractions of its rows.
    Raises RequestError, and errors as `chosen_run` does.
    """
    out = check_figure(context, out, dpi, [choice.dataset])
    csv_file = check_table(context, csv_file, out, [choice.dataset])
    stored, data = chosen_run(context, choice)
    run_id = stored.record.run_id
    png = out or check_output(context, "out", Path(f"confusion-{run_id}.png"))
    check_apart(csv_file, png)
    counts = confusion_matrix(data.y_test, stored.network.predict(data.x_test), data.n_classes)
    n, accuracy = len(data.y_test), matrix_accuracy(counts)
    record = note_test_acc(
        context.runs, stored.record, data.digest, accuracy, tta=False, notify=context.notify
    )
    rows = counts.tolist()
    matrix = row_fractions(rows) if normalize else rows
    scored = f"test accuracy {percentage(accuracy, 2)} (n = {n:,})"
    title = f"Run {run_id} on {label(Path(data.name).name)}\n{scored}"
    figure = confusion_figure(rows, data.class_names, title, normalize=normalize)
    save_figure(figure, png, dpi)
    if csv_file is not None:
        save_file(csv_file, matrix_csv(matrix, data.class_names))
    with as_png(png, lambda: figure) as picture:
        if record is not None:
            additions = Additions(
                values={"test_acc": accuracy},
                images={"confusion matrix": picture},
                confusion=(rows, data.class_names),
            )
            attach(context, [(record, additions)])
        elif data.name != stored.record.dataset:
            additions = Additions(images={f"confusion matrix on {file_stem(data.name)}": picture})
            attach(context, [(stored.record, additions)])
    return ConfusionMatrix(
        run_id=run_id,
        name=stored.record.name,
        dataset=data.name,
        n=n,
        accuracy=accuracy,
        labels=list(data.class_names),
        matrix=matrix,
        normalized=normalize,
        **by_class(counts, data.class_names),
        confusions=_most_frequent(counts, data.class_names),
        png=png,
        csv=csv_file,
    )


def _most_frequent(counts: np.ndarray, names: Sequence[str]) -> list[Confusion]:
    """Return the largest counts off the diagonal, the first in reading order on a tie."""
    wrong = counts.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:_TOP]
    return [
        Confusion(ClassLabel.of(true, names), ClassLabel.of(predicted, names), int(wrong[true, predicted]))
        for true, predicted in zip(*np.unravel_index(order, wrong.shape))
        if wrong[true, predicted]
    ]


def matrix_csv(matrix: Sequence[Sequence[float]], names: Sequence[str]) -> str:
    """Return a matrix as CSV: a row for each true class, a column for each predicted one.

    Spreadsheets do not run a name in it as a formula (see `cell`).
    """
    return csv_text([["true \\ predicted", *names], *([name, *row] for name, row in zip(names, matrix))])
