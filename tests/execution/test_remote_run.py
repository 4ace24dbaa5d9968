"""The record of a run that is trained elsewhere."""

from __future__ import annotations

import pytest
from small_runs import KilledError, Place, Watcher, interrupt_after

from ffcli.config import TrainConfig
from ffcli.datasets import Dataset
from ffcli.errors import FfnnError
from ffcli.execution.pool import Task
from ffcli.execution.remote_run import RemoteRun
from ffcli.runs.provenance import Provenance
from ffcli.runs.recorder import RunRecorder
from ffcli.runs.store import CHECKPOINT
from ffcli.services.evaluation.best import RunChoice
from ffcli.services.evaluation.evaluate import evaluate
from ffcli.services.runs.select import load_run
from ffcli.services.train import train
from ffcli.training.experiment import Experiment
from ffcli.training.options import RunOptions
from ffcli.training.resuming import resume_run


def interrupted(place: Place, config: TrainConfig) -> tuple[Dataset, Task]:
    """Train four of eight epochs here, and return the data and the task that resumes the run."""
    with pytest.raises(KeyboardInterrupt):
        train(place.context, config, RunOptions(), interrupt_after(4))
    dataset = place.context.dataset(str(place.dataset))
    return dataset, Task("one", config, dataset.digest, resume=place.context.runs.ids()[-1])


def continued(place: Place, dataset: Dataset, task: Task) -> tuple[RemoteRun, Experiment]:
    """Train the other four elsewhere, which find a better network than the one that is stored."""
    run = RemoteRun(place.context, task)
    stored = run.resume()
    assert stored is not None
    assert stored.best.epoch < 4, "its weights are in the model file alone"
    experiment = Experiment(task.config, dataset)
    experiment.load_state_dict(stored.arrays, stored.scalars, stored.best, stored.best_state)
    run.begin(vars(Provenance()), 1)
    for result in experiment.run(lambda *_: None):
        run.epoch(result)
    assert experiment.best is not None
    assert experiment.best.epoch > 4, "the model file changes"
    return run, experiment


def end_killed(patch: pytest.MonkeyPatch, run: RemoteRun, experiment: Experiment, dataset: Dataset) -> None:
    """End the run in a coordinator that is killed once the weights are written, before the record is."""

    def killed(*_: object) -> None:
        raise KilledError

    patch.setattr(RunRecorder, "end", killed)
    with pytest.raises(KilledError):
        run.end("finished", None, experiment.best_state, dataset)
    run._recorder.__exit__()  # type: ignore[union-attr] # as the system does


def assert_resumed_as(place: Place, run_id: str, config: TrainConfig) -> None:
    """Resume a run to the end of a configuration, and compare it with one that nothing has stopped."""
    more = None if config.epochs == place.context.runs.read(run_id).config["epochs"] else config.epochs
    resumed = resume_run(place.context, run_id, Watcher(), epochs=more)
    whole = train(place.context, config, RunOptions(), Watcher())
    assert (resumed.best_epoch, resumed.best_val_acc) == (whole.best_epoch, whole.best_val_acc)
    assert load_run(run_id, place.context.runs_dir).about["epoch"] == whole.best_epoch


@pytest.mark.parametrize("checkpoint", [True, False])
@pytest.mark.parametrize("closed", [True, False])
def test_weights_of_an_earlier_epoch_are_not_taken_for_those_of_the_best(
    place: Place, monkeypatch: pytest.MonkeyPatch, closed: bool, checkpoint: bool
) -> None:
    monkeypatch.setattr("ffcli.execution.remote_run._EVERY", 0.0)
    config = place.config(epochs=8, seed=3)
    dataset, task = interrupted(place, config)
    assert task.resume is not None
    run, _ = continued(place, dataset, task)
    if closed:
        run.close("interrupted")
    else:
        run._recorder.__exit__()  # type: ignore[union-attr] # the process was killed
    with pytest.raises(FfnnError, match="those of epoch"):
        load_run(task.resume, place.context.runs_dir)
    with pytest.raises(FfnnError, match="those of epoch"):
        evaluate(place.context, [RunChoice(task.resume)])
    if not checkpoint:
        (place.path(task.resume) / CHECKPOINT).unlink()
        assert task.config.epochs == place.context.runs.read(task.resume).epochs_done
    assert_resumed_as(place, task.resume, place.config(epochs=8 if checkpoint else 9, seed=3))


def test_weights_of_a_later_epoch_are_not_taken_for_those_of_a_run_that_began_again(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ffcli.execution.remote_run._EVERY", 0.0)
    config = place.config(epochs=8, seed=3)
    dataset, task = interrupted(place, config)
    assert task.resume is not None
    stored = place.context.runs.read(task.resume).best_epoch
    (place.path(task.resume) / CHECKPOINT).unlink()
    run = RemoteRun(place.context, task)
    assert run.resume() is None, "it begins with its first epoch"
    run.begin(vars(Provenance()), 1)
    run.epoch(next(iter(Experiment(config, dataset).run(lambda *_: None))))
    run.close("interrupted")
    assert place.context.runs.read(task.resume).best_epoch == 1 != stored
    with pytest.raises(FfnnError, match=f"those of epoch {stored}"):
        load_run(task.resume, place.context.runs_dir)
    assert_resumed_as(place, task.resume, config)


def test_a_run_whose_coordinator_is_killed_before_the_record_has_its_end_is_resumed_here(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ffcli.execution.remote_run._EVERY", 0.0)
    config = place.config(epochs=8, seed=3)
    whole = train(place.context, config, RunOptions(), Watcher())
    dataset, task = interrupted(place, config)
    assert task.resume is not None
    run, experiment = continued(place, dataset, task)

    with monkeypatch.context() as patch:
        end_killed(patch, run, experiment, dataset)
    resumed = resume_run(place.context, task.resume, Watcher())
    assert (resumed.status, resumed.best_val_acc) == ("finished", whole.best_val_acc)
    stored = load_run(task.resume, place.context.runs_dir)
    assert (stored.network.state == load_run(whole.run_id, place.context.runs_dir).network.state).all()


def test_a_coordinator_killed_while_it_ends_a_run_leaves_one_that_can_be_resumed(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = place.config(epochs=8, seed=3)
    whole = train(place.context, config, RunOptions(), Watcher())
    dataset, task = interrupted(place, config)
    assert task.resume is not None
    run_id = task.resume

    run, experiment = continued(place, dataset, task)
    with monkeypatch.context() as patch:
        end_killed(patch, run, experiment, dataset)

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
