"""``ffnn predict``: the class probabilities of one image."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ffcli.config import TrainConfig
from ffcli.core.buffers import Array
from ffcli.errors import RequestError
from ffcli.plotting.images import prediction_figure
from ffcli.plotting.style import as_png, check_figure, label, save_figure
from ffcli.runs.record import RunRecord
from ffcli.runs.results import ClassLabel
from ffcli.services.evaluation.images import Illustrated, as_pictures, dataset_image, is_pictorial
from ffcli.services.evaluation.own_picture import read_picture
from ffcli.services.evaluation.resolve import chosen_run
from ffcli.services.evaluation.results import Prediction
from ffcli.tracking.base import Additions, Bars
from ffcli.training.context import Context
from ffcli.training.events import OnTraining, null_observer
from ffcli.training.experiment import untrained_network
from ffcli.training.options import RunOptions
from ffcli.training.tracking import attach, log_alone

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def predict(
    context: Context,
    options: RunOptions,
    *,
    index: int | None,
    image: Path | None,
    invert: bool | None,
    run: str | None,
    best: bool,
    untrained: TrainConfig | None,
    dataset: str | None,
    out: Path | None = None,
    dpi: int | None = None,
    on_event: OnTraining = null_observer,
    command_line: tuple[str, ...] = (),
) -> Illustrated[Prediction]:
    """Return the class probabilities of one image, and the image if it can be shown.

    The network is that of ``run``, or of the best run, trained again where its weights are not in the store
    (see `best_with_weights`), or one with the initial weights of ``untrained``. A PNG is only made where
    ``out`` is given; a run that W&B follows then gets it and a bar chart there too, unless ``options`` say
    "disabled". Where they turn W&B on, those of an untrained network become a run of their own. How a user's
    ``image`` is read, and what ``invert`` does, says `own_picture.read_picture`.
    """
    if (index is None) == (image is None):
        raise RequestError("Expected either the index of an image or an image file.")
    if sum((run is not None, best, untrained is not None)) > 1:
        raise RequestError("Expected one of a run, the best run and an untrained network (hidden_size).")
    out = check_figure(out, dpi)
    record: RunRecord | None = None
    if untrained is not None:
        data = context.dataset(untrained.dataset)
        network = untrained_network(untrained, data)
    else:
        stored, data = chosen_run(context, run, dataset, on_event=on_event, command_line=command_line)
        network, record = stored.network, stored.record
    if image is not None:
        own = read_picture(image, data, invert)
        for notice in own.notices:
            context.notify(notice)
        pixels = own.pixels
        split, class_ = None, None
    else:
        assert index is not None
        pixels, split, class_ = dataset_image(data, index)
    probabilities = network.predict_proba(pixels[np.newaxis])[0]
    named = dict(zip(data.class_names, map(float, probabilities)))
    result = Prediction(
        run_id=None if record is None else record.run_id,
        dataset=data.name,
        index=index,
        split=split,
        true=None if class_ is None else ClassLabel.of(class_, data.class_names),
        predicted=ClassLabel.of(int(probabilities.argmax()), data.class_names),
        probabilities=named,
        png=out,
    )
    images = as_pictures([pixels]) if is_pictorial(data) else []
    if out is not None:
        figure = _figure(result, images)
        save_figure(figure, out, dpi)
        shown = f"prediction of {out.stem if index is None else f'image {index}'}"
        bars = Bars("prediction", shown.capitalize(), "class", "probability", named)
        with as_png(out, lambda: figure) as picture:
            additions = Additions(images={shown: picture}, charts=[bars])
            if record is None:
                log_alone(
                    context, options, name=f"untrained, {shown}", job_type="predict", additions=additions
                )
            elif options.wandb != "disabled":
                attach(context, record, additions)
    return Illustrated(result, images)


def _figure(result: Prediction, images: list[Array]) -> Figure:
    network = f"run {result.run_id}" if result.run_id else "an untrained network"
    lines = [f"Predicted as {result.predicted.name} by {network}"]
    true = result.true
    if true is not None:
        image_ = f"Image {result.index} of {Path(result.dataset).name} ({result.split})"
        lines.insert(0, f"{image_}: {true.name}")
    title = "\n".join(label(line, 80) for line in lines)
    image = images[0] if images else None
    return prediction_figure(image, title, result.probabilities, None if true is None else true.name)
