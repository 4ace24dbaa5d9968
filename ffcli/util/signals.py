"""Handling of Ctrl-C, SIGTERM and the end of the terminal.

All three raise KeyboardInterrupt, so that running work closes its records on the way out.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import wraps
from queue import SimpleQueue
from typing import Any, ParamSpec

P = ParamSpec("P")

# Schedulers, systemd and kill send SIGTERM, a terminal or connection that closes SIGHUP (not on Windows).
ENDING = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))
_ALL = (signal.SIGINT, *ENDING)
_SOON = 0.05  # seconds until a lost interruption comes again: what lost it is over then
_ONE_WISH = 2.0  # seconds within which a second of these signals says the same: some send two, to be sure


class Terminated(KeyboardInterrupt):
    """The process was told to end by one of `ENDING`: at once, where Ctrl-C may let things be finished."""

    def __init__(self, number: int = signal.SIGTERM) -> None:
        super().__init__()
        self.number = number


_told: list[signal.Signals] = []  # within `termination_heeded`: the signals that have come


@contextmanager
def termination_heeded() -> Iterator[None]:
    """Raise Terminated within the block where one of `ENDING` comes, unless it is ignored (``nohup``).

    An interruption that Python loses, since it came within a finalizer or a callback, is sent again.
    """
    last = -_ONE_WISH
    raised: Terminated | None = None
    is_over = False

    def end(number: int, _: Any) -> None:
        nonlocal last, raised
        before, last = last, time.monotonic()
        _told.append(signal.Signals(number))
        if last - before >= _ONE_WISH and not is_over:
            raised = Terminated(number)
            raise raised

    # Python puts what it loses into a queue, by no code of Python that another signal could interrupt.
    lost: SimpleQueue[Any] = SimpleQueue()
    main, unraisable = threading.main_thread().ident or 0, sys.unraisablehook

    def send_again() -> None:
        nonlocal last
        while (error := lost.get()) is not None:
            interrupt = error.exc_value
            if not isinstance(interrupt, KeyboardInterrupt):
                unraisable(error)
                continue
            time.sleep(_SOON)
            if is_over or raised not in (None, interrupt):  # a later one has been raised
                continue
            last = -_ONE_WISH
            number = getattr(interrupt, "number", signal.SIGINT)
            if hasattr(signal, "pthread_kill"):
                signal.pthread_kill(main, number)  # wakes a call that waits
            else:
                signal.raise_signal(number)

    before = {number: signal.getsignal(number) for number in ENDING}
    heeded = [number for number, handler in before.items() if handler is not signal.SIG_IGN]
    try:
        with suppress(RuntimeError):  # no thread can be started
            threading.Thread(target=send_again, daemon=True).start()
            sys.unraisablehook = lost.put
        for number in heeded:
            signal.signal(number, end)
        yield
    finally:
        is_over = True  # one that comes now has nothing left to interrupt
        sys.unraisablehook = unraisable
        lost.put(None)
        for number in heeded:
            signal.signal(number, before[number])
        _told.clear()


def told_to_end_by() -> signal.Signals | None:
    """Return the first of `ENDING` that has come, None where it was Ctrl-C or nothing."""
    return _told[0] if _told else None


def exit_code() -> int:
    """Return what an interrupted process ends with, as shells have it: 128 + the signal, 130 for Ctrl-C."""
    return 128 + (told_to_end_by() or signal.SIGINT)


@contextmanager
def interrupts_deferred() -> Iterator[None]:
    """Let Ctrl-C and the like within the block take effect right after it, however it ends.

    Other threads never get them. Of several one of `ENDING` counts, which is the more urgent.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handlers = {number: signal.getsignal(number) for number in _ALL}
    heeded = {number: handler for number, handler in handlers.items() if callable(handler)}
    pending: dict[int, Any] = {}
    is_over = False

    def defer(number: int, frame: Any) -> None:
        if is_over:  # while the handlers are put back, one by one
            heeded[number](number, frame)
        else:
            pending.setdefault(number, frame)

    try:
        for number in heeded:
            signal.signal(number, defer)
        yield
    finally:
        is_over = True
        for number, handler in heeded.items():
            signal.signal(number, handler)
        for number in (*ENDING, signal.SIGINT):
            if number in pending:
                heeded[number](number, pending[number])
                break


@contextmanager
def starting_a_process() -> Iterator[None]:
    """Start a process within the block whose work is `ended_by_the_parent`.

    Until then signals wait for it: it would die of one before it knows how to close its records. In this
    process they wait for the end of the block, after which the new process is known and can be ended.
    """
    with interrupts_deferred():
        if not hasattr(signal, "pthread_sigmask"):
            yield
            return
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _ALL)
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def ended_by_the_parent(work: Callable[P, None]) -> Callable[P, None]:
    """Let all the work of a worker process be interrupted by SIGTERM alone, which is how its parent ends it.

    The KeyboardInterrupt goes no further. A terminal sends Ctrl-C and its own end to the parent as well; what
    the worker starts ignores them too.
    """

    @wraps(work)
    def interruptible(*args: P.args, **kwargs: P.kwargs) -> None:
        is_over = False

        def interrupt(*_: object) -> None:
            nonlocal is_over
            if not is_over:  # what follows the first clears up, and is not to be disturbed
                is_over = True
                raise KeyboardInterrupt

        try:
            try:
                for number in _ALL:
                    signal.signal(number, interrupt if number == signal.SIGTERM else signal.SIG_IGN)
                if hasattr(signal, "pthread_sigmask"):
                    signal.pthread_sigmask(signal.SIG_UNBLOCK, _ALL)  # see `starting_a_process`
                work(*args, **kwargs)
            finally:
                is_over = True
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
        except KeyboardInterrupt:
            pass

    return interruptible
