"""Comparisons of the losses: paired, killed and resumed, with halves that diverge."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from child_processes import children, wait_until_gone
from cli_helpers import Cli, environment
from test_cli_sweep import id_in, lines_until

from ffcli.config import TrainConfig, validate
from ffcli.core.backprop import Backpropagation
from ffcli.core.losses import LOSSES
from ffcli.core.network import Network
from ffcli.datasets import load_dataset
from ffcli.runs.model_file import load_network
from ffcli.sweeping.search.base import Known
from ffcli.sweeping.search.methods import proposer
from ffcli.sweeping.spec.spec import load_spec
from ffcli.training.experiment import Experiment

SPEC = """
method: random
parameters:
  dataset: {value: tiny.npz}
  loss: {values: [cross_entropy, squared_error]}
  epochs: {value: EPOCHS}
  hidden_size: {values: [4, 8, 12]}
  num_layers: {value: 1}
  optimizer: {values: [sgd, adam, nadam]}
  learning_rate: {values: [0.1, 0.01]}
  seed: {values: [1, 2]}
  batch_size: {value: 16}
"""


@pytest.fixture
def spec(tmp_path: Path, tiny: Path) -> Path:
    assert tiny == tmp_path / "tiny.npz"
    return write(tmp_path, SPEC.replace("EPOCHS", "3"))


def write(folder: Path, text: str) -> Path:
    path = folder / "losses.yaml"
    path.write_text(text)
    return path


def done_well(cli: Cli, *args: object) -> dict[str, Any]:
    done = cli("compare-loss", *args, "--json")
    assert done.code == 0, done.err
    return dict(json.loads(done.out))


def stored_network(folder: Path, run: str) -> Network:
    return load_network(folder / "runs" / run / "model.safetensors")[0]


def configs(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [pair["config"] for pair in document["pairs"]]


def test_pairs_are_trained_evaluated_and_drawn(cli: Cli, spec: Path) -> None:
    folder = spec.parent
    document = done_well(cli, spec, "--runs", "8", "--workers", "2", "-o", "figure.png")
    assert document["counts"] == {"finished": 8, "pruned": 0, "failed": 0}
    assert len(document["pairs"]) == document["summary"]["pairs"] == 4
    assert len({json.dumps(config) for config in configs(document)}) == 4
    assert document["png"] == "figure.png"
    assert (folder / "figure.png").read_bytes().startswith(b"\x89PNG")
    for pair in document["pairs"]:
        assert "loss" not in pair["config"]
        assert pair["left_out"] is None
        assert pair["seed"] == pair["config"]["seed"]
        for loss in ("cross_entropy", "squared_error"):
            half = pair[loss]
            run = json.loads(cli("runs", "show", half["run_id"], "--json").out)
            assert run["config"] == {**run["config"], **pair["config"], "loss": loss}
            assert half["val_acc"] == run["best_val_acc"]
            reached = [epoch["epoch"] for epoch in run["epochs"] if epoch["val_acc"] >= 0.8]
            assert half["epochs_to_80"] == (reached[0] if reached else None)
            evaluated = json.loads(cli("evaluate", half["run_id"], "--json").out)
            assert half["test_acc"] == pytest.approx(evaluated["accuracy"])
            same = "test_nll" if loss == "cross_entropy" else "test_brier"  # no weight decay: the loss itself
            assert half[same] == pytest.approx(evaluated["loss"], rel=1e-5)
    shown = cli("compare-loss", document["sweep_id"][-4:], "--csv", "pairs.csv")
    assert document["summary"]["verdict"] in shown.out
    assert "few pairs (4)" in shown.out
    assert "too few" in document["summary"]["verdict"]
    assert document["summary"]["few"] is True
    assert "8 finished" in shown.out
    assert shown.err.count("trial") == 0  # nothing was trained again
    check_table(folder / "pairs.csv", document["pairs"])


def check_table(path: Path, pairs: list[dict[str, Any]]) -> None:
    """The CSV holds what the document holds: an empty cell where nothing is known."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["pair"] for row in rows] == ["1", "2", "3", "4"]
    for row, pair in zip(rows, pairs):
        assert (row["optimizer"], int(row["seed"])) == (pair["config"]["optimizer"], pair["seed"])
        assert "epochs" not in row, "it is the same in all"
        for loss in ("cross_entropy", "squared_error"):
            assert float(row[f"test_nll/{loss}"]) == pytest.approx(pair[loss]["test_nll"], rel=1e-5)
            goal = pair[loss]["epochs_to_80"]
            assert row[f"epochs_to_80/{loss}"] == ("" if goal is None else str(goal))


def test_a_pair_starts_from_the_same_weights(cli: Cli, spec: Path) -> None:
    """With steps too small to change a weight the stored networks are the initial ones."""
    write(spec.parent, SPEC.replace("EPOCHS", "1").replace("[0.1, 0.01]", "[1.0e-30]"))
    document = done_well(cli, spec, "--runs", "6", "--workers", "1")
    seen = []
    for pair in document["pairs"]:
        runs = [pair[loss]["run_id"] for loss in ("cross_entropy", "squared_error")]
        first, second = (stored_network(spec.parent, run) for run in runs)
        for one, two in zip(first.weights, second.weights):
            assert np.array_equal(one, two)
        seen.append(first.weights[0].tobytes())
    assert len(set(seen)) > 1
    assert document["summary"]["measures"]["test_acc"]["difference"] == 0
    assert document["summary"]["verdict"].startswith("No verdict: 3 pairs are too few")


def test_a_pair_is_trained_on_the_same_batches_each_loss_with_its_own_gradient(
    cli: Cli, spec: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(spec.parent)
    (pair,) = done_well(cli, spec, "--runs", "2", "--workers", "1")["pairs"]
    batches, gradients = [], []
    for loss in ("cross_entropy", "squared_error"):
        run = pair[loss]["run_id"]
        config = validate(yaml.safe_load((spec.parent / "runs" / run / "config.yaml").read_text()))
        experiment, seen = recorded(config)
        assert type(experiment.backpropagation.loss) is LOSSES[loss]
        assert np.array_equal(
            experiment.restore_best_weights().params, stored_network(spec.parent, run).params
        )
        batches.append(seen)
        gradients.append(experiment.backpropagation.gradient.copy())
    assert len(batches[0]) == 3 * 6  # 81 images in batches of 16
    assert all(np.array_equal(one, two) for one, two in zip(*batches))
    assert not np.array_equal(*gradients)


def recorded(config: TrainConfig) -> tuple[Experiment, list[np.ndarray]]:
    """Train it again, and return the batches that it saw."""
    experiment = Experiment(config, load_dataset(config.dataset, Path("data")))
    seen: list[np.ndarray] = []

    class Recording(Backpropagation):
        def __call__(self, x: np.ndarray, targets: np.ndarray, logits: np.ndarray) -> None:
            seen.append(np.hstack([x, targets]))
            super().__call__(x, targets, logits)

    experiment.backpropagation.__class__ = Recording
    for _ in experiment:
        pass
    return experiment, seen


# Of so large a step cross-entropy never recovers; squared error gets stuck where its gradient is zero.
ENDS = """
method: grid
parameters:
  dataset: {value: tiny.npz}
  loss: {values: [cross_entropy, squared_error]}
  epochs: {value: 3}
  hidden_size: {value: 4}
  num_layers: {value: 1}
  activation: {value: identity}
  optimizer: {value: sgd}
  learning_rate: {values: RATES}
  batch_size: {value: 16}
"""


def test_a_half_that_diverges_leaves_its_pair_out(cli: Cli, spec: Path) -> None:
    write(spec.parent, ENDS.replace("RATES", "[0.1, 0.01, 1.0e+10]"))
    document = done_well(cli, spec, "--workers", "1")
    assert document["counts"] == {"finished": 5, "pruned": 0, "failed": 1}
    assert document["ended"] == "space"
    summary = document["summary"]
    assert (summary["pairs"], summary["left_out"]) == (2, 1)
    (left,) = [pair for pair in document["pairs"] if pair["left_out"]]
    assert left["config"]["learning_rate"] == 1e10
    assert left["left_out"].startswith("cross_entropy: the loss was not finite in epoch")
    assert left["cross_entropy"]["test_acc"] is None
    assert left["squared_error"]["test_acc"] is not None
    whole = [pair for pair in document["pairs"] if not pair["left_out"]]
    mean = np.mean([pair["cross_entropy"]["test_acc"] for pair in whole])
    assert summary["measures"]["test_acc"]["cross_entropy"] == pytest.approx(mean)
    shown = cli("compare-loss", document["sweep_id"]).out
    assert "left out: pair" in shown
    cli("compare-loss", document["sweep_id"], "--csv", "pairs.csv")
    text = (spec.parent / "pairs.csv").read_text()
    assert text.count("cross_entropy: the loss was not finite") == 1
    assert "cross_entropy: the loss was not finite" in shown


def test_no_whole_pair_is_an_error_after_the_result(cli: Cli, spec: Path) -> None:
    write(spec.parent, ENDS.replace("RATES", "[1.0e+10]"))
    done = cli("compare-loss", spec, "--runs", "2", "--workers", "1", "--json")
    assert done.code == 1
    document = json.loads(done.out)
    assert document["png"] is None
    assert document["summary"]["verdict"].startswith("No verdict")
    assert "no configuration finished with both losses" in done.err
    for loss in ("cross_entropy", "squared_error"):
        assert f"  {loss}  run_" in done.err, "the two of a pair have the same name"
    assert not (spec.parent / "compare-loss.png").exists()


def test_a_removed_run_leaves_its_pair_out(cli: Cli, spec: Path) -> None:
    document = done_well(cli, spec, "--runs", "4", "--workers", "1")
    gone = document["pairs"][0]["squared_error"]["run_id"]
    assert cli("runs", "rm", gone, "--yes").code == 0
    again = done_well(cli, document["sweep_id"])
    assert again["pairs"][0]["left_out"].startswith(f"squared_error: There is no run '{gone}'")
    assert again["summary"]["verdict"].startswith("No verdict: one pair")


def start(spec: Path) -> subprocess.Popen[str]:
    """Begin a comparison of 12 runs that last."""
    write(spec.parent, SPEC.replace("EPOCHS", "40"))
    return subprocess.Popen(
        [sys.executable, "-m", "ffcli", "compare-loss", str(spec), "--runs", "12", "--workers", "2"],
        cwd=spec.parent,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_killed_it_goes_on_with_the_same_pairs(cli: Cli, spec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(spec.parent)
    slow = start(spec)
    try:
        lines = lines_until(slow, "3/12")
        workers = children(slow.pid)
        os.kill(slow.pid, signal.SIGKILL)
        os.kill(workers[-1], signal.SIGKILL)
    finally:
        slow.kill()
        slow.communicate()
    wait_until_gone(workers)
    sweep_id = id_in(lines)
    shown = cli("sweeps", "show", sweep_id).out.splitlines()
    assert shown[0].endswith(" failed of 12")
    assert shown[-1] == f"resume it: ffnn compare-loss {sweep_id}"
    document = done_well(cli, spec, "--resume", "--workers", "1")  # as many as were asked for
    assert document["sweep_id"] == sweep_id
    assert document["counts"] == {"finished": 12, "pruned": 0, "failed": 0}
    assert document["summary"]["pairs"] == 6
    source = proposer(load_spec(spec), 0, "loss")  # as one worker alone would draw them
    for number, config in enumerate(configs(document)):
        for turn in (1, 2):
            proposal = source.propose(2 * number + turn)
            assert proposal.config.as_dict() == {**config, "loss": proposal.config.loss}
            source.learn(Known(2 * number + turn, False, 0.5, proposal.values, None))
    more = done_well(cli, sweep_id, "--runs", "14", "--workers", "1")
    assert configs(more)[:6] == configs(document)
    assert more["counts"]["finished"] == 14


def test_ctrl_c_says_how_to_go_on(spec: Path) -> None:
    slow = start(spec)
    try:
        sweep_id = id_in(lines_until(slow, "1/12"))
        os.killpg(slow.pid, signal.SIGINT)
        out, errors = slow.communicate(timeout=60)
    finally:
        slow.kill()
    assert (slow.returncode, out) == (130, "")
    assert f"Resume with: ffnn compare-loss {sweep_id}\n" in errors
    assert "Traceback" not in errors


def test_an_ordinary_sweep_goes_on_with_a_comparison_in_pairs_and_keeps_its_weights(
    cli: Cli, spec: Path
) -> None:
    document = done_well(cli, spec, "--runs", "2", "--workers", "1")
    sweep_id = document["sweep_id"]
    swept = cli("sweep", sweep_id, "--count", "8", "--workers", "1", "--json")
    assert json.loads(swept.out)["counts"]["finished"] == 8
    again = done_well(cli, sweep_id)
    assert again["summary"]["pairs"] == 4
    cli("sweep", sweep_id, "--count", "9", "--workers", "1")
    odd = done_well(cli, sweep_id)
    assert (odd["summary"]["pairs"], odd["counts"]["finished"]) == (4, 9)
    fresh = cli("sweep", spec, "--resume")  # no plain sweep of the file is there
    assert (fresh.code, fresh.out) == (2, "")
    plain = json.loads(cli("sweep", spec, "--count", "1", "--workers", "1", "--json").out)["sweep_id"]
    refused = cli("compare-loss", plain)
    assert refused.code == 2
    assert f"Sweep {plain} does not compare losses" in refused.err
    assert f"ffnn compare-loss {sweep_id} resumes" in cli("compare-loss", spec, "--runs", "2").err


def test_the_default_file_is_found_anywhere(cli: Cli) -> None:
    """Odd numbers are refused once the file was read, and before anything is stored."""
    done = cli("compare-loss", "--runs", "7")
    assert done.code == 2
    assert "--runs: must be an even number ≥ 2, got 7" in done.err
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("loss: {values: [cross_entropy, squared_error]}", "weight_decay: {value: 0}"), "loss is missing"),
        (
            ("[cross_entropy, squared_error]", "[cross_entropy]"),
            "got cross_entropy.",
        ),
        (("method: random", "method: bayes\nmetric: {name: val_loss}"), "got bayes"),
        (("method: random", "method: random\nmetric: {name: val_acc, target: 0.9}"), "metric.target"),
        (
            (
                "method: random",
                "method: random\nmetric: {name: val_acc}\nearly_terminate: {type: hyperband, min_iter: 1}",
            ),
            "early_terminate",
        ),
        (
            ("method: random", "method: random\nrun_cap: 4"),
            "--runs: must be at most the file's run_cap, 4, got 6",
        ),
        (("method: random", "method: random\nrun_cap: 1"), "got 1"),
    ],
)
def test_what_cannot_be_compared_is_refused(cli: Cli, spec: Path, change: tuple[str, str], said: str) -> None:
    write(spec.parent, SPEC.replace("EPOCHS", "3").replace(*change))
    done = cli("compare-loss", spec, "--runs", "6")
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert not (spec.parent / "runs").exists()


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["nope"], "no sweep 'nope'"),
        (["losses.yaml", "--resume", "--new"], "--new"),
        (["losses.yaml", "--resume"], "--resume: no comparison in runs is of losses.yaml"),
        (["losses.yaml", "--runs", "0"], "--runs"),
        (["losses.yaml", "--runs", "many"], "--runs must be an integer"),
        (["losses.yaml", "--workers", "0"], "--workers must be an integer ≥ 1"),
        (["losses.yaml", "-o", "nowhere/x.png"], "nowhere/x.png"),
        (["losses.yaml", "-o", "x.gif"], ".png"),
    ],
)
def test_a_wrong_request_stores_nothing(cli: Cli, spec: Path, args: list[str], said: str) -> None:
    done = cli("compare-loss", *args)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert not (spec.parent / "runs").exists()
