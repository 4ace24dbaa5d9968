"""Ids by a unique beginning or end: the same for runs, ensembles and sweeps."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from stored_runs import put

from ffcli.errors import RequestError
from ffcli.runs.ensembles import EnsembleStore
from ffcli.runs.ids import find_id, near, some
from ffcli.runs.store import RunStore
from ffcli.services.sweeps.find import find_sweep
from ffcli.training.context import Context

IDS = ["20260101-aaaa", "20260102-bbbb", "20260102-bbbb-copy"]

Found = Callable[[str], str]


def run(folder: Path) -> Found:
    for run_id in IDS:
        put(folder, run_id)
    return lambda word: RunStore(folder).find(word).name


def sweep(folder: Path) -> Found:
    for sweep_id in IDS:
        (folder / "sweeps" / sweep_id).mkdir(parents=True)
        (folder / "sweeps" / sweep_id / "study.log").touch()
    return lambda word: find_sweep(Context(folder / "data", folder), word)


def ensemble(folder: Path) -> Found:
    about = {"run_ids": [], "dataset": "mnist", "n": 1, "accuracy": 0.5, "loss": None, "tta": False}
    more = {"val_acc": None, "val_loss": None, "val_n": None, "members": [], "per_class": []}
    more |= {"created": "2026-01-01T00:00:00Z", "provenance": {}, "path": ""}
    (folder / "ensembles").mkdir()
    for ensemble_id in IDS:
        record = {"ensemble_id": ensemble_id, **about, **more}
        (folder / "ensembles" / f"{ensemble_id}.json").write_text(json.dumps(record))
    return lambda word: EnsembleStore(folder).read(word).ensemble_id


@pytest.fixture(params=[run, sweep, ensemble], ids=lambda kind: kind.__name__)
def kind(request: pytest.FixtureRequest) -> Callable[[Path], Found]:
    return request.param


def test_all_kinds_of_ids_are_found_alike(kind: Callable[[Path], Found], tmp_path: Path) -> None:
    find = kind(tmp_path)
    for word, found in (("aaaa", IDS[0]), ("20260101", IDS[0]), ("copy", IDS[2]), (IDS[1], IDS[1])):
        assert find(word) == found
    name = kind.__name__
    with pytest.raises(RequestError, match=f"2 {name}s: {IDS[1]}, {IDS[2]}"):
        find("20260102")
    for word in ("", "nosuch"):
        with pytest.raises(RequestError, match=f"no {name} '{word}' in .* The latest are {IDS[0]}, {IDS[1]}"):
            find(word)
    with pytest.raises(RequestError, match=f"no {name} '.*Did you mean '{IDS[0]}'"):
        find("20260101-aaab")


def test_of_many_the_latest_are_named() -> None:
    many = [f"id{number}" for number in range(10)]
    assert some(many) == "id7, id8, id9 and 7 more"
    with pytest.raises(RequestError, match=f"^'{'x' * 77}...' .* 2 runs"):
        find_id("run", "x" * 100, ["x" * 100 + "a", "x" * 100 + "b"])
    assert near("zzz", []) == ""
    assert near("zzz", ["id0"]) == " The only one is id0."
