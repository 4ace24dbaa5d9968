from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest

from ffcli.signals import (
    ENDING,
    Terminated,
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
from ffcli.signals import ended_by_the_parent
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
