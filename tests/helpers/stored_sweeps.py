"""Sweeps whose trials are made up, for what is done with a sweep afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ffcli.sweeping.claiming import Request
from ffcli.sweeping.store import TrialStore
from ffcli.sweeping.trials import Claimed, EndState
from small_runs import Place

from ffcli.core.training import EpochResult
from ffcli.services.sweeps.create import create, storage_url
from ffcli.util.processes import this_process

SPACE = """
method: grid
metric: {name: METRIC, goal: GOAL}
parameters:
  dataset: {value: DATASET}
  epochs: {value: 3}
  batch_size: {value: 64}
  hidden_size: {value: 5}
  num_layers: {value: 1}
"""


@dataclass(frozen=True)
class Made:
    """What a trial came to: (val_acc, val_loss) after each epoch, and how it ended."""

    epochs: Sequence[tuple[float, float]]
    state: EndState = "finished"
    run_id: str | None = None


def put_sweep(place: Place, search: str, made: Sequence[Made], metric: str = "val_acc") -> str:
    """Store a grid sweep over ``search``, lines of YAML, whose first trials went so; return its id."""
    goal = "minimize" if metric.endswith("loss") else "maximize"
    searched = {line.partition(":")[0].strip() for line in search.splitlines()}
    lines = SPACE.replace("METRIC", metric).replace("GOAL", goal).splitlines()
    kept = [line for line in lines if line.partition(":")[0].strip() not in searched]
    file = place.folder / "sweep.yaml"
    file.write_text("\n".join([*kept, f"  {search}"]).replace("DATASET", str(place.dataset)))
    sweep = create(place.context, file, 0, None)
    store = TrialStore(storage_url(place.context, sweep.id, None))
    pick = min if goal == "minimize" else max
    for number, trial in enumerate(made):
        claimed = store.claim(sweep, Request(f"token {number}", this_process()))
        assert isinstance(claimed, Claimed)
        if trial.run_id is not None:
            store.set_run(claimed, trial.run_id)
        history = []
        for epoch, (val_acc, val_loss) in enumerate(trial.epochs, 1):
            history.append(val_loss if metric == "val_loss" else val_acc)
            result = EpochResult(epoch, 1.0, 0.5, val_loss, val_acc, 0.2, 0.1)
            store.report(sweep, claimed, result, history)
        value = None if trial.state == "failed" else pick(history)
        store.finish(claimed, trial.state, value=value, best_epoch=1)
    store.close()
    return sweep.id
