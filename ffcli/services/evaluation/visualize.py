"""``ffnn visualize``: samples of a dataset, or the mistakes of a network, as a figure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ffcli.core.buffers import Array
from ffcli.datasets import Dataset
from ffcli.plotting.images import GRID_LIMIT, grid_figure
from ffcli.plotting.style import as_png, label, save_figure
from ffcli.runs.evaluated import read_evaluated
from ffcli.runs.results import ClassLabel
from ffcli.services.evaluation.best import RunChoice, chosen_run
from ffcli.services.evaluation.images import (
    Illustrated,
    as_pictures,
    check_pictorial,
    dataset_image,
    file_stem,
)
from ffcli.services.evaluation.results import Mistake, Mistakes, Sample, Samples
from ffcli.services.outputs import check_figure, check_output
from ffcli.tracking.base import Additions, Rows
from ffcli.training.attaching import attach, log_alone
from ffcli.training.context import Context
from ffcli.training.options import RunOptions
from ffcli.util.text import percentage

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MISTAKES = 10


def visualize(
    context: Context,
    options: RunOptions,
    *,
    dataset: str | None,
    index: int | None,
    seed: int,
    out: Path | None,
    dpi: int | None = None,
) -> Illustrated[Samples]:
    """Draw one training image of each class, chosen at random by ``seed``, or the image ``index``.

    Where ``options`` turn W&B on, the figure becomes a run of its own there. Raises RequestError where the
    dataset has no images or no such index.
    """
    out = check_figure(context, out, dpi, [dataset])
    data = context.dataset(dataset or "fashion_mnist")
    check_pictorial(data)
    indices = _one_of_each_class(context, data, seed) if index is None else [index]
    samples, images = _samples(data, indices)
    stem = f"visualize-{file_stem(data.name)}" + ("" if index is None else f"-{index}")
    png = out or check_output(context, "out", Path(f"{stem}.png"))
    figure = _figure(samples, images, [sample.name for sample in samples])
    save_figure(figure, png, dpi)
    title = f"samples of {file_stem(data.name)}" if index is None else f"image {index}"
    with as_png(png, lambda: figure) as picture:
        additions = Additions(images={title: picture})
        log_alone(context, options, name=stem, job_type="visualize", additions=additions)
    return Illustrated(Samples(data.name, png, samples), images)


def visualize_mistakes(
    context: Context, choice: RunChoice, *, out: Path | None, dpi: int | None = None, track: bool = True
) -> Illustrated[Mistakes]:
    """Draw the test images that a run, or the best one, misclassifies with the highest probability.

    With ``track`` W&B gets the figure and a table of a run that it tracks, those of the run's own dataset.
    """
    out = check_figure(context, out, dpi, [choice.dataset])
    stored, data = chosen_run(context, choice)
    check_pictorial(data)
    probabilities = stored.network.predict_proba(data.x_test)
    guesses, certainty = probabilities.argmax(axis=1), probabilities.max(axis=1)
    wrong = np.flatnonzero(guesses != data.y_test)
    worst = wrong[np.argsort(-certainty[wrong], kind="stable")][:_MISTAKES]
    run_id = stored.record.run_id
    if not len(worst):
        context.notify(f"run {run_id} makes no mistake on the test images: there is nothing to draw")
        return Illustrated(Mistakes(run_id, data.name, len(data.y_test), 0, None, []), [])
    samples, images = _samples(data, [len(data.x_train) + int(test) + 1 for test in worst])
    mistakes = [
        Mistake(
            **vars(sample),
            predicted=ClassLabel.of(guesses[test], data.class_names),
            probability=float(certainty[test]),
        )
        for sample, test in zip(samples, worst)
    ]
    titles = [
        f"{label(each.name, 20)}\n→ {label(each.predicted.name, 16)} {percentage(each.probability, 1)}"
        for each in mistakes
    ]
    png = out or check_output(context, "out", Path(f"misclassified-{run_id}.png"))
    figure = _figure(mistakes, images, titles)
    save_figure(figure, png, dpi)
    own = read_evaluated(context.runs, stored.record, data.digest) if track else None
    if own is not None:
        rows = [[each.index, each.name, each.predicted.name, each.probability] for each in mistakes]
        table = Rows("mistakes", ["image", "class", "predicted as", "probability"], rows)
        with as_png(png, lambda: figure) as picture:
            additions = Additions(images={"misclassified": picture}, charts=[table])
            attach(context, [(own[0], additions)])
    return Illustrated(Mistakes(run_id, data.name, len(data.y_test), len(wrong), png, mistakes), images)


def _one_of_each_class(context: Context, data: Dataset, seed: int) -> list[int]:
    """Return the index of a random training image of each class that has one."""
    rng = np.random.default_rng(seed % 2**64)  # any integer is a seed
    classes = np.unique(data.y_train)
    if len(classes) > GRID_LIMIT:
        context.notify(f"{data.name} has {data.n_classes} classes: the first {GRID_LIMIT} are drawn")
    shown = classes[:GRID_LIMIT]
    return [int(rng.choice(np.flatnonzero(data.y_train == class_))) + 1 for class_ in shown]


def _samples(data: Dataset, indices: list[int]) -> tuple[list[Sample], list[Array]]:
    samples, images = [], []
    for index in indices:
        pixels, split, class_ = dataset_image(data, index)
        samples.append(Sample(class_, data.class_names[class_], index, split))
        images.append(pixels)
    return samples, as_pictures(images)


def _figure(samples: Sequence[Sample], images: list[Array], titles: list[str]) -> Figure:
    return grid_figure(images, titles, [f"image {sample.index}" for sample in samples])
