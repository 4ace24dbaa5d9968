from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from child_processes import wait_until

from ffcli.__main__ import main
from ffcli.cli import app
from ffcli.util.signals import (
    ENDING,
    Terminated,
    ended_by_the_parent,
    exit_code,
    interrupts_deferred,
    starting_a_process,
    termination_heeded,
    told_to_end_by,
)


def press() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_ctrl_c_waits_until_the_block_is_done() -> None:
    done = []

    def work() -> None:
        with interrupts_deferred():
            press()
            done.append("all of it")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["all of it"]
    with pytest.raises(KeyboardInterrupt):
        press()


def test_an_error_in_the_block_leaves_the_handler_as_it_was() -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(ValueError, match="inside"), interrupts_deferred():
        raise ValueError("inside")
    assert signal.getsignal(signal.SIGINT) is before


def test_what_came_within_a_block_that_fails_is_not_forgotten() -> None:
    def work() -> None:
        with interrupts_deferred():
            press()
            raise OSError("the disk is full")

    with pytest.raises(KeyboardInterrupt) as caught:
        work()
    assert isinstance(caught.value.__context__, OSError)


def test_of_two_signals_within_the_block_the_more_urgent_counts() -> None:
    def work() -> None:
        with termination_heeded(), interrupts_deferred():
            press()
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Terminated) as caught:
        work()
    assert caught.value.number == signal.SIGTERM


def test_a_process_that_ignores_ctrl_c_goes_on_ignoring_it() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with interrupts_deferred():
            press()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_another_thread_may_use_it() -> None:
    seen: list[bool] = []

    def work() -> None:
        with interrupts_deferred():
            seen.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [True]


@pytest.mark.parametrize("number", ENDING)
def test_a_process_that_is_told_to_end_is_interrupted(number: int) -> None:
    before = signal.getsignal(number)

    def work() -> None:
        with termination_heeded():
            try:
                os.kill(os.getpid(), number)
            finally:
                assert told_to_end_by() == number
                assert exit_code() == 128 + number

    with pytest.raises(Terminated):
        work()
    assert signal.getsignal(number) is before
    assert told_to_end_by() is None
    assert exit_code() == 130


class Finalized:
    """Gets signals while it is finalized: Python ignores what their handlers raise then."""

    def __init__(self, *numbers: int) -> None:
        self.numbers = numbers

    def __del__(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, self.numbers)
        for number in self.numbers:
            signal.pthread_kill(threading.get_ident(), number)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, self.numbers)
        time.sleep(0)


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="signals come one by one")
@pytest.mark.parametrize("numbers", [(signal.SIGINT,), *((number,) for number in ENDING), ENDING])
def test_signals_that_python_loses_come_again_as_one(numbers: tuple[int, ...]) -> None:
    before = sys.unraisablehook

    def wait() -> None:
        with termination_heeded():
            try:
                Finalized(*numbers)
                time.sleep(60)
            except KeyboardInterrupt:
                time.sleep(0.3)
                raise

    with pytest.raises(KeyboardInterrupt) as caught:
        wait()
    assert caught.value.__context__ is None, "one came while the first was handled"
    assert getattr(caught.value, "number", signal.SIGINT) in numbers
    assert sys.unraisablehook is before


def test_other_errors_that_python_ignores_are_shown_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def __del__(self) -> None:
            raise OSError("the disk is full")

    shown = []
    monkeypatch.setattr(sys, "unraisablehook", lambda error: shown.append(str(error.exc_value)))
    with termination_heeded():
        Broken()
        wait_until(lambda: bool(shown))
    assert shown == ["the disk is full"]


def test_a_second_signal_at_once_does_not_disturb_the_clearing_up() -> None:
    steps = []

    def work() -> None:
        with termination_heeded():
            try:
                os.kill(os.getpid(), signal.SIGTERM)
            finally:
                os.kill(os.getpid(), signal.SIGHUP)
                steps.append("cleared up")

    with pytest.raises(Terminated):
        work()
    assert steps == ["cleared up"]


def test_a_process_that_ignores_the_end_of_its_terminal_goes_on_ignoring_it() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with termination_heeded():
            os.kill(os.getpid(), signal.SIGHUP)
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("number", ENDING)
def test_termination_waits_until_the_block_is_done(number: int) -> None:
    done = []

    def work() -> None:
        with termination_heeded(), interrupts_deferred():
            os.kill(os.getpid(), number)
            done.append("all of it")

    with pytest.raises(Terminated):
        work()
    assert done == ["all of it"]


WORKER = """
import os, signal, sys, time
from ffcli.util.signals import ended_by_the_parent
print("alive", flush=True)
sys.stdin.readline()
@ended_by_the_parent
def work():
    print("works", flush=True)
    time.sleep(60)
    print("done", flush=True)
work()
os.kill(os.getpid(), signal.SIGTERM)
print("cleared up", flush=True)
"""


@pytest.mark.parametrize("early", [True, False])
def test_a_worker_hears_its_parent_alone_and_nothing_too_early(early: bool) -> None:
    with starting_a_process():
        worker = subprocess.Popen(
            [sys.executable, "-c", WORKER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
    assert worker.stdin is not None
    assert worker.stdout is not None
    with worker:
        assert worker.stdout.readline() == "alive\n"
        if not early:
            worker.stdin.write("\n")
            worker.stdin.flush()
            assert worker.stdout.readline() == "works\n"
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
            worker.send_signal(number)
        if early:
            worker.stdin.write("\n")
            worker.stdin.flush()
        rest = worker.stdout.read().splitlines()
        assert rest[-1] == "cleared up"
        assert "done" not in rest
    assert worker.returncode == 0


def test_what_comes_while_a_process_is_started_waits() -> None:
    done = []

    def work() -> None:
        with starting_a_process():
            press()
            done.append("started")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["started"]
    assert not signal.pthread_sigmask(signal.SIG_BLOCK, [])


class Sender:
    """Sends a signal before the ``n``-th line that a function executes after it was told to count."""

    def __init__(self, number: int, n: int, function: str) -> None:
        self.number, self.n, self.function = number, n, function
        self.counts = False

    @contextmanager
    def watching(self) -> Iterator[None]:
        handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, *ENDING)}
        before = sys.gettrace()
        sys.settrace(self._trace)
        try:
            yield
        finally:
            sys.settrace(before)
            for number, handler in handlers.items():
                signal.signal(number, handler)

    def _trace(self, frame: Any, event: str, _: Any) -> Any:
        if frame.f_code.co_name != self.function:
            return None
        if self.counts and event == "line":
            self.n -= 1
            if self.n == 0:
                os.kill(os.getpid(), self.number)
        return self._trace


def lines_that(do: Callable[[Sender], None], number: int, function: str) -> int:
    """Do it with a signal before each line of a function, until there is none left, and count the lines."""
    n = 0
    while True:
        n += 1
        sender = Sender(number, n, function)
        with sender.watching():
            try:
                do(sender)
            except KeyboardInterrupt as interrupt:
                raise AssertionError(f"the signal before line {n} of {function} came through") from interrupt
        if sender.n > 0:
            return n - 1


@pytest.mark.parametrize("fails", [False, True])
def test_a_worker_that_ends_is_not_disturbed_at_any_line(fails: bool) -> None:
    def do(sender: Sender) -> None:
        @ended_by_the_parent
        def work() -> None:
            sender.counts = True
            if fails:
                raise KeyboardInterrupt

        work()

    assert lines_that(do, signal.SIGTERM, "interruptible") >= 2


@pytest.mark.parametrize("number", ENDING)
@pytest.mark.parametrize("function", ["main", "termination_heeded"])
def test_the_end_of_the_command_knows_its_signal_at_any_line(
    monkeypatch: pytest.MonkeyPatch, number: int, function: str
) -> None:
    codes = []

    def do(sender: Sender) -> None:
        def run() -> int:
            sender.counts = True
            return 0

        monkeypatch.setattr(app, "main", run)
        before = signal.signal(number, lambda *_: None)  # what comes after the block ends the process itself
        try:
            codes.append(main())
        finally:
            signal.signal(number, before)

    lines = lines_that(do, number, function)
    assert set(codes) <= {0, 128 + number}
    assert codes.pop() == 0  # there was no signal
    if function == "termination_heeded":
        assert lines >= 3
        assert codes[0] == 128 + number


@pytest.mark.parametrize("number", [signal.SIGINT, *ENDING])
def test_what_is_deferred_is_heeded_once_at_any_line_and_nobody_is_deaf_afterwards(number: int) -> None:
    heard = []

    def hear(number: int, _: Any) -> None:
        heard.append(number)
        raise Terminated(number)

    def do(sender: Sender) -> None:
        for each in (signal.SIGINT, *ENDING):
            signal.signal(each, hear)
        sender.counts = True
        raised = False
        try:
            with interrupts_deferred():
                heard.append(0)
        except Terminated:
            raised = True
        assert sum(map(bool, heard)) == raised
        for each in (signal.SIGINT, *ENDING):
            with pytest.raises(Terminated):
                os.kill(os.getpid(), each)
        heard.clear()

    assert lines_that(do, number, "interrupts_deferred") >= 10


@pytest.mark.parametrize("number", ENDING)
def test_what_comes_before_the_block_was_there_is_known_as_well(
    monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def interrupted() -> None:
        raise Terminated(number)

    monkeypatch.setattr("ffcli.util.signals.termination_heeded", interrupted)
    assert main() == 128 + number


@pytest.mark.parametrize("number", [signal.SIGINT, *ENDING])
def test_what_comes_while_the_words_are_read_is_an_interrupt_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], number: int
) -> None:
    def parse(*_: Any) -> None:
        os.kill(os.getpid(), number)

    monkeypatch.setattr(app._Root, "parse_args", parse)
    monkeypatch.setattr(sys, "argv", ["ffnn", "runs", "list"])
    assert main() == 128 + number
    by = "" if number == signal.SIGINT else f" by {signal.Signals(number).name}"
    assert capsys.readouterr().err == f"Interrupted{by}.\n"
