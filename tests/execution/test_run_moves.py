"""A run that is interrupted, killed and continued in turn here and on a cluster."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_runs import KilledError, Place, Watcher, interrupt_after, writes_until

from ffcli.errors import FfnnError
from ffcli.execution import remote_run
from ffcli.execution.pool import Task
from ffcli.execution.remote_run import RemoteRun
from ffcli.runs.provenance import Provenance
from ffcli.runs.results import RunResult
from ffcli.services.runs.select import load_run
from ffcli.training.experiment import Experiment
from ffcli.training.resuming import resume_run

EPOCHS = 6
MORE = 8
SEEDS = (3, 4)


def go_on_here(place: Place, run_id: str, epochs: int, watcher: Watcher) -> None:
    stored = place.context.runs.read(run_id)
    resume_run(place.context, run_id, watcher, epochs=None if epochs == stored.config["epochs"] else epochs)


def go_on_there(place: Place, run_id: str, stop_after: int | None, *, written: bool) -> None:
    """Continue on a cluster; it is interrupted after so many epochs, which are ``written`` at once or not."""
    stored = place.context.runs.read(run_id)
    config = place.config(epochs=stored.config["epochs"], seed=stored.config["seed"])
    dataset = place.context.dataset(str(place.dataset))
    run = RemoteRun(place.context, Task("one", config, dataset.digest, resume=run_id))
    try:
        checkpoint = run.resume()
        experiment = Experiment(config, dataset)
        if checkpoint is not None:
            experiment.load_state_dict(
                checkpoint.arrays, checkpoint.scalars, checkpoint.best, checkpoint.best_state
            )
        run.begin(vars(Provenance()), 1)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(remote_run, "_EVERY", 0.0 if written else 1e9)
            for number, result in enumerate(experiment.run(lambda *_: None), 1):
                run.epoch(result)
                if number == stop_after:
                    run.close("interrupted")
                    return
        run.end("finished", None, experiment.best_state, dataset)
        run.close("interrupted")
    except KilledError:
        run._recorder.__exit__()  # type: ignore[union-attr] # as the system does
        raise


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> tuple[Place, dict[tuple[int, int], RunResult]]:
    """A place, and what runs of each seed and number of epochs come to when nothing stops them."""
    place = Place(tmp_path_factory.mktemp("moves"))
    counts = range(EPOCHS, MORE + 1)
    return place, {(seed, n): place.train(epochs=n, seed=seed) for seed in SEEDS for n in counts}


def check_weights(place: Place, run_id: str) -> None:
    """Weights that can be loaded are of the best epoch on record."""
    stored = place.context.runs.read(run_id)
    try:
        epoch = load_run(run_id, place.context.runs_dir).about["epoch"]
    except FfnnError:
        assert stored.status != "finished"
        return
    assert epoch == stored.best_epoch


MOVES = st.lists(
    st.tuples(
        st.sampled_from(["here", "there"]),
        st.one_of(
            st.tuples(st.just("interrupted after"), st.integers(1, EPOCHS)),
            st.tuples(st.just("killed at"), st.integers(0, 20)),
        ),
        st.booleans(),
    ),
    max_size=6,
)


@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(SEEDS), st.integers(1, EPOCHS - 1), MOVES)
def test_it_comes_to_the_same_end(
    lasting: tuple[Place, dict[tuple[int, int], RunResult]],
    seed: int,
    first: int,
    moves: list[tuple[str, tuple[str, int], bool]],
) -> None:
    place, references = lasting
    path = place.interrupted(first, epochs=EPOCHS, seed=seed)
    epochs = EPOCHS
    for where, (how, number), written in moves:
        stored = place.context.runs.read(path.name)
        if stored.status == "finished" and stored.epochs_done == epochs:
            if epochs == MORE:
                break
            epochs += 1
        extended = stored.status == "finished" or stored.config["epochs"] != epochs
        at = number if how == "killed at" else 10_000
        after = number if how == "interrupted after" else None
        try:
            with writes_until(at, KilledError()):
                if where == "here" or extended:  # a cluster continues no run to more epochs
                    watcher = Watcher() if after is None else interrupt_after(stored.epochs_done + after)
                    go_on_here(place, path.name, epochs, watcher)
                else:
                    go_on_there(place, path.name, after, written=written)
        except (KeyboardInterrupt, KilledError):
            pass
        check_weights(place, path.name)
    stored = place.context.runs.read(path.name)
    if stored.status != "finished" or stored.epochs_done < epochs:
        go_on_here(place, path.name, epochs, Watcher())
    stored, reference = place.context.runs.read(path.name), references[seed, epochs]
    assert (stored.status, stored.epochs_done) == ("finished", epochs)
    assert (stored.best_epoch, stored.best_val_acc) == (reference.best_epoch, reference.best_val_acc)
    losses, expected = (
        [(row.result.epoch, row.result.val_loss) for row in place.context.runs.history(run_id)]
        for run_id in (path.name, Path(reference.path).name)
    )
    assert losses == expected
    one, other = (load_run(each, place.context.runs_dir) for each in (path.name, Path(reference.path).name))
    np.testing.assert_array_equal(one.network.state, other.network.state)
    assert sorted(file.name for file in path.iterdir()) == sorted(
        file.name for file in Path(reference.path).iterdir()
    )
