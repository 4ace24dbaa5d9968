"""What every registered activation must do."""

from __future__ import annotations

import numpy as np
import pytest

from ffcli.core.activations import ACTIVATIONS

pytestmark = pytest.mark.parametrize("name", list(ACTIVATIONS))


def applied(name: str, z: np.ndarray) -> np.ndarray:
    h = z.copy()
    ACTIVATIONS[name]().forward(h)
    return h


def slope(name: str, z: np.ndarray) -> np.ndarray:
    out = np.full_like(z, 7)
    ACTIVATIONS[name]().forward(z.copy(), out)
    return out


def test_is_monotone(name):
    assert np.all(np.diff(applied(name, np.linspace(-8, 8, 401))) >= 0)


def test_derivative_is_the_central_difference(name):
    z = np.linspace(-5, 5, 200)  # an even number: zero, where relu has its kink, is not among them
    numeric = (applied(name, z + 1e-6) - applied(name, z - 1e-6)) / 2e-6
    np.testing.assert_allclose(slope(name, z), numeric, rtol=1e-6, atol=1e-9)


def test_gives_the_same_with_and_without_the_derivative(name):
    z = np.random.default_rng(0).normal(0, 2, (7, 5))
    h = z.copy()
    ACTIVATIONS[name]().forward(h, np.empty_like(h))
    np.testing.assert_array_equal(h, applied(name, z))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_works_in_place_on_any_shape_and_stays_finite(name, dtype):
    for shape in ((6,), (2, 3), (1, 3, 2)):
        z = np.array([-1e4, -100, -1, 1, 100, 1e4], dtype).reshape(shape)
        h, derivative = z.copy(), np.full_like(z, 7)
        assert ACTIVATIONS[name]().forward(h, derivative) is None
        assert h.shape == derivative.shape == shape
        assert h.dtype == derivative.dtype == dtype
        assert np.isfinite(h).all()
        assert np.isfinite(derivative).all()
