"""What every registered loss must do."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ffcli.core.losses import LOSSES, Loss

each_loss = pytest.mark.parametrize("name", list(LOSSES))


def batch(n: int = 12, classes: int = 5, scale: float = 2, seed: int = 0, dtype: type = np.float64):
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, scale, (n, classes)).astype(dtype)
    return logits, np.eye(classes, dtype=dtype)[rng.integers(classes, size=n)]


def gradient_of(loss: Loss, logits: np.ndarray, targets: np.ndarray) -> np.ndarray:
    out = np.full_like(logits, np.nan)
    loss.gradient(logits, targets, out)
    return out


@each_loss
def test_value_is_never_negative_and_zero_where_all_is_right(name):
    logits, targets = batch()
    values = LOSSES[name]().per_example(logits, targets)
    assert values.shape == (12,)
    assert np.all(values > 0)
    np.testing.assert_allclose(LOSSES[name]().per_example(targets * 1e3, targets), 0, atol=1e-12)


@each_loss
def test_value_grows_with_the_error(name):
    targets = np.array([[1.0, 0, 0]])
    values = [
        LOSSES[name]().per_example(np.array([[z, 0.0, 0.0]]), targets)[0] for z in np.linspace(5, -5, 21)
    ]
    assert np.all(np.diff(values) > 0)


@each_loss
def test_gradient_rows_sum_to_zero(name):
    logits, targets = batch(scale=3)
    gradient = gradient_of(LOSSES[name](), logits, targets)
    assert np.abs(gradient).max() > 1e-3
    np.testing.assert_allclose(gradient.sum(axis=1), 0, atol=1e-15)


@each_loss
def test_a_shift_of_all_logits_changes_nothing(name):
    logits, targets = batch()
    loss = LOSSES[name]()
    shifted = logits + np.arange(12)[:, None]
    np.testing.assert_allclose(loss.per_example(shifted, targets), loss.per_example(logits, targets))
    np.testing.assert_allclose(
        gradient_of(loss, shifted, targets), gradient_of(loss, logits, targets), atol=1e-15
    )


@each_loss
def test_gradient_is_that_of_the_mean(name):
    """The central difference of the mean, and half as much an example in a batch twice as long."""
    logits, targets = batch(n=4)
    loss = LOSSES[name]()
    gradient = gradient_of(loss, logits, targets)
    for place in np.ndindex(logits.shape):
        ends = []
        for step in (1e-5, -1e-5):
            moved = logits.copy()
            moved[place] += step
            ends.append(loss.per_example(moved, targets).mean())
        assert gradient[place] == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-6, abs=1e-9)
    twice = gradient_of(loss, np.vstack([logits, logits]), np.vstack([targets, targets]))
    np.testing.assert_allclose(twice[:4], gradient / 2, rtol=1e-13)


@each_loss
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_huge_logits_stay_finite_and_the_type_stays(name, dtype):
    rng = np.random.default_rng(1)
    logits = rng.choice([-1e4, 0, 1e4], (200, 6)).astype(dtype)
    targets = np.eye(6, dtype=dtype)[rng.integers(6, size=200)]
    loss = LOSSES[name]()
    values, gradient = loss.per_example(logits, targets), gradient_of(loss, logits, targets)
    assert values.dtype == gradient.dtype == dtype
    assert np.isfinite(values).all()
    assert np.isfinite(gradient).all()
    assert np.all(values >= 0)


@each_loss
def test_inputs_are_left_alone(name):
    logits, targets = batch()
    kept = logits.copy(), targets.copy()
    gradient_of(LOSSES[name](), logits, targets)
    LOSSES[name]().per_example(logits, targets)
    np.testing.assert_array_equal(logits, kept[0])
    np.testing.assert_array_equal(targets, kept[1])


@each_loss
@given(order=st.permutations(range(12)), seed=st.integers(0, 99))
def test_permuting_a_batch_permutes_its_losses_and_gradients(name, order, seed):
    logits, targets = batch(seed=seed)
    loss = LOSSES[name]()
    np.testing.assert_array_equal(
        loss.per_example(logits[order], targets[order]), loss.per_example(logits, targets)[order]
    )
    np.testing.assert_array_equal(
        gradient_of(loss, logits[order], targets[order]), gradient_of(loss, logits, targets)[order]
    )


def test_cross_entropy_by_hand():
    """Logits (0, ln 3) give p = (1/4, 3/4)."""
    logits, targets = np.array([[0, np.log(3)]]), np.array([[1.0, 0]])
    loss = LOSSES["cross_entropy"]()
    assert loss.per_example(logits, targets)[0] == pytest.approx(np.log(4))
    np.testing.assert_allclose(gradient_of(loss, logits, targets), [[-3 / 4, 3 / 4]])


def test_squared_error_by_hand():
    """p = (1/4, 3/4) and d = p - t = (-3/4, 3/4): Σd² = 9/8; Σdp = 3/8; 2·(1/4)·(-3/4 - 3/8) = -9/16."""
    logits, targets = np.array([[0, np.log(3)]]), np.array([[1.0, 0]])
    loss = LOSSES["squared_error"]()
    assert loss.per_example(logits, targets)[0] == pytest.approx(9 / 8)
    np.testing.assert_allclose(gradient_of(loss, logits, targets), [[-9 / 16, 9 / 16]])
