"""The benchmarks of sweeps: tables worked out by hand, and small sweeps whose numbers are known before."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import sweep_cluster, sweep_hyperband, sweep_overhead, sweep_workers
from benchmarks.measure import MeasurementError
from benchmarks.sweep_command import Folders, memory_of, pss_mb, start

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


# The coordinator


def test_overhead_table_and_summary_by_hand() -> None:
    cell = {"method": "bayes", "workers": 2, "seconds_per_trial": 0.05, "seconds_per_trial_at_the_end": 0.08}
    results = {
        "file": "bayes.yaml",
        "training_seconds": [2.0, 4.0, 6.0],
        "cells": [{**cell, "trials": 10}, {**cell, "trials": 500, "seconds_per_trial": 0.1}],
    }
    lines = sweep_overhead.table(results).splitlines()
    # 0.05 s of 4 s, so that 80 workers are fed
    assert lines[2:] == [
        "| bayes | 10 | 2 | 50.0 | 80.0 | 1.25% | 80 |",
        "| bayes | 500 | 2 | 100.0 | 80.0 | 2.50% | 40 |",
    ]
    told = sweep_overhead.summary(results).splitlines()
    assert told[0].startswith(
        "an average configuration of bayes.yaml trains 4.0 ± 1.2 s on one core (3 drawn"
    )
    assert told[1:] == ["at 500 trials at most 2.50% of that; the target is 1.0%"]


def test_overhead_end_to_end(tmp_path: Path, tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "space.yaml"
    file.write_text(on(tiny))
    words = f"--file={file} --trials=3 --workers=1,2 --configs=2".split()
    assert sweep_overhead.main([*words, f"--data-dir={tmp_path}", f"--out={tmp_path / 'out'}"]) == 0
    stored = json.loads((tmp_path / "out" / "sweep_overhead.json").read_text())
    taken = [(cell["method"], cell["trials"], cell["workers"]) for cell in stored["cells"]]
    assert taken == [("bayes", 3, 1), ("bayes", 3, 2), ("random", 3, 1), ("random", 3, 2)]
    assert all(cell["seconds_per_trial"] > 0 for cell in stored["cells"])
    assert len(stored["training_seconds"]) == 2
    assert sweep_overhead.table(stored) in capsys.readouterr().out
    assert [entry.name for entry in (tmp_path / "out").iterdir()] == ["sweep_overhead.json"]


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--trials=500,x"], "'x' is not a whole number"),
        (["--methods=bays"], "'bays' is none of bayes, random"),
    ],
)
def test_a_bad_option_is_named(words: list[str], named: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        sweep_overhead.main(words)
    assert stopped.value.code == 2
    assert named in capsys.readouterr().err


def test_a_cluster_of_simulated_workers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("distributed")
    words = ["--workers=3", "--seconds=0.4", "--rounds=2", f"--out={tmp_path}"]
    assert sweep_cluster.main(words) == 0
    (cell,) = json.loads((tmp_path / "sweep_cluster.json").read_text())["cells"]
    assert (cell["workers"], cell["trials"]) == (3, 6)
    assert 0 < cell["busy"] <= 1
    assert sweep_cluster.table([cell]) in capsys.readouterr().out
    assert [entry.name for entry in tmp_path.iterdir()] == ["sweep_cluster.json"]


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


def test_trials_an_hour_on_dask_against_local_ones() -> None:
    # 54,000 images a trial: 27,000 a second are half a trial a second, 1,800 an hour
    about = {"runs": 20, "images": 20 * 54_000, "start_seconds": 2.0}
    rounds = [
        {"sweep": {**about, "images_per_second": local}, "dask": {**about, "images_per_second": dask}}
        for local, dask in ((27_000, 26_190), (27_000, 24_300), (54_000, 54_000))
    ]
    lines = sweep_workers.dask_table(rounds).splitlines()
    assert lines[2] == "| 1 | 1,800 | 1,746 | 0.970 | 2.0 |"
    assert lines[-1] == "median ratio 0.970; the target is at least 0.95"


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
    pytest.importorskip("distributed")
    words = ["--trials=4", "--epochs=3", "--rounds=1", "--workers=1,2"]
    out = tmp_path / "out"
    code = sweep_workers.main([*words, f"--dataset={tiny}", f"--data-dir={tmp_path}", f"--out={out}"])
    assert code == 0
    stored = json.loads((out / "sweep_workers.json").read_text())
    (pair,) = stored["rounds"]
    assert pair["sweep"]["runs"] == 4
    assert pair["dask"]["runs"] == 4
    assert pair["processes"]["runs"] == 2
    assert pair["sweep"]["images"] == pair["processes"]["images"] == 4 * 3 * 81
    for taken in (*pair.values(), *stored["growth"]):
        assert 0 < taken["start_seconds"] < taken["seconds"]
        assert taken["images_per_second"] > taken["images_per_second_with_start"]
    assert [taken["workers"] for taken in stored["growth"]] == [1, 2]
    assert all(taken["main_mb"] > 5 for taken in stored["growth"])
    assert [len(taken["worker_mb"]) for taken in stored["growth"]] == [1, 2]
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
    # a run is compared after epochs 1 and 3
    assert 24 - 3 * pruned <= sweeps["hyperband"]["epochs"] <= 24 - pruned
    assert sweep_hyperband.table(sweeps) in capsys.readouterr().out


def test_a_file_without_early_termination_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "plain.yaml"
    file.write_text(SPACE)
    assert sweep_hyperband.main([f"--file={file}", f"--out={tmp_path}"]) == 1
    assert "plain.yaml has no early_terminate" in capsys.readouterr().err
