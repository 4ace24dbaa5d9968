"""A record says what was done: its configuration and its weights cannot be exchanged under it."""

from __future__ import annotations

import errno
import json
import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from small_runs import Place, Watcher

from ffcli.errors import FfnnError, RequestError
from ffcli.runs import recorder
from ffcli.runs.store import CHECKPOINT, CONFIG, HISTORY, MODEL, SUMMARY
from ffcli.services.evaluation.best import RunChoice
from ffcli.services.evaluation.evaluate import evaluate
from ffcli.services.train import train
from ffcli.training.options import RunOptions
from ffcli.training.resuming import resume_run


def edit(path: Path, **values: Any) -> None:
    """Change entries of the configuration in a run's folder."""
    (path / CONFIG).write_text(yaml.safe_dump({**yaml.safe_load((path / CONFIG).read_text()), **values}))


def contents(path: Path) -> dict[str, bytes]:
    return {entry.name: entry.read_bytes() for entry in path.iterdir()}


CHANGES = [{"learning_rate": 0.5}, {"seed": 7}, {"optimizer": "sgd"}, {"hidden_size": 9}, {"beta": 0.123}]


@pytest.mark.parametrize("change", CHANGES, ids=str)
@pytest.mark.parametrize("done", [True, False])
def test_a_run_is_not_continued_with_another_configuration(
    place: Place, change: dict[str, Any], done: bool
) -> None:
    path = place.train().path if done else place.interrupted(2)
    edit(path, **change)
    before = contents(path)
    with pytest.raises(RequestError) as caught:
        resume_run(place.context, path.name, Watcher(), epochs=9)
    (name, value) = next(iter(change.items()))
    assert name in str(caught.value)
    assert str(value) in str(caught.value)
    assert contents(path) == before


def test_nor_where_its_record_was_changed_as_well(place: Place) -> None:
    path = place.interrupted(2)
    edit(path, learning_rate=0.5)
    record = json.loads((path / SUMMARY).read_text())
    record["config"]["learning_rate"] = 0.5
    (path / SUMMARY).write_text(json.dumps(record))
    with pytest.raises(FfnnError, match="learning_rate"):
        resume_run(place.context, path.name, Watcher())


def test_a_changed_number_of_epochs_is_recorded(place: Place) -> None:
    """It is what `resume` may change, so that the record tells of it whoever did."""
    path = place.interrupted(2)
    edit(path, epochs=5)
    document = resume_run(place.context, path.name, Watcher())
    assert document.config["epochs"] == len(document.epochs) == 5
    assert document.provenance["begun_for_epochs"] == 4


def test_the_weights_of_another_run_are_refused(place: Place) -> None:
    one, other = (place.train(seed=seed).path for seed in (0, 1))
    assert evaluate(place.context, [RunChoice(one.name)])
    shutil.copy(other / MODEL, one / MODEL)
    with pytest.raises(FfnnError, match="digest") as caught:
        evaluate(place.context, [RunChoice(one.name)])
    assert caught.value.exit_code == 1
    assert str(one / MODEL) in str(caught.value)


def test_a_run_is_not_continued_from_the_weights_of_another(place: Place) -> None:
    for seed in range(20):  # until the best epoch is not the last one done
        path = place.interrupted(3, epochs=9, seed=seed, learning_rate=0.3)
        if place.context.runs.read(path.name).best_epoch != 3:
            break
    other = place.train(seed=99).path
    shutil.copy(other / MODEL, path / MODEL)
    with pytest.raises(FfnnError, match="digest"):
        resume_run(place.context, path.name, Watcher())


def test_a_model_that_is_newer_than_the_record_is_refused_until_the_run_is_resumed(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process was killed after it wrote the model and before it wrote the record."""
    true_write, is_full = recorder.write_atomic, False

    def write_atomic(path: Path, content: bytes | str) -> None:
        nonlocal is_full
        if is_full:
            raise OSError(errno.ENOSPC, "No space left on device")
        true_write(path, content)
        is_full = path.name == MODEL

    with monkeypatch.context() as patch:
        patch.setattr(recorder, "write_atomic", write_atomic)
        with pytest.raises(OSError, match="No space"):
            place.train()
    path = place.path(place.context.runs.ids()[-1])
    assert place.context.runs.read(path.name).model_sha256 is None
    assert (path / CHECKPOINT).exists()
    with pytest.raises(FfnnError, match="those of epoch 1") as caught:
        evaluate(place.context, [RunChoice(path.name)])
    assert f"--resume {path.name}" in str(caught.value.hint)
    shutil.copy(place.train(seed=3).path / MODEL, path / MODEL)
    with pytest.raises(FfnnError, match="digest"):
        evaluate(place.context, [RunChoice(path.name)])


def test_a_history_is_appended_to(place: Place) -> None:
    """It is written whole only where it is not as the recorder left it."""
    seen: list[tuple[int, bytes]] = []

    def look(_: object) -> None:
        (path,) = (place.path(run_id) / HISTORY for run_id in place.context.runs.ids())
        seen.append((path.stat().st_ino, path.read_bytes()))
        if len(seen) == 3:
            path.write_bytes(seen[-1][1][:-9])  # as an editor would

    train(place.context, place.config(epochs=5), RunOptions(), Watcher(at_epoch=look))
    assert seen[0][0] == seen[1][0] == seen[2][0] != seen[3][0]
    assert all(after.startswith(before) for (_, before), (_, after) in pairwise(seen))
    (run_id,) = place.context.runs.ids()
    assert len(place.context.runs.history(run_id)) == 5
