"""How weights start. Biases start at zero."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ffcli.core.buffers import Array
from ffcli.core.registry import Registry

Initializer = Callable[[np.random.Generator, int, int], Array]

INITIALIZERS: Registry[Initializer] = Registry("weight_init")


@INITIALIZERS.register("random")
def random(rng: np.random.Generator, fan_in: int, fan_out: int) -> Array:
    """Uniform in [-0.1, 0.1), whatever the size of the layer. Shape (fan_in, fan_out)."""
    return rng.uniform(-0.1, 0.1, (fan_in, fan_out))


@INITIALIZERS.register("xavier", "glorot", "glorot_uniform")
def xavier(rng: np.random.Generator, fan_in: int, fan_out: int) -> Array:
    """Uniform in ±√(6 / (fan_in + fan_out)). Shape (fan_in, fan_out).

    It keeps the variance of activations and gradients alike from layer to layer:
    Glorot & Bengio, "Understanding the difficulty of training deep feedforward neural networks",
    AISTATS 2010, equation 16.
    """
    limit = np.sqrt(6 / (fan_in + fan_out))
    return rng.uniform(-limit, limit, (fan_in, fan_out))
