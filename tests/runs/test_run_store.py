from __future__ import annotations

import json
import os
import re
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from stored_runs import put, record

from ffcli.core.training import EpochResult
from ffcli.errors import FfnnError, RequestError
from ffcli.runs import staging
from ffcli.runs import store as store_module
from ffcli.runs.ids import new_run_id
from ffcli.runs.record import HISTORY_COLUMNS, HistoryRow, history_csv
from ffcli.runs.staging import remove_unbegun
from ffcli.runs.store import CHECKPOINT, CONFIG, HISTORY, SUMMARY, DamagedRunError, RunStore
from ffcli.services.runs.listing import list_runs
from ffcli.training.context import Context
from ffcli.util import atomic_files as files_module
from ffcli.util import held_folder as held_folder_module
from ffcli.util.atomic_files import lock_folder, this_machine, unlock

TIME = "2026-01-01T00:00:00.000Z"
OLD, MIDDLE, NEW = "20260101-000000-000-aaaa", "20260101-120000-000-bbbb", "20260202-000000-000-cccc"


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    """A store of three runs."""
    folder = tmp_path / "runs"
    for run_id in (NEW, OLD, MIDDLE):
        put(folder, run_id)
    return RunStore(folder)


def created(store: RunStore) -> str:
    """Make a new run without any files, and return its id."""
    with store.create() as new:
        new.appear()
    return new.path.name


class TestIds:
    def test_ids_are_unique_and_sort_by_time(self, tmp_path: Path) -> None:
        ids = [created(RunStore(tmp_path)) for _ in range(500)]
        assert len(set(ids)) == len(ids)
        times = [run_id[:-5] for run_id in ids]
        assert times == sorted(times)
        assert len(set(times)) > 1
        assert all(re.fullmatch(r"\d{8}-\d{6}-\d{3}-[a-z2-9]{4}", run_id) for run_id in ids)

    def test_two_runs_never_share_a_folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        ids = iter(["one", "one", "two"])
        monkeypatch.setattr(store_module, "new_run_id", lambda _: next(ids))
        store = RunStore(tmp_path / "deep" / "runs")
        assert [created(store), created(store)] == ["one", "two"]

    def test_nor_do_two_that_are_being_begun(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        ids = iter(["one", "one", "two"])
        monkeypatch.setattr(store_module, "new_run_id", lambda _: next(ids))
        store = RunStore(tmp_path)
        with store.create() as first, store.create() as second:
            assert [first.path.name, second.path.name] == ["one", "two"]

    @pytest.mark.parametrize("ahead", [timedelta(milliseconds=2), timedelta(hours=3)])
    def test_a_clock_that_is_set_back_gives_ids_that_go_on(self, tmp_path: Path, ahead: timedelta) -> None:
        before = datetime.now(timezone.utc) + ahead
        latest = f"{before:%Y%m%d-%H%M%S}-{before.microsecond // 1000:03d}-zzzz"
        (tmp_path / latest).mkdir()
        ids = [latest, *(created(RunStore(tmp_path)) for _ in range(20))]
        times = [run_id[:-5] for run_id in ids]
        assert times == sorted(times)
        assert times[0] < times[1]
        assert ids[-1][:15] <= f"{before + timedelta(seconds=30):%Y%m%d-%H%M%S}"

    def test_a_clock_that_was_wrong_by_years_leaves_no_trace(self) -> None:
        known = ["20991231-235959-999-aaaa", "99999999-999999-999-aaaa", "sweeps", "zzz"]
        assert new_run_id(known)[:8] == f"{datetime.now(timezone.utc):%Y%m%d}"

    def test_a_file_in_place_of_the_store_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "runs").write_text("")
        store = RunStore(tmp_path / "runs")
        with pytest.raises(RequestError, match=r"runs_dir: .*the file .*runs"):
            store.create()
        for ask in (store.ids, lambda: store.find("x")):
            with pytest.raises(RequestError, match="the file"):
                ask()
        with pytest.raises(RequestError, match=r"runs_dir: .*deeper"):
            RunStore(tmp_path / "runs" / "deeper").create()


class TestFind:
    @pytest.mark.parametrize(
        ("word", "found"),
        [(OLD, OLD), ("cccc", NEW), ("20260202", NEW), ("20260101-12", MIDDLE), ("b", MIDDLE)],
    )
    def test_a_run_is_found_by_its_id_or_an_end_of_it(self, store: RunStore, word: str, found: str) -> None:
        assert store.find(word) == store.folder / found

    def test_the_whole_id_wins_over_a_longer_one(self, store: RunStore) -> None:
        put(store.folder, OLD + "-copy")
        assert store.find(OLD).name == OLD

    def test_an_ambiguous_word_names_what_it_stands_for(self, store: RunStore) -> None:
        with pytest.raises(RequestError, match=f"2 runs: {OLD}, {MIDDLE}"):
            store.find("20260101")

    def test_an_unknown_run_names_the_nearest(self, store: RunStore) -> None:
        with pytest.raises(RequestError, match=f"Did you mean '{NEW}'") as caught:
            store.find("20260202-000000-000-ccdc")
        assert caught.value.hint is not None

    def test_an_unknown_run_unlike_any_names_the_latest(self, store: RunStore) -> None:
        with pytest.raises(RequestError, match=f"The latest are {OLD}, {MIDDLE}, {NEW}"):
            store.find("qqqqqq")

    @pytest.mark.parametrize("word", ["", ".", "..", "../outside", "/", "\0", "*", "a" * 5000, "x/../" + OLD])
    def test_no_word_leads_out_of_the_store(self, store: RunStore, word: str) -> None:
        put(store.folder.parent, "outside")
        with pytest.raises(RequestError):
            store.find(word)

    def test_the_path_of_a_run_is_its_name(self, store: RunStore) -> None:
        assert store.find(str(store.folder / OLD)).name == OLD

    def test_a_path_outside_is_no_run(self, store: RunStore) -> None:
        outside = put(store.folder.parent, "outside")
        for word in (str(outside), str(outside / OLD), f"{store.folder}/../outside"):
            with pytest.raises(RequestError):
                store.find(word)


class TestFindByName:
    def test_a_run_is_found_by_its_name(self, store: RunStore) -> None:
        put(store.folder, "20260301-000000-000-dddd", name="my best")
        assert store.find("my best").name == "20260301-000000-000-dddd"

    def test_an_id_wins_over_a_name(self, store: RunStore) -> None:
        put(store.folder, "20260301-000000-000-dddd", name=OLD)
        assert store.find(OLD).name == OLD

    def test_several_of_one_name_are_listed(self, store: RunStore) -> None:
        for end in ("dddd", "eeee"):
            put(store.folder, f"20260301-000000-000-{end}", name="twice")
        with pytest.raises(RequestError, match=r"2 runs: .*dddd, .*eeee"):
            store.find("twice")


class TestList:
    def test_folders_with_a_summary_or_the_name_of_a_run_are_runs(self, store: RunStore) -> None:
        (store.folder / "sweeps" / "s1").mkdir(parents=True)
        (store.folder / "notes.txt").write_text("")
        (store.folder / "20260303-000000-000-eeee").write_text("")
        (store.folder / "20260303-000000-000-dddd").mkdir()
        (store.folder / "20260303-000000-000-dddd" / f".{SUMMARY}-x1y2z3").write_text("{}")
        assert store.ids() == [OLD, MIDDLE, NEW, "20260303-000000-000-dddd"]

    def test_a_run_without_a_record_is_damaged_unless_it_is_just_being_removed(self, store: RunStore) -> None:
        (store.folder / OLD / SUMMARY).unlink()
        damaged: list[str] = []
        lock = lock_folder(store.folder / OLD)
        assert len(list(store.records(damaged))) == 2
        assert damaged == []
        unlock(lock)
        assert len(list(store.records(damaged))) == 2
        assert damaged == [OLD]
        with pytest.raises(DamagedRunError, match="has no record: it was removed in part"):
            store.read(OLD)
        store.remove(OLD)
        assert store.ids() == [MIDDLE, NEW]


class TestNewRuns:
    def test_it_has_its_name_from_when_it_appears(self, store: RunStore) -> None:
        damaged: list[str] = []
        with store.create() as new:
            (new.place / SUMMARY).write_text(json.dumps(record(new.path.name).as_dict()))
            assert store.ids() == [OLD, MIDDLE, NEW]
            assert len(list(store.records(damaged))) == 3
            new.appear()
            assert store.ids() == [OLD, MIDDLE, NEW, new.path.name]
            with pytest.raises(BlockingIOError):
                lock_folder(new.path)
        assert store.read(new.path.name).run_id == new.path.name
        assert damaged == []
        unlock(lock_folder(new.path))

    def test_one_that_never_appears_leaves_nothing(self, store: RunStore) -> None:
        with store.create() as new:
            (new.place / CONFIG).write_text("")
        assert len(list(store.folder.iterdir())) == 3

    @pytest.mark.parametrize("find", ["another run", "a listing"])
    def test_what_was_killed_before_its_first_record_goes(self, store: RunStore, find: str) -> None:
        left = store.folder / f".begun-{this_machine()}-20260303-000000-000-dddd"
        left.mkdir()
        (left / f".{SUMMARY}-x1y2z3_4").write_text("{")
        with store.create() as held:
            left.mkdir(exist_ok=True)
            if find == "another run":
                created(store)
            else:
                assert len(list_runs(Context(store.folder, store.folder))) == 3
            hidden = [entry.name for entry in store.folder.iterdir() if entry.name[0] == "."]
            assert hidden == [held.place.name]
            held.appear()

    def test_one_that_is_taken_for_left_before_it_is_held_is_made_again(
        self, store: RunStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Another process may remove it before it is held, and until it is sure that it is."""
        taken: list[str] = []

        def late(folder: Path, **_: bool) -> int | None:
            taken.append(folder.name)
            if len(taken) == 1:
                folder.rmdir()
            lock = lock_folder(folder)
            if len(taken) == 2:
                folder.rmdir()
            return lock

        monkeypatch.setattr(held_folder_module, "lock_folder", late)
        ids = iter(["one", "two", "three"])
        monkeypatch.setattr(store_module, "new_run_id", lambda _: next(ids))
        assert created(store) == "three"
        assert [entry.name for entry in store.folder.iterdir() if entry.name[0] == "."] == []

    def test_what_another_machine_has_left_goes_when_it_is_old(self, store: RunStore) -> None:
        """Its locks may not be seen here; nor those of a process here, on a system that has none."""
        left = store.folder / ".begun-01234567-20260303-000000-000-dddd"
        left.mkdir()
        remove_unbegun(store.folder)
        assert left.is_dir()
        os.utime(left, (time.time() - 86000,) * 2)
        remove_unbegun(store.folder)
        assert left.is_dir()
        os.utime(left, (time.time() - 87000,) * 2)
        remove_unbegun(store.folder)
        assert not left.exists()

    def test_without_locks_what_is_old_goes(self, store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
        for module in (held_folder_module, files_module):
            monkeypatch.setattr(module, "lock_folder", lambda *_, **__: None)
        with store.create() as held:
            remove_unbegun(store.folder)
            assert held.place.is_dir()
            os.utime(held.place, (time.time() - 87000,) * 2)
            remove_unbegun(store.folder)
            assert not held.place.exists()

    def test_no_more_is_removed_than_what_never_began(self, store: RunStore, tmp_path: Path) -> None:
        run, ours = "20260303-000000-000-dddd", f".begun-{this_machine()}-"
        for name in ("../elsewhere", f"{ours}notes", f".x{ours}{run}"):
            folder = store.folder / name
            folder.mkdir()
            (folder / "kept").write_text("")
        (store.folder / f"{ours}{run}").symlink_to(tmp_path / "elsewhere")
        (store.folder / f"{ours}{run[:-4]}eeee").write_text("")
        os.mkfifo(store.folder / f"{ours}{run[:-4]}ffff")
        before = sorted(tmp_path.rglob("*"))
        for entry in store.folder.iterdir():
            if not entry.is_fifo():
                os.utime(entry, (0, 0), follow_symlinks=False)
        remove_unbegun(store.folder)
        remove_unbegun(tmp_path / "no store")
        assert sorted(tmp_path.rglob("*")) == before
        assert len(store.ids()) == 3

    def test_who_looks_for_leftovers_does_not_wait_for_who_begins(self, store: RunStore) -> None:
        waits: list[float] = []
        with store.create(), pytest.MonkeyPatch.context() as patched:
            patched.setattr(time, "sleep", waits.append)
            created(store)
            remove_unbegun(store.folder)
        assert waits == []


class TestTidying:
    def test_what_a_killed_process_has_left_goes(self, store: RunStore) -> None:
        for run_id, status in ((OLD, "finished"), (MIDDLE, "interrupted")):
            (store.folder / run_id / SUMMARY).write_text(json.dumps(record(run_id, status=status).as_dict()))
            (store.folder / run_id / CHECKPOINT).write_text("weights")
            (store.folder / run_id / f".{SUMMARY}-a1b2c3d4.ffnn").write_text("{")
            lock = lock_folder(store.folder / run_id)
            store.tidy(store.read(run_id), store.files(run_id))
            unlock(lock)
            assert len(store.files(run_id)) == 3, "a process has the run"
            store.tidy(store.read(run_id), store.files(run_id))
        assert set(store.files(OLD)) == {SUMMARY}
        assert set(store.files(MIDDLE)) == {SUMMARY, CHECKPOINT}

    def test_the_files_of_a_run_and_their_sizes(self, store: RunStore) -> None:
        (store.folder / OLD / "wandb" / "offline").mkdir(parents=True)
        (store.folder / OLD / "wandb" / "offline" / "log").write_bytes(b"x" * 1234)
        (store.folder / OLD / "elsewhere").symlink_to(store.folder)
        files = store.files(OLD)
        assert set(files) == {SUMMARY, "wandb/offline/log", "elsewhere"}
        assert files["wandb/offline/log"] == 1234
        assert files[SUMMARY] == (store.folder / OLD / SUMMARY).stat().st_size
        assert store.files("gone") == {}

    def test_a_missing_store_is_empty(self, tmp_path: Path) -> None:
        assert RunStore(tmp_path / "none").ids() == []
        assert not (tmp_path / "none").exists()

    def test_many_runs_list_in_order(self, tmp_path: Path) -> None:
        ids = [f"20260101-000000-{n:03d}-aaaa" for n in range(700)]
        for run_id in reversed(ids):
            put(tmp_path, run_id)
        assert [one.run_id for one in RunStore(tmp_path).records()] == ids

    def test_a_copied_run_goes_by_its_folder(self, store: RunStore) -> None:
        (store.folder / "copy").mkdir()
        (store.folder / "copy" / SUMMARY).write_bytes((store.folder / OLD / SUMMARY).read_bytes())
        assert [one.run_id for one in store.records()] == [OLD, MIDDLE, NEW, "copy"]


DAMAGED_SUMMARIES = [
    "",
    "{",
    "null",
    "[]",
    "{}",
    "\0" * 100,
    "[" * 100_000,
    '{"run_id": 1}',
    json.dumps({**record().as_dict(), "status": "cooking"}),
    json.dumps({**record().as_dict(), "config": [1]}),
    json.dumps({**record().as_dict(), "tags": None}),
    json.dumps({**record().as_dict(), "tags": 3}),
    json.dumps({**record().as_dict(), "best": None}),
    json.dumps({**record().as_dict(), "best": {"val_acc": "high"}}),
    json.dumps({**record().as_dict(), "best_val_acc": "high"}),
    json.dumps({**record().as_dict(), "started": 3}),
    json.dumps({**record().as_dict(), "epochs_done": None}),
    json.dumps({**record().as_dict(), "provenance": "here"}),
    json.dumps(record().as_dict())[:-40],
]


class TestDamage:
    @pytest.mark.parametrize("summary", DAMAGED_SUMMARIES, ids=range(len(DAMAGED_SUMMARIES)))
    def test_a_damaged_summary_is_refused_and_the_others_list(self, store: RunStore, summary: str) -> None:
        (store.folder / MIDDLE / SUMMARY).write_text(summary)
        with pytest.raises(DamagedRunError, match=f"The record of run {MIDDLE} is damaged") as caught:
            store.read(MIDDLE)
        assert "\n" not in str(caught.value)
        damaged: list[str] = []
        assert [one.run_id for one in store.records(damaged)] == [OLD, NEW]
        assert damaged == [MIDDLE]
        assert len(list(store.records())) == 2

    def test_unknown_keys_of_a_later_version_do_no_harm(self, store: RunStore) -> None:
        (store.folder / OLD / SUMMARY).write_text(json.dumps({**record(OLD).as_dict(), "mood": "good"}))
        assert store.read(OLD) == record(OLD)

    @pytest.mark.parametrize(
        "text",
        [
            "epoch,train_loss\n1,0.5\n",
            "nothing\n1\n",
            "epoch,train_loss,train_acc,val_loss,val_acc,seconds,train_seconds,time\n1,x,1,1,1,1,1,now\n",
            "epoch,train_loss,train_acc,val_loss,val_acc,seconds,train_seconds,time\n1.5,1,1,1,1,1,1,now\n",
            "epoch,train_loss,train_acc,val_loss,val_acc,seconds,train_seconds,time\n1,1,1,1,1,1,1\n",
            "epoch,train_loss,train_acc,val_loss,val_acc,seconds,train_seconds,time\n1,1,1,1\n",
            'epoch,train_loss,train_acc,val_loss,val_acc,seconds,train_seconds,time\n1,1,1,1,1,1,1,"'
            + "x" * 200_000
            + "\n",
        ],
        ids=range(7),
    )
    def test_a_damaged_history_is_refused(self, store: RunStore, text: str) -> None:
        (store.folder / OLD / HISTORY).write_text(text)
        with pytest.raises(DamagedRunError, match=f"The history of run {OLD} is damaged"):
            store.history(OLD)

    def test_a_history_that_a_spreadsheet_has_saved_is_read(self, store: RunStore) -> None:
        rows = [HistoryRow(EpochResult(1, 0.5, 0.75, 0.25, 0.875, 1.5, 1.0, 0.5), TIME)]
        (store.folder / OLD / HISTORY).write_text(history_csv(rows), "utf-8-sig")
        assert store.history(OLD) == rows

    def test_a_history_of_random_bytes_is_refused(self, store: RunStore) -> None:
        (store.folder / OLD / HISTORY).write_bytes(b"\xff\xfe\x00" * 50)
        with pytest.raises(DamagedRunError, match="history"):
            store.history(OLD)

    def test_no_history_is_no_epochs(self, store: RunStore) -> None:
        assert store.history(OLD) == []

    @pytest.mark.parametrize(
        "text", ["a: [", "- 1\n- 2\n", "", "!!python/object/apply:os.system ['true']", "[" * 600, "\0"]
    )
    def test_a_damaged_configuration_is_refused(self, store: RunStore, text: str) -> None:
        (store.folder / OLD / CONFIG).write_text(text)
        with pytest.raises(DamagedRunError, match=f"The configuration of run {OLD} is damaged"):
            store.config(OLD)

    def test_a_missing_configuration_is_refused(self, store: RunStore) -> None:
        with pytest.raises(DamagedRunError, match="configuration"):
            store.config(OLD)


class TestRemove:
    def test_a_removed_run_is_gone_and_the_others_stay(self, store: RunStore) -> None:
        store.remove(MIDDLE)
        assert sorted(path.name for path in store.folder.iterdir()) == [OLD, NEW]

    def test_a_run_in_use_stays(self, store: RunStore) -> None:
        lock = lock_folder(store.folder / OLD)
        with pytest.raises(FfnnError, match=f"Run {OLD} is still running") as caught:
            store.remove(OLD)
        assert caught.value.exit_code == 1
        assert store.read(OLD) == record(OLD)
        unlock(lock)
        store.remove(OLD)

    def test_a_run_that_cannot_be_removed_is_still_listed(
        self, store: RunStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(_: Path) -> None:
            raise OSError("the disk is gone")

        monkeypatch.setattr(staging.shutil, "rmtree", fail)
        with pytest.raises(OSError, match="the disk is gone"):
            store.remove(OLD)
        monkeypatch.undo()
        assert store.read(OLD) == record(OLD)
        store.remove(OLD)
        assert store.ids() == [MIDDLE, NEW]

    def test_a_removal_cut_short_is_completed_with_the_next_run(
        self, store: RunStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def die(path: Path) -> None:
            (path / SUMMARY).unlink()
            raise KeyboardInterrupt

        monkeypatch.setattr(staging.shutil, "rmtree", die)
        with pytest.raises(KeyboardInterrupt):
            store.remove(OLD)
        monkeypatch.undo()
        damaged: list[str] = []
        assert [one.run_id for one in store.records(damaged)] == [MIDDLE, NEW]
        assert not damaged
        with store.create():
            pass
        assert sorted(path.name for path in store.folder.iterdir()) == [MIDDLE, NEW]


class TestStatus:
    def test_a_run_that_nobody_holds_was_interrupted(self, store: RunStore) -> None:
        (store.folder / OLD / SUMMARY).write_text(json.dumps(record(OLD, status="running").as_dict()))
        assert store.read(OLD).status == "interrupted"
        lock = lock_folder(store.folder / OLD)
        assert store.read(OLD).status == "running"
        unlock(lock)
        assert store.read(OLD).status == "interrupted"

    def test_a_look_at_a_run_does_not_count_as_running(self, store: RunStore) -> None:
        (store.folder / OLD / SUMMARY).write_text(json.dumps(record(OLD, status="running").as_dict()))
        lock = lock_folder(store.folder / OLD, shared=True)
        assert store.read(OLD).status == "interrupted"
        unlock(lock)

    @pytest.mark.parametrize("status", ["finished", "diverged", "pruned", "failed", "interrupted"])
    def test_any_other_status_is_as_stored(self, store: RunStore, status: str) -> None:
        put(store.folder, "other", status=status)
        assert store.read("other").status == status


def test_a_history_of_very_many_epochs_is_read(store: RunStore) -> None:
    """More bytes than the record of a run may have."""
    lines = [
        ",".join(HISTORY_COLUMNS),
        *(f"{n}{',0.12345678901234567' * 7},{TIME}" for n in range(1, 115_001)),
    ]
    (store.folder / OLD / HISTORY).write_text("\n".join(lines) + "\n")
    assert (store.folder / OLD / HISTORY).stat().st_size > 1 << 24
    assert len(store.history(OLD)) == 115_000


def test_a_row_that_was_not_written_to_its_end_is_left_out(store: RunStore) -> None:
    rows = [HistoryRow(EpochResult(n, 0.5, 0.75, 0.25, 0.875, 1.5, 1.0, 0.5), TIME) for n in (1, 2)]
    whole = history_csv(rows).encode()
    for end in range(len(history_csv(rows[:1])), len(whole)):
        for torn in (whole[:end], whole[:end] + b"\0" * 40, whole[:end] + b"\xff"):
            (store.folder / OLD / HISTORY).write_bytes(torn)
            assert store.history(OLD) == rows[:1]
