"""Elementwise rules run by NumPy: a rule becomes a list of ufunc calls into memory that is there already.

Called with symbols instead of numbers, a rule leaves a tape of its operations. Each operation then gets a
slot for its result: the array that it belongs to, the array of a value that is needed no more, or scratch.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from ffcli.core.buffers import Array, aligned_zeros

# Vectors up to this many elements are worked on in one piece: the calls would cost more than the cache gains.
_ONE_PIECE = 1 << 18
_PIECE = 1 << 16


class _Symbol(NDArrayOperatorsMixin):
    """A value of a rule that is being recorded. ``slot`` says which array holds it, once that is known."""

    def __init__(self, tape: list[_Step], slot: int = -1) -> None:
        self.slot = slot
        self._tape = tape

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *operands: Any, **options: Any) -> _Symbol:
        if method != "__call__" or options:
            raise TypeError(f"a rule must call ufuncs with operands alone, got {ufunc.__name__}.{method}")
        result = _Symbol(self._tape)
        self._tape.append(_Step(ufunc, operands, result))
        return result


@dataclass(frozen=True)
class _Step:
    ufunc: np.ufunc
    operands: tuple[Any, ...]
    result: _Symbol

    def needs(self, value: _Symbol) -> bool:
        return any(operand is value for operand in self.operands)


def bind(
    rule: Callable[..., Any],
    updated: Sequence[Array],
    read: Sequence[Array] = (),
    written: Sequence[Array] = (),
) -> Callable[..., None]:
    """Return a function of the rule's coefficients that runs the rule; see `rules.bind`.

    Results for which there is no array are not computed.
    """
    arrays = (*updated, *read, *written)
    plan = _plan(rule, len(updated), len(read), len(written))
    dtype, whole = arrays[0].dtype, (*updated, *written)[0]
    cells = [np.zeros((), dtype) for _ in range(plan.n_coefficients)]
    pieces = _pieces(whole)
    scratch = [aligned_zeros(whole[pieces[0]].shape, dtype) for _ in range(plan.n_scratch)]
    calls: list[tuple[np.ufunc, list[Array], Array]] = []
    for piece in pieces:
        rows = len(whole[piece]) if whole.ndim else 0
        slots = [*(array[piece] for array in arrays), *cells, *(array[:rows] for array in scratch)]
        for step in plan.steps:
            operands = [
                slots[value.slot] if isinstance(value, _Symbol) else np.array(value, dtype)
                for value in step.operands
            ]
            calls.append((step.ufunc, operands, slots[step.result.slot]))

    def apply(*coefficients: float) -> None:
        for cell, coefficient in zip(cells, coefficients):
            cell[...] = coefficient
        for ufunc, operands, out in calls:
            ufunc(*operands, out=out)

    return apply


@dataclass(frozen=True)
class _Plan:
    """A recorded rule. Slots count the arrays, then the coefficients, then the scratch."""

    steps: list[_Step]
    n_coefficients: int
    n_scratch: int


@cache
def _plan(rule: Callable[..., Any], n_updated: int, n_read: int, n_written: int) -> _Plan:
    n_given, n_arrays = n_updated + n_read, n_updated + n_read + n_written
    n_coefficients = len(inspect.signature(rule).parameters) - n_given
    tape: list[_Step] = []
    inputs = [_Symbol(tape, slot) for slot in range(n_arrays + n_coefficients)]
    returned = rule(*inputs[:n_given], *inputs[n_arrays:])
    results = returned if isinstance(returned, tuple) else (returned,)
    steps, n_slots = _placed(tape, inputs, results, [*range(n_updated), *range(n_given, n_arrays)])
    return _Plan(steps, n_coefficients, n_slots - len(inputs))


def _pieces(array: Array) -> list[Any]:
    if array.ndim != 1 or array.size <= _ONE_PIECE:
        return [...]
    return [slice(start, start + _PIECE) for start in range(0, array.size, _PIECE)]


def _placed(
    tape: list[_Step], inputs: list[_Symbol], results: Sequence[Any], goals: Sequence[int]
) -> tuple[list[_Step], int]:
    """Return the steps with slots for their results, which end in ``goals``, and the number of slots.

    A result that cannot go where it belongs, because what lies there is needed later, is copied at the end.
    """
    home = {goal: _computed(tape, result, inputs[goal]) for result, goal in zip(results, goals)}
    tape = _needed(tape, list(home.values()))
    read_only = set(range(len(inputs))) - set(goals)
    free = {goal for goal in goals if not any(step.needs(inputs[goal]) for step in tape)}
    n_slots = len(inputs)
    for number, step in enumerate(tape):
        later = tape[number + 1 :]
        dying = {
            value.slot
            for value in step.operands
            if isinstance(value, _Symbol)
            and not any(each.needs(value) for each in later)
            and not any(value is result for result in home.values())
        } - read_only
        free |= dying
        own = {goal for goal, result in home.items() if result is step.result}
        # in no other array than its own, so that the copies at the end cannot meet
        fitting = [*((own & free) if own else dying), *(free - set(goals))]
        if not fitting:
            fitting, n_slots = [n_slots], n_slots + 1
        step.result.slot = fitting[0]
        free.discard(fitting[0])
    copies = [
        _Step(np.positive, (result,), inputs[goal]) for goal, result in home.items() if result.slot != goal
    ]
    return tape + copies, n_slots


def _computed(tape: list[_Step], result: Any, at: _Symbol) -> _Symbol:
    """Return ``result`` where a step computes it or where it lies already; else a copy of it."""
    if result is at or any(step.result is result for step in tape):
        return result  # type: ignore[no-any-return]
    copy = _Symbol(tape)
    tape.append(_Step(np.positive, (result,), copy))
    return copy


def _needed(tape: list[_Step], results: list[_Symbol]) -> list[_Step]:
    """Return the steps that the results depend on."""
    wanted, kept = list(results), []
    for step in reversed(tape):
        if any(value is step.result for value in wanted):
            kept.append(step)
            wanted += [value for value in step.operands if isinstance(value, _Symbol)]
    return kept[::-1]
