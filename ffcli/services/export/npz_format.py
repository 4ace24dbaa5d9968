"""A network as a .npz of NumPy."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from ffcli.services.export.model import Model


def npz_bytes(model: Model) -> bytes:
    """Return a .npz: ``layers.N.weight`` (fan_in, fan_out) and ``layers.N.bias`` (fan_out,), float32.

    With ``activation``, ``class_names``, ``input_shape`` and ``input_scale`` the network can be computed:
    h = input_scale · x, then h = f(h W + b) in the hidden layers, and softmax(h W + b) in the last.
    """
    arrays: dict[str, Any] = {}
    for layer, (W, b) in enumerate(zip(model.network.weights, model.network.biases)):
        arrays[f"layers.{layer}.weight"], arrays[f"layers.{layer}.bias"] = W, b
    content = io.BytesIO()
    np.savez(
        content,
        **arrays,
        activation=np.array(model.network.activation_name),
        class_names=np.array(model.class_names),
        input_shape=np.array(model.input_shape),
        input_scale=np.array(model.scale, np.float32),
        run_id=np.array(model.run_id),
        dataset=np.array(model.dataset),
    )
    return content.getvalue()
