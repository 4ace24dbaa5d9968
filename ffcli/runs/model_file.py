"""Networks and checkpoints as safetensors files: arrays with a description; loading runs no code."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from ffcli.core.buffers import Array
from ffcli.core.network import Network
from ffcli.errors import FfnnError
from ffcli.util.atomic_files import write_atomic
from ffcli.util.safe_read import parse_json

_KEY = "ffnn"  # the one metadata entry, a JSON document


def save_arrays(path: Path, arrays: Mapping[str, Array], about: Mapping[str, Any]) -> None:
    """Write arrays and a JSON description of them."""
    write_atomic(path, _bytes_of(arrays, about))


def _bytes_of(arrays: Mapping[str, Array], about: Mapping[str, Any]) -> bytes:
    whole = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    return save(whole, metadata={_KEY: json.dumps(about)})


def digest(content: bytes) -> str:
    """Return what identifies the content of a model file: its SHA-256, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def _digest_of(path: Path) -> str:
    """Return the digest of a file, of which a piece at a time is in memory."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            found.update(piece)
    return found.hexdigest()


def load_arrays(
    path: Path, check: Callable[[dict[str, Any], dict[str, tuple[int, ...]]], None] | None = None
) -> tuple[dict[str, Array], dict[str, Any]]:
    """Read what `save_arrays` wrote. Raises FfnnError where the file is missing, damaged or another's.

    ``check`` is given the description and the shape of each array before any array is read.
    """
    with _opened(path) as (file, about):
        names = list(file.keys())
        if check is not None:
            check(about, {name: tuple(file.get_slice(name).get_shape()) for name in names})
        return {name: file.get_tensor(name) for name in names}, about


def load_about(path: Path) -> dict[str, Any]:
    """Return the description alone. Raises FfnnError as `load_arrays` does."""
    with _opened(path) as (_, about):
        return about


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Open a file and yield it with its description; what is wrong with it is one FfnnError."""
    try:
        if not path.is_file():  # a pipe would be waited for
            raise FileNotFoundError if not path.exists() else ValueError("it is not an ordinary file")
        with safe_open(path, framework="numpy") as file:
            yield file, dict(parse_json((file.metadata() or {})[_KEY]))
    except FileNotFoundError:
        raise FfnnError(f"{path} is missing.") from None
    except (
        SafetensorError,
        KeyError,
        ValueError,
        TypeError,
        AttributeError,
        OSError,
    ) as error:
        raise FfnnError(f"{path} cannot be read as a model of ffnn: {error}") from None


def network_bytes(network: Network, about: Mapping[str, Any]) -> bytes:
    """Return a model file: ``layers.N.weight`` (fan_in, fan_out), ``layers.N.bias`` (fan_out,), architecture.

    A network with batch normalization has ``norms.N.gamma``, ``.mean`` and ``.variance`` (units,) as well.
    """
    architecture = {
        "layer_sizes": network.layer_sizes,
        "activation": network.activation_name,
        "batch_norm": network.batch_norm,
    }
    return _bytes_of(_arrays(network), {"format": 1, "architecture": architecture, **about})


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


def load_network(path: Path, digests: Collection[str] = ()) -> tuple[Network, dict[str, Any]]:
    """Read a network and its description.

    Raises FfnnError where the file does not hold one, or has none of the ``digests`` that are given.
    """

    def check(about: dict[str, Any], shapes: dict[str, tuple[int, ...]]) -> None:
        """Compare before anything is read or made, so that a false architecture takes no memory."""
        sizes, _, batch_norm = _architecture(about)
        if len(sizes) > len(shapes) + 1 or _shapes(sizes, batch_norm) != shapes:
            raise FfnnError(f"{path} does not hold a network: its arrays do not fit its architecture.")

    try:
        arrays, about = load_arrays(path, check)
        if digests and _digest_of(path) not in digests:
            raise FfnnError(f"{path} does not hold the weights that its run's record names by their digest.")
        sizes, activation, batch_norm = _architecture(about)
        network = Network(sizes, activation, batch_norm=batch_norm)
        for name, array in _arrays(network).items():
            array[...] = _finite(arrays[name], name)
    except (KeyError, ValueError, TypeError, AttributeError, OverflowError) as error:
        raise FfnnError(f"{path} does not hold a network of ffnn: {error}") from None
    return network, about


def _finite(array: Array, name: str) -> Array:
    """Return an array of weights. Raises ValueError where it holds anything else."""
    if array.dtype != np.float32:
        raise ValueError(f"{name} must be float32, got {array.dtype}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} holds values that are NaN or infinite")
    return array


def _architecture(about: dict[str, Any]) -> tuple[list[int], str, bool]:
    """Return the layer sizes, the activation, and whether there is batch normalization."""
    architecture = about["architecture"]
    sizes = [int(size) for size in architecture["layer_sizes"]]
    return sizes, architecture["activation"], bool(architecture.get("batch_norm"))
