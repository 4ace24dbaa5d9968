"""``ffnn sweep --cluster`` as a process, with its scheduler or itself killed in the middle."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from child_processes import die_with_parent, wait_until
from dask_clusters import Cluster
from small_runs import Place

SPEC = """
method: random
metric: {{name: val_acc, goal: maximize}}
parameters:
  dataset: {{value: '{dataset}'}}
  epochs: {{value: 100}}
  batch_size: {{value: 1}}
  hidden_size: {{value: 48}}
  num_layers: {{value: 1}}
  seed: {{min: 0, max: 1000000}}
"""
COUNT = 5


@contextmanager
def sweep(place: Place, *words: str, start_new_session: bool = False) -> Iterator[subprocess.Popen[str]]:
    """Start ``ffnn sweep``, and kill it at the end if it has not ended."""
    command = [sys.executable, "-m", "ffcli", "sweep", *words, "--count", str(COUNT), "--json"]
    with subprocess.Popen(
        [*command, "--data-dir", str(place.context.data_dir), "--runs-dir", str(place.context.runs_dir)],
        env={**os.environ, "FFNN_DATA_DIR": "", "FFNN_RUNS_DIR": ""},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=start_new_session,
        preexec_fn=die_with_parent,  # noqa: PLW1509 - nothing of this process holds a lock then
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_the_first_interrupt_of_a_terminal_lets_running_trials_finish(place: Place) -> None:
    pytest.importorskip("distributed")
    spec = place.folder / "spec.yaml"
    spec.write_text(SPEC.format(dataset=place.dataset).replace("value: 100}", "value: 300}"))
    records = place.context.runs.records
    with sweep(place, str(spec), "--cluster", "local", "--workers", "1", start_new_session=True) as process:
        # A run that trains: its epochs are written after five seconds, when it may be over.
        wait_until(lambda: any(run.status == "running" for run in records()))
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        _, said = process.communicate(timeout=120)
    assert process.returncode == 130, said
    statuses = [run.status for run in records()]
    assert statuses == ["finished"] * len(statuses)
    assert 0 < len(statuses) < COUNT


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_while_connecting_ends_the_command(place: Place, number: signal.Signals) -> None:
    pytest.importorskip("distributed")
    spec = place.folder / "spec.yaml"
    spec.write_text(SPEC.format(dataset=place.dataset))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(120)
        address = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        with sweep(place, str(spec), "--cluster", address) as process, silent.accept()[0]:
            time.sleep(0.3)
            process.send_signal(number)
            _, said = process.communicate(timeout=120)
    assert process.returncode == 128 + number
    assert "Traceback" not in said


def test_a_configuration_that_dask_cannot_take_is_told(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setenv("DASK_DISTRIBUTED__ADMIN__TICK__INTERVAL", "soon")
    spec = place.folder / "spec.yaml"
    spec.write_text(SPEC.format(dataset=place.dataset))
    with sweep(place, str(spec), "--cluster", "local", "--workers", "1") as process:
        _, said = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "soon" in said
    assert "DASK_" in said


def finished(place: Place) -> int:
    return sum(run.status == "finished" for run in place.context.runs.records())


@pytest.mark.parametrize("victim", ["scheduler", "coordinator"])
def test_a_sweep_is_resumed_with_exact_counts(cluster: Cluster, place: Place, victim: str) -> None:
    spec = place.folder / "spec.yaml"
    spec.write_text(SPEC.format(dataset=place.dataset))
    cluster.worker(2)
    with sweep(place, str(spec), "--cluster", cluster.address) as process:
        wait_until(lambda: finished(place) >= 2)
        if victim == "scheduler":
            cluster.end(cluster.scheduler)
        else:
            process.send_signal(signal.SIGKILL)
        _, said = process.communicate(timeout=120)
    assert process.returncode == (1 if victim == "scheduler" else -signal.SIGKILL)
    (folder,) = (place.context.runs_dir / "sweeps").iterdir()
    if victim == "scheduler":
        assert f"sweep {folder.name}" in said  # how to resume it
        assert "Traceback" not in said
        again = Path(place.folder, "again")
        again.mkdir()
        with Cluster(again) as other:
            other.worker(2)
            with sweep(place, folder.name, "--cluster", other.address) as process:
                out, said = process.communicate(timeout=240)
    else:
        with sweep(place, folder.name, "--cluster", cluster.address) as process:
            out, said = process.communicate(timeout=240)
    assert process.returncode == 0, said
    assert json.loads(out)["counts"] == {"finished": COUNT, "pruned": 0, "failed": 0}
    assert [run.status for run in place.context.runs.records()] == ["finished"] * COUNT
    left = [path for path in place.context.runs_dir.rglob("*") if path.name.startswith(".")]
    assert left == []
