"""What every registered activation must do."""

from __future__ import annotations

import numpy as np
import pytest

from ffcli.core.activations import ACTIVATIONS

pytestmark = pytest.mark.parametrize("name", list(ACTIVATIONS))


def scratch_for(name: str, like: np.ndarray) -> np.ndarray:
    """Return a scratch array of the type that the activation asks for, full of ones."""
    return np.ones(like.shape, ACTIVATIONS[name].scratch_dtype or like.dtype)


def applied(name: str, z: np.ndarray) -> np.ndarray:
    h = z.copy()
    ACTIVATIONS[name]().forward(h)
    return h


def slope(name: str, z: np.ndarray) -> np.ndarray:
    h, delta = applied(name, z), np.ones_like(z)
    ACTIVATIONS[name]().backward(h, delta, scratch_for(name, z))
    return delta


def test_is_monotone(name):
    assert np.all(np.diff(applied(name, np.linspace(-8, 8, 401))) >= 0)


def test_derivative_is_the_central_difference(name):
    z = np.linspace(-5, 5, 200)  # an even number: zero, where relu has its kink, is not among them
    numeric = (applied(name, z + 1e-6) - applied(name, z - 1e-6)) / 2e-6
    np.testing.assert_allclose(slope(name, z), numeric, rtol=1e-6, atol=1e-9)


def test_backward_multiplies_what_came_from_above(name):
    rng = np.random.default_rng(0)
    z, above = rng.normal(0, 2, (2, 7, 5))
    delta, h = above.copy(), applied(name, z)
    kept = h.copy()
    ACTIVATIONS[name]().backward(h, delta, scratch_for(name, z))
    np.testing.assert_allclose(delta, above * slope(name, z), rtol=1e-14)
    np.testing.assert_array_equal(h, kept)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_works_in_place_on_any_shape_and_stays_finite(name, dtype):
    for shape in ((6,), (2, 3), (1, 3, 2)):
        z = np.array([-1e4, -100, -1, 1, 100, 1e4], dtype).reshape(shape)
        h = z.copy()
        assert ACTIVATIONS[name]().forward(h) is None
        assert h.shape == shape
        delta = np.ones_like(h)
        assert ACTIVATIONS[name]().backward(h, delta, scratch_for(name, h)) is None
        assert h.dtype == delta.dtype == dtype
        assert np.isfinite(h).all()
        assert np.isfinite(delta).all()
