"""``ffnn predict``: the class probabilities of one image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ffcli.config import TrainConfig
from ffcli.core.buffers import Array
from ffcli.core.network import Network
from ffcli.datasets import Dataset
from ffcli.errors import RequestError
from ffcli.experiment import untrained_network
from ffcli.services.choosing import best_run, load_run
from ffcli.services.context import Context
from ffcli.services.documents import label_document
from ffcli.services.evaluate import check_fits

_LIGHT = 127  # a mean border pixel above this is a light background


def predict(
    context: Context,
    *,
    index: int | None,
    image: Path | None,
    invert: bool | None,
    run: str | None,
    best: bool,
    untrained: TrainConfig | None,
    dataset: str | None,
) -> dict[str, Any]:
    """Return {run_id, dataset, index, split, true, predicted, probabilities}.

    The network is that of ``run``, or of the best run, or one with the initial weights of ``untrained``.
    """
    if (index is None) == (image is None):
        raise RequestError("Give the index of an image or --image FILE, one of the two.")
    if sum((run is not None, best, untrained is not None)) > 1:
        raise RequestError("Give one of --run, --best and --hidden-size.")
    data = context.dataset(_dataset_name(context, run, untrained, dataset))
    if image is not None:
        pixels = _read_image(context, image, data, invert)
        split, label = None, None
    else:
        assert index is not None
        pixels, split, label = _dataset_image(data, index)
    network, run_id = _network(context, run, untrained, data)
    probabilities = network.predict_proba(pixels[np.newaxis])[0]
    return {
        "run_id": run_id,
        "dataset": data.name,
        "index": index,
        "split": split,
        "true": None if label is None else label_document(label, data.class_names),
        "predicted": label_document(int(probabilities.argmax()), data.class_names),
        "probabilities": dict(zip(data.class_names, map(float, probabilities))),
    }


def _dataset_name(
    context: Context, run: str | None, untrained: TrainConfig | None, dataset: str | None
) -> str:
    if untrained is not None:
        return untrained.dataset
    if dataset is None and run is not None:
        return context.runs.read(context.runs.find(run).name).dataset
    return dataset or "fashion_mnist"


def _network(
    context: Context, run: str | None, untrained: TrainConfig | None, data: Dataset
) -> tuple[Network, str | None]:
    if untrained is not None:
        return untrained_network(untrained, data), None
    run_id = best_run(context, "val_acc", data.name).run_id if run is None else run
    stored = load_run(run_id, context.runs_dir)
    check_fits(context, stored, data)
    return stored.network, stored.record.run_id


def _dataset_image(data: Dataset, index: int) -> tuple[Array, str, int]:
    """Return the pixels, the split and the label of image 1 … N, the training images first."""
    n_train, n_test = len(data.x_train), len(data.x_test)
    if not 1 <= index <= n_train + n_test:
        raise RequestError(
            f"There is no image {index}: {data.name} has the images 1 to {n_train + n_test} "
            f"(1 to {n_train} train, the rest test)."
        )
    if index <= n_train:
        return data.x_train[index - 1], "train", int(data.y_train[index - 1])
    return data.x_test[index - 1 - n_train], "test", int(data.y_test[index - 1 - n_train])


def _read_image(context: Context, path: Path, data: Dataset, invert: bool | None) -> Array:
    """Return a user's picture as the dataset has its own: gray, of its size, light on dark."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    if data.image_shape is None or len(data.image_shape) != 2 or data.x_train.dtype != np.uint8:
        raise RequestError(f"--image needs a dataset of gray images; {data.name} has none.")
    height, width = data.image_shape
    try:
        with Image.open(path) as picture:
            gray = ImageOps.exif_transpose(picture)  # a camera may store its picture lying on its side
            size = gray.size
            if gray.mode.startswith("I;16"):  # convert("L") would clip 16 bits to white
                gray = Image.fromarray((np.asarray(gray) >> 8).astype(np.uint8))
            elif "transparency" in gray.info:
                gray = gray.convert("RGBA")
            if gray.mode in ("RGBA", "LA"):
                flat = Image.new("RGBA", gray.size, "white")
                gray = Image.alpha_composite(flat, gray.convert("RGBA"))
            pixels = np.asarray(gray.convert("L").resize((width, height), Image.Resampling.LANCZOS))
    except FileNotFoundError:
        raise RequestError(f"--image: there is no file {path}.") from None
    except IsADirectoryError:
        raise RequestError(f"--image: {path} is a folder, not an image.") from None
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, ValueError, SyntaxError) as error:
        raise RequestError(f"--image: {path} cannot be read as an image: {error}") from None
    if size != (width, height):
        context.notify(f"{path.name} is {size[0]}×{size[1]}: scaled to {width}×{height}, gray.")
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    if invert is None and border.mean() > _LIGHT:
        context.notify(
            f"{path.name} has a light background, and the images of {data.name} a dark one: "
            "--invert turns it round (--no-invert to say that it is meant so)."
        )
    return 255 - pixels if invert else pixels
