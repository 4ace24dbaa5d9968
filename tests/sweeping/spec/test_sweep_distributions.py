from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from sweep_golden import GRIDS, LEVELS, QUANTILES

from ffcli.sweeping.spec import beta
from ffcli.sweeping.spec.distributions import Distribution
from ffcli.sweeping.spec.document import Section
from ffcli.sweeping.spec.parameters import DISTRIBUTIONS, read_distribution
from ffcli.sweeping.spec.quantized import Quantized


def read(**parameter: object) -> Distribution:
    return read_distribution(Section(parameter, "parameters.x", "a.yaml"))


@pytest.mark.parametrize(("parameter", "expected"), QUANTILES, ids=[str(row[0]) for row in QUANTILES])
def test_quantiles_are_those_of_wandb(parameter, expected):
    distribution = read(**parameter)
    found = [distribution.from_uniform(level) for level in LEVELS]
    if isinstance(expected[0], str):
        assert found == expected
    else:
        assert found == pytest.approx(expected, rel=1e-11)
        assert [type(value) for value in found] == [type(value) for value in expected]


def test_the_golden_numbers_leave_no_distribution_out():
    assert {read(**parameter).kind for parameter, _ in QUANTILES} == set(DISTRIBUTIONS)
    assert len(DISTRIBUTIONS) == 18


@pytest.mark.parametrize(
    ("parameter", "kind"),
    [
        ({"value": [128, 64]}, "constant"),
        ({"values": [1, 2]}, "categorical"),
        ({"values": [1, 2], "probabilities": [0.25, 0.75]}, "categorical_w_probabilities"),
        ({"min": 1, "max": 2}, "int_uniform"),
        ({"min": 1.0, "max": 2}, "uniform"),
        ({"min": 1, "max": 2.0}, "uniform"),
        ({"min": 1, "max": 2, "distribution": "uniform"}, "uniform"),
    ],
)
def test_the_distribution_follows_from_the_keys(parameter, kind):
    assert read(**parameter).kind == kind


# By hand: 2.5 and 0.5 lie half way and go to the even side.
@pytest.mark.parametrize(
    ("parameter", "u", "value"),
    [
        ({"distribution": "q_uniform", "min": 0, "max": 10, "q": 2}, 0.5, 4),
        ({"distribution": "q_uniform", "min": 0, "max": 4}, 0.125, 0),
        ({"distribution": "log_uniform_values", "min": 1, "max": 100}, 0.5, 10),
        ({"distribution": "inv_log_uniform_values", "min": 1, "max": 100}, 0.25, math.sqrt(10)),
        ({"distribution": "log_uniform", "min": 0, "max": 2}, 0.5, math.e),
        ({"distribution": "inv_log_uniform", "min": 0, "max": 2}, 0.5, 1 / math.e),
        ({"distribution": "log_normal", "mu": 1}, 0.5, math.e),
        ({"distribution": "beta", "a": 1, "b": 2}, 0.75, 0.5),  # F = 1 - (1 - x)²
        ({"distribution": "beta", "a": 3, "b": 1}, 0.125, 0.5),  # F = x³
        ({"distribution": "q_beta", "a": 3, "b": 1, "q": 0.25}, 0.125, 0.5),
        ({"min": 1, "max": 4}, 0.25, 1),
        ({"min": 1, "max": 4}, 0.26, 2),
    ],
)
def test_quantiles_worked_by_hand(parameter, u, value):
    assert read(**parameter).from_uniform(u) == pytest.approx(value, rel=1e-12)


BOUNDED = st.sampled_from([name for name in DISTRIBUTIONS if name.endswith(("uniform", "uniform_values"))])
UNBOUNDED = st.sampled_from(["normal", "q_normal", "log_normal", "q_log_normal"])
BETAS = st.sampled_from(["beta", "q_beta"])
STEPS = st.one_of(st.integers(1, 50), st.floats(0.01, 50))


@st.composite
def parameters(draw: st.DrawFn) -> dict[str, object]:
    """Draw the section of a parameter of any numeric distribution."""
    name = draw(st.one_of(BOUNDED, UNBOUNDED, BETAS))
    section: dict[str, object] = {"distribution": name}
    if name.startswith("q_"):
        section["q"] = draw(STEPS)
    if "normal" in name:
        section.update(mu=draw(st.floats(-5, 5)), sigma=draw(st.floats(0.01, 3)))
    elif "beta" in name:
        section.update(a=draw(st.floats(0.1, 50)), b=draw(st.floats(0.1, 50)))
    else:
        small = name.endswith("log_uniform")
        bound = st.integers(1, 9 if small else 500)
        if name != "int_uniform":
            bound = st.one_of(bound, st.floats(0.01, 9 if small else 500))
        low, high = sorted([draw(bound), draw(bound)])
        assume(low < high)
        section.update(min=low, max=high)
    return section


@given(parameters(), st.lists(st.floats(0, 1), min_size=2, max_size=8))
@example({"distribution": "q_uniform", "min": 2.5, "max": 2.6, "q": 1}, [0, 1])
@example({"distribution": "q_normal", "q": 3}, [0, 1])
def test_every_distribution_rises_within_its_bounds_on_its_steps(parameter, levels):
    distribution = read(**parameter)
    values = [distribution.from_uniform(u) for u in sorted(levels)]
    assert all(math.isfinite(value) for value in values)
    assert all(one <= other or math.isclose(one, other, rel_tol=1e-9) for one, other in pairwise(values))
    if distribution.low is not None:
        assert all(distribution.low <= value <= distribution.high for value in values)
    if distribution.step is not None:
        origin = 0 if isinstance(distribution, Quantized) else distribution.low
        for value in values:
            multiple = (value - origin) / distribution.step
            assert multiple == pytest.approx(round(multiple), abs=1e-6)
            assert isinstance(value, int) == isinstance(distribution.step, int)
    if distribution.size is not None:
        assert all(value in [distribution.value(0), *list(distribution.values())] for value in values)


@given(parameters())
def test_finite_distributions_count_out_exactly_what_they_draw(parameter):
    distribution = read(**parameter)
    if distribution.size is None:
        assert list(distribution.values()) == []
        with pytest.raises(IndexError, match="infinitely many"):
            distribution.value(0)
        return
    values = list(distribution.values())
    assert len(values) == distribution.size == len(set(values))
    assert values == sorted(values)
    if distribution.size <= 20 and "beta" not in distribution.kind:  # each is likely enough to be met
        drawn = {distribution.from_uniform(u) for u in np.linspace(0, 1, 20_001)}
        tiny = distribution.kind != "int_uniform"  # the first and the last can be as unlikely as they like
        assert drawn <= set(values)
        assert set(values[1:-1] if tiny else values) <= drawn


def test_a_multiple_that_is_only_reached_at_the_very_bound_is_none():
    """2.5 itself rounds to 2, but all above it to 3: a search without repeats could wait for ever."""
    distribution = read(distribution="q_uniform", min=2.5, max=5.5)
    assert list(distribution.values()) == [3, 4, 5]
    assert distribution.from_uniform(0) == 3
    assert distribution.from_uniform(1) == 5


def test_samples_follow_the_distribution():
    rng = np.random.default_rng(5)
    drawn = [read(values=["a", "b"], probabilities=[0.2, 0.8]).sample(rng) for _ in range(2000)]
    assert drawn.count("a") == pytest.approx(400, abs=80)  # 4.5 standard deviations
    numbers = [read(distribution="beta", a=2, b=6).sample(rng) for _ in range(500)]
    assert np.mean(numbers) == pytest.approx(0.25, abs=0.03)


def test_a_seed_repeats_the_samples():
    distribution = read(distribution="log_uniform_values", min=1e-4, max=1)
    one, other = ([distribution.sample(np.random.default_rng(3)) for _ in range(2)] for _ in range(2))
    assert one == other


@pytest.mark.parametrize(("bounds", "expected"), GRIDS)
def test_a_grid_walks_through_q_uniform_as_wandb_does(bounds, expected):
    low, high, q = bounds
    walk = read(distribution="q_uniform", min=low, max=high, q=q).on_grid()
    assert list(walk.values()) == pytest.approx(expected)
    assert walk.size == len(expected)
    assert walk.high == pytest.approx(expected[-1])


def test_what_an_engine_needs_to_know_is_public():
    found = read(distribution="q_log_uniform_values", min=16, max=200, q=16)
    assert (found.low, found.high, found.step, found.log) == (16, 192, 16, True)
    found = read(distribution="log_uniform", min=0, max=1)
    assert (found.low, found.high, found.step, found.log) == (1, math.e, None, True)
    found = read(distribution="normal")
    assert (found.low, found.high, found.step, found.log) == (None, None, None, False)
    found = read(values=["x", "y"], probabilities=[0.5, 0.5])
    assert (found.choices, found.probabilities) == (("x", "y"), (0.5, 0.5))
    found = read(min=2, max=5)
    assert (found.low, found.high, found.step, found.log, found.size) == (2, 5, 1, False, 4)


@pytest.mark.parametrize(
    ("parameter", "words"),
    [
        ({"value": "adam"}, "adam"),
        ({"values": [1, 2]}, "1, 2"),
        ({"values": [(3, 4), 5]}, "3,4 or 5"),
        ({"values": ["a", "b"], "probabilities": [0.25, 0.75]}, "a (25 %), b (75 %)"),
        ({"min": 1, "max": 4}, "integers 1 to 4"),
        ({"min": 0.5, "max": 4}, "0.5 to 4"),
        ({"distribution": "log_uniform_values", "min": 0.001, "max": 1}, "0.001 to 1, log-uniform"),
        ({"distribution": "q_uniform", "min": 1, "max": 10, "q": 4}, "0 to 8, in steps of 4"),
        ({"distribution": "normal", "mu": 2}, "normal, mean 2, deviation 1"),
        ({"distribution": "log_normal"}, "log-normal, mean 0, deviation 1 of the logarithm"),
        ({"distribution": "q_beta", "a": 2, "q": 0.1}, "beta(2, 1), in steps of 0.1"),
    ],
)
def test_descriptions(parameter, words):
    assert read(**parameter).describe() == words


@given(st.floats(0.05, 200), st.floats(0.05, 200), st.floats(0.001, 0.999))
def test_the_beta_quantile_inverts_its_distribution_function(a, b, u):
    x = beta.quantile(u, a, b)
    below, above = np.nextafter(x, 0), np.nextafter(x, 1)
    assert beta.cdf(below, a, b) - 1e-9 <= u <= beta.cdf(above, a, b) + 1e-9


@given(st.integers(1, 8), st.integers(1, 8), st.floats(0, 1))
def test_the_beta_distribution_function_is_a_binomial_tail_for_integers(a, b, x):
    """I_x(a, b) is the chance of at least a successes in a + b - 1 trials (DLMF 8.17.5)."""
    n = a + b - 1
    tail = sum(math.comb(n, k) * x**k * (1 - x) ** (n - k) for k in range(a, n + 1))
    assert beta.cdf(x, a, b) == pytest.approx(tail, abs=1e-12)
