"""Removing sweeps of W&B's: what lies here goes, whoever trained its runs; nothing is asked of W&B."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from small_runs import Place
from stored_runs import put
from stored_sweeps import put_sweep

from ffcli.errors import FfnnError, RequestError
from ffcli.runs.record import WandbRun
from ffcli.services.sweeps.remove import remove_sweeps, runs_of_sweeps
from ffcli.util.atomic_files import lock_folder, unlock

REMOTE = "team/project/abc123"


def put_remote(place: Place, sweep: str = REMOTE) -> Path:
    """Leave what agents leave of a sweep: its file."""
    folder = place.context.runs_dir / "sweeps" / sweep
    folder.mkdir(parents=True)
    (folder / "sweep.yaml").write_text("name: remote\n")
    return folder


def runs(place: Place) -> list[str]:
    return place.context.runs.ids()


@pytest.mark.parametrize("word", [REMOTE, "abc123", "team", "remote"])
def test_its_folder_and_runs_go_and_no_others(place: Place, word: str) -> None:
    folder = put_remote(place)
    put(place.context.runs_dir, "ours", sweep_id=REMOTE)
    theirs = WandbRun(entity="team", project="project", sweep="abc123")
    put(place.context.runs_dir, "theirs", wandb=theirs)
    put(place.context.runs_dir, "other", wandb=replace(theirs, sweep="abc124"))
    found = runs_of_sweeps(place.context, [word])
    assert {sweep: [run.run_id for run in its_runs] for sweep, its_runs in found.items()} == {
        REMOTE: ["ours", "theirs"]
    }
    removal = remove_sweeps(place.context, found)
    assert (removal.removed, removal.runs) == ([REMOTE], ["ours", "theirs"])
    assert runs(place) == ["other"]
    assert list((place.context.runs_dir / "sweeps").iterdir()) == []
    assert not folder.exists()


def test_another_sweep_of_its_project_stays(place: Place) -> None:
    put_remote(place)
    other = put_remote(place, "team/project/abc124")
    remove_sweeps(place.context, runs_of_sweeps(place.context, ["abc123"]))
    assert [path.name for path in other.parent.iterdir()] == ["abc124"]


def test_its_runs_can_be_kept(place: Place) -> None:
    folder = put_remote(place)
    put(place.context.runs_dir, "ours", sweep_id=REMOTE)
    remove_sweeps(place.context, runs_of_sweeps(place.context, [REMOTE]), keep_runs=True)
    assert runs(place) == ["ours"]
    assert not folder.exists()


def test_runs_without_a_folder_go_too(place: Place) -> None:
    put(place.context.runs_dir, "ours", sweep_id=REMOTE)
    assert remove_sweeps(place.context, runs_of_sweeps(place.context, [REMOTE])).runs == ["ours"]


@pytest.mark.parametrize("word", [REMOTE, "abc123", "../../x", "a/../b"])
def test_what_is_not_here_is_refused(place: Place, word: str) -> None:
    put_sweep(place, "learning_rate: {values: [0.1, 0.01]}", [])
    with pytest.raises(RequestError):
        runs_of_sweeps(place.context, [word])


def test_nothing_goes_while_an_agent_trains_a_run_of_it(place: Place) -> None:
    folder = put_remote(place)
    put(place.context.runs_dir, "ended", sweep_id=REMOTE)
    lock = lock_folder(put(place.context.runs_dir, "open", sweep_id=REMOTE, status="running"))
    try:
        with pytest.raises(FfnnError):
            remove_sweeps(place.context, runs_of_sweeps(place.context, [REMOTE]))
    finally:
        unlock(lock)
    assert (runs(place), folder.exists()) == (["ended", "open"], True)


@pytest.mark.parametrize("remote", [False, True])
def test_of_a_link_to_a_folder_elsewhere_only_the_link_goes(place: Place, remote: bool) -> None:
    sweep = REMOTE if remote else put_sweep(place, "epochs: {values: [1, 2]}", [])
    folder = put_remote(place) if remote else place.context.runs_dir / "sweeps" / sweep
    put(place.context.runs_dir, "ours", sweep_id=sweep)
    elsewhere = folder.rename(place.folder / "elsewhere")
    kept = {path.name for path in elsewhere.iterdir()}
    folder.symlink_to(elsewhere)
    removal = remove_sweeps(place.context, runs_of_sweeps(place.context, [sweep]))
    assert (removal.removed, removal.runs, folder.is_symlink()) == ([sweep], ["ours"], False)
    assert kept <= {path.name for path in elsewhere.iterdir()}


@pytest.mark.parametrize("remote", [False, True])
def test_a_removal_that_is_killed_can_be_repeated(
    place: Place, monkeypatch: pytest.MonkeyPatch, remote: bool
) -> None:
    sweep = REMOTE if remote else put_sweep(place, "epochs: {values: [1, 2]}", [])
    folder = put_remote(place) if remote else place.context.runs_dir / "sweeps" / sweep
    for name in ("runs.csv", "summary.json"):
        (folder / name).touch()
    put(place.context.runs_dir, "ours", sweep_id=sweep)
    true_unlink = Path.unlink
    removed: list[str] = []

    def unlink(path: Path, missing_ok: bool = False) -> None:
        if path.parent == folder:
            if len(removed) == 2:
                raise KeyboardInterrupt
            removed.append(path.name)
        true_unlink(path, missing_ok)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", unlink)
        patch.setattr("ffcli.services.sweeps.remove.shutil.rmtree", lambda path: unlink(path / "last"))
        with pytest.raises(KeyboardInterrupt):
            remove_sweeps(place.context, runs_of_sweeps(place.context, [sweep]))
    assert len(removed) == 2
    removal = remove_sweeps(place.context, runs_of_sweeps(place.context, [sweep]))
    assert (removal.removed, folder.exists()) == ([sweep], False)


@pytest.mark.parametrize("keep_runs", [False, True])
@pytest.mark.parametrize("remote", [False, True])
@pytest.mark.parametrize("change", ["another run", "more epochs"])
def test_one_that_has_gone_on_meanwhile_stays(
    place: Place, remote: bool, keep_runs: bool, change: str
) -> None:
    sweep = REMOTE if remote else put_sweep(place, "epochs: {values: [1, 2]}", [])
    folder = put_remote(place) if remote else place.context.runs_dir / "sweeps" / sweep
    put(place.context.runs_dir, "a", sweep_id=sweep, epochs_done=1)
    found = runs_of_sweeps(place.context, [sweep])
    put(place.context.runs_dir, "b" if change == "another run" else "a", sweep_id=sweep, epochs_done=2)
    before = runs(place)
    with pytest.raises(FfnnError) as refused:
        remove_sweeps(place.context, found, keep_runs=keep_runs)
    assert sweep in str(refused.value)
    assert (runs(place), folder.exists()) == (before, True)
    removal = remove_sweeps(place.context, runs_of_sweeps(place.context, [sweep]), keep_runs=keep_runs)
    assert (removal.runs, folder.exists()) == ([] if keep_runs else before, False)
