"""The record of a run that is trained elsewhere."""

from __future__ import annotations

import pytest
from small_runs import Place, Watcher, interrupt_after

from ffcli.execution.pool import Task
from ffcli.execution.remote_run import RemoteRun
from ffcli.runs.provenance import Provenance
from ffcli.runs.recorder import RunRecorder
from ffcli.runs.store import CHECKPOINT
from ffcli.services.train import train
from ffcli.training.experiment import Experiment
from ffcli.training.options import RunOptions


class KilledError(BaseException):
    """The process ends here: nothing is closed."""


def test_a_coordinator_killed_while_it_ends_a_run_leaves_one_that_can_be_resumed(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = place.config(epochs=8, seed=3)
    whole = train(place.context, config, RunOptions(), Watcher())
    with pytest.raises(KeyboardInterrupt):
        train(place.context, config, RunOptions(), interrupt_after(4))
    run_id = place.context.runs.ids()[-1]
    dataset = place.context.dataset(str(place.dataset))
    task = Task("one", config, dataset.digest, resume=run_id)

    def killed(*_: object) -> None:
        raise KilledError

    run = RemoteRun(place.context, task)
    stored = run.resume()
    assert stored is not None
    assert stored.best.epoch < 4, "its weights are in the model file alone"
    experiment = Experiment(config, dataset)
    experiment.load_state_dict(stored.arrays, stored.scalars, stored.best, stored.best_state)
    run.begin(vars(Provenance()), 1)
    for result in experiment.run(lambda *_: None):
        run.epoch(result)
    assert experiment.best is not None
    assert experiment.best.epoch > 4, "the model file changes"
    with monkeypatch.context() as patch:
        patch.setattr(RunRecorder, "end", killed)
        with pytest.raises(KilledError):
            run.end("finished", None, experiment.best_state, dataset)
    run._recorder.__exit__()  # type: ignore[union-attr] # as the system does

    again = RemoteRun(place.context, task)
    assert again.resume() is None
    assert not (place.path(run_id) / CHECKPOINT).exists()
    again.begin(vars(Provenance()), 1)
    experiment = Experiment(config, dataset)
    for result in experiment.run(lambda *_: None):
        again.epoch(result)
    again.end("finished", None, experiment.best_state, dataset)
    again.close("finished")
    record = place.context.runs.read(run_id)
    assert (record.status, record.epochs_done, record.best_val_acc) == ("finished", 8, whole.best_val_acc)
