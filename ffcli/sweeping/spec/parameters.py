"""How a parameter of a sweep file becomes a distribution: W&B's names, keys, defaults and rules.

The rules are those of W&B's own schema (config/schema.json in its package ``sweeps``): which keys go with
which distribution, which must be given, which default they have, and what holds without a ``distribution``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from ffcli.core.registry import Registry
from ffcli.sweeping.spec.distributions import (
    Beta,
    Categorical,
    Distribution,
    LogUniform,
    Normal,
    Uniform,
)
from ffcli.sweeping.spec.document import Section
from ffcli.sweeping.spec.quantized import Quantized, Steps
from ffcli.util.text import counted

Reader = Callable[[Section, str], Distribution]
DISTRIBUTIONS: Registry[Reader] = Registry("distribution")
"""W&B's names, each with what reads the section of such a parameter: (section, name) -> distribution."""

_KEYS = ("distribution", "value", "values", "probabilities", "min", "max", "mu", "sigma", "a", "b", "q")
_BETA_LIMIT = 1e5  # for larger a and b the quantiles lose digits


def read_distribution(section: Section) -> Distribution:
    """Return the distribution of one parameter. Raises RequestError that names the key at fault."""
    section.only(_KEYS, "a parameter")
    name = section.one_of("distribution", list(DISTRIBUTIONS), _implied(section))
    return DISTRIBUTIONS[name](section, name)


def _implied(section: Section) -> str | None:
    """Return the distribution that W&B takes where none is named."""
    if "distribution" in section:
        return None
    if "value" in section:
        return "constant"
    if "values" in section:
        return "categorical_w_probabilities" if "probabilities" in section else "categorical"
    if "min" in section and "max" in section:
        whole = all(isinstance(section.values[key], int) for key in ("min", "max"))
        name = "int_uniform" if whole else "uniform"
        if "q" in section:
            section.refuse(f"q does not go with {name}; add 'distribution: q_uniform'", "q")
        return name
    return section.refuse("it needs value, values, min and max, or a distribution")


def _only(section: Section, name: str, required: tuple[str, ...], optional: tuple[str, ...] = ()) -> None:
    takes = (*required, *optional)
    for key in section.names():
        if key not in ("distribution", *takes):
            section.refuse(f"{key} does not go with {name}, which takes {', '.join(takes)}", key)
    for key in required:
        section.need(key, f"{name} takes {' and '.join(required)}")


@DISTRIBUTIONS.register("constant")
def _constant(section: Section, name: str) -> Distribution:
    _only(section, name, ("value",))
    return Categorical(kind=name, choices=(section.values["value"],))


@DISTRIBUTIONS.register("categorical")
def _categorical(section: Section, name: str) -> Distribution:
    if "probabilities" in section and "distribution" in section:
        section.refuse(
            "probabilities go with categorical_w_probabilities, or without a distribution", "probabilities"
        )
    _only(section, name, ("values",))
    return Categorical(kind=name, choices=tuple(section.items("values")))


@DISTRIBUTIONS.register("categorical_w_probabilities")
def _categorical_w_probabilities(section: Section, name: str) -> Distribution:
    _only(section, name, ("values", "probabilities"))
    values = section.items("values")
    shares = section.numbers("probabilities", least=0, most=1)
    if len(shares) != len(values):
        given = counted(len(shares), "probability", "probabilities")
        section.refuse(
            f"expected one for each of {counted(len(values), 'value')}, got {given}", "probabilities"
        )
    if not math.isclose(math.fsum(shares), 1, rel_tol=1e-5):
        section.refuse(f"they sum to {math.fsum(shares):g}, not to 1", "probabilities")
    return Categorical(kind=name, choices=tuple(values), probabilities=tuple(map(float, shares)))


def _bounds(section: Section, name: str, optional: tuple[str, ...] = ()) -> tuple[float, float]:
    _only(section, name, ("min", "max"), optional)
    low, high = section.number("min"), section.number("max")
    if low >= high:
        section.refuse(f"min {low} is not less than max {high}")
    if not math.isfinite(high - low):
        section.refuse("min and max are too far apart")
    return low, high


@DISTRIBUTIONS.register("int_uniform")
def _int_uniform(section: Section, name: str) -> Distribution:
    _bounds(section, name)
    low, high = section.integer("min"), section.integer("max")
    return Steps(kind=name, low=low, high=high, step=1, count=high - low + 1)


def _uniform(section: Section, name: str, optional: tuple[str, ...] = ()) -> Distribution:
    low, high = _bounds(section, name, optional)
    return Uniform(kind=name, low=low, high=high)


def _log_uniform_values(section: Section, name: str, optional: tuple[str, ...] = ()) -> Distribution:
    """The bounds themselves; ``inv_`` has the same bounds, for log(1/x) is as uniform as log(x)."""
    low, high = _bounds(section, name, optional)
    section.number("min", above=0)
    return LogUniform(kind=name, low=low, high=high)


def _log_uniform(section: Section, name: str, optional: tuple[str, ...] = ()) -> Distribution:
    """The natural logarithms of the bounds, of log(1/x) with ``inv_``."""
    low, high = _bounds(section, name, optional)
    if name.startswith("inv_"):
        low, high = -high, -low
    if low < -700 or high > 700:
        section.refuse("min and max are natural logarithms here, of numbers that are too small or too large")
    return LogUniform(kind=name, low=math.exp(low), high=math.exp(high))


def _normal(section: Section, name: str, optional: tuple[str, ...] = ()) -> Distribution:
    _only(section, name, (), ("mu", "sigma", *optional))
    mu, sigma = section.number("mu", 0.0), section.number("sigma", 1.0, above=0)
    normal = Normal(kind=name, mu=mu, sigma=sigma, log="log" in name)
    try:
        finite = all(math.isfinite(normal.from_uniform(u)) for u in (0, 1))
    except OverflowError:
        finite = False
    if not finite:
        section.refuse("mu and sigma reach numbers that are too large")
    return normal


def _beta(section: Section, name: str, optional: tuple[str, ...] = ()) -> Distribution:
    _only(section, name, (), ("a", "b", *optional))
    for key in ("a", "b"):
        if section.number(key, 1.0, above=0) > _BETA_LIMIT:
            section.wrong(key, f"a number in (0, {_BETA_LIMIT:g}]")
    return Beta(kind=name, a=section.number("a", 1.0), b=section.number("b", 1.0))


def _register_continuous(name: str, read: Callable[..., Distribution], *, steps: bool = True) -> None:
    """Register a distribution, and its ``q_`` variant."""
    DISTRIBUTIONS.register(name)(read)
    if not steps:
        return

    def quantized(section: Section, name: str) -> Distribution:
        inner = read(section, name, ("q",))
        q = section.number("q", 1.0, above=0)
        ends = [inner.from_uniform(u) / q for u in (0, 1)]
        if not all(map(math.isfinite, ends)):
            section.wrong("q", "a larger number")
        found = Quantized(kind=name, inner=inner, step=q, log=inner.log)
        if found.size is None:
            return found
        return replace(found, low=found.value(0), high=found.value(found.size - 1))

    DISTRIBUTIONS.register(f"q_{name}")(quantized)


_register_continuous("uniform", _uniform)
_register_continuous("log_uniform_values", _log_uniform_values)
_register_continuous("inv_log_uniform_values", _log_uniform_values, steps=False)
_register_continuous("log_uniform", _log_uniform)
_register_continuous("inv_log_uniform", _log_uniform, steps=False)
_register_continuous("normal", _normal)
_register_continuous("log_normal", _normal)
_register_continuous("beta", _beta)
