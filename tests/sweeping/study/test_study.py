"""The record of a sweep: what Optuna reads of it, and what becomes of it where it is damaged."""

from __future__ import annotations

import errno
import json
import math
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import optuna
import pytest
from engine_helpers import EVERY_KIND, Engine, epoch, objective, sweep_of, trial_of
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from ffcli.core.training import EpochResult
from ffcli.errors import FfnnError, RequestError
from ffcli.execution.pool import Task
from ffcli.runs.layout import STUDY
from ffcli.sweeping.search.base import Proposal
from ffcli.sweeping.study import journal, study
from ffcli.sweeping.study.record import Counts, Sweep
from ffcli.sweeping.study.writer import StudyWriter
from ffcli.util.atomic_files import append


def optunas(engine: Engine, sweep: Sweep) -> optuna.Study:
    """Return the study as optuna-dashboard opens it."""
    backend = JournalFileBackend(str(engine.folder / sweep.id / STUDY))
    return optuna.load_study(study_name=sweep.id, storage=optuna.storages.JournalStorage(backend))


def mixed(task: Task) -> Iterator[EpochResult]:
    """Fail the third, and finish the others but for those that early termination stops: each is worse."""
    if trial_of(task) == 3:
        raise ValueError("three")
    for number in range(1, task.config.epochs + 1):
        yield epoch(number, 0.9 - 0.01 * trial_of(task))


def test_optuna_reads_every_trial_with_what_it_had(engine: Engine) -> None:
    top = "early_terminate: {type: hyperband, min_iter: 1}"
    sweep = engine.create(sweep_of("random", EVERY_KIND, top=top))
    engine.complete(sweep, 9, train=mixed)
    there = optunas(engine, sweep)
    assert there.direction == optuna.study.StudyDirection.MAXIMIZE
    states = {"finished": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}
    here = engine.trials(sweep)
    assert len(there.trials) == len(here) == 9
    for optunas_own, trial in zip(there.trials, here):
        assert optunas_own.number == trial.number - 1
        assert optunas_own.state == states[trial.state]
        assert optunas_own.value == trial.value
        assert optunas_own.user_attrs["run_ids"] == list(trial.run_ids)
        assert optunas_own.user_attrs.get("error") == trial.error
        assert optunas_own.user_attrs["config"] == trial.config.as_dict()
        assert optunas_own.intermediate_values == trial.history
        assert optunas_own.datetime_start.timestamp() == pytest.approx(trial.started, abs=1e-3)
        assert optunas_own.datetime_complete.timestamp() == pytest.approx(trial.ended, abs=1e-3)
        sizes = trial.values["hidden_size"]
        expected = {**trial.values, "hidden_size": "64,32" if isinstance(sizes, tuple) else sizes}
        assert optunas_own.params == pytest.approx(expected)
    assert {trial.state for trial in here} == {"finished", "pruned", "failed"}


def test_a_pruned_trial_has_the_value_of_its_best_epoch(engine: Engine) -> None:
    """Optuna itself takes the last."""
    parameters = "\n  epochs: {value: 4}\n  seed: {values: [1, 2]}\n"
    top = "early_terminate: {type: hyperband, min_iter: 2, strict: true}"
    sweep = engine.create(sweep_of("grid", parameters, top=top))
    values = {1: [0.5, 0.6, 0.7, 0.8], 2: [0.4, 0.3]}
    engine.complete(
        sweep,
        train=lambda task: iter([epoch(n, v) for n, v in enumerate(values[trial_of(task)], 1)]),
    )
    pruned = optunas(engine, sweep).trials[1]
    assert (pruned.state, pruned.value, pruned.last_step) == (TrialState.PRUNED, 0.4, 2)


def test_a_sweep_is_read_back_as_it_was(engine: Engine) -> None:
    sweep = engine.create(sweep_of("bayes", EVERY_KIND, seed=2**80), count=3)
    found = study.read(engine.folder / sweep.id)
    assert (found.sweep, found.count, found.trials, found.counts) == (sweep, 3, (), Counts())


def test_what_the_owner_holds_is_what_is_stored(engine: Engine) -> None:
    sweep = engine.create(sweep_of("bayes", EVERY_KIND))
    engine.complete(sweep, 14, train=mixed, workers=3)
    writer = engine.writer(sweep)
    writer.raise_count(20)
    values = writer[3].values
    trial = writer.begin(Proposal(values, writer[3].config, writer[3].point))
    writer.set_starts(trial, 2)
    writer.set_runs(trial, ["one", "two"])
    writer.epoch(trial, 1, 0.25)
    writer.epoch(trial, 2, math.nan)
    for end in (lambda: None, lambda: writer.end(trial, "pruned", value=0.25, best_epoch=1, reused="x")):
        end()
        held, stored = writer.study, study.read(engine.folder / sweep.id)
        assert held.count == stored.count == 20
        for ours, theirs in zip(held.trials, stored.trials):
            times = {name: pytest.approx(getattr(theirs, name), abs=0.01) for name in ("started", "ended")}
            assert {**vars(ours), **times} == vars(theirs)
        assert writer.counts == stored.counts


def test_the_most_that_was_asked_for_counts(engine: Engine) -> None:
    sweep = engine.create(sweep_of())
    writer = engine.writer(sweep)
    for count, most in ((5, 5), (3, 5), (6, 6)):
        writer.raise_count(count)
        assert writer.count == study.read(engine.folder / sweep.id).count == most


def test_no_sweep_is_a_wrong_request(engine: Engine) -> None:
    with pytest.raises(RequestError, match="no sweep 's1'"):
        study.read(engine.folder / "s1")
    with pytest.raises(RequestError, match="no sweep 's1'"):
        engine.writer(sweep_of())
    assert not (engine.folder / "s1").exists(), "looking makes nothing"


# Processes that are killed, and disks that are full


@pytest.fixture(scope="module")
def four_trials(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Sweep]:
    """The folder of a sweep of four trials, to be copied."""
    engine = Engine(tmp_path_factory.mktemp("made"))
    sweep = engine.create(sweep_of("bayes"))
    engine.complete(sweep, 4)
    return engine.folder / sweep.id, sweep


@pytest.fixture
def swept(engine: Engine, four_trials: tuple[Path, Sweep]) -> Sweep:
    folder, sweep = four_trials
    shutil.copytree(folder, engine.folder / sweep.id)
    return sweep


def path_of(engine: Engine, sweep: Sweep) -> Path:
    return engine.folder / sweep.id / STUDY


@pytest.mark.parametrize("from_line", [-1, -6])
def test_a_journal_that_ends_anywhere_is_read_and_continued(
    engine: Engine, swept: Sweep, from_line: int
) -> None:
    """Cut at every byte of a line: readers skip what is torn, the owner removes it and goes on."""
    path = path_of(engine, swept)
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)
    start = len(b"".join(lines[:from_line]))
    drawn = engine.drawn(swept)
    for end in range(start, start + len(lines[from_line]), 41):
        path.write_bytes(whole[:end])
        assert engine.drawn(swept) == drawn[: len(engine.drawn(swept))]
        assert path.stat().st_size == end, "readers change nothing"
        engine.writer(swept)
        assert path.read_bytes() == whole[:start]
    engine.complete(swept, 5)
    assert engine.counts(swept).finished == 5
    assert engine.drawn(swept)[:4] == drawn
    assert len(optunas(engine, swept).trials) == 5


def test_only_the_owner_removes_what_is_torn(engine: Engine, swept: Sweep) -> None:
    path = path_of(engine, swept)
    with path.open("ab") as file:
        file.write(b'{"op_code": 5, "trial')
    size = path.stat().st_size
    assert engine.counts(swept).finished == 4
    assert path.stat().st_size == size


def test_what_keeps_optuna_from_letting_go_of_its_lock_is_told(
    engine: Engine, swept: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = engine.writer(swept)

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "rename", fail)
    with pytest.raises(OSError, match="No space left"):
        writer.raise_count(99)
    monkeypatch.undo()
    engine.writer(swept).raise_count(99)


@pytest.mark.parametrize("at", [0.02, 0.3, 0.6, 0.9])
def test_a_flipped_byte_names_the_sweep(engine: Engine, swept: Sweep, at: float) -> None:
    path = path_of(engine, swept)
    content = bytearray(path.read_bytes())
    lines = content.count(b"\n")
    position = content.index(b'{"op_code"', int(at * len(content)))
    content[position] ^= 0x40
    path.write_bytes(content)
    for use in (lambda: engine.trials(swept), lambda: engine.writer(swept)):
        with pytest.raises(FfnnError, match="sweep s1") as caught:
            use()
        assert caught.value.hint
    assert path.read_bytes() == content
    assert content.count(b"\n") == lines


CHANGES = {
    "a number": ('"starts":1', '"starts":"many"'),
    "a run": ('"run_ids":["run-1.1"]', '"run_ids":["../../../etc"]'),
    "a config": ('"optimizer":"', '"optimizer":"no '),
    "a file": ("method: bayes", "method: bayed"),
    "a state": ('"state":1', '"state":9'),
    "an operation": ('"op_code":7', '"op_code":99'),
    "a value": ('"values":[0', '"values":[1e999,0'),
    "too many runs": ('"repeats":1', '"repeats":10000'),
    "a point": ('"point":{"epochs"', '"point":{"epoch"'),
    "a parameter": ('"params":{"epochs"', '"params":{"epoch"'),
    "bytes": ("sigmoid", "sigm\udcffid"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_no_ffnn_has_written_is_damage(engine: Engine, swept: Sweep, change: str) -> None:
    path = path_of(engine, swept)
    before, after = CHANGES[change]
    content = path.read_bytes()
    assert before.encode() in content
    path.write_bytes(content.replace(before.encode(), after.encode("utf-8", "surrogateescape")))
    with pytest.raises(FfnnError, match="s1"):
        engine.trials(swept)


@pytest.mark.parametrize(
    ("part", "epochs"),
    [("params", 4), ("params", 0), ("point", 3.0), ("point", 0.5), ("point", -1.0), ("point", math.nan)],
)
def test_a_trial_outside_the_space_is_damage_before_another_begins(
    engine: Engine, part: str, epochs: float
) -> None:
    sweep = engine.create(sweep_of("bayes", "\n  epochs: {min: 1, max: 3}\n"))
    engine.complete(sweep, 1)
    path = path_of(engine, sweep)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    (trial,) = (line for line in lines if "params" in line)
    (trial["user_attrs"] if part == "point" else trial)[part]["epochs"] = epochs
    trial["distributions"]["epochs"] = trial["distributions"]["epochs"].replace('"low": 1', '"low": 0')
    trial["distributions"]["epochs"] = trial["distributions"]["epochs"].replace('"high": 3', '"high": 9')
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    with pytest.raises(FfnnError, match="trial 1 of sweep s1"):
        engine.complete(sweep, 2)
    assert len(engine.trials(sweep)) == 1


def test_a_file_that_is_no_journal_is_left_as_it_is(engine: Engine, swept: Sweep) -> None:
    path = path_of(engine, swept)
    for content in (b"", b"\n", b"\0" * 100 + b"\n", b"[]\n[]\n", b"SQLite format 3\0\n"):
        path.write_bytes(content)
        with pytest.raises(FfnnError):
            engine.trials(swept)


def test_a_full_disk_leaves_whole_lines(
    engine: Engine, swept: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk takes half of a line: neither this process nor the next appends to it."""
    path = path_of(engine, swept)
    link = Path(f"{path}.lock")
    truncate = os.truncate

    def filling(room: int) -> Callable[[Path, str], None]:
        left = iter(range(room))

        def until_full(to: Path, text: str) -> None:
            if next(left, None) is not None:
                append(to, text)
                return
            append(to, text[:40])
            raise OSError(errno.ENOSPC, "No space left on device")

        return until_full

    def truncate_locked(to: Path, size: int) -> None:
        assert link.is_symlink(), "a dashboard may have appended in between"
        truncate(to, size)

    monkeypatch.setattr(os, "truncate", truncate_locked)
    for room in range(9):
        before = engine.counts(swept).ended
        monkeypatch.setattr(journal, "append", filling(room))
        with pytest.raises(OSError, match="No space left"):
            engine.complete(swept, 99)
        assert path.read_bytes().endswith(b"\n")
        assert engine.counts(swept).ended >= before
    monkeypatch.undo()
    engine.complete(swept, 9)
    assert (engine.counts(swept).ended, engine.counts(swept).running) == (9, 0)
    assert len({repr(values) for values in engine.drawn(swept)}) == 9


def test_what_a_killed_dashboard_has_torn_is_removed_while_the_sweep_runs(
    engine: Engine, swept: Sweep
) -> None:
    def train(task: Task) -> Iterator[EpochResult]:
        with path_of(engine, swept).open("ab") as file:
            file.write(b'{"op_code": 3, "study_id')
        yield from objective(task)

    engine.complete(swept, 6, train=train)
    assert engine.counts(swept).finished == 6
    assert len(optunas(engine, swept).trials) == 6


def test_optunas_own_lock_is_removed_where_a_killed_process_left_it(engine: Engine, swept: Sweep) -> None:
    path = path_of(engine, swept)
    for target in (path, Path("a relative path that leads nowhere")):
        Path(f"{path}.lock").symlink_to(target)
        engine.complete(swept, engine.counts(swept).ended + 1)
    assert list(path.parent.iterdir()) == [path]
    assert engine.counts(swept).finished == 6


def test_a_dashboard_may_write_notes_while_the_sweep_runs(engine: Engine, swept: Sweep) -> None:
    dashboard = optunas(engine, swept)

    def train(task: Task) -> Iterator[EpochResult]:
        dashboard.set_user_attr("note", f"seen at trial {trial_of(task)}")
        yield from objective(task)

    engine.complete(swept, 6, train=train)
    assert engine.counts(swept).finished == 6
    assert optunas(engine, swept).user_attrs["note"] == "seen at trial 6"


def test_a_foreign_token_stops_the_owner_before_it_appends(engine: Engine, swept: Sweep) -> None:
    path = path_of(engine, swept)
    before = path.read_bytes()

    def taken() -> None:
        raise FfnnError("taken over")

    writer = StudyWriter(path.parent, taken)
    with pytest.raises(FfnnError, match="taken over"):
        writer.raise_count(99)
    assert path.read_bytes() == before


def test_a_study_is_there_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep = sweep_of()
    calls = iter(range(3))

    def dying(*_: object) -> None:
        if next(calls, None) is None:
            raise KeyboardInterrupt

    monkeypatch.setattr(optuna.storages.JournalStorage, "set_study_user_attr", dying)
    with pytest.raises(KeyboardInterrupt):
        study.create(tmp_path, sweep, 3)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.undo()
    (tmp_path / f".{STUDY}-new").write_text("half of it, of a process that was killed")
    study.create(tmp_path, sweep, 3)
    assert list(tmp_path.iterdir()) == [tmp_path / STUDY]
    assert journal.open_to_read(tmp_path / STUDY).get_all_studies()[0].study_name == sweep.id
