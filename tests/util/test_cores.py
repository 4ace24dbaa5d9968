from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest

from ffcli.util.processes import can_start_threads, usable_cores


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system pins no process")
def test_a_pinned_process_has_the_cores_that_it_is_pinned_to() -> None:
    code = (
        "import os; from ffcli.util.processes import usable_cores; "
        "before = usable_cores(); os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); "
        "print(before, usable_cores())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(len(os.sched_getaffinity(0))), "1"]


def test_where_processes_cannot_be_pinned_all_cores_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 7)
    assert usable_cores() == 7
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert usable_cores() == 1


def test_so_many_threads_are_tried_at_once_and_end(monkeypatch: pytest.MonkeyPatch) -> None:
    before = threading.active_count()
    alive: list[int] = []
    true_start = threading.Thread.start

    def start(thread: threading.Thread) -> None:
        if threading.active_count() - before == 7:
            raise RuntimeError("can't start new thread")
        true_start(thread)
        alive.append(threading.active_count() - before)

    monkeypatch.setattr(threading.Thread, "start", start)
    assert can_start_threads(7)
    assert alive == [1, 2, 3, 4, 5, 6, 7]
    assert threading.active_count() == before
    assert not can_start_threads(8)
    assert threading.active_count() == before
