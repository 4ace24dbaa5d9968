"""Sweeps whose trials have several runs, in a store: what is kept, taken over, resumed and shown of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from small_runs import Place

from ffcli.config import members, validate
from ffcli.errors import RequestError
from ffcli.execution.open import PoolOptions
from ffcli.runs.store import MODEL, SUMMARY
from ffcli.services.evaluation.best import RunChoice, best_with_weights
from ffcli.services.report.report import report
from ffcli.services.rerun import RerunOptions, rerun
from ffcli.services.runs.remove import Selection, selected
from ffcli.services.sweeps import create as creating
from ffcli.services.sweeps.create import create, describe_space, of_same_file, read_sweep
from ffcli.services.sweeps.local import SweepOptions, run_sweep
from ffcli.services.sweeps.originals import ranked_originals
from ffcli.services.sweeps.results import SweepOutcome, TrialCounts
from ffcli.sweeping.study.record import Trial

FILE = """
method: grid
metric: {name: val_acc, goal: maximize}
parameters:
  dataset: {value: DATASET}
  epochs: {value: 2}
  num_layers: {value: 1}
  hidden_size: {values: [2, 4, 6, 8, 10, 12, 14]}
"""


@pytest.fixture
def file(place: Place) -> Path:
    path = place.folder / "sweep.yaml"
    path.write_text(FILE.replace("DATASET", str(place.dataset)))
    return path


def run(place: Place, sweep_id: str, count: int, *, reuse: bool = False) -> SweepOutcome:
    options = SweepOptions(count=count, pool=PoolOptions(1), reuse=reuse)
    return run_sweep(place.context, read_sweep(place.context, sweep_id).sweep, options, lambda _: None)


def test_a_sweep_on_folds_from_its_first_run_to_its_report(place: Place, file: Path) -> None:
    sweep = create(place.context, file, 0, folds=2)
    outcome = run(place, sweep.id, 6)
    trials = read_sweep(place.context, sweep.id).trials
    records = {record.run_id: record for record in place.context.runs.records()}
    assert len(records) == 12
    for trial in trials:
        best = [records[run_id].best_val_acc or 0.0 for run_id in trial.run_ids]
        assert trial.value == pytest.approx(sum(best) / 2)
        assert [records[run_id].config["fold"] for run_id in trial.run_ids] == ["1/2", "2/2"]
    assert (outcome.counts.finished, outcome.repeats, outcome.folds) == (6, 1, 2)

    # The five best trials keep the weights of all their runs.
    kept = {run_id for run_id in records if (place.path(run_id) / MODEL).is_file()}
    worst = min(trials, key=lambda trial: (trial.value or 0.0, -trial.number))
    assert kept == {run_id for trial in trials if trial is not worst for run_id in trial.run_ids}

    # `runs rm --keep-best` keeps all runs of a trial.
    assert outcome.best is not None
    going = {run.run_id for run in selected(place.context, Selection(keep_best=1))}
    assert set(records) - going == set(outcome.best.run_ids)

    # The best is evaluated by its first run; trained again, it is that one again.
    first = outcome.best.run_ids[0]
    assert best_with_weights(place.context, RunChoice(best=True, sweep_id=sweep.id)) == first
    (place.path(first) / MODEL).unlink()
    again = place.context.runs.read(best_with_weights(place.context, RunChoice(best=True, sweep_id=sweep.id)))
    assert again.config == records[first].config
    assert again.best_val_acc == records[first].best_val_acc
    assert not any("differs" in notice for notice in place.notices)

    # Another metric ranks by its mean, too.
    by_loss = ranked_originals(place.context, sweep.id, metric="val_loss")
    for original in by_loss:
        (trial,) = [each for each in trials if each.run_id == original.run_id]
        losses = [
            min(row.result.val_loss for row in place.context.runs.history(run_id)) for run_id in trial.run_ids
        ]
        assert original.value == pytest.approx(sum(losses) / 2)
    assert report(place.context, sweep.id, place.folder / "r.html").runs == 6

    # The same folds again would be the same runs; the test accuracy of one of two is not beside their mean.
    before = place.context.runs.ids()
    with pytest.raises(RequestError):
        rerun(place.context, sweep.id, RerunOptions(folds=2, pool=PoolOptions(1)), lambda _: None)
    assert place.context.runs.ids() == before
    (new,) = rerun(place.context, sweep.id, RerunOptions(top=1, seeds=1, pool=PoolOptions(1)), lambda _: None)
    assert (new.config["seed"], new.original.test_acc) == (1, None)
    assert new.test_acc is not None


def run_and_cut(place: Place, sweep_id: str) -> Trial:
    """Run a trial to its end, return it, and let the study end where its second run had begun."""
    run(place, sweep_id, 1)
    study = place.context.runs_dir / "sweeps" / sweep_id / "study.log"
    (trial,) = read_sweep(place.context, sweep_id).trials
    lines = study.read_text().splitlines(keepends=True)
    begun = next(at for at, line in enumerate(lines) if trial.run_ids[1] in line)
    study.write_text("".join(lines[: begun + 1]))
    return trial


def test_what_a_killed_sweep_left_is_taken_over_run_by_run(place: Place, file: Path) -> None:
    """As where the coordinator was killed while the second of three runs was trained."""
    sweep = create(place.context, file, 0, repeats=3)
    before = run_and_cut(place, sweep.id)
    place.context.runs.remove(before.run_ids[2])
    kept = {path.name: path.stat().st_mtime_ns for path in place.path(before.run_ids[0]).iterdir()}

    run(place, sweep.id, 1)
    (trial,) = read_sweep(place.context, sweep.id).trials
    assert (trial.state, trial.starts, trial.value) == ("finished", 2, pytest.approx(before.value))
    assert trial.run_ids[:2] == before.run_ids[:2]
    assert {path.name: path.stat().st_mtime_ns for path in place.path(trial.run_ids[0]).iterdir()} == kept
    assert sorted(place.context.runs.ids()) == sorted(trial.run_ids)


@pytest.mark.parametrize("top", ["", "early_terminate: {type: hyperband, min_iter: 2}\n"])
def test_a_run_stopped_by_the_failure_of_another_prunes_no_trial(place: Place, file: Path, top: str) -> None:
    """As where the process ended when the first of two runs had failed and the second had been stopped."""
    file.write_text(top + file.read_text())
    sweep = create(place.context, file, 0, repeats=2)
    before = run_and_cut(place, sweep.id)
    for run_id, status in zip(before.run_ids, ("failed", "pruned"), strict=True):
        path = place.path(run_id) / SUMMARY
        path.write_text(json.dumps({**json.loads(path.read_text()), "status": status}))

    assert run(place, sweep.id, 1).counts == TrialCounts(1, 0, 0)
    (trial,) = read_sweep(place.context, sweep.id).trials
    assert trial.value == pytest.approx(before.value)
    assert not set(trial.run_ids) & set(before.run_ids)
    assert sorted(place.context.runs.ids()) == sorted(trial.run_ids)


def test_reuse_takes_over_what_has_run(place: Place, file: Path) -> None:
    sweep = create(place.context, file, 0)
    run(place, sweep.id, 1)
    repeated = create(place.context, file, 0, repeats=2)
    run(place, repeated.id, 1, reuse=True)
    (alone,), (trial,) = (read_sweep(place.context, each.id).trials for each in (sweep, repeated))
    tags = [place.context.runs.read(run_id).tags for run_id in trial.run_ids]
    assert ["reused" in each for each in tags] == [True, False]
    assert [validate(place.context.runs.read(each).config) for each in trial.run_ids] == list(
        members(alone.config, repeats=2)
    )


def test_reuse_takes_no_network_that_the_record_does_not_name(place: Place, file: Path) -> None:
    """As where the run is trained further between the reading of its record and that of its network."""
    first, again = create(place.context, file, 0), create(place.context, file, 0)
    run(place, first.id, 1)
    (source,) = place.context.runs.ids()
    (place.path(source) / MODEL).write_bytes(b"of another epoch")
    run(place, again.id, 1, reuse=True)
    (copy,) = read_sweep(place.context, again.id).trials[0].run_ids
    assert "reused" in place.context.runs.read(copy).tags
    assert not (place.path(copy) / MODEL).exists()


def test_the_same_file_with_other_runs_is_another_sweep(place: Place, file: Path) -> None:
    plain = create(place.context, file, 0).id
    folded = create(place.context, file, 0, folds=3, repeats=2).id
    assert of_same_file(place.context, file) == folded
    assert of_same_file(place.context, file, folds=0) == plain
    assert of_same_file(place.context, file, folds=3) == folded
    assert of_same_file(place.context, file, repeats=3) is None
    space = describe_space(place.context, file, None, 99, repeats=2, folds=3)
    assert (space.runs, space.runs_a_trial, space.workers) == (7, 6, 42)


def test_repeats_over_a_searched_seed_are_refused(place: Place, file: Path) -> None:
    text = file.read_text()
    file.write_text(text + "  seed: {values: [1, 2]}\n")
    with pytest.raises(RequestError) as caught:
        create(place.context, file, 0, repeats=2)
    assert caught.value.parameter == "repeats"
    with pytest.raises(RequestError):
        describe_space(place.context, file, None, 1, repeats=2)
    file.write_text(text + "  seed: {value: 5}\n")
    assert create(place.context, file, 0, repeats=2).repeats == 2


def test_the_estimate_is_of_a_fold(place: Place, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measured = []
    monkeypatch.setattr(
        creating, "_seconds_of", lambda _, config: measured.append(config.fold) or float(len(measured) % 2)
    )
    space = describe_space(place.context, file, None, 1, folds=3)
    assert set(measured) == {"1/3"}
    assert space.seconds_a_run == 0.5


def test_folds_that_cannot_be_are_refused_before_anything_is_stored(place: Place, file: Path) -> None:
    with pytest.raises(RequestError, match="at most as many folds"):
        create(place.context, file, 0, folds=200)
    file.write_text(file.read_text() + "  fold: {values: [1/3, 2/3]}\n")
    with pytest.raises(RequestError, match="expected no fold"):
        create(place.context, file, 0, folds=3)
    assert not (place.context.runs_dir / "sweeps").exists()
