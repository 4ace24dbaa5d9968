"""The content of an exported file, whatever its format."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass

from ffcli.core.network import Network
from ffcli.errors import FfnnError
from ffcli.services.runs.select import StoredRun


@dataclass(frozen=True)
class Model:
    """What a file of any format holds: images in, class probabilities out.

    ``network`` has no batch normalization: it is folded into the weights. ``input_shape`` is the shape of one
    image; its values, of ``dtype`` uint8 or float32, are multiplied by ``scale`` before the first layer.
    """

    run_id: str
    network: Network
    input_shape: tuple[int, ...]
    dtype: str
    scale: float
    class_names: tuple[str, ...]
    dataset: str

    @property
    def metadata(self) -> dict[str, str]:
        """The description that is stored in the file."""
        return {
            "run_id": self.run_id,
            "dataset": self.dataset,
            "class_names": json.dumps(self.class_names, ensure_ascii=False),
        }


def described(run: StoredRun) -> Model:
    """Return the network of a run with what its model file says of input and output.

    Raises FfnnError where the file does not say it, or says what does not fit the network.
    """
    sizes = run.network.layer_sizes
    try:
        shape = tuple(int(side) for side in run.about["image_shape"])
        names = tuple(str(name) for name in run.about["class_names"])
        dtype, scale = str(run.about["input_dtype"]), float(run.about["input_scale"])
    except (LookupError, TypeError, ValueError) as error:
        raise FfnnError(
            f"The model file of run {run.record.run_id} does not describe its input: {error!r}"
        ) from None
    if (math.prod(shape), len(names)) != (sizes[0], sizes[-1]):
        raise FfnnError(
            f"The model file of run {run.record.run_id} describes images of shape {shape} and {len(names)} "
            f"classes; its network has {sizes[0]} features and {sizes[-1]} classes."
        )
    return Model(run.record.run_id, run.network.folded(), shape, dtype, scale, names, run.record.dataset)


def unknown_activation(model: Model, format: str) -> FfnnError:
    """Return the error for an activation that a format has no operation for."""
    return FfnnError(
        f"The activation {model.network.activation_name} cannot be written as {format}.",
        hint="The format npz holds the weights of any network.",
    )
