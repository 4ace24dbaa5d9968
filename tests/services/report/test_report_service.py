"""The report of a stored sweep: the page holds what the study and the run store hold."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pytest
import report_pages
from small_runs import Place

from ffcli.config import TrainConfig, run_name
from ffcli.core.training import CORE_VERSION, EpochResult
from ffcli.errors import RequestError
from ffcli.runs.record import HistoryRow, history_csv
from ffcli.runs.store import HISTORY
from ffcli.services.report.report import ReportResult, report
from ffcli.services.report.tracked import native_charts
from ffcli.services.runs.select import load_run
from ffcli.services.sweeps.create import sweep_folder
from ffcli.sweeping.search.base import Proposal
from ffcli.sweeping.spec.spec import parse_spec
from ffcli.sweeping.study.record import Sweep, Trial, best_epoch
from ffcli.sweeping.study.study import create
from ffcli.sweeping.study.writer import StudyWriter
from ffcli.tracking.base import Bars

FILE = """
name: <b>mine</b>
description: a small search
method: grid
metric: {name: val_acc, goal: maximize}
parameters:
  dataset: {value: DATASET}
  epochs: {value: 2}
  num_layers: {value: 1}
  hidden_size: {value: 4}
  optimizer: {values: [adam, sgd]}
  learning_rate: {values: [0.1, 0.01]}
"""


class Filled:
    """A sweep whose trials end as one says."""

    def __init__(self, place: Place) -> None:
        self.place = place
        spec = parse_spec(FILE.replace("DATASET", str(place.dataset)))
        folder = sweep_folder(place.context, "s1")
        folder.mkdir(parents=True)
        digest = place.context.dataset(str(place.dataset)).digest
        create(folder, Sweep("s1", spec, digest, CORE_VERSION, 0, 0.0), None)
        self.writer = StudyWriter(folder, lambda: None)

    def begin(self, run_id: str | None = None) -> Trial:
        """Start the next trial."""
        sweep = self.writer.sweep
        values = sweep.spec.combination(len(self.writer.trials))
        trial = self.writer.begin(Proposal(values, sweep.spec.config(values)))
        return trial if run_id is None else self.writer.set_runs(trial, [run_id])

    def end(self, trial: Trial, state: Any, accuracies: list[float], error: str | None = None) -> None:
        """Report epochs of 0.25 seconds and these val_acc, and end the trial."""
        run_id = self.writer[trial.number].run_id
        results = [
            EpochResult(number, 1.0, 0.5, 0.75, accuracy, 0.5, 0.25, 0.5)
            for number, accuracy in enumerate(accuracies, 1)
        ]
        if run_id is not None and results and not (self.place.path(run_id) / HISTORY).exists():
            self.place.path(run_id).mkdir(exist_ok=True)
            rows = [HistoryRow(result, "2026-01-01T00:00:00.000Z") for result in results]
            (self.place.path(run_id) / HISTORY).write_text(history_csv(rows))
        value, epoch = best_epoch(self.writer.sweep.metric, results)
        self.writer.end(trial, state, value=value, best_epoch=epoch, error=error)

    def page(self) -> str:
        out = self.place.folder / "page.html"
        result = report(self.place.context, "s1", out)
        assert result == ReportResult(out, "s1", len(self.writer.trials))
        return out.read_text("utf-8")


def data_in(page: str) -> Any:
    found = re.search('<script type="application/json" id="data">(.*?)</script>', page)
    assert found is not None
    return json.loads(found[1])


@pytest.fixture
def filled(place: Place) -> Filled:
    return Filled(place)


def test_the_page_holds_what_the_sweep_came_to(filled: Filled) -> None:
    filled.place.put("r1", name="my own name", tags=["a", "b"])
    filled.place.put("r3", name="run r3", status="diverged")
    filled.end(filled.begin("r1"), "finished", [0.25, 0.75])
    filled.end(filled.begin("r2"), "pruned", [0.5])
    filled.end(filled.begin("r3"), "failed", [], "the loss is not finite")
    filled.begin("r4")
    page = filled.page()
    data = data_in(page)
    runs = data["runs"]
    assert runs["run_id"] == ["r1", "r2", "r3", "r4"]
    assert runs["status"] == ["finished", "pruned", "diverged", "running"]
    assert runs["value"] == [0.75, 0.5, None, None]
    assert runs["best_epoch"] == [2, 1, None, None]
    assert runs["seconds"] == [0.5, 0.25, None, None]
    assert runs["name"][0] == "my own name"
    assert runs["name"][1] == run_name(filled.writer.trials[1].config)  # it has no record here
    assert runs["tags"] == ["a, b", "", "", ""]
    assert runs["error"] == [None, None, "the loss is not finite", None]
    axes = {axis["name"]: [axis["labels"][place] for place in axis["values"]] for axis in data["axes"]}
    assert list(axes) == ["optimizer", "learning_rate"]  # the others were not searched
    trials = filled.writer.trials
    assert axes["optimizer"] == [trial.values["optimizer"] for trial in trials]
    assert axes["learning_rate"] == [f"{trial.values['learning_rate']:g}" for trial in trials]
    assert [(curve["number"], curve["metrics"]["val_acc"]) for curve in data["curves"]] == [
        (1, [0.25, 0.75]),
        (2, [0.5]),
    ]
    assert "&lt;b&gt;mine&lt;/b&gt;" in page
    assert "4: 1 finished, 1 pruned, 1 diverged, 1 running" in page


def test_a_finished_run_is_the_best_before_a_pruned_one(filled: Filled) -> None:
    filled.end(filled.begin("r1"), "pruned", [0.9])
    assert data_in(filled.page())["best"] == 1
    filled.end(filled.begin("r2"), "finished", [0.5])
    data = data_in(filled.page())
    assert data["best"] == 2
    assert [curve["number"] for curve in data["curves"]] == [2, 1]


@pytest.mark.parametrize("failed", [0, 2])
def test_a_sweep_without_a_result_has_a_page_too(filled: Filled, failed: int) -> None:
    for number in range(failed):
        filled.end(filled.begin(f"r{number}"), "failed", [], "no memory")
    page = filled.page()
    assert "No run has a result yet." in page
    assert data_in(page)["runs"]["status"] == ["failed"] * failed


def test_the_best_run_is_evaluated_on_the_test_images(filled: Filled) -> None:
    trial = filled.begin()
    trained = filled.place.train(**trial.config.as_dict())
    filled.writer.set_runs(trial, [trained.run_id])
    filled.end(trial, "finished", [epoch.val_acc for epoch in trained.epochs])
    cells = re.findall(r'<td class="(?:hit|miss)[^>]*>(\d+)</td>', filled.page())
    stored = load_run(trained.run_id, filled.place.context.runs_dir)
    data = filled.place.context.dataset(str(filled.place.dataset))
    predicted = stored.network.predict(data.x_test)
    pairs = [(true, taken) for true in range(3) for taken in range(3)]
    counted = [int(np.sum((data.y_test == true) & (predicted == taken))) for true, taken in pairs]
    assert list(map(int, cells)) == counted


def test_where_the_best_run_cannot_be_evaluated_the_page_says_why(filled: Filled) -> None:
    filled.end(filled.begin("r1"), "pruned", [0.75])
    page = filled.page()
    assert "r1" in page
    assert "could not be evaluated" in page
    assert any("no confusion matrix" in notice for notice in filled.place.notices)


def test_a_best_run_whose_data_have_changed_has_no_confusion_matrix(filled: Filled) -> None:
    trial = filled.begin()
    trained = filled.place.train(**trial.config.as_dict())
    filled.writer.set_runs(trial, [trained.run_id])
    filled.end(trial, "finished", [epoch.val_acc for epoch in trained.epochs])
    with np.load(filled.place.dataset) as arrays:
        changed = {**arrays, "y_test": arrays["y_test"][::-1]}
    np.savez(filled.place.dataset, **changed)
    page = filled.page()
    assert "could not be evaluated" in page
    assert "accuracy <strong>" not in page


def test_a_name_that_is_no_text_is_shown_as_an_escape(filled: Filled) -> None:
    filled.place.put("r1", name="caf\udce9")  # as Python reads the byte E9 of a command line
    filled.end(filled.begin("r1"), "failed", [], "no memory")
    assert data_in(filled.page())["runs"]["name"] == ["caf\udce9"]


ADDRESS = "team/nets/abc123"


def test_of_a_sweep_at_wandb_the_runs_stored_here_are_shown(place: Place) -> None:
    folder = sweep_folder(place.context, ADDRESS)
    folder.mkdir(parents=True)
    (folder / "sweep.yaml").write_text(FILE.replace("DATASET", str(place.dataset)))
    rates = (0.01, 0.1)
    runs = [place.train(num_layers=1, hidden_size=4, epochs=2, learning_rate=rate) for rate in rates]
    place.train()  # belongs to no sweep
    for run in runs:
        summary = place.path(run.run_id) / "summary.json"
        summary.write_text(json.dumps({**json.loads(summary.read_text()), "sweep_id": ADDRESS}))
    out = place.folder / "page.html"
    assert report(place.context, ADDRESS, out) == ReportResult(out, ADDRESS, 2)
    assert any(f"2 runs of sweep {ADDRESS} that are stored here" in notice for notice in place.notices)
    page = out.read_text("utf-8")
    assert "2 stored here: 2 finished" in page
    data = data_in(page)
    assert data["runs"]["run_id"] == [run.run_id for run in runs]
    assert data["runs"]["value"] == pytest.approx([run.best_val_acc for run in runs], rel=1e-5)
    first, second = data["runs"]["ended"]
    assert 0 < first < second
    assert len(data["curves"]) == 2
    assert sum(map(int, re.findall(r'<td class="(?:hit|miss)[^>]*>(\d+)</td>', page))) == 100


def test_a_sweep_at_wandb_without_a_run_here_is_refused(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place.folder)
    place.put("r1", sweep_id="team/nets/another")
    with pytest.raises(RequestError, match=f"No run of sweep {ADDRESS} is stored") as caught:
        report(place.context, ADDRESS, None)
    assert f"ffnn sweep {ADDRESS}" in str(caught.value.hint)
    assert not list(place.folder.glob("*.html"))


def test_a_wrong_request_writes_nothing(filled: Filled) -> None:
    context, folder = filled.place.context, filled.place.folder
    for path in (folder / "nowhere" / "page.html", folder):
        with pytest.raises(RequestError) as caught:
            report(context, "s1", path)
        assert caught.value.parameter == "out"
    assert not (folder / "page.html").exists()


def test_the_command_lists_what_differs_from_the_defaults() -> None:
    from ffcli.services.report.report import train_command

    assert train_command(TrainConfig()) == "ffnn train"
    assert train_command(TrainConfig(optimizer="momentum", momentum=0.5, seed=3)) == (
        "ffnn train --optimizer momentum --momentum 0.5 --seed 3"
    )
    assert train_command(TrainConfig(optimizer="momentum", momentum=0.9)) == "ffnn train --optimizer momentum"


def test_importances_are_bars_at_wandb() -> None:
    page = report_pages.report()
    (bars,) = (chart for chart in native_charts(page) if isinstance(chart, Bars))
    assert bars.key == "importance"
    assert bars.bars == {each.name: each.importance for each in page.influences if each.importance}
