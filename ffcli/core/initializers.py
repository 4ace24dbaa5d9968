"""Initializers of the weights. Biases start at zero."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ffcli.core.buffers import Array
from ffcli.core.registry import Registry

Initializer = Callable[[np.random.Generator, int, int], Array]

INITIALIZERS: Registry[Initializer] = Registry("weight_init")


@INITIALIZERS.register("random", "random_uniform", "uniform")
def random(rng: np.random.Generator, fan_in: int, fan_out: int) -> Array:
    """Uniform in [-0.1, 0.1), whatever the size of the layer. Shape (fan_in, fan_out)."""
    return rng.uniform(-0.1, 0.1, (fan_in, fan_out))


@INITIALIZERS.register("xavier", "xavier_uniform", "glorot", "glorot_uniform")
def xavier(rng: np.random.Generator, fan_in: int, fan_out: int) -> Array:
    """Uniform in ±√(6 / (fan_in + fan_out)). Shape (fan_in, fan_out).

    It keeps the variance of activations and gradients alike from layer to layer:
    Glorot & Bengio, "Understanding the difficulty of training deep feedforward neural networks",
    AISTATS 2010, equation 16.
    """
    limit = np.sqrt(6 / (fan_in + fan_out))
    return rng.uniform(-limit, limit, (fan_in, fan_out))


@INITIALIZERS.register("he", "he_normal", "kaiming", "kaiming_normal")
def he(rng: np.random.Generator, fan_in: int, fan_out: int) -> Array:
    """Normal with variance 2 / fan_in. Shape (fan_in, fan_out).

    It keeps the variance of activations behind ReLU, which zeroes half of them: He et al., "Delving deep into
    rectifiers", ICCV 2015, equation 10. PyTorch's kaiming_normal_; Keras' HeNormal truncates the distribution
    at two standard deviations.
    """
    return rng.normal(0, np.sqrt(2 / fan_in), (fan_in, fan_out))


@INITIALIZERS.register("xavier_normal", "glorot_normal")
def xavier_normal(rng: np.random.Generator, fan_in: int, fan_out: int) -> Array:
    """Normal with variance 2 / (fan_in + fan_out), that of ``xavier``. Shape (fan_in, fan_out).

    Glorot & Bengio 2010, as above. PyTorch's xavier_normal_; Keras' GlorotNormal truncates the distribution
    at two standard deviations.
    """
    return rng.normal(0, np.sqrt(2 / (fan_in + fan_out)), (fan_in, fan_out))


@INITIALIZERS.register("random_normal", "normal", "gaussian")
def random_normal(rng: np.random.Generator, fan_in: int, fan_out: int) -> Array:
    """Normal with standard deviation 0.05 whatever the size of the layer, as in Keras. (fan_in, fan_out)."""
    return rng.normal(0, 0.05, (fan_in, fan_out))


@INITIALIZERS.register("zeros", "zero")
def zeros(_rng: np.random.Generator, fan_in: int, fan_out: int) -> Array:
    """All zero, shape (fan_in, fan_out): every unit of a layer then computes the same.

    With hidden layers only the last bias learns. Random weights exist to break this symmetry.
    """
    return np.zeros((fan_in, fan_out))
