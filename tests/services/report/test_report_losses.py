"""A report ranks and draws losses of one kind only."""

from __future__ import annotations

import json
import re

from small_runs import Place
from stored_sweeps import writer_of

from ffcli.services.report.report import report
from ffcli.services.sweeps.create import create
from ffcli.sweeping.search.base import Proposal

FILE = """
method: grid
metric: {name: val_loss, goal: minimize}
parameters:
  dataset: {value: DATASET}
  epochs: {value: 2}
  loss: {values: [cross_entropy, squared_error]}
  learning_rate: {values: [0.1, 0.01]}
"""


def test_losses_of_other_loss_functions_are_not_ranked(place: Place) -> None:
    file, page = place.folder / "mixed.yaml", place.folder / "page.html"
    file.write_text(FILE.replace("DATASET", str(place.dataset)))
    sweep = create(place.context, file, 0)
    writer = writer_of(place, sweep.id)
    for index, value in enumerate([0.5, 0.4, 0.1, 0.2]):
        values = sweep.spec.combination(index)
        trial = writer.begin(Proposal(values, sweep.spec.config(values)))
        writer.end(trial, "finished", value=value, best_epoch=1)
    losses = [trial.config.loss for trial in writer.trials]
    report(place.context, sweep.id, page)
    found = re.search('<script type="application/json" id="data">(.*?)</script>', page.read_text("utf-8"))
    assert found is not None
    data = json.loads(found[1])
    ranked = [loss for loss, value in zip(losses, data["runs"]["value"]) if value is not None]
    assert ranked == ["cross_entropy"] * 2
    assert losses[data["best"] - 1] == "cross_entropy"
