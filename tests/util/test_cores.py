from __future__ import annotations

import os
import subprocess
import sys

import pytest

from ffcli.util.processes import usable_cores


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
