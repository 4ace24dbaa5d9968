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


def derivative_of(name: str, z: np.ndarray) -> np.ndarray:
    return trained(name, z)[1]


def trained(name: str, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return h and f' as training computes them from (batch, units)."""
    h, derivative = z.reshape(-1, z.shape[-1]).copy(), np.full_like(z.reshape(-1, z.shape[-1]), 7)
    ACTIVATIONS[name]().training(h, derivative)()
    return h.reshape(z.shape), derivative.reshape(z.shape)


def test_rises_from_zero_or_one_half_above_zero(name):
    assert applied(name, np.zeros(1))[0] in (0, 0.5)
    assert np.all(np.diff(applied(name, np.linspace(0, 8, 201))) > 0)


def test_falls_to_one_minimum_at_most_then_rises(name):
    """gelu and silu have a shallow minimum below zero; the others never fall."""
    h = applied(name, np.linspace(-4, 8, 241))
    rising = np.diff(h) >= 0
    assert np.all(np.diff(rising.astype(int)) >= 0)
    if name not in ("gelu", "silu"):
        assert rising.all()
    else:
        assert -0.3 < h.min() < -0.1


def test_derivative_is_the_central_difference(name):
    z = np.linspace(-5, 5, 200)  # an even number: zero, where relu has its kink, is not among them
    numeric = (applied(name, z + 1e-6) - applied(name, z - 1e-6)) / 2e-6
    np.testing.assert_allclose(derivative_of(name, z), numeric, rtol=1e-6, atol=1e-9)


def test_gives_the_same_with_and_without_the_derivative(name):
    z = np.random.default_rng(0).normal(0, 2, (7, 5))
    np.testing.assert_array_equal(trained(name, z)[0], applied(name, z))


def test_a_bias_is_added_to_every_row(name):
    z, bias = np.random.default_rng(0).normal(0, 2, (7, 5)), np.linspace(-2, 2, 5)
    h, derivative = z.copy(), np.empty_like(z)
    ACTIVATIONS[name]().training(h, derivative, bias)()
    for ours, expected in zip((h, derivative), trained(name, z + bias)):
        np.testing.assert_array_equal(ours, expected)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_works_in_place_on_any_shape_and_stays_finite(name, dtype):
    for shape in ((6,), (2, 3), (1, 3, 2)):
        z = np.array([-1e4, -100, -1, 1, 100, 1e4], dtype).reshape(shape)
        for values in (applied(name, z), *trained(name, z)):
            assert values.shape == shape
            assert values.dtype == dtype
            assert np.isfinite(values).all()


BY_HAND = [
    ("relu", -2, 0, 0),
    ("relu", 2, 2, 1),
    ("leaky_relu", -2, -0.4, 0.2),
    ("leaky_relu", 2, 2, 1),
    ("elu", -np.log(4), -0.75, 0.25),
    ("elu", 2, 2, 1),
    # σ(ln 3) = 3/4: h = 3/4 ln 3, f' = 3/4 + 3/4 ln 3 · 1/4
    ("silu", np.log(3), 0.75 * np.log(3), 0.75 + 0.1875 * np.log(3)),
    # 0.84134 = Φ(1) and 0.24197 = φ(1): z Φ(z) and Φ + z φ, which the tanh form meets to 2e-4
    ("gelu", 1, 0.8412, 1.0830),
    ("sigmoid", np.log(3), 0.75, 0.1875),
    ("tanh", np.log(3), 0.8, 0.36),
    ("identity", -3, -3, 1),
]


def test_value_and_derivative_by_hand(name):
    known = [row for row in BY_HAND if row[0] == name]
    assert known, f"add a value of '{name}' to BY_HAND"
    for _, z, h, derivative in known:
        assert applied(name, np.array([float(z)]))[0] == pytest.approx(h, rel=1e-4)
        assert derivative_of(name, np.array([float(z)]))[0] == pytest.approx(derivative, rel=3e-4)
