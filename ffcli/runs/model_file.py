"""Networks and checkpoints as safetensors files: arrays with a description, and no code runs on load."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from ffcli.core.buffers import Array
from ffcli.core.network import Network
from ffcli.errors import FfnnError
from ffcli.files import write_atomic

_KEY = "ffnn"  # the one metadata entry, a JSON document


def save_arrays(path: Path, arrays: Mapping[str, Array], about: Mapping[str, Any]) -> None:
    """Write arrays and a JSON description of them."""
    whole = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    write_atomic(path, save(whole, metadata={_KEY: json.dumps(about)}))


def load_arrays(path: Path) -> tuple[dict[str, Array], dict[str, Any]]:
    """Read what `save_arrays` wrote. Raises FfnnError where the file is missing, damaged or another's."""
    try:
        with safe_open(path, framework="numpy") as file:
            about = json.loads((file.metadata() or {})[_KEY])
            return {name: file.get_tensor(name) for name in file.keys()}, dict(about)  # noqa: SIM118
    except FileNotFoundError:
        raise FfnnError(f"{path} is missing.") from None
    except (
        SafetensorError,
        KeyError,
        ValueError,
        TypeError,
        AttributeError,
        OSError,
        RecursionError,
    ) as error:
        raise FfnnError(f"{path} cannot be read as a model of ffnn: {error}") from None


def save_network(path: Path, network: Network, about: Mapping[str, Any]) -> None:
    """Write ``layers.N.weight`` (fan_in, fan_out) and ``layers.N.bias`` (fan_out,) with the architecture.

    A network with batch normalization has ``norms.N.gamma``, ``.mean`` and ``.variance`` (units,) as well.
    """
    architecture = {
        "layer_sizes": network.layer_sizes,
        "activation": network.activation_name,
        "batch_norm": network.batch_norm,
    }
    save_arrays(path, _arrays(network), {"format": 1, "architecture": architecture, **about})


def _arrays(network: Network) -> dict[str, Array]:
    """Return the arrays of a network by their names in the file."""
    arrays: dict[str, Array] = {}
    for layer, (W, b) in enumerate(zip(network.weights, network.biases)):
        arrays[f"layers.{layer}.weight"] = W
        arrays[f"layers.{layer}.bias"] = b
    for layer, normal in enumerate(network.normalizations):
        arrays[f"norms.{layer}.gamma"] = normal.gamma
        arrays[f"norms.{layer}.mean"] = normal.mean
        arrays[f"norms.{layer}.variance"] = normal.variance
    return arrays


def _shapes(sizes: list[int], batch_norm: bool) -> dict[str, tuple[int, ...]]:
    """Return the shape of each array of a network with these layer sizes."""
    shapes: dict[str, tuple[int, ...]] = {}
    for layer, (fan_in, fan_out) in enumerate(pairwise(sizes)):
        shapes[f"layers.{layer}.weight"] = (fan_in, fan_out)
        shapes[f"layers.{layer}.bias"] = (fan_out,)
    for layer, units in enumerate(sizes[1:-1] if batch_norm else []):
        shapes |= {f"norms.{layer}.{part}": (units,) for part in ("gamma", "mean", "variance")}
    return shapes


def load_network(path: Path) -> tuple[Network, dict[str, Any]]:
    """Read a network and its description. Raises FfnnError where the file does not hold one."""
    arrays, about = load_arrays(path)
    try:
        sizes = [int(size) for size in about["architecture"]["layer_sizes"]]
        batch_norm = bool(about["architecture"].get("batch_norm"))
        # Compared before the network is made, so that a false architecture takes no memory.
        if _shapes(sizes, batch_norm) != {name: array.shape for name, array in arrays.items()}:
            raise FfnnError(f"{path} does not hold a network: its arrays do not fit its architecture.")
        network = Network(sizes, about["architecture"]["activation"], batch_norm=batch_norm)
        for name, array in _arrays(network).items():
            array[...] = arrays[name]
    except (KeyError, ValueError, TypeError, AttributeError, OverflowError) as error:
        raise FfnnError(f"{path} does not hold a network of ffnn: {error}") from None
    return network, about
