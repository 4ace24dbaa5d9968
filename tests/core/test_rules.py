"""Elementwise rules give the same bits compiled by Numba, run by NumPy's calls, and evaluated as they are."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest

from ffcli.config import TrainConfig
from ffcli.core import backprop, rules, tape
from ffcli.core.activations import ACTIVATIONS
from ffcli.core.ema import WeightAverage
from ffcli.core.losses import LOSSES
from ffcli.core.optimizers import OPTIMIZERS
from ffcli.errors import RequestError
from ffcli.training.experiment import Experiment

needs_numba = pytest.mark.skipif(find_spec("numba") is None, reason="Numba is not installed")
each_type = pytest.mark.parametrize("dtype", [np.float32, np.float64])

# name: (rule, number of arrays updated, read and written)
RULES: dict[str, tuple[Callable[..., Any], tuple[int, int, int]]] = {
    **{name: (kind.rule, (1 + len(kind.state_names), 1, 0)) for name, kind in OPTIMIZERS.items()},
    **{name: (kind.rule, (2, 0, 0) if kind.keeps_z else (1, 0, 1)) for name, kind in ACTIVATIONS.items()},
    "weight average": (WeightAverage.rule, (1, 1, 0)),
    "weight decay": (backprop._decayed, (1, 1, 0)),
}


def operands(rule: Callable[..., Any], counts: tuple[int, int, int], size: int, dtype: type) -> Any:
    """Return (updated, read, written, coefficients); only the first has negative numbers."""
    rng = np.random.default_rng(size)
    vectors = [np.exp(rng.normal(-3, 4, size)).astype(dtype) for _ in range(sum(counts))]
    vectors[0] *= rng.choice([-1, 1], size).astype(dtype)
    n_coefficients = len(inspect.signature(rule).parameters) - counts[0] - counts[1]
    ends = np.cumsum(counts)
    parts = [vectors[start:end] for start, end in zip((0, *ends), ends)]
    return *parts, [0.9 / (number + 1) for number in range(n_coefficients)]


def evaluated(rule: Callable[..., Any], updated: Any, read: Any, coefficients: Any) -> list[np.ndarray]:
    """Return what the rule itself returns for arrays, its coefficients in their type."""
    dtype = updated[0].dtype
    with np.errstate(all="ignore"):
        returned = rule(*updated, *read, *map(dtype.type, coefficients))
    results = returned if isinstance(returned, tuple) else (returned,)
    return [np.broadcast_to(result, updated[0].shape).astype(dtype) for result in results]


def run_by(bind: Callable[..., Any], name: str, size: int, dtype: type) -> tuple[list[bytes], list[bytes]]:
    """Return the bytes of what a bound rule leaves in its arrays, and of what was expected."""
    rule, counts = RULES[name]
    updated, read, written, coefficients = operands(rule, counts, size, dtype)
    expected = evaluated(rule, updated, read, coefficients)
    kept = [array.copy() for array in read]
    with np.errstate(all="ignore"):
        bind(rule, updated, read, written)(*coefficients)
    for array, before in zip(read, kept):
        np.testing.assert_array_equal(array, before)
    return [array.tobytes() for array in (*updated, *written)], [array.tobytes() for array in expected]


@each_type
@pytest.mark.parametrize("size", [1, 7, 1000, 300_007])
@pytest.mark.parametrize("name", RULES)
def test_numpys_calls_give_the_bits_of_the_rule(name, size, dtype):
    found, expected = run_by(tape.bind, name, size, dtype)
    assert found == expected


@needs_numba
@each_type
@pytest.mark.parametrize("size", [1, 7, 1000, 300_007])
@pytest.mark.parametrize("name", RULES)
def test_compiled_rules_give_the_bits_of_the_rule(name, size, dtype):
    found, expected = run_by(rules.bind, name, size, dtype)
    assert found == expected


@needs_numba
def test_a_python_number_in_a_rule_would_be_found():
    """It widens the compiled arithmetic, which the two tests above then see."""

    def wrong(w: Any, g: Any) -> Any:
        return w - 0.1 * g * 3.7

    w = np.linspace(0.1, 1, 1000, dtype=np.float32)
    results = []
    for bind in (rules.bind, tape.bind):
        copy = w.copy()
        bind(wrong, [copy], [w])()
        results.append(copy.tobytes())
    assert results[0] != results[1]


@needs_numba
@each_type
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_with_a_bias_are_the_same_bits_with_and_without_numba(name, dtype, monkeypatch):
    rng = np.random.default_rng(1)
    z, bias = rng.normal(0, 3, (33, 17)).astype(dtype), rng.normal(0, 1, 17).astype(dtype)
    results = []
    for kernels in ("numba", "numpy"):
        monkeypatch.setenv(rules.VARIABLE, kernels)
        for each in (bias, None):
            h, derivative = z.copy(), np.empty_like(z)
            ACTIVATIONS[name]().training(h, derivative, each)()
            results.append((h.tobytes(), derivative.tobytes()))
    assert results[:2] == results[2:]
    assert results[0] != results[1]


@needs_numba
@each_type
@pytest.mark.parametrize("classes", [1, 2, 7, 8, 9, 10, 16, 17, 100, 128, 129])
def test_the_loss_and_its_gradient_are_the_same_bits_with_and_without_numba(classes, dtype, monkeypatch):
    rng = np.random.default_rng(classes)
    logits = rng.normal(0, 5, (13, classes)).astype(dtype)
    targets = np.eye(classes, dtype=dtype)[rng.integers(classes, size=13)] * dtype(0.9) + dtype(0.01)
    for name, kind in LOSSES.items():
        results = []
        for kernels in ("numba", "numpy"):
            monkeypatch.setenv(rules.VARIABLE, kernels)
            out = np.empty_like(logits)
            kind().training(classes, dtype)(logits, targets, out)
            values = kind().running(classes, dtype)(logits, targets)
            results.append((out.tobytes(), values.tobytes()))
        assert results[0] == results[1], name


# Rules whose results cannot all be computed where they belong.
def swapped(a: Any, b: Any) -> Any:
    return b, a


def rotated(a: Any, b: Any, c: Any) -> Any:
    return b + c, c + a, a + b


def one_twice(a: Any, b: Any) -> Any:
    total = a + b
    return total, total


def constant(_a: Any, b: Any) -> Any:
    return rules.ONE, b


def unchanged(a: Any, b: Any) -> Any:
    return a, a * b


def deep(a: Any, b: Any) -> Any:
    return (a + b) * (a - b) + (a * b) / (b + rules.ONE), np.sqrt(a * a) - (b - a) * (b + a)


@pytest.mark.parametrize("rule", [swapped, rotated, one_twice, constant, unchanged, deep])
def test_results_end_where_they_belong(rule):
    arrays = [np.linspace(1, 2 + number, 9) for number in range(len(inspect.signature(rule).parameters))]
    expected = evaluated(rule, arrays, [], [])
    tape.bind(rule, arrays)()
    for array, result in zip(arrays, expected):
        np.testing.assert_array_equal(array, result)


def test_a_result_without_an_array_is_not_computed():
    def rule(a: Any) -> Any:
        return a + rules.ONE, np.log(a - a - rules.ONE)  # a warning, which is an error here

    a = np.ones(3)
    tape.bind(rule, [a])()
    assert a.tolist() == [2, 2, 2]


def test_a_rule_may_not_reduce():
    with pytest.raises(TypeError, match="reduce"):
        tape.bind(lambda a: a - np.add.reduce(a), [np.ones(3)])


def test_the_environment_turns_numba_off(monkeypatch):
    monkeypatch.setenv(rules.VARIABLE, "NumPy")
    assert rules.kernels() == "numpy"
    assert not rules.compiles()
    monkeypatch.setenv(rules.VARIABLE, "numpi")
    with pytest.raises(RequestError, match="FFNN_KERNELS must be numpy or numba, got 'numpi'") as caught:
        rules.kernels()
    assert caught.value.exit_code == 2


EVERYTHING = {
    "epochs": 2, "hidden_size": [9, 6], "batch_size": 16, "batch_norm": True, "dropout": 0.1,
    "input_dropout": 0.1, "augment": "flip,shift:1", "ema": 0.9, "schedule": "cosine",
    "clip_norm": 1.0, "label_smoothing": 0.1,
    "weight_decay": 0.01, "seed": 3,
}  # fmt: skip


@needs_numba
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_whole_training_is_the_same_bits_with_and_without_numba(optimizer, blobs, monkeypatch):
    ends = []
    for kernels in ("numba", "numpy"):
        monkeypatch.setenv(rules.VARIABLE, kernels)
        config = TrainConfig(dataset="blobs.npz", optimizer=optimizer, activation="gelu", **EVERYTHING)
        experiment = Experiment(config, blobs())
        losses = [(result.train_loss, result.val_loss) for result in experiment]
        ends.append((losses, experiment.network.state.tobytes()))
    assert ends[0] == ends[1]


def test_numpy_runs_the_rules_bound_within_a_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ffcli.core.rules._installed_numba", lambda: "1.0")
    monkeypatch.setenv("FFNN_KERNELS", "numba")
    assert rules.compiles()
    with rules.numpy_kernels():
        assert not rules.compiles()
    assert rules.compiles()
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "0")
    assert rules.compiles()
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")
    assert not rules.compiles()
    assert not rules.would_compile()
    monkeypatch.delenv("NUMBA_DISABLE_JIT")
    monkeypatch.setenv("FFNN_KERNELS", "numpy")
    assert not rules.would_compile()
