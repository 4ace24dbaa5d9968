"""``ffnn visualize``: samples of a dataset, or what a network takes them for, as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ffcli.core.buffers import Array
from ffcli.datasets import Dataset
from ffcli.plotting.images import GRID_LIMIT, grid_figure
from ffcli.plotting.style import check_target, label, save_png
from ffcli.runs.documents import label_document
from ffcli.services.evaluation.images import (
    Illustrated,
    as_pictures,
    check_pictorial,
    dataset_image,
    file_stem,
)
from ffcli.services.evaluation.resolve import chosen_run
from ffcli.tracking.base import Additions, Rows
from ffcli.training.context import Context
from ffcli.training.options import RunOptions
from ffcli.training.tracking import attach, log_alone

_MISTAKES = 10


def visualize(
    context: Context,
    options: RunOptions,
    *,
    dataset: str | None,
    index: int | None,
    seed: int,
    out: Path | None,
) -> Illustrated:
    """Draw one training image of each class, which ``seed`` picks, or the image ``index``.

    Where ``options`` turn W&B on the picture becomes a run of its own there.
    The document is {dataset, png, samples: [{label, name, index, split}]}. Raises RequestError where the
    dataset has no images or no such index.
    """
    if out is not None:
        out = check_target("--out", out, ".png")
    data = context.dataset(dataset or "fashion_mnist")
    check_pictorial(data)
    indices = _one_of_each_class(context, data, seed) if index is None else [index]
    samples, images = _samples(data, indices)
    stem = f"visualize-{file_stem(data.name)}" + ("" if index is None else f"-{index}")
    titles = [sample["name"] for sample in samples]
    png = out or Path(f"{stem}.png")
    shown = _draw({"dataset": data.name}, samples, images, titles, png)
    title = f"samples of {file_stem(data.name)}" if index is None else f"image {index}"
    additions = Additions(images={title: png})
    log_alone(context, options, name=stem, job_type="visualize", additions=additions)
    return shown


def visualize_mistakes(
    context: Context, *, run: str | None, dataset: str | None, out: Path | None, track: bool = True
) -> Illustrated:
    """Draw the test images that a run, or the best one, gets wrong with the highest probability.

    With ``track`` a run that W&B follows gets the picture and a table there too.
    The document is {run_id, dataset, n, mistakes, png, samples: [{label, name, index, split, predicted:
    {label, name}, probability}]}; ``png`` is None where the network makes no mistake.
    """
    if out is not None:
        out = check_target("--out", out, ".png")
    stored, data = chosen_run(context, run, dataset)
    check_pictorial(data)
    probabilities = stored.network.predict_proba(data.x_test)
    guesses, certainty = probabilities.argmax(axis=1), probabilities.max(axis=1)
    wrong = np.flatnonzero(guesses != data.y_test)
    worst = wrong[np.argsort(-certainty[wrong], kind="stable")][:_MISTAKES]
    run_id = stored.record.run_id
    about = {"run_id": run_id, "dataset": data.name, "n": len(data.y_test), "mistakes": len(wrong)}
    if not len(worst):
        context.notify(f"run {run_id} makes no mistake on the test images: there is nothing to draw")
        return Illustrated({**about, "png": None, "samples": []}, [])
    samples, images = _samples(data, [len(data.x_train) + int(test) + 1 for test in worst])
    for sample, test in zip(samples, worst):
        sample["predicted"] = label_document(guesses[test], data.class_names)
        sample["probability"] = float(certainty[test])
    titles = [
        f"{label(sample['name'], 20)}\n→ {label(sample['predicted']['name'], 16)} {sample['probability']:.1%}"
        for sample in samples
    ]
    png = out or Path(f"misclassified-{run_id}.png")
    shown = _draw(about, samples, images, titles, png)
    if track:
        rows = [
            [each["index"], each["name"], each["predicted"]["name"], each["probability"]] for each in samples
        ]
        table = Rows("mistakes", ["image", "class", "taken for", "probability"], rows)
        attach(context, stored.record, Additions(images={"misclassified": png}, charts=[table]))
    return shown


def _one_of_each_class(context: Context, data: Dataset, seed: int) -> list[int]:
    """Return the index of a random training image of each class that has one."""
    rng = np.random.default_rng(seed % 2**64)  # any integer is a seed
    classes = np.unique(data.y_train)
    if len(classes) > GRID_LIMIT:
        context.notify(f"{data.name} has {data.n_classes} classes: the first {GRID_LIMIT} are drawn")
    shown = classes[:GRID_LIMIT]
    return [int(rng.choice(np.flatnonzero(data.y_train == class_))) + 1 for class_ in shown]


def _samples(data: Dataset, indices: list[int]) -> tuple[list[dict[str, Any]], list[Array]]:
    samples, images = [], []
    for index in indices:
        pixels, split, class_ = dataset_image(data, index)
        samples.append({**label_document(class_, data.class_names), "index": index, "split": split})
        images.append(pixels)
    return samples, as_pictures(images)


def _draw(
    about: dict[str, Any],
    samples: list[dict[str, Any]],
    images: list[Array],
    titles: list[str],
    path: Path,
) -> Illustrated:
    captions = [f"image {sample['index']}" for sample in samples]
    save_png(grid_figure(images, titles, captions), path)
    return Illustrated({**about, "png": str(path), "samples": samples}, images)
