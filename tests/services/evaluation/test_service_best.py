"""The best run's weights, wherever they are: in the store, dropped, or on another machine."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from small_runs import Place, Watcher, interrupt_after, write_dataset

from ffcli.errors import FfnnError, RequestError
from ffcli.runs.store import HISTORY, MODEL, SUMMARY
from ffcli.services.evaluation.best import RunChoice, best_with_weights
from ffcli.services.evaluation.evaluate import evaluate
from ffcli.services.sweeps.create import create, read_sweep
from ffcli.services.sweeps.local import SweepOptions, run_sweep
from ffcli.services.sweeps.results import SweepOutcome
from ffcli.services.train import train
from ffcli.sweeping.study.events import SweepStarted
from ffcli.training.context import Context
from ffcli.training.options import RunOptions
from ffcli.training.resuming import resume_run


def nobody(_: object) -> None:
    """Watch a sweep for nobody."""


SPEC = """
method: grid
metric: {{name: {metric}}}
parameters:
  dataset: {{value: {dataset}}}
  epochs: {{value: 3}}
  num_layers: {{value: 1}}
  hidden_size: {{value: 4}}
  optimizer: {{value: adam}}
  learning_rate: {{values: [0.003, 0.03]}}
  seed: {{values: [1, 2]}}
"""


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> tuple[Place, SweepOutcome]:
    """A sweep by val_loss, which is the lower the better, run once for all tests."""
    place = Place(tmp_path_factory.mktemp("origin"))
    file = place.folder / "spec.yaml"
    file.write_text(SPEC.format(metric="val_loss", dataset=place.dataset))
    made = create(place.context, file, 0)
    return place, run_sweep(place.context, made, SweepOptions(), nobody)


@pytest.fixture
def place(origin: tuple[Place, SweepOutcome], tmp_path: Path) -> Iterator[Place]:
    """A copy of the store of that sweep; its dataset is as before when the test is over."""
    shared, _ = origin
    place = Place(tmp_path)
    place.dataset = shared.dataset
    place.context = Context(shared.context.data_dir, tmp_path / "runs", place.notices.append)
    shutil.copytree(shared.context.runs_dir, place.context.runs_dir)
    shutil.copy(shared.folder / "spec.yaml", tmp_path)
    content = shared.dataset.read_bytes()
    yield place
    shared.dataset.write_bytes(content)


@pytest.fixture
def sweep(origin: tuple[Place, SweepOutcome]) -> SweepOutcome:
    """What the sweep came to."""
    return origin[1]


def history(place: Place, run_id: str) -> list[tuple[float, float]]:
    rows = place.context.runs.history(run_id)
    return [(row.result.val_loss, row.result.val_acc) for row in rows]


def lowest(place: Place, sweep_id: str) -> str:
    """Return the run of a sweep with the lowest val_loss, read from the records."""
    runs = [record for record in place.context.runs.records() if record.sweep_id == sweep_id]
    assert len(runs) == 4
    return min(runs, key=lambda record: record.best["val_loss"]).run_id


def test_the_sweeps_own_metric_says_which_is_the_best_unless_another_is_given(
    place: Place, sweep: SweepOutcome
) -> None:
    sweep_id = sweep.sweep_id
    assert best_with_weights(place.context, RunChoice(sweep_id=sweep_id)) == lowest(place, sweep_id)
    records = [record for record in place.context.runs.records() if record.sweep_id == sweep_id]
    most = max(record.best["val_acc"] for record in records)
    chosen = best_with_weights(place.context, RunChoice(sweep_id=sweep_id, metric="VAL-ACC"))
    assert place.context.runs.read(chosen).best["val_acc"] == most
    assert place.notices == []
    with pytest.raises(RequestError) as caught:
        best_with_weights(place.context, RunChoice(sweep_id=sweep_id, metric="val_akkuracy"))
    assert caught.value.parameter == "metric"
    with pytest.raises(FfnnError, match="no finished run on mnist"):
        best_with_weights(place.context, RunChoice(sweep_id=sweep_id, dataset="mnist"))


@pytest.mark.parametrize("content", ["{", "[]", ""])
def test_damaged_records_of_other_runs_do_not_matter(place: Place, sweep: SweepOutcome, content: str) -> None:
    best = lowest(place, sweep.sweep_id)
    for run_id in place.context.runs.ids():
        if run_id != best:
            (place.path(run_id) / SUMMARY).write_text(content)
    assert best_with_weights(place.context, RunChoice(sweep_id=sweep.sweep_id)) == best
    (evaluated,) = evaluate(place.context, [RunChoice(best=True, sweep_id=sweep.sweep_id)])
    assert evaluated.run_id == best


def test_dropped_weights_are_trained_again_once(place: Place, sweep: SweepOutcome) -> None:
    best = lowest(place, sweep.sweep_id)
    (before,) = evaluate(place.context, [RunChoice(best)])
    (place.path(best) / MODEL).unlink()
    watcher = Watcher()
    again = best_with_weights(place.context, RunChoice(sweep_id=sweep.sweep_id, on_event=watcher))
    assert [told[0] for told in watcher.told] == ["started", "epoch", "epoch", "epoch", "finished"]
    assert "trained again" in place.notices[-1]
    assert best in place.notices[-1]
    record = place.context.runs.read(again)
    assert record.tags == ["retrained", sweep.sweep_id]
    assert (record.config, record.sweep_id) == (place.context.runs.read(best).config, None)
    assert history(place, again) == history(place, best)
    (after,) = evaluate(place.context, [RunChoice(again)])
    assert (after.loss, after.per_class) == (before.loss, before.per_class)
    runs = place.context.runs.ids()
    (once_more,) = evaluate(place.context, [RunChoice(best=True, sweep_id=sweep.sweep_id)])
    assert once_more.run_id == again
    assert place.context.runs.ids() == runs
    assert f"run {again} is the same training" in place.notices[-1]


def elsewhere(place: Place) -> Context:
    """Return a store that has the sweeps and none of their runs."""
    shutil.copytree(place.context.runs_dir / "sweeps", place.folder / "other" / "sweeps")
    return Context(place.folder / "data", place.folder / "other", place.notices.append)


def test_the_study_alone_is_enough(place: Place, sweep: SweepOutcome) -> None:
    other = elsewhere(place)
    again = best_with_weights(other, RunChoice(sweep_id=sweep.sweep_id))
    assert other.runs.ids() == [again]
    rows = other.runs.history(again)
    best = lowest(place, sweep.sweep_id)
    assert [(row.result.val_loss, row.result.val_acc) for row in rows] == history(place, best)
    assert not any("differs from the record" in notice for notice in place.notices)
    assert best_with_weights(other, RunChoice(sweep_id=sweep.sweep_id)) == again


def test_notice_is_given_where_it_does_not_come_out_the_same(
    place: Place, sweep: SweepOutcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ffcli.services.evaluation import retrained

    train = retrained.train
    monkeypatch.setattr(
        retrained, "train", lambda context, config, *rest: train(context, replace_seed(config), *rest)
    )
    best_with_weights(elsewhere(place), RunChoice(sweep_id=sweep.sweep_id))
    assert "differs from the record" in place.notices[-1]
    assert f"instead of {sweep.best.value:.6g}" in place.notices[-1]


def replace_seed(config: Any) -> Any:
    return config.model_copy(update={"seed": 77})


def test_other_data_or_another_core_are_not_trained_in_its_place(
    place: Place, sweep: SweepOutcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = elsewhere(place)
    wanted = {"sweep_id": sweep.sweep_id}
    monkeypatch.setattr("ffcli.services.evaluation.retrained.CORE_VERSION", 99)
    with pytest.raises(FfnnError, match="by version 1 of the core, this is 99"):
        best_with_weights(other, RunChoice(**wanted))
    monkeypatch.undo()
    write_dataset(place.dataset, seed=5)
    with pytest.raises(FfnnError, match="is not the dataset that it was trained on"):
        best_with_weights(other, RunChoice(**wanted))
    made = read_sweep(place.context, sweep.sweep_id).sweep
    with pytest.raises(FfnnError, match="is not the one that sweep"):
        run_sweep(place.context, made, SweepOptions(), nobody)
    assert other.runs.ids() == []


def test_a_sweep_of_another_core_is_not_resumed(place: Place, sweep: SweepOutcome) -> None:
    old = replace(read_sweep(place.context, sweep.sweep_id).sweep, core_version=0)
    with pytest.raises(FfnnError, match="begun by version 0 of the core"):
        run_sweep(place.context, old, SweepOptions(), nobody)


def test_the_best_of_the_store_is_trained_again_too(place: Place) -> None:
    run = place.train()
    (Path(run.path) / MODEL).unlink()
    for run_id in place.context.runs.ids():
        if run_id != run.run_id:
            shutil.rmtree(place.path(run_id))
    again = best_with_weights(place.context, RunChoice(dataset=str(place.dataset)))
    assert again != run.run_id
    assert history(place, again) == history(place, run.run_id)
    assert place.context.runs.read(again).tags == ["retrained"]
    assert best_with_weights(place.context, RunChoice(dataset=str(place.dataset))) in (run.run_id, again)


def test_a_best_run_whose_schedule_was_begun_for_another_end_is_not_trained_again(place: Place) -> None:
    path = place.interrupted(2, epochs=3, schedule="cosine")
    resume_run(place.context, path.name, lambda _: None, epochs=5)
    (path / MODEL).unlink()
    for run_id in place.context.runs.ids():
        if run_id != path.name:
            shutil.rmtree(place.path(run_id))
    with pytest.raises(FfnnError, match="begun for 3 epochs"):
        best_with_weights(place.context, RunChoice(dataset=str(place.dataset)))


def test_a_sweep_without_a_finished_run_has_no_best(place: Place) -> None:
    made = create(place.context, place.folder / "spec.yaml", 0)
    with pytest.raises(FfnnError, match="has no finished run yet"):
        best_with_weights(place.context, RunChoice(sweep_id=made.id))


# Taken over instead of trained


def rerun(place: Place, **options: Any) -> SweepOutcome:
    """Run the same file as a new sweep that reuses what there is."""
    made = create(place.context, place.folder / "spec.yaml", 0)
    return run_sweep(place.context, made, SweepOptions(reuse=True, **options), nobody)


def test_identical_runs_of_the_store_are_taken_over(place: Place, sweep: SweepOutcome) -> None:
    own = place.train(epochs=3, num_layers=1, hidden_size=4, optimizer="adam", learning_rate=0.003, seed=1)
    shutil.rmtree(place.folder / "runs" / lowest(place, sweep.sweep_id))  # this one has to be trained
    before = set(place.context.runs.ids())
    second = rerun(place)
    assert (second.counts.finished, second.reused) == (4, 3)
    new = [place.context.runs.read(run_id) for run_id in place.context.runs.ids() if run_id not in before]
    assert len(new) == 4
    assert own.run_id in before
    for record in new:
        assert record.sweep_id == second.sweep_id
        source = record.provenance.reused_from
        assert (source is not None) == ("reused" in record.tags)
        if source is not None:
            assert source in before
            assert history(place, record.run_id) == history(place, source)
            assert place.context.runs.read(source).config == record.config
            assert (place.path(record.run_id) / MODEL).is_file()
    assert sum("reused" in record.tags for record in new) == 3
    values = [(trial.values, trial.value) for trial in second.top]
    assert values == [(trial.values, trial.value) for trial in sweep.top]
    made = read_sweep(place.context, second.sweep_id).sweep
    again = run_sweep(place.context, made, SweepOptions(), nobody)
    assert (again.counts.finished, again.reused) == (4, 3)


def test_a_run_that_was_removed_meanwhile_is_trained(place: Place) -> None:
    stored = place.context.runs.ids()

    def tidy_up(event: object) -> None:
        if isinstance(event, SweepStarted):
            shutil.rmtree(place.path(stored[0]))

    made = create(place.context, place.folder / "spec.yaml", 0)
    done = run_sweep(place.context, made, SweepOptions(reuse=True), tidy_up)
    assert (done.counts.finished, done.reused) == (4, 3)


def test_other_contents_of_the_dataset_are_trained(place: Place) -> None:
    write_dataset(place.dataset, seed=9)
    assert rerun(place).reused == 0


def test_a_half_or_damaged_run_is_not_taken_over(place: Place) -> None:
    for run_id in place.context.runs.ids():
        text = (place.path(run_id) / "history.csv").read_text()
        (place.path(run_id) / "history.csv").write_text("\n".join(text.splitlines()[:-1]) + "\n")
    ids = place.context.runs.ids()
    (place.path(ids[0]) / "history.csv").write_text("epoch\n1\n")
    summary = json.loads((place.path(ids[1]) / SUMMARY).read_text())
    (place.path(ids[1]) / SUMMARY).write_text(json.dumps({**summary, "config": {"nonsense": 1}}))
    assert rerun(place).reused == 0


def test_a_run_begun_for_another_number_of_epochs_is_not_taken_over_where_that_mattered(
    place: Place,
) -> None:
    file = place.folder / "spec.yaml"
    file.write_text(file.read_text().replace("  seed:", "  schedule: {values: [constant, cosine]}\n  seed:"))
    ours = {"num_layers": 1, "hidden_size": 4, "optimizer": "adam", "learning_rate": 0.003, "seed": 1}
    for run_id in place.context.runs.ids():
        shutil.rmtree(place.path(run_id))
    runs = {}
    for schedule in ("constant", "cosine"):
        config = place.config(epochs=2, schedule=schedule, **ours)
        with pytest.raises(KeyboardInterrupt):
            train(place.context, config, RunOptions(recipe="fast"), interrupt_after(1))
        runs[schedule] = place.context.runs.ids()[-1]
        assert resume_run(place.context, runs[schedule], Watcher(), epochs=3).status == "finished"
    second = rerun(place)
    assert second.reused == 1
    copies = [record for record in place.context.runs.records() if "reused" in record.tags]
    assert [record.provenance.reused_from for record in copies] == [runs["constant"]]
    assert place.context.runs.read(runs["constant"]).recipe == "fast"
    assert [record.recipe for record in copies] == [None], "a sweep's run is not of a recipe"


def test_a_run_without_its_history_is_the_best_too(place: Place) -> None:
    run = place.train()
    (place.path(run.run_id) / HISTORY).unlink()
    assert best_with_weights(place.context, RunChoice(metric="val_loss", dataset=run.dataset)) == run.run_id
    (place.path(run.run_id) / HISTORY).write_text("no history")
    assert best_with_weights(place.context, RunChoice(metric="val_loss", dataset=run.dataset)) == run.run_id
