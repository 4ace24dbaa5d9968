"""Predictions of a network for a set of images, from one view of each or averaged over several views."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ffcli.config import TrainConfig, validate, validation_split
from ffcli.core.augmentation import count_views, views
from ffcli.core.buffers import Array
from ffcli.core.losses import softmax
from ffcli.core.network import Network
from ffcli.datasets import Dataset
from ffcli.services.runs.select import StoredRun
from ffcli.training.context import Context
from ffcli.training.experiment import augmentation

_CHUNK = 1000  # images of which all views are made at a time
_SHIFT = 1  # pixels: the most by which test images are shifted, however far the training images were


@dataclass(frozen=True)
class Views:
    """Which views of an image a prediction is the mean over; see `core.augmentation.views`."""

    flip: bool = False
    shift: int = 0

    @property
    def count(self) -> int:
        """The number of views."""
        return count_views(flip=self.flip, shift=self.shift)


def own_views(context: Context, run: StoredRun, dataset: Dataset) -> Views:
    """Return the views that a run has seen in training: mirrored with flip, shifted by a pixel with shift.

    A run that was trained without augmentation has one view, the image itself, and a notice says so. Raises
    RequestError where the dataset does not allow these views.
    """
    config = validate(run.record.config)
    if augmentation(config, dataset) is None:
        context.notify(
            f"test-time averaging changes nothing for run {run.record.run_id}, which was trained without "
            "augmentation: it is evaluated on the images as they are"
        )
        return Views()
    return Views(config.flip, min(config.shift, _SHIFT))


def mean_probabilities(network: Network, images: Array, over: Views) -> Array:
    """Return the class probabilities, (n, classes) float64, as the mean over the views of each image."""
    network = network.folded()
    total = np.zeros((len(images), network.layer_sizes[-1]))
    for start in range(0, len(images), _CHUNK):
        part = slice(start, start + _CHUNK)
        for view in views(images[part], flip=over.flip, shift=over.shift):
            total[part] += softmax(network.logits(view).astype(np.float64))
    return total / over.count


def as_logits(probabilities: Array) -> Array:
    """Return logits whose softmax are these probabilities, finite also where one of them is zero."""
    logits: Array = np.log(np.maximum(probabilities, np.finfo(np.float64).tiny))
    return logits


def unseen_indices(config: TrainConfig, run: StoredRun, dataset: Dataset) -> Array | None:
    """Return which training images a run was validated on; None where it was trained on other data."""
    if dataset.digest != run.record.provenance.dataset_digest:
        return None
    return validation_split(config, dataset.y_train)[1]
