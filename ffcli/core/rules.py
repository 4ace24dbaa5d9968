"""Elementwise rules, written once as an equation and run in one of two ways.

A rule is a pure function of numbers, made of operators and NumPy's functions of numbers:

>>> def momentum(w, u, g, mu, rate):
...     u = mu * u - rate * g
...     return w + u, u

Where Numba is installed it compiles a rule into one pass over the arrays (`compiled`); otherwise NumPy
calls one operation after the other (`tape`). Both give the same bits, since + - × ÷ √ and comparisons are
exact in IEEE 754 and all numbers are of the arrays' type. A constant in a rule must be of type float32,
such as `ONE`: a Python number widens the compiled arithmetic.

``FFNN_KERNELS=numpy`` in the environment turns Numba off.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, partial
from importlib.util import find_spec
from typing import Any

import numpy as np

from ffcli.core import tape
from ffcli.core.buffers import Array
from ffcli.errors import RequestError

Rule = Callable[..., Any]
VARIABLE = "FFNN_KERNELS"
_on_numpy: ContextVar[bool] = ContextVar("on_numpy", default=False)
ZERO, HALF, ONE = np.float32(0), np.float32(0.5), np.float32(1)


def kernels() -> str:
    """Return what runs the rules: "numpy", or "numba" with its version. Imports Numba.

    Raises RequestError where the environment asks for something else.
    """
    return f"numba {_numba_version()}" if _numba_version() else "numpy"


def compiles() -> bool:
    """Tell whether rules are compiled. Raises RequestError as `kernels` does."""
    return not _on_numpy.get() and bool(_numba_version())


def would_compile() -> bool:
    """Tell the same without importing Numba, which takes a second: whether it is there to be used."""
    return _asked() != "numpy" and find_spec("numba") is not None


@contextmanager
def numpy_kernels() -> Iterator[None]:
    """Have NumPy run the rules that are bound within the block, whatever the environment says."""
    token = _on_numpy.set(True)
    try:
        yield
    finally:
        _on_numpy.reset(token)


def _asked() -> str:
    asked = os.environ.get(VARIABLE, "").strip().lower()
    if asked not in ("", "numba", "numpy"):
        raise RequestError(f"{VARIABLE} must be numpy or numba, got '{asked}'.")
    if os.environ.get("NUMBA_DISABLE_JIT", "").strip() not in ("", "0"):  # its functions are plain Python
        return "numpy"
    return asked


def _numba_version() -> str:
    return "" if _asked() == "numpy" else _installed_numba()


@cache
def _installed_numba() -> str:
    """Return Numba's version; nothing where it is not installed, or not for this NumPy."""
    try:
        import numba
    except ImportError:
        return ""
    return str(numba.__version__)


def bind(
    rule: Rule, updated: Sequence[Array], read: Sequence[Array] = (), written: Sequence[Array] = ()
) -> Callable[..., None]:
    """Return a function of the rule's coefficients that applies the rule to these arrays.

    Element by element: (*updated, *written) ← rule(*updated, *read, *coefficients). All arrays are contiguous
    vectors of one size and type.
    """
    if compiles():
        from ffcli.core import compiled

        return compiled.bind(rule, updated, read, written)
    return tape.bind(rule, updated, read, written)


def bind_biased(
    rule: Rule | None, z: Array, bias: Array | None, written: Array | None = None
) -> Callable[[], None]:
    """Return what applies a rule to z + bias: (z, written) ← rule(z + bias), or z ← z + bias without one.

    ``z`` and ``written`` are (batch, units); ``bias`` is (units,) and added to each row, None stands for
    zero.
    """
    if rule is None:
        if bias is None:
            return lambda: None
        return partial(np.add, z, bias, out=z)
    outputs = () if written is None else (written,)
    if compiles():
        from ffcli.core import compiled

        return compiled.bind_biased(rule, z, np.zeros_like(z[0]) if bias is None else bias, outputs)
    apply = tape.bind(rule, [z], [], outputs)
    if bias is None:
        return apply

    def add_and_apply() -> None:
        np.add(z, bias, out=z)
        apply()

    return add_and_apply
