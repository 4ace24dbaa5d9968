"""Elementwise rules compiled by Numba, each into one loop over memory, with the machine code cached on disk.

Only what trains imports this module.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache, partial
from pathlib import Path
from typing import Any

import numba
from numba.extending import register_jitable

from ffcli.core.buffers import Array
from ffcli.util.atomic_files import lock_folder, unlock
from ffcli.util.signals import interrupts_deferred

_A_WEEK = 7 * 24 * 3600.0
_held_for_long: set[Path] = set()  # folders that another process did not let go of within `_LONGEST`
_LONGEST = 30.0  # seconds to wait for another process, which may be stopped


def bind(
    rule: Callable[..., Any], updated: Sequence[Array], read: Sequence[Array], written: Sequence[Array]
) -> Callable[..., None]:
    """Return a function of the rule's coefficients that runs the rule; see `rules.bind`."""
    arrays = (*updated, *read, *written)
    n_coefficients = rule.__code__.co_argcount - len(updated) - len(read)
    number = arrays[0].dtype.type
    loop = compiled(_LOOPS[len(updated), len(read), len(written)], rule)
    prepare(loop, *arrays, (number(0),) * n_coefficients)

    def apply(*coefficients: float) -> None:
        loop(*arrays, tuple(map(number, coefficients)))

    return apply


def bind_biased(
    rule: Callable[..., Any], z: Array, bias: Array, written: Sequence[Array]
) -> Callable[[], None]:
    """Return what applies a rule to z + bias; see `rules.bind_biased`."""
    loop = compiled(_biased_and_write if written else _biased, rule)
    arguments = (z, *written, bias)
    prepare(loop, *arguments)
    return partial(loop, *arguments)


# The loops by the number of arrays updated, read and written. They are spelled out, since a loop over
# tuples of arrays is not vectorised, and neither is one that is given the same array twice.


def _update_1(rule: Callable[..., Any]) -> Callable[..., None]:
    def loop(a: Array, x: Array, c: Any) -> None:
        for i in range(a.size):
            a[i] = rule(a[i], x[i], *c)

    return loop


def _update_2(rule: Callable[..., Any]) -> Callable[..., None]:
    def loop(a: Array, b: Array, x: Array, c: Any) -> None:
        for i in range(a.size):
            a[i], b[i] = rule(a[i], b[i], x[i], *c)

    return loop


def _update_3(rule: Callable[..., Any]) -> Callable[..., None]:
    def loop(a: Array, b: Array, d: Array, x: Array, c: Any) -> None:
        for i in range(a.size):
            a[i], b[i], d[i] = rule(a[i], b[i], d[i], x[i], *c)

    return loop


def _update_4(rule: Callable[..., Any]) -> Callable[..., None]:
    def loop(a: Array, b: Array, d: Array, e: Array, x: Array, c: Any) -> None:
        for i in range(a.size):
            a[i], b[i], d[i], e[i] = rule(a[i], b[i], d[i], e[i], x[i], *c)

    return loop


def _change_and_write(rule: Callable[..., Any]) -> Callable[..., None]:
    def loop(a: Array, y: Array, c: Any) -> None:
        for i in range(a.size):
            a[i], y[i] = rule(a[i], *c)

    return loop


def _change_2(rule: Callable[..., Any]) -> Callable[..., None]:
    def loop(a: Array, b: Array, c: Any) -> None:
        for i in range(a.size):
            a[i], b[i] = rule(a[i], b[i], *c)

    return loop


def _biased(rule: Callable[..., Any]) -> Callable[..., None]:
    def loop(z: Array, bias: Array) -> None:
        for row in range(z.shape[0]):
            for i in range(z.shape[1]):
                z[row, i] = rule(z[row, i] + bias[i])

    return loop


def _biased_and_write(rule: Callable[..., Any]) -> Callable[..., None]:
    def loop(z: Array, y: Array, bias: Array) -> None:
        for row in range(z.shape[0]):
            for i in range(z.shape[1]):
                z[row, i], y[row, i] = rule(z[row, i] + bias[i])

    return loop


_LOOPS = {
    (1, 1, 0): _update_1,
    (2, 1, 0): _update_2,
    (3, 1, 0): _update_3,
    (4, 1, 0): _update_4,
    (1, 0, 1): _change_and_write,
    (2, 0, 0): _change_2,
}


@cache
def compiled(make: Callable[..., Callable[..., None]], *rules: Callable[..., Any]) -> Any:
    """Return ``make(*rules)`` for Numba to compile when it is first called with arrays of a type.

    Numba keeps what it compiled and finds it again by the name of a rule. So only the package's own rules are
    kept, in a folder named after the package's sources.
    """
    loop = make(*map(_callable, rules))
    folder = cache_folder() if all(rule.__module__.startswith("ffcli.") for rule in rules) else None
    settings: Any = numba.config
    before = settings.CACHE_DIR
    try:
        settings.CACHE_DIR = str(folder or before)
        return numba.njit(loop, cache=folder is not None, error_model="numpy")
    finally:
        settings.CACHE_DIR = before


@cache
def _callable(rule: Callable[..., Any]) -> Callable[..., Any]:
    """Let compiled loops call a rule, which stays a function of Python."""
    return register_jitable(rule)


def prepare(loop: Any, *arguments: Any) -> None:
    """Compile ``loop`` for arguments of these types, or load what was compiled before.

    One process at a time: the others then load what it leaves. What cannot be read is removed and compiled
    anew.
    """
    signature = tuple(map(numba.typeof, arguments))
    if signature in loop.overloads:
        return
    folder = cache_folder()
    if folder is None:
        _compile(loop, signature)
        return
    with _alone(folder):
        try:
            _compile(loop, signature)
        except Exception:  # a damaged file raises whatever unpickling it raises
            for path in folder.glob("**/*.nb?"):
                path.unlink(missing_ok=True)
            _compile(loop, signature)


def _compile(loop: Any, signature: Sequence[Any]) -> None:
    with interrupts_deferred():  # LLVM calls Python back, and loses what is raised there
        loop.compile(signature)
    if signature not in loop.overloads:  # two that wrote at once may leave an index that names other code
        raise ValueError("The compiled code that was loaded is for other types.")


def beside() -> Path:
    """Return the folder of the package's compiled code, which may be read-only."""
    return Path(__file__).parent / "__pycache__"


def _users_cache() -> tuple[Path, ...]:
    """Return the user's cache folder; nothing for a user who has no home, as in some containers."""
    try:
        return (Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()) / "ffnn",)
    except RuntimeError:
        return ()


@cache
def cache_folder() -> Path | None:
    """Return the folder of the machine code of these sources, None where none can be written.

    It lies where NUMBA_CACHE_DIR says, else beside the package, else in the user's cache.
    """
    sources = sorted(Path(__file__).parent.glob("*.py"))
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    for base in (Path(chosen),) if chosen else (beside(), *_users_cache()):
        folder = base / f"kernels-{digest[:16]}"
        with suppress(OSError):
            if not folder.exists():
                _remove_old(base)
            folder.mkdir(parents=True, exist_ok=True)
            if os.access(folder, os.W_OK):
                return folder
    return None


def _remove_old(base: Path) -> None:
    for folder in base.glob("kernels-*"):
        if time.time() - folder.stat().st_mtime > _A_WEEK:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the folder, as soon as no other process does: one that ends lets go of it, one may be stopped."""
    folder.mkdir(parents=True, exist_ok=True)  # another version may have removed it as old
    until, lock = time.monotonic() + _LONGEST, None
    while folder not in _held_for_long:
        try:
            lock = lock_folder(folder)
            break
        except BlockingIOError:
            if time.monotonic() > until:
                _held_for_long.add(folder)
    try:
        yield
    finally:
        unlock(lock)
