"""Sweeps by W&B's agents, end to end: ``ffnn sweep`` with the real SDK against the stand-in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from tracking_helpers import Done, Ffnn
from wandb_standin import StandIn
from wandb_standin import Sweep as RemoteSweep

SPEC = """
method: random
name: small
project: nets
metric: {name: val_acc, goal: maximize}
parameters:
  dataset: {value: tiny.npz}
  epochs: {values: [2, 3]}
  hidden_layers: {value: 1}
  hidden_size: {values: [4, 8]}
  optimizer: {values: [adam, nag]}
  learning_rate: {value: 1e-2}
  weight_decay: {min: 0, max: 0.1}
program: ffnn
command: [ffnn, train, "${args}"]
"""


@dataclass(frozen=True)
class Swept:
    """A sweep of six runs by two workers, what the command said, and its records here."""

    server: StandIn
    ffnn: Ffnn
    done: Done
    remote: RemoteSweep

    @property
    def path(self) -> str:
        return f"tester/nets/{self.remote.name}"

    def records(self, folder: str = "runs") -> list[dict[str, Any]]:
        return stored(self.ffnn.folder / folder)


def stored(folder: Path) -> list[dict[str, Any]]:
    """Return the records of a store, the oldest first."""
    return [json.loads(path.read_text()) for path in sorted(folder.glob("[!.]*/summary.json"))]


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Swept]:
    with StandIn() as server:
        ffnn = Ffnn(tmp_path_factory.mktemp("swept"), server)
        (ffnn.folder / "spec.yaml").write_text(SPEC)
        done = ffnn("sweep", "spec.yaml", "--count", 6, "--workers", 2, "--json")
        assert done.code == 0, done.err
        (remote,) = server.sweeps.values()
        yield Swept(server, ffnn, done, remote)


def test_six_runs_by_two_workers(swept: Swept) -> None:
    document = swept.done.document
    assert (document["sweep_id"], document["backend"]) == (swept.path, "wandb")
    assert document["counts"] == {"finished": 6, "pruned": 0, "failed": 0}
    assert (document["ended"], document["unsent"]) == ("count", [])
    url = f"{swept.server.url}/tester/nets/sweeps/{swept.remote.name}"
    assert f"W&B: {url}" in swept.done.err
    assert "--backend wandb, because a W&B key is configured" in swept.done.err
    assert swept.remote.handed_out >= 6
    first = [run for run in swept.server.runs.values() if run.name in at_wandb(swept.records())]
    assert len(first) == 6
    assert len(swept.remote.agents) >= 2


def at_wandb(records: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return records by the ids of their runs at W&B."""
    return {record["wandb"]["id"]: record for record in records}


def test_the_file_is_registered_with_canonical_names_and_its_own_dataset_path(swept: Swept) -> None:
    given = yaml.safe_load(SPEC)
    parameters = given["parameters"]
    parameters["num_layers"] = parameters.pop("hidden_layers")
    parameters["optimizer"]["values"] = ["adam", "nesterov"]
    parameters["learning_rate"]["value"] = 1e-2  # which YAML 1.1 takes for a word
    # W&B refuses an integer and a float
    parameters["weight_decay"] = {"min": 0.0, "max": 0.1, "distribution": "uniform"}
    assert swept.remote.config == given
    folder = Path(swept.done.document["path"])
    assert (swept.ffnn.folder / folder / "sweep.yaml").read_text() == SPEC


def test_each_run_is_here_and_there(swept: Swept) -> None:
    for run_id, record in at_wandb(swept.records()).items():
        run = swept.server.runs[run_id]
        assert (record["sweep_id"], record["status"]) == (swept.path, "finished")
        assert (run.sweep, run.state, run.exit_code) == (swept.remote.name, "finished", 0)
        assert record["wandb"]["synced"] == f"finished {record['epochs_done']}"
        assert record["wandb"]["sweep"] == swept.remote.name
        assert run.config["num_layers"] == 1
        assert "hidden_layers" not in run.config
        assert {name: run.config[name] for name in record["config"] if name != "dataset"} == {
            name: value for name, value in record["config"].items() if name != "dataset"
        }
        assert run.config["dataset"] == "tiny.npz"  # as the file has it
        assert len(run.history) == record["config"]["epochs"]
        assert run.summary["val_acc"] == record["best_val_acc"]


def test_the_best_is_the_best(swept: Swept) -> None:
    best = swept.done.document["best"]
    assert best["value"] == max(record["best_val_acc"] for record in swept.records())
    kept = [path.parent.name for path in (swept.ffnn.folder / "runs").glob("*/model.safetensors")]
    assert best["run_id"] in kept
    assert len(kept) == 5


def best_at_wandb(swept: Swept) -> tuple[str, float]:
    runs = [run for run in swept.server.runs.values() if run.state == "finished"]
    best = max(runs, key=lambda run: run.summary["val_acc"])
    return best.name, best.summary["val_acc"]


def test_the_best_by_the_api_is_evaluated_with_the_weights_that_are_here(swept: Swept) -> None:
    run_id, _ = best_at_wandb(swept)
    evaluated = swept.ffnn("evaluate", "--best", "--sweep", swept.path, "--json")
    assert evaluated.code == 0, evaluated.err
    assert evaluated.document["run_id"] == at_wandb(swept.records())[run_id]["run_id"]
    assert "trained again" not in evaluated.err


def test_the_best_by_the_api_is_trained_again_where_it_is_not_here(swept: Swept) -> None:
    run_id, value = best_at_wandb(swept)
    evaluated = swept.ffnn("evaluate", "--best", "--sweep", swept.path, "--runs-dir", "elsewhere", "--json")
    assert evaluated.code == 0, evaluated.err
    assert f"W&B's run {run_id} of sweep {swept.path} has no weights here" in evaluated.err
    (record,) = swept.records("elsewhere")
    assert record["run_id"] == evaluated.document["run_id"]
    assert record["best_val_acc"] == value
    assert record["config"] == at_wandb(swept.records())[run_id]["config"]
    original = swept.ffnn("evaluate", at_wandb(swept.records())[run_id]["run_id"], "--json")
    assert original.document["accuracy"] == evaluated.document["accuracy"]


def test_another_machine_joins_for_what_is_left(swept: Swept) -> None:
    before = set(swept.server.runs)
    joined = swept.ffnn(
        "sweep", swept.path, "--count", len(before) + 2, "--workers", 2, "--runs-dir", "other", "--json"
    )
    assert joined.code == 0, joined.err
    assert joined.document["counts"]["finished"] == 2
    assert set(swept.server.runs) - before == set(at_wandb(swept.records("other")))
    assert len(swept.server.runs) == len(before) + 2
    again = swept.ffnn("sweep", swept.path, "--count", 2, "--workers", 1, "--json")
    assert (again.code, again.document["ended"]) == (0, "count")
    assert len(swept.server.runs) == len(before) + 2


def test_a_wrong_key_is_told(swept: Swept) -> None:
    for command in (["sweep", "spec.yaml", "--new"], ["evaluate", "--best", "--sweep", swept.path]):
        done = swept.ffnn(*command, WANDB_API_KEY="wrong000" * 5)
        assert (done.code, done.out) == (1, "")
        assert f"W&B ({swept.server.url}) refuses the API key" in done.err
        assert "wrong000" not in done.err
    assert len(swept.server.sweeps) == 1


def test_an_unknown_sweep_is_refused(swept: Swept) -> None:
    done = swept.ffnn("sweep", "tester/nets/nothere", "--count", 1)
    assert done.code == 2
    assert "W&B knows no sweep tester/nets/nothere" in done.err
