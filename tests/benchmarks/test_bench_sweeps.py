"""The benchmarks of sweeps: tables worked out by hand, and small sweeps whose numbers are known before."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from ffcli.sweeping.store import TrialStore

from benchmarks import sweep_cells, sweep_engines, sweep_hyperband, sweep_overhead, sweep_workers
from benchmarks.measure import MeasurementError
from benchmarks.sweep_command import Folders, memory_of, pss_mb, start
from benchmarks.sweep_engines import OURS, PEERS, Task, journal_in, sqlite_in
from benchmarks.sweep_latency import SlowLink, link_to, round_trip, through
from ffcli.sweeping.spec.spec import parse_spec

linux = pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="reads Linux's /proc")
two_cores = pytest.mark.skipif(
    not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2, reason="needs two cores"
)

SPACE = """
method: random
metric: {name: val_acc, goal: maximize}
parameters:
  epochs: {values: [2, 3]}
  optimizer: {values: [sgd, adam, nadam]}
  hidden_layers: {values: [1, 2, 3]}
"""


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A dataset of 90 training images, of which 81 are trained on."""
    rng = np.random.default_rng(0)
    labels = (np.arange(120) % 3).astype(np.uint8)
    images = (rng.integers(0, 80, (120, 6, 6)) + 60 * labels[:, None, None]).astype(np.uint8)
    path = tmp_path / "tiny.npz"
    np.savez(path, x_train=images[:90], y_train=labels[:90], x_test=images[90:], y_test=labels[90:])
    return path


def on(dataset: Path, top: str = "") -> str:
    """Return the sweep file of the space on a dataset."""
    return f"{SPACE}  dataset: {{value: '{dataset}'}}\n{top}"


# The engines


def test_the_engine_trains_nothing_and_stores_all(tmp_path: Path) -> None:
    url = sqlite_in(tmp_path)
    taken = sweep_engines.run(Task(OURS, SPACE, url, trials=7, workers=2, seconds=60))
    store = TrialStore(url)
    sweep = store.sweep(taken["sweep_id"])
    trials, epochs = store.trials(sweep), store.epochs(sweep.id)
    store.close()
    assert [trial.state for trial in trials] == ["finished"] * 7
    assert taken["trials"] == len(taken["ends"]) == 7
    assert taken["ends"] == sorted(taken["ends"])
    assert taken["seconds"] == taken["ends"][-1]
    assert len(epochs) == sum(trial.config.epochs for trial in trials)
    assert set(taken["parts"]) == {"claim", "epochs", "end", "hand-over"}
    # at least a claim, the run, each epoch and the end; a worker that waits or learns the end claims again
    assert taken["transactions"] >= 3 * 7 + len(epochs)
    assert taken["statements"] > taken["transactions"]


def test_what_takes_too_long_is_cut_short_and_said_to_be(tmp_path: Path) -> None:
    endless = SPACE.replace("optimizer: {values: [sgd, adam, nadam]}", "seed: {min: 0, max: 1000000}")
    task = Task(OURS, endless, sqlite_in(tmp_path), trials=50_000, workers=1, seconds=0.3)
    taken = sweep_cells.cell(task, "SQLite", "random")
    assert 1 <= taken["trials"] < 50_000
    assert taken["asked"] == 50_000


@pytest.mark.parametrize("peer", PEERS)
def test_peers_run_the_same_space(peer: str, tmp_path: Path) -> None:
    url = journal_in(tmp_path) if peer == "journal" else sqlite_in(tmp_path)
    taken = sweep_cells.cell(Task(peer, SPACE, url, trials=4, workers=1, seconds=60), "", "bayes")
    assert taken["trials"] == 4
    assert taken["parts"] == {}
    if peer == "memory":
        return
    storage: Any = url
    if peer == "journal":
        storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(url))
    (found,) = optuna.get_all_study_summaries(storage)
    trials = optuna.load_study(study_name=found.study_name, storage=storage).trials
    assert [len(trial.intermediate_values) - 2 for trial in trials] == [t.params["epochs"] for t in trials]
    assert set(trials[0].params) == {"epochs", "optimizer", "num_layers"}


def test_a_peer_is_given_the_values_of_the_file() -> None:
    spec = parse_spec(SPACE.replace("[2, 3]", "[2, 5]"))
    asked = optuna.trial.FixedTrial({"epochs": 1, "optimizer": 2, "num_layers": 0})
    assert sweep_engines.suggest(spec, asked) == {"epochs": 5, "optimizer": "nadam", "num_layers": 1}


def test_a_worker_that_fails_is_an_error(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(MeasurementError, match="journal: a worker died"):
        sweep_engines.run(Task("journal", SPACE, str(tmp_path / "no" / "file"), 2, 1, 60))
    assert "FileNotFoundError" in capfd.readouterr().err


def test_a_made_up_accuracy_is_the_values_and_a_little_chance() -> None:
    values = {"optimizer": "adam", "epochs": 5}
    assert sweep_engines.made_up(values, 1) == sweep_engines.made_up(dict(values), 1)
    assert 0 < abs(sweep_engines.made_up(values, 1) - sweep_engines.made_up(values, 2)) < 0.03
    assert sweep_engines.made_up({**values, "epochs": 10}, 1) != sweep_engines.made_up(values, 1)


# The overhead


def cell(**values: Any) -> dict[str, Any]:
    """Ten trials of 50 ms; the last one took 80 ms."""
    return {
        "engine": OURS,
        "storage": "SQLite",
        "method": "bayes",
        "asked": 10,
        "workers": 1,
        "trials": 10,
        "seconds": 0.5,
        "seconds_a_trial": 0.05,
        "seconds_a_trial_at_the_end": 0.08,
        "study_seconds_a_trial": None,
        "parts": {"claim": 0.02, "epochs": 0.015, "end": 0.005, "hand-over": 0.001},
        "statements": 40.6,
        "transactions": 11.0,
        **values,
    }


def test_overhead_table_and_summary_by_hand() -> None:
    results = {
        "file": "bayes.yaml",
        "training_seconds": [2.0, 4.0, 6.0],
        "round_trips": {"PostgreSQL": 0.00025},
        "cells": [
            cell(),
            cell(trials=500, asked=500, seconds=50.0, seconds_a_trial=0.06, study_seconds_a_trial=0.04),
            {**cell(engine="rdb", trials=3000, asked=5000), "parts": {}},
        ],
    }
    lines = sweep_overhead.table(results).splitlines()
    assert len({line.count("|") for line in lines}) == 1
    assert lines[2] == (
        "| ffnn | bayes | SQLite | 1 | 10 | 50.0 | 80.0 | 20.0 | 15.0 | 5.0 | 1.0 | – | 41 | 20 | 1.25% |"
    )
    assert "| Optuna, RDBStorage | bayes | SQLite | 1 | 3,000 of 5,000 |" in lines[4]
    # 20 and 10 trials a second, each trained for 4 s
    assert sweep_overhead.saturation(results).splitlines()[2:] == [
        "| bayes | SQLite | 10 | 20 | 80 |",
        "| bayes | SQLite | 500 | 10 | 40 |",
    ]
    told = sweep_overhead.summary(results).splitlines()
    assert told[0].startswith(
        "an average configuration of bayes.yaml trains 4.0 ± 1.2 s on one core (3 drawn"
    )
    assert told[1] == "PostgreSQL: 0.25 ms a round trip"
    assert told[2].startswith("at 500 trials at most 2.50% of the training time (bayes, SQLite, 1 workers)")


def test_the_last_tenth_is_that_of_the_last_trials(monkeypatch: pytest.MonkeyPatch) -> None:
    ends = [*(0.1 * n for n in range(1, 19)), 2.3, 2.8]  # the last two took 0.5 s each, two workers at it
    taken = {"sweep_id": "", "trials": 20, "seconds": 2.8, "ends": ends, "parts": {"claim": 2.0}}
    monkeypatch.setattr(sweep_engines, "run", lambda _: {**taken, "statements": 60})
    found = sweep_cells.cell(Task("rdb", "", "", 20, 2, 1), "SQLite", "random")
    assert found["seconds_a_trial"] == pytest.approx(0.28)
    assert found["seconds_a_trial_at_the_end"] == pytest.approx(1.0)
    assert found["parts"] == {"claim": pytest.approx(0.1)}
    assert found["statements"] == 3


def test_overhead_end_to_end(tmp_path: Path, tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "space.yaml"
    file.write_text(on(tiny))
    words = f"--file={file} --trials=3 --workers=1 --methods=random --peers=memory --configs=2".split()
    assert sweep_overhead.main([*words, f"--data-dir={tmp_path}", f"--out={tmp_path / 'out'}"]) == 0
    stored = json.loads((tmp_path / "out" / "sweep_overhead.json").read_text())
    assert [(taken["engine"], taken["trials"]) for taken in stored["cells"]] == [(OURS, 3), ("memory", 3)]
    assert [taken["study_seconds_a_trial"] is None for taken in stored["cells"]] == [False, True]
    assert len(stored["training_seconds"]) == 2
    assert sweep_overhead.table(stored) in capsys.readouterr().out
    assert [entry.name for entry in (tmp_path / "out").iterdir()] == ["sweep_overhead.json"]


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--trials=500,x"], "'x' is not a whole number"),
        (["--methods=bays"], "'bays' is none of bayes, random"),
        (["--latency=0", "--postgresql=x"], "'0' is no list of milliseconds"),
        (["--latency=1"], "--latency needs --postgresql"),
    ],
)
def test_a_bad_option_is_named(words: list[str], named: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        sweep_overhead.main(words)
    assert stopped.value.code == 2
    assert named in capsys.readouterr().err


# The link


@pytest.fixture
def echo() -> Iterator[int]:
    """The port of a server that sends back what it gets, for one connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                while data := connection.recv(4096):
                    connection.sendall(data)

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        thread.join(10)
        assert not thread.is_alive()


def test_a_slow_link_delays_every_byte_and_loses_none(echo: int) -> None:
    sent = np.random.default_rng(0).bytes(300_000)
    with SlowLink("127.0.0.1", echo, 0.02) as link:
        with socket.create_connection(("127.0.0.1", link.port), timeout=20) as client:
            begun = time.monotonic()
            client.sendall(b"x")
            assert client.recv(1) == b"x"
            assert time.monotonic() - begun >= 0.04
            writer = threading.Thread(target=client.sendall, args=(sent,))
            writer.start()
            received = b""
            while len(received) < len(sent):
                received += client.recv(65536)
            writer.join()
        assert received == sent


def test_the_address_leads_through_the_link(tmp_path: Path) -> None:
    link = link_to("postgresql://user:secret@db.example/name", 0.001)
    link.port = 5555
    assert through("postgresql://user:secret@db.example/name", link) == (
        "postgresql+psycopg://user:secret@127.0.0.1:5555/name"
    )
    assert 0 < round_trip(sqlite_in(tmp_path), times=3) < 10


# The workers


def rates(rate: float, with_start: float, start: float) -> dict[str, Any]:
    return {"images_per_second": rate, "images_per_second_with_start": with_start, "start_seconds": start}


def test_ratio_is_the_median_of_the_rounds() -> None:
    rounds = [
        {"sweep": rates(980, 900, 1.5), "processes": rates(1000, 950, 0.75)},
        {"sweep": rates(900, 900, 1.5), "processes": rates(1000, 900, 0.75)},
        {"sweep": rates(2000, 900, 1.5), "processes": rates(2000, 1800, 0.75)},
    ]
    lines = sweep_workers.ratio_table(rounds).splitlines()
    assert lines[2] == "| 1 | 980 | 1,000 | 0.980 | 0.947 | 1.5 | 0.8 |"
    assert lines[-1] == "median ratio 0.980; the target is at least 0.95"


def test_memory_beyond_the_first_worker_by_hand() -> None:
    about = {"threads": 1, "start_seconds": 1.0, "main_mb": 50.0}
    growth = [
        {**about, "workers": 1, "images_per_second": 1000.0, "worker_mb": [90.0]},
        {**about, "workers": 2, "images_per_second": 1900.0, "worker_mb": [80.0, 80.0]},
        {**about, "workers": 4, "images_per_second": 2000.0, "worker_mb": [90.0, 90.0, 80.0, 60.0]},
    ]
    # 140, 210 and 370 MB in all: (210 - 140)/1 = 70 and (370 - 140)/3 = 77
    assert sweep_workers.further_worker_mb(growth) == pytest.approx(230 / 3)
    lines = sweep_workers.growth_table(growth).splitlines()
    assert lines[3] == "| 2 | 1 | 1,900 | 1.90 | 1.0 | 50 | 80, 80 |"
    assert lines[-1].startswith("a worker beyond the first takes 77 MB")
    assert sweep_workers.further_worker_mb(growth[:1]) is None


@linux
def test_memory_is_the_kernels() -> None:
    resident = next(
        int(line.split()[1]) * 1024 / 1e6
        for line in Path("/proc/self/status").read_text().splitlines()
        if line.startswith("VmRSS:")
    )
    assert 10 < pss_mb(os.getpid()) < 1.2 * resident
    assert pss_mb(2**22 + 1) == 0  # above the highest number of a process
    assert memory_of(os.getpid()).main > 10


@linux
@two_cores
def test_workers_end_to_end(tmp_path: Path, tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--trials=4", "--epochs=3", "--rounds=1", "--workers=1,2"]
    out = tmp_path / "out"
    code = sweep_workers.main([*words, f"--dataset={tiny}", f"--data-dir={tmp_path}", f"--out={out}"])
    assert code == 0
    stored = json.loads((out / "sweep_workers.json").read_text())
    (pair,) = stored["rounds"]
    assert pair["sweep"]["runs"] == 4
    assert pair["processes"]["runs"] == 2
    assert pair["sweep"]["images"] == pair["processes"]["images"] == 4 * 3 * 81
    for taken in (pair["sweep"], pair["processes"], *stored["growth"]):
        assert 0 < taken["start_seconds"] < taken["seconds"]
        assert taken["images_per_second"] > taken["images_per_second_with_start"]
    assert [taken["workers"] for taken in stored["growth"]] == [1, 2]
    assert all(taken["main_mb"] > 5 for taken in stored["growth"])
    assert sweep_workers.growth_table(stored["growth"]) in capsys.readouterr().out
    assert [entry.name for entry in out.iterdir()] == ["sweep_workers.json"]


@two_cores
def test_a_command_that_fails_is_named(tmp_path: Path) -> None:
    started = start(Folders(tmp_path, tmp_path / "runs"), "train", "--epochs", "none")
    with pytest.raises(MeasurementError, match=r"(?s)ffnn train --epochs none .* ended with 2\n.*--epochs"):
        started.document()


# Early termination


def test_hyperband_table_by_hand() -> None:
    counts = {"finished": 2, "pruned": 6, "failed": 0}
    sweeps = {
        "hyperband": {"counts": counts, "epochs": 18, "seconds": 30.0, "best": 0.879},
        "plain": {"counts": {**counts, "pruned": 0}, "epochs": 60, "seconds": 80.0, "best": 0.8802},
    }
    for each in sweeps.values():
        each["metric"] = "val_acc"
    lines = sweep_hyperband.table(sweeps).splitlines()
    assert lines[2] == "| with early_terminate | 2 | 6 | 0 | 18 | 0.30 | 30 | 0.38 | 0.8790 |"
    assert lines[-1].startswith("0.38 of the time (the target is at most 0.4), the best 0.12 points below")


def test_hyperband_end_to_end(tmp_path: Path, tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "hyperband.yaml"
    file.write_text(on(tiny, "early_terminate: {type: hyperband, min_iter: 1}").replace("[2, 3]", "[4]"))
    words = [f"--file={file}", "--count=6", "--workers=1", f"--data-dir={tmp_path}", f"--out={tmp_path}/out"]
    assert sweep_hyperband.main(words) == 0
    sweeps = json.loads((tmp_path / "out" / "sweep_hyperband.json").read_text())["sweeps"]
    assert sweeps["plain"]["counts"] == {"finished": 6, "pruned": 0, "failed": 0}
    assert sweeps["plain"]["epochs"] == 6 * 4
    assert sum(sweeps["hyperband"]["counts"].values()) == 6
    pruned = sweeps["hyperband"]["counts"]["pruned"]
    assert pruned >= 1
    # a run is judged after epochs 1 and 3
    assert 24 - 3 * pruned <= sweeps["hyperband"]["epochs"] <= 24 - pruned
    assert sweep_hyperband.table(sweeps) in capsys.readouterr().out


def test_a_file_without_early_termination_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "plain.yaml"
    file.write_text(SPACE)
    assert sweep_hyperband.main([f"--file={file}", f"--out={tmp_path}"]) == 1
    assert "plain.yaml has no early_terminate" in capsys.readouterr().err
