"""``ffnn predict``: the class probabilities of one image."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ffcli.config import TrainConfig
from ffcli.core.buffers import Array
from ffcli.errors import RequestError
from ffcli.plotting.images import prediction_figure
from ffcli.plotting.style import as_png, label, save_figure
from ffcli.runs.record import RunRecord
from ffcli.runs.results import ClassLabel
from ffcli.services.evaluation.best import RunChoice, chosen_run
from ffcli.services.evaluation.images import Illustrated, as_pictures, dataset_image, is_pictorial
from ffcli.services.evaluation.own_picture import read_picture
from ffcli.services.evaluation.results import Prediction
from ffcli.services.outputs import check_figure
from ffcli.tracking.base import Additions, Bars
from ffcli.training.attaching import attach, log_alone
from ffcli.training.context import Context
from ffcli.training.experiment import untrained_network
from ffcli.training.options import RunOptions

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def predict(
    context: Context,
    options: RunOptions,
    network: RunChoice | TrainConfig,
    *,
    index: int | None = None,
    image: Path | None = None,
    invert: bool | None = None,
    out: Path | None = None,
    dpi: int | None = None,
) -> Illustrated[Prediction]:
    """Return the class probabilities of one image, and the image if it can be shown.

    The network is that of a stored run, or one with the initial weights of a configuration. A figure is only
    made where ``out`` is given; W&B then gets it too (see `_track`). How a user's ``image`` is read, and what
    ``invert`` does, says `own_picture.read_picture`. Raises RequestError, and errors as `chosen_run` does.
    """
    if (index is None) == (image is None):
        raise RequestError("Expected either the index of an image or an image file.")
    out = check_figure(context, out, dpi, [network.dataset, image])
    record: RunRecord | None = None
    if isinstance(network, TrainConfig):
        data = context.dataset(network.dataset)
        predicts = untrained_network(network, data)
    else:
        stored, data = chosen_run(context, network)
        predicts, record = stored.network, stored.record
    split, true = None, None
    if image is not None:
        own = read_picture(image, data, invert)
        for notice in own.notices:
            context.notify(notice)
        pixels = own.pixels
    else:
        assert index is not None
        pixels, split, class_ = dataset_image(data, index)
        true = ClassLabel.of(class_, data.class_names)
    probabilities = predicts.predict_proba(pixels[np.newaxis])[0]
    result = Prediction(
        run_id=None if record is None else record.run_id,
        dataset=data.name,
        index=index,
        split=split,
        true=true,
        predicted=ClassLabel.of(int(probabilities.argmax()), data.class_names),
        probabilities=dict(zip(data.class_names, map(float, probabilities))),
        png=out,
    )
    images = as_pictures([pixels]) if is_pictorial(data) else []
    if out is not None:
        figure = _figure(result, images)
        save_figure(figure, out, dpi)
        with as_png(out, lambda: figure) as picture:
            _track(context, options, record, result, picture)
    return Illustrated(result, images)


def _track(
    context: Context, options: RunOptions, record: RunRecord | None, result: Prediction, picture: Path
) -> None:
    """Give a run that W&B tracks the figure and a bar chart, unless ``options`` say "disabled".

    Those of an untrained network, which has no ``record``, become a W&B run of their own where ``options``
    turn W&B on.
    """
    assert result.png is not None
    shown = f"prediction of {result.png.stem if result.index is None else f'image {result.index}'}"
    bars = Bars("prediction", shown.capitalize(), "class", "probability", result.probabilities)
    additions = Additions(images={shown: picture}, charts=[bars])
    if record is None:
        log_alone(context, options, name=f"untrained, {shown}", job_type="predict", additions=additions)
    elif options.wandb != "disabled":
        attach(context, [(record, additions)])


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
