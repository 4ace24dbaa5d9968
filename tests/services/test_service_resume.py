from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
import yaml
from safetensors.numpy import load_file
from small_runs import Place, Watcher, interrupt_after, without_times, write_dataset, writes_until

from ffcli.core.optimizers import OPTIMIZERS
from ffcli.errors import FfnnError, RequestError
from ffcli.runs.store import CHECKPOINT, CONFIG, HISTORY, MODEL, SUMMARY
from ffcli.services.runs.select import load_run
from ffcli.services.train import train
from ffcli.training.options import RunOptions
from ffcli.training.resuming import resume_run
from ffcli.util.atomic_files import lock_folder, unlock


def go_on(place: Place, path: Path, epochs: int | None = None) -> dict[str, Any]:
    return resume_run(place.context, path.name, Watcher(), epochs=epochs)


def assert_same_run(path: Path, reference: dict[str, Any], *, same_epochs: bool = True) -> None:
    """Compare a run on disk with an uninterrupted one, bit for bit but for times."""
    other = Path(reference.path)
    assert without_times((path / HISTORY).read_text()) == without_times((other / HISTORY).read_text())
    if same_epochs:
        assert (path / MODEL).read_bytes() == (other / MODEL).read_bytes()
    mine, its = load_file(path / MODEL), load_file(other / MODEL)
    assert {name: array.tobytes() for name, array in mine.items()} == {
        name: array.tobytes() for name, array in its.items()
    }
    one, two = (json.loads((folder / SUMMARY).read_text()) for folder in (path, other))
    for key in ("status", "epochs_done", "best_epoch", "best_val_acc", "best", "config", "parameters"):
        assert one[key] == two[key], key
    assert sorted(entry.name for entry in path.iterdir()) == sorted([CONFIG, HISTORY, MODEL, SUMMARY])


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("epoch", [1, 3])
def test_an_interrupted_run_goes_on_to_the_same_end(place: Place, optimizer: str, epoch: int) -> None:
    reference = place.train(optimizer=optimizer)
    path = place.interrupted(epoch, optimizer=optimizer)
    document = go_on(place, path)
    assert document.status == "finished"
    assert [row.epoch for row in document.epochs] == [1, 2, 3, 4]
    assert_same_run(path, reference)


def test_a_run_interrupted_within_an_epoch_goes_on_to_the_same_end(place: Place) -> None:
    values = {"batch_size": 300}  # two batches an epoch, each told of by itself
    reference = place.train(**values)
    seen: list[tuple[int, int]] = []

    def press(done: int, total: int) -> None:
        seen.append((done, total))
        if len(seen) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(place.context, place.config(**values), RunOptions(), Watcher(at_batches=press))
    assert seen == [(1, 2), (2, 2), (1, 2)]
    path = place.path(place.context.runs.ids()[-1])
    assert place.context.runs.read(path.name).epochs_done == 1
    go_on(place, path)
    assert_same_run(path, reference)


def crash_at(write: int) -> AbstractContextManager[Callable[[], int]]:
    """Let the files of a run be written up to this write and none after it, as when the process is gone.

    What stops the run is a full disk, so that its end cannot be recorded either. Yields how to count.
    """
    return writes_until(write, OSError(errno.ENOSPC, "No space left on device"))


@pytest.mark.parametrize(("optimizer", "seed"), [(name, n % 2) for n, name in enumerate(OPTIMIZERS)])
def test_a_crash_between_any_two_writes_goes_on_to_the_same_end(
    place: Place, optimizer: str, seed: int
) -> None:
    values = {"optimizer": optimizer, "epochs": 3, "seed": seed}
    with crash_at(10_000) as writes:
        reference = place.train(**values)
        total = writes()
    assert total >= 2 + 3 * 3 + 1
    # With only the configuration written there is no run yet.
    for write in range(2, total):
        with crash_at(write), pytest.raises(OSError, match="No space"):
            place.train(**values)
        run_id = place.context.runs.ids()[-1]
        assert place.context.runs.read(run_id).status == "interrupted"
        assert place.context.runs.history(run_id) is not None
        go_on(place, place.path(run_id))
        assert_same_run(place.path(run_id), reference)


def test_a_run_that_crashes_again_and_again_comes_to_the_same_end(place: Place) -> None:
    reference = place.train(epochs=6)
    path = place.interrupted(1, epochs=6)
    for write in (3, 4, 5, 6, 7):
        with crash_at(write), pytest.raises(OSError, match="No space"):
            go_on(place, path)
        if place.context.runs.read(path.name).epochs_done == 6:
            break
    go_on(place, path)
    assert_same_run(path, reference)


def test_a_model_that_was_not_yet_written_comes_from_the_checkpoint(place: Place) -> None:
    """The best epoch is the last one done: the process died after its checkpoint, before its model."""
    for seed in range(20):
        path = place.interrupted(3, epochs=3, seed=seed)
        if place.context.runs.read(path.name).best_epoch == 3:
            break
    else:
        pytest.fail("no run whose last epoch is its best")
    expected = (path / MODEL).read_bytes()
    (path / MODEL).unlink()
    go_on(place, path)
    assert (path / MODEL).read_bytes() == expected


def test_an_interrupted_run_goes_on_with_more_epochs(place: Place) -> None:
    reference = place.train(epochs=6)
    path = place.interrupted(2, epochs=3)
    document = go_on(place, path, 6)
    assert document.config["epochs"] == 6
    assert yaml.safe_load((path / CONFIG).read_text())["epochs"] == 6
    assert_same_run(path, reference, same_epochs=False)


def test_an_interrupted_run_can_end_earlier(place: Place) -> None:
    reference = place.train(epochs=3)
    path = place.interrupted(2, epochs=6)
    go_on(place, path, 3)
    assert_same_run(path, reference, same_epochs=False)


@pytest.mark.parametrize("optimizer", ["sgd", "nadam"])
def test_a_finished_run_goes_on_with_more_epochs(place: Place, optimizer: str) -> None:
    reference = place.train(epochs=5, optimizer=optimizer)
    path = Path(place.train(epochs=3, optimizer=optimizer).path)
    watcher = Watcher()
    resume_run(place.context, path.name, watcher, epochs=5)
    assert_same_run(path, reference, same_epochs=False)
    assert any("trained again" in notice for notice in place.notices)
    assert [told[1] for told in watcher.told if told[0] == "epoch"] == [4, 5]


def test_a_finished_run_with_a_schedule_goes_on_with_more_epochs(place: Place) -> None:
    """As one that was interrupted before its last epoch: the later epochs have the later end."""
    reference = place.interrupted(3, epochs=3, schedule="cosine")
    go_on(place, reference, 5)
    path = Path(place.train(epochs=3, schedule="cosine").path)
    resume_run(place.context, path.name, Watcher(), epochs=5)
    assert any("trained again" in notice for notice in place.notices)
    losses = [
        [row.result.val_loss for row in place.context.runs.history(at.name)] for at in (path, reference)
    ]
    assert losses[0] == losses[1]
    assert (path / MODEL).read_bytes() == (reference / MODEL).read_bytes()


def test_a_finished_run_with_its_checkpoint_left_goes_on_from_it(place: Place) -> None:
    """The process was killed between the last summary and the removal of the checkpoint."""
    reference = place.train(epochs=5)
    path = place.interrupted(3, epochs=3)
    checkpoint = (path / CHECKPOINT).read_bytes()
    go_on(place, path)
    assert place.context.runs.read(path.name).status == "finished"
    (path / CHECKPOINT).write_bytes(checkpoint)
    watcher = Watcher()
    resume_run(place.context, path.name, watcher, epochs=5)
    assert watcher.told[0][3] == 4
    assert not place.notices[1:]
    assert_same_run(path, reference, same_epochs=False)


def test_a_replay_that_is_interrupted_leaves_the_finished_run(place: Place) -> None:
    path = Path(place.train().path)
    before = {entry.name: entry.read_bytes() for entry in path.iterdir()}

    def press(*_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        resume_run(place.context, path.name, Watcher(at_batches=press), epochs=9)
    assert {entry.name: entry.read_bytes() for entry in path.iterdir()} == before


@pytest.mark.parametrize("seed", [0, 1])  # the best epoch is not the last, and is
def test_a_finished_run_keeps_its_weights_wherever_its_continuation_crashes(place: Place, seed: int) -> None:
    # Its network was stored when it was to end with other epochs, which the file says.
    path = Path(place.train(epochs=3, seed=seed).path)
    go_on(place, path, 4)
    finished = shutil.copytree(path, place.folder / "finished")
    for write in range(5):
        shutil.rmtree(path)
        shutil.copytree(finished, path)
        with crash_at(write), pytest.raises(OSError, match="No space"):
            go_on(place, path, 6)
        load_run(path.name, place.context.runs_dir)
    go_on(place, path, 6)
    assert_same_run(path, place.train(epochs=6, seed=seed), same_epochs=False)


def as_on_another_processor(path: Path) -> None:
    """Change the second epoch's train_loss in a run's history by a few units in the last place."""
    lines = (path / HISTORY).read_text().splitlines()
    cells = lines[2].split(",")
    cells[1] = repr(float(cells[1]) * (1 + 1e-15))
    lines[2] = ",".join(cells)
    (path / HISTORY).write_text("\n".join(lines) + "\n")


def test_an_interrupted_run_whose_replay_comes_out_otherwise_begins_again(place: Place) -> None:
    """As one that was trained on a cluster, which leaves no checkpoint, of other machines."""
    reference = place.train()
    path = place.interrupted(3)
    (path / CHECKPOINT).unlink()
    as_on_another_processor(path)
    watcher = Watcher()
    resume_run(place.context, path.name, watcher)
    assert_same_run(path, reference)
    assert any("anew" in notice for notice in place.notices)
    assert [told[1] for told in watcher.told if told[0] == "epoch"] == [1, 2, 3, 4]


def test_a_replay_of_a_finished_run_that_comes_out_otherwise_is_refused(place: Place) -> None:
    path = Path(place.train().path)
    as_on_another_processor(path)
    with pytest.raises(FfnnError, match=r"Epoch 2 of run .* does not come out as recorded"):
        go_on(place, path, 9)
    assert place.context.runs.read(path.name).status == "finished"


def test_a_replay_without_its_history_is_refused(place: Place) -> None:
    path = Path(place.train().path)
    (path / HISTORY).unlink()
    with pytest.raises(FfnnError, match="lacks epoch 1"):
        go_on(place, path, 9)


@pytest.mark.parametrize("epochs", [None, 4, 3])
def test_a_finished_run_without_more_epochs_is_refused(place: Place, epochs: int | None) -> None:
    path = Path(place.train().path)
    with pytest.raises(RequestError, match="has done 4 epochs") as caught:
        go_on(place, path, epochs)
    assert "at least 5" in str(caught.value.hint)


def test_fewer_epochs_than_done_are_refused(place: Place) -> None:
    with pytest.raises(
        RequestError, match="has done 3 epochs: nothing is left to train for epochs=2"
    ) as caught:
        go_on(place, place.interrupted(3), 2)
    assert "at least 3" in str(caught.value.hint)


def test_epochs_out_of_bounds_are_refused(place: Place) -> None:
    with pytest.raises(RequestError, match="epochs must be "):
        go_on(place, place.interrupted(1), 0)


def test_a_diverged_run_is_refused(place: Place) -> None:
    document = place.train(optimizer="sgd", learning_rate=1e30)
    with pytest.raises(RequestError, match="diverged in epoch") as caught:
        go_on(place, Path(document.path), 50)
    assert caught.value.hint is not None
    assert "learning_rate" in caught.value.hint


def test_a_pruned_run_begins_again(place: Place) -> None:
    reference = place.train()
    path = place.interrupted(2)
    summary = json.loads((path / SUMMARY).read_text())
    (path / SUMMARY).write_text(json.dumps({**summary, "status": "pruned"}))
    (path / CHECKPOINT).unlink()
    go_on(place, path)
    assert_same_run(path, reference)


def test_changed_data_is_refused(place: Place) -> None:
    path = place.interrupted(1)
    before = {entry.name: entry.read_bytes() for entry in path.iterdir()}
    write_dataset(place.dataset, seed=1)
    with pytest.raises(FfnnError, match=r"no longer the one that run .* began with") as caught:
        go_on(place, path)
    assert caught.value.exit_code == 1
    assert {entry.name: entry.read_bytes() for entry in path.iterdir()} == before


def test_data_that_is_gone_is_refused(place: Place) -> None:
    path = place.interrupted(1)
    place.dataset.unlink()
    with pytest.raises(RequestError, match=r"mine\.npz"):
        go_on(place, path)


def test_a_run_in_use_is_refused(place: Place) -> None:
    path = place.interrupted(1)
    lock = lock_folder(path)
    with pytest.raises(FfnnError, match="still running in another process"):
        go_on(place, path)
    unlock(lock)
    assert go_on(place, path).status == "finished"


def test_a_run_that_another_process_continues_meanwhile_is_refused(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both have read its record, and the other one is done with it before this one holds it."""
    path = place.interrupted(1)
    history = type(place.context.runs).history
    monkeypatch.setattr(
        type(place.context.runs),
        "history",
        lambda self, run_id: [history(self, run_id), monkeypatch.undo(), go_on(place, path, 6)][0],
    )
    with pytest.raises(FfnnError, match=path.name):
        go_on(place, path)
    assert place.context.runs.read(path.name).epochs_done == 6
    assert [row.result.epoch for row in place.context.runs.history(path.name)] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    ("status", "epochs", "goes"),
    [("interrupted", None, True), ("interrupted", 6, False), ("pruned", None, False), ("finished", 6, False)],
)
def test_a_trial_of_a_sweep_stays_what_the_sweep_counts(
    place: Place, status: str, epochs: int | None, goes: bool
) -> None:
    path = place.interrupted(1)
    summary = json.loads((path / SUMMARY).read_text())
    (path / SUMMARY).write_text(
        json.dumps({**summary, "status": status, "sweep_id": "20260101-000000-000-aaaa"})
    )
    if goes:
        assert go_on(place, path, epochs).status == "finished"
        return
    before = {entry.name: entry.read_bytes() for entry in path.iterdir()}
    with pytest.raises(RequestError, match="20260101-000000-000-aaaa"):
        go_on(place, path, epochs)
    assert {entry.name: entry.read_bytes() for entry in path.iterdir()} == before


def test_an_unknown_run_is_refused(place: Place) -> None:
    path = place.interrupted(1)
    with pytest.raises(RequestError, match=f"Did you mean '{path.name}'"):
        resume_run(place.context, path.name[:-1] + "_", Watcher())


@pytest.mark.parametrize("name", [SUMMARY, CONFIG, HISTORY, CHECKPOINT, MODEL])
def test_a_damaged_file_is_refused_with_one_message(place: Place, name: str) -> None:
    for seed in range(10):
        path = place.interrupted(3, seed=seed)
        if place.context.runs.read(path.name).best_epoch != 3:
            break
    else:
        pytest.fail("no run that needs its model file")
    (path / name).write_bytes(b"\xff" * 50)
    with pytest.raises(FfnnError) as caught:
        go_on(place, path)
    assert "\n" not in str(caught.value)


def test_a_configuration_without_epochs_takes_the_default(place: Place) -> None:
    path = place.interrupted(1)
    values = yaml.safe_load((path / CONFIG).read_text())
    del values["epochs"]
    (path / CONFIG).write_text(yaml.safe_dump(values))
    assert go_on(place, path, 3).epochs_done == 3


def test_a_copy_of_a_run_goes_on_by_itself(place: Place) -> None:
    path = place.interrupted(2)
    copy = path.with_name("20200101-copy")
    shutil.copytree(path, copy)
    document = go_on(place, copy)
    assert (document.run_id, document.path) == (copy.name, copy)
    assert place.context.runs.read(path.name).status == "interrupted"


def test_an_extended_run_that_is_interrupted_keeps_what_it_had(place: Place) -> None:
    reference = place.train(epochs=6)
    path = Path(place.train(epochs=3).path)
    for epochs_done in (4, 5):
        with pytest.raises(KeyboardInterrupt):
            resume_run(place.context, path.name, interrupt_after(epochs_done), epochs=6)
        assert place.context.runs.read(path.name).epochs_done == epochs_done
        assert len(place.context.runs.history(path.name)) == epochs_done
    go_on(place, path, 6)
    assert_same_run(path, reference, same_epochs=False)


def test_an_extended_run_without_its_weights_can_be_interrupted(place: Place) -> None:
    """Most runs of a sweep have none."""
    values = {"learning_rate": 0.2, "optimizer": "sgd"}
    reference = place.train(epochs=6, **values)
    path = Path(place.train(epochs=4, **values).path)
    assert place.context.runs.read(path.name).best_epoch == 1
    (path / MODEL).unlink()
    with pytest.raises(KeyboardInterrupt):
        resume_run(place.context, path.name, interrupt_after(5), epochs=6)
    go_on(place, path, 6)
    assert_same_run(path, reference, same_epochs=False)


def test_an_unfinished_run_without_its_checkpoint_is_trained_again_from_the_start(place: Place) -> None:
    reference = place.train(epochs=5)
    path = place.interrupted(3, epochs=5)
    (path / CHECKPOINT).unlink()
    go_on(place, path)
    assert_same_run(path, reference)
