"""What every registered optimizer must do."""

from __future__ import annotations

import json

import numpy as np
import pytest

from ffcli.config import FIELDS
from ffcli.core.optimizers import OPTIMIZERS, Optimizer, hyperparameters

pytestmark = pytest.mark.parametrize("name", list(OPTIMIZERS))

LARGE = 300_007  # more than is updated in one piece, and no multiple of a piece or a cache line


def start(size: int = 50, dtype: type = np.float32, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 1, size).astype(dtype)


def bound(name: str, params: np.ndarray, **settings: float) -> tuple[Optimizer, np.ndarray]:
    """Return the optimizer, bound to ``params`` and to a gradient vector, with that vector."""
    gradient = np.zeros_like(params)
    return OPTIMIZERS[name](params, gradient, **settings), gradient


def walk(optimizer: Optimizer, gradient: np.ndarray, steps: range) -> None:
    """Take the steps with random gradients that depend on the step's number alone."""
    for step in steps:
        gradient[...] = np.random.default_rng(step).normal(0, 1, gradient.size)
        optimizer.step()


def test_lowers_a_quadratic(name):
    curvature = np.linspace(0.5, 5, 50)
    params = start(dtype=np.float64)
    optimizer, gradient = bound(name, params, learning_rate=0.02)
    before = 0.5 * float(curvature @ params**2)
    for _ in range(400):
        gradient[...] = curvature * params
        optimizer.step()
    assert 0.5 * float(curvature @ params**2) < 0.01 * before


def test_steps_against_the_gradient_at_first(name):
    params = np.zeros(4)
    optimizer, gradient = bound(name, params)
    gradient[...] = [3, -2, 0.5, 0]
    optimizer.step()
    np.testing.assert_array_equal(np.sign(params), [-1, 1, -1, 0])


def test_a_larger_learning_rate_takes_a_longer_step(name):
    moved = []
    for learning_rate in (0.001, 0.01):
        params = np.zeros(3)
        optimizer, gradient = bound(name, params, learning_rate=learning_rate)
        gradient[...] = [3, -2, 0.5]
        optimizer.step()
        moved.append(params)
    np.testing.assert_allclose(moved[1], 10 * moved[0], rtol=1e-12)


def test_step_is_deterministic(name):
    ends = []
    for _ in range(2):
        params = start()
        optimizer, gradient = bound(name, params)
        walk(optimizer, gradient, range(120))
        ends.append(params.tobytes())
    assert ends[0] == ends[1]


@pytest.mark.parametrize("stop", [0, 1, 7, 99, 100])
def test_restored_state_goes_on_bit_for_bit(name, stop):
    whole = start()
    optimizer, gradient = bound(name, whole)
    walk(optimizer, gradient, range(stop))
    state = {key: vector.copy() for key, vector in optimizer.state.items()}
    scalars = json.loads(json.dumps(optimizer.state_dict()))
    resumed = whole.copy()
    walk(optimizer, gradient, range(stop, stop + 20))

    again, its_gradient = bound(name, resumed)
    again.load_state_dict(state, scalars)
    assert again.steps == stop
    walk(again, its_gradient, range(stop, stop + 20))
    assert resumed.tobytes() == whole.tobytes()
    for key, vector in optimizer.state.items():
        assert again.state[key].tobytes() == vector.tobytes()


def test_restore_copies_the_state(name):
    optimizer, gradient = bound(name, start())
    walk(optimizer, gradient, range(3))
    kept = {key: vector.copy() for key, vector in optimizer.state.items()}
    again, its_gradient = bound(name, start())
    again.load_state_dict(kept, optimizer.state_dict())
    walk(again, its_gradient, range(3, 6))
    for key, vector in optimizer.state.items():
        np.testing.assert_array_equal(kept[key], vector)


def test_restore_refuses_what_is_incomplete(name):
    optimizer, _ = bound(name, start())
    state, scalars = dict(optimizer.state), optimizer.state_dict()
    for missing in state:
        with pytest.raises(KeyError):
            optimizer.load_state_dict({key: state[key] for key in state if key != missing}, scalars)
    for missing in scalars:
        with pytest.raises(KeyError):
            optimizer.load_state_dict(state, {key: scalars[key] for key in scalars if key != missing})
    for key, vector in state.items():
        with pytest.raises(ValueError, match="broadcast"):
            optimizer.load_state_dict({**state, key: vector[:-1].copy()}, scalars)


def test_settings_of_other_optimizers_are_refused(name):
    with pytest.raises(TypeError, match="flavour"):
        bound(name, start(), flavour=1)
    others = {key for other in OPTIMIZERS for key in hyperparameters(other)} - set(hyperparameters(name))
    for other in others:
        with pytest.raises(TypeError, match=other):
            bound(name, start(), **{other: 0.5})


def test_hyperparameters_are_fields_of_the_configuration(name):
    settings = hyperparameters(name)
    assert "learning_rate" in settings
    assert set(settings) <= set(FIELDS), "add the new hyper-parameter to TrainConfig"
    assert all(isinstance(default, float) for default in settings.values())


def test_zero_gradient_from_the_start_moves_nothing(name):
    params = start()
    before = params.copy()
    optimizer, gradient = bound(name, params)
    for _ in range(250):
        gradient[...] = 0
        optimizer.step()
    np.testing.assert_array_equal(params, before)
    assert not any(vector.any() for vector in optimizer.state.values())


def test_large_vectors_are_updated_like_small_ones(name):
    large = start(LARGE)
    optimizer, gradient = bound(name, large)
    middle = slice(150_000, 150_500)
    parts = [slice(0, 333), middle, slice(LARGE - 777, LARGE)]
    small = [large[part].copy() for part in parts]
    steppers = [bound(name, params) for params in small]
    rng = np.random.default_rng(5)
    for _ in range(6):
        gradient[...] = rng.normal(0, 1, LARGE)
        for (_, its_gradient), part in zip(steppers, parts):
            its_gradient[...] = gradient[part]
        optimizer.step()
        for stepper, _ in steppers:
            stepper.step()
    assert np.mean(large == start(LARGE)) < 0.001, "a piece was left out"
    for params, part in zip(small, parts):
        np.testing.assert_allclose(large[part], params, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_type_stays(name, dtype):
    params = start(dtype=dtype)
    optimizer, gradient = bound(name, params)
    walk(optimizer, gradient, range(3))
    assert {params.dtype, gradient.dtype} == {np.dtype(dtype)}
    assert {vector.dtype for vector in optimizer.state.values()} <= {np.dtype(dtype)}
    assert all(vector.shape == params.shape for vector in optimizer.state.values())


@pytest.mark.parametrize("size", [1, 1e-4, 1e-8])
def test_float32_stays_near_float64(name, size):
    """Also where gradients are small, so that their squares are far from 1."""
    ends = []
    for dtype in (np.float32, np.float64):
        params = np.zeros(50, dtype)
        optimizer, gradient = bound(name, params)
        for step in range(250):
            gradient[...] = size * np.random.default_rng(step).normal(1, 1, 50)
            optimizer.step()
        ends.append(params)
    # 250 roundings of 6e-8 relative each
    np.testing.assert_allclose(ends[0], ends[1], rtol=250 * 6e-8)


def test_no_denormals_stay_in_the_state(name):
    params = start()
    optimizer, gradient = bound(name, params)
    walk(optimizer, gradient, range(3))
    tiny = np.finfo(np.float32).tiny
    for _ in range(2000):  # 0.9 to the 830th is denormal
        gradient[...] = 0
        optimizer.step()
    for vector in optimizer.state.values():
        assert not np.any((vector != 0) & (np.abs(vector) < tiny))
    assert not np.any((params != 0) & (np.abs(params) < tiny))


def test_counts_its_steps(name):
    optimizer, gradient = bound(name, start())
    walk(optimizer, gradient, range(5))
    assert optimizer.steps == 5
    assert optimizer.state_dict()["steps"] == 5
