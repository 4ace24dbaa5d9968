"""What a new sweep begins with: known configurations, and the results of a sweep that it extends."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from engine_helpers import epoch
from fake_pool import FakePool, WorkerInterrupted
from small_runs import Place, Watcher
from stored_runs import put
from stored_sweeps import Made, put_sweep, sweep_file, writer_of

from ffcli.core.training import EpochResult
from ffcli.errors import RequestError
from ffcli.execution.open import PoolOptions
from ffcli.execution.pool import Task
from ffcli.runs.layout import sweep_ids
from ffcli.runs.provenance import Provenance
from ffcli.runs.store import SUMMARY
from ffcli.services.sweeps import create as creating
from ffcli.services.sweeps import local
from ffcli.services.sweeps.create import SweepSource, create, describe_space, read_sweep
from ffcli.services.sweeps.earlier import EarlierRuns
from ffcli.services.sweeps.first import Beginning, first_trials
from ffcli.services.sweeps.local import SweepOptions, run_sweep
from ffcli.services.sweeps.results import SweepOutcome, TrialCounts
from ffcli.services.train import train
from ffcli.sweeping.search.base import Proposal
from ffcli.sweeping.study.record import END_STATES, Sweep, Trial
from ffcli.sweeping.study.writer import StudyWriter
from ffcli.training.options import RunOptions

RATES = "learning_rate: {values: [0.001, 0.002, 0.003, 0.004]}"
MORE = "learning_rate: {values: [0.0005, 0.001, 0.002, 0.003, 0.004, 0.005]}"


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> list[Task]:
    """Let sweeps run on a pool that trains nothing; return the tasks that it gets."""
    tasks: list[Task] = []

    def train_one(task: Task) -> Iterator[EpochResult]:
        tasks.append(task)
        for number in range(1, task.config.epochs + 1):
            yield epoch(number, 0.1 * number)

    monkeypatch.setattr(local, "open_pool", lambda _, options: FakePool(train_one, options.workers))
    return tasks


def begin(place: Place, file: Path, *words: object, extend: str | None = None, **runs: int) -> Sweep:
    known = first_trials(
        place.context, SweepSource(file), Beginning(tuple(map(str, words)), extend), 0, **runs
    )
    return create(place.context, file, 0, first=known, **runs)


def run(place: Place, sweep: Sweep, **options: Any) -> SweepOutcome:
    pool = PoolOptions(1)
    return run_sweep(place.context, sweep, SweepOptions(pool=pool, **options), lambda _: None)


def trials(place: Place, sweep: Sweep) -> tuple[Trial, ...]:
    return read_sweep(place.context, sweep.id).trials


def rates(place: Place, sweep: Sweep) -> list[float]:
    return [trial.values["learning_rate"] for trial in trials(place, sweep) if trial.state in END_STATES]


def written(place: Place, name: str, text: str) -> Path:
    file = place.folder / name
    file.write_text(text)
    return file


def test_known_configurations_are_tried_first_and_count(place: Place, fake: list[Task]) -> None:
    stored = place.train(learning_rate=0.004, epochs=1, momentum=0.8)
    listed = written(place, "known.yaml", "[{lr: 0.003}, {lr: 0.003, epochs: 3}]")
    one = written(place, "one.json", json.dumps({"learning_rate": 0.002}))
    sweep = begin(place, sweep_file(place, RATES), stored.run_id, listed, one)
    assert any("1 known configuration" in notice for notice in place.notices)
    assert any("momentum 0.8 → 0.9, epochs 1 → 3" in notice for notice in place.notices)
    assert run(place, sweep, count=3).counts.finished == 3
    # Fixed values are those of the sweep's file.
    assert [(task.config.learning_rate, task.config.epochs) for task in fake] == [
        (0.004, 3),
        (0.003, 3),
        (0.002, 3),
    ]
    document = run(place, sweep, count=9)
    assert (document.counts.finished, document.ended) == (4, "space")
    assert rates(place, sweep) == [0.004, 0.003, 0.002, 0.001]


def test_a_resumed_sweep_tries_the_known_configurations_that_have_not_run(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[float] = []

    def interrupted(task: Task) -> Iterator[EpochResult]:
        tried.append(task.config.learning_rate)
        if len(tried) == 2:
            raise WorkerInterrupted
        for number in range(1, 4):
            yield epoch(number, 0.5)

    monkeypatch.setattr(local, "open_pool", lambda _, options: FakePool(interrupted, options.workers))
    listed = written(place, "known.yaml", "[{lr: 0.004}, {lr: 0.003}, {lr: 0.002}]")
    sweep = begin(place, sweep_file(place, RATES), listed)
    run(place, sweep, count=1)
    run(place, sweep, count=4)
    assert tried == [0.004, 0.003, 0.003, 0.002, 0.001]
    assert [trial.starts for trial in trials(place, sweep)] == [1, 1, 1, 1]


def test_what_a_configuration_leaves_open_is_drawn(place: Place, fake: list[Task]) -> None:
    search = "learning_rate: {distribution: log_uniform_values, min: 0.001, max: 0.1}"
    file = sweep_file(place, f"{search}\n  activation: {{values: [relu, tanh]}}", method="bayes")
    sweep = begin(place, file, written(place, "known.yaml", "[{activation: tanh}, {activation: tanh}]"))
    run(place, sweep, count=2)
    assert [task.config.activation for task in fake] == ["tanh", "tanh"]
    assert len({task.config.learning_rate for task in fake}) == 2
    assert all(0.001 <= task.config.learning_rate <= 0.1 for task in fake)
    assert all(trial.point is not None for trial in trials(place, sweep)), "bayes learns from them"


@pytest.mark.parametrize(
    ("known", "names"),
    [
        ("lr: 0.01", ["learning_rate", "0.01", "0.001, 0.002, 0.003, 0.004"]),
        ("{lr: 0.001, epochs: 4}", ["epochs", "4", "3"]),
        ("{lr: 0.001, optimizer: sgd}", ["optimizer", "sgd", "nadam"]),
        ("{hidden_size: [6, 6]}", ["hidden_size", "6,6", "5"]),
        ("- lr: 0.001\n- lr: fast", ["[1]: learning_rate", "fast"]),
        ("{lr: 0.001, speed: 2}", ["speed"]),
        ("[]", None),
        ("{lr: 0.001, beta: 0.5, num_layers: 1, hidden_size: [5], about: {by: me}}", None),
    ],
)
def test_a_value_outside_of_the_space_is_refused(place: Place, known: str, names: list[str] | None) -> None:
    file = sweep_file(place, f"{RATES}\n  optimizer: {{value: nadam}}")
    word = written(place, "known.yaml", known)
    if names is None:
        begin(place, file, word)
        return
    with pytest.raises(RequestError) as caught:
        begin(place, file, word)
    assert all(name in str(caught.value) for name in [str(word), *names])


def test_a_run_outside_of_the_space_and_a_word_that_is_no_run_are_refused(place: Place) -> None:
    stored = place.train(learning_rate=0.01, epochs=1)
    for word in (stored.run_id, "nope", place.folder / "nope.yaml"):
        with pytest.raises(RequestError) as caught:
            begin(place, sweep_file(place, RATES), word)
        assert str(word) in str(caught.value)


def test_a_dry_run_shows_them(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ffcli.services.sweeps.create.seconds_of", lambda *_, **__: 10.0)
    monkeypatch.setattr("ffcli.services.sweeps.create.would_compile", lambda: False)
    old = trained_sweep(place)
    file = sweep_file(place, MORE)
    beginning = Beginning((str(written(place, "known.yaml", "lr: 0.005")),), old.id)
    first = first_trials(place.context, SweepSource(file), beginning, 0)
    shown = describe_space(place.context, file, 4, 1, first=first)
    assert (shown.copied, [each["learning_rate"] for each in shown.start_from]) == (2, [0.005])
    assert shown.runs == 4
    assert shown.seconds_estimate is not None
    assert 20 < shown.seconds_estimate < 25, "two are not trained"


# Extending a sweep


def trained_sweep(place: Place, search: str = RATES, states: tuple[str, ...] = ("finished",) * 2) -> Sweep:
    """Store a sweep with so many trials, each with a run that was trained."""
    sweep = read_sweep(place.context, put_sweep(place, search, [])).sweep
    writer = writer_of(place, sweep.id)
    for index, state in enumerate(states):
        values = sweep.spec.combination(index)
        config = sweep.spec.config(values)
        trial = writer.begin(Proposal(values, config))
        result = train(place.context, config, RunOptions(), Watcher())
        summary = place.path(result.run_id) / SUMMARY
        summary.write_text(json.dumps({**json.loads(summary.read_text()), "status": state}))
        trial = writer.set_runs(trial, [result.run_id])
        best = result.best_val_acc if state != "failed" else None
        writer.end(trial, state, value=best, best_epoch=result.best_epoch)  # type: ignore[arg-type]
    return sweep


def test_a_larger_space_takes_over_the_trials_of_the_old_one(place: Place, fake: list[Task]) -> None:
    old = trained_sweep(place, states=("finished", "finished", "failed"))
    before = [path.read_bytes() for path in sorted(place.context.runs_dir.rglob("*")) if path.is_file()]
    new = begin(place, sweep_file(place, MORE), extend=old.id)
    document = run(place, new, count=4)
    assert (document.counts, document.reused) == (TrialCounts(4, 0, 0), 2)
    assert rates(place, new) == [0.001, 0.002, 0.0005, 0.003]
    assert [task.config.learning_rate for task in fake] == [0.0005, 0.003]
    copies = trials(place, new)[:2]
    assert [trial.value for trial in copies] == [trial.value for trial in trials(place, old)[:2]]
    assert [trial.reused for trial in copies] == [trial.run_id for trial in trials(place, old)[:2]]
    assert [place.context.runs.read(trial.run_ids[0]).sweep_id for trial in copies] == [new.id] * 2
    after = [path.read_bytes() for path in sorted(place.context.runs_dir.rglob("*")) if path.is_file()]
    assert set(before) <= set(after), "the old sweep is kept"


@pytest.mark.parametrize(
    ("search", "copied", "says"),
    [
        ("learning_rate: {values: [0.001, 0.005]}", 1, "1 is outside the space"),
        (f"{RATES}\n  epochs: {{value: 5}}", 0, "2 are outside the space (epochs 3)"),
        (f"{RATES}\n  batch_size: {{values: [32, 64]}}", 2, "2 of 2 trials"),
        (f"{RATES}\n  batch_size: {{values: [32, 128]}}", 0, "2 are outside the space (batch_size 64)"),
        ("learning_rate: {min: 0.001, max: 0.003}", 2, "2 of 2 trials"),
    ],
)
def test_trials_outside_of_the_new_space_are_counted(
    place: Place, search: str, copied: int, says: str
) -> None:
    old = trained_sweep(place)
    method = "random" if "min" in search else "grid"
    new = begin(place, sweep_file(place, search, method=method), extend=old.id)
    assert len(trials(place, new)) == copied
    assert any(says in notice for notice in place.notices)


@pytest.mark.parametrize("prunes", [True, False])
def test_pruned_trials_are_copied_where_the_new_sweep_prunes(
    place: Place, fake: list[Task], *, prunes: bool
) -> None:
    old = trained_sweep(place, states=("finished", "pruned"))
    file = sweep_file(place, MORE)
    if prunes:
        file.write_text("early_terminate: {type: hyperband, min_iter: 1}\n" + file.read_text())
    new = begin(place, file, extend=old.id)
    document = run(place, new, count=2)
    assert document.counts == (TrialCounts(1, 1, 0) if prunes else TrialCounts(2, 0, 0))
    assert len(fake) == (0 if prunes else 1)


def test_an_idle_value_does_not_keep_a_trial_from_being_copied(place: Place) -> None:
    old = trained_sweep(place, "optimizer: {value: adam}\n  momentum: {values: [0.5, 0.9]}", ("finished",))
    wider = sweep_file(place, "optimizer: {value: adam}\n  momentum: {values: [0.1, 0.5]}")
    new = begin(place, wider, extend=old.id)
    assert [trial.values["momentum"] for trial in trials(place, new)] == [0.5]


def test_a_run_that_is_gone_is_not_copied(place: Place) -> None:
    old = trained_sweep(place)
    gone = trials(place, old)[0].run_id
    assert gone is not None
    place.context.runs.remove(gone)
    new = begin(place, sweep_file(place, MORE), extend=old.id)
    assert [trial.values["learning_rate"] for trial in trials(place, new)] == [0.002]


def test_more_seeds_train_what_is_missing_only(place: Place, fake: list[Task]) -> None:
    old = trained_sweep(place)
    new = begin(place, sweep_file(place, RATES), extend=old.id, repeats=2)
    run(place, new, count=1)
    assert [(task.config.learning_rate, task.config.seed) for task in fake] == [(0.001, 1)]


def test_a_comparison_is_not_extended(place: Place) -> None:
    put_sweep(place, "loss: {values: [cross_entropy, squared_error]}", [Made([(0.5, 1.0)])])
    paired = create(place.context, place.folder / "sweep.yaml", 0, paired="loss")
    with pytest.raises(RequestError):
        begin(place, sweep_file(place, RATES), extend=paired.id)


# Reusing


def test_reuse_is_remembered(place: Place, fake: list[Task]) -> None:
    place.train(learning_rate=0.01, epochs=1)
    trained_sweep(place, states=("finished",) * 4)
    again = create(place.context, place.folder / "sweep.yaml", 0)
    assert run(place, again, count=1, reuse=True).reused == 1
    assert run(place, again, count=2).reused == 2
    assert run(place, again, count=3, reuse=False).reused == 2
    assert run(place, again, count=4).reused == 2
    assert [task.config.learning_rate for task in fake] == [0.003, 0.004]


def test_a_sweep_is_resumed_as_it_was_asked_for_however_soon_it_was_killed(
    place: Place, fake: list[Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    trained_sweep(place, states=("finished",) * 4)
    file = place.folder / "sweep.yaml"
    with monkeypatch.context() as patch:
        patch.setattr(creating, "keep_file", killed)
        with pytest.raises(KeyboardInterrupt):
            create(place.context, file, 0, count=2, reuse=True)
    new = read_sweep(place.context, sweep_ids(place.context.runs_dir)[-1])
    assert (new.count, new.reuse) == (2, True)
    assert run(place, new.sweep).reused == 2
    monkeypatch.setattr(StudyWriter, "raise_count", killed)
    with pytest.raises(KeyboardInterrupt):
        run(place, new.sweep, count=3, reuse=False)
    found = read_sweep(place.context, new.sweep.id)
    assert (found.count, found.reuse) == (2, False)
    assert fake == []


def killed(*_: object) -> None:
    """End a process in the middle of its work."""
    raise KeyboardInterrupt


@pytest.mark.parametrize("status", ["failed", "diverged"])
def test_a_retried_trial_keeps_the_runs_that_had_finished(
    place: Place, fake: list[Task], status: str
) -> None:
    put_sweep(place, RATES, [])
    sweep = create(place.context, place.folder / "sweep.yaml", 0, repeats=3)
    writer = writer_of(place, sweep.id)
    values = sweep.spec.combination(0)
    trial = writer.begin(Proposal(values, sweep.spec.config(values)))
    runs = []
    for config, state in zip(sweep.members(trial.config), ("finished", status, "pruned"), strict=True):
        result = train(place.context, config, RunOptions(), Watcher())
        summary = place.path(result.run_id) / SUMMARY
        summary.write_text(json.dumps({**json.loads(summary.read_text()), "status": state}))
        runs.append(result)
    trial = writer.set_runs(trial, [result.run_id for result in runs])
    writer.end(trial, "failed", error="seed 1: it failed")

    assert run(place, sweep, count=1, retry_failed=True).counts == TrialCounts(1, 0, 0)
    assert [task.config.seed for task in fake] == [1, 2]
    again = trials(place, sweep)[-1]
    assert again.value == pytest.approx(((runs[0].best_val_acc or 0) + 0.3 + 0.3) / 3)
    assert trials(place, sweep)[0].run_ids == trial.run_ids, "the failed trial keeps its own"


def test_each_run_of_the_store_is_read_once_for_the_trials_that_start_again(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_sweep(place, RATES, [])
    sweep = create(place.context, place.folder / "sweep.yaml", 0)
    writer = writer_of(place, sweep.id)
    proposals = (
        Proposal(values, sweep.spec.config(values)) for values in map(sweep.spec.combination, (0, 1))
    )
    first, second = [writer.begin(proposal) for proposal in proposals]
    earlier = EarlierRuns(place.context, sweep, RunOptions(), lambda _: "digest", reuse=False)
    reads: list[str] = []
    read = type(place.context.runs).read

    def counted(self: Any, run_id: str) -> Any:
        reads.append(run_id)
        return read(self, run_id)

    def begun(number: int, trial: int) -> str:
        run_id = f"20260101-000000-{number:03}-aaaa"
        about = {"provenance": Provenance(trial=trial), "sweep_id": sweep.id, "status": "running"}
        put(place.context.runs_dir, run_id, **about)
        return run_id

    monkeypatch.setattr(type(place.context.runs), "read", counted)
    put(place.context.runs_dir, "20260101-000000-000-aaaa")
    mine = begun(1, first.number)
    earlier.left_over(first)
    assert Counter(reads)["20260101-000000-000-aaaa"] == 1
    assert not (place.context.runs_dir / mine).exists()
    mine = begun(2, second.number)  # by a worker that was killed before it could tell
    earlier.left_over(second)
    assert Counter(reads)["20260101-000000-000-aaaa"] == 1
    assert not (place.context.runs_dir / mine).exists()
