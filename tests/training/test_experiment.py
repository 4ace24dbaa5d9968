from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ffcli.config import TrainConfig
from ffcli.core.activations import ACTIVATIONS
from ffcli.core.losses import LOSSES
from ffcli.core.optimizers import OPTIMIZERS
from ffcli.core.schedules import SCHEDULES
from ffcli.core.training import EpochResult
from ffcli.datasets import Dataset, load_dataset
from ffcli.errors import RequestError
from ffcli.training.experiment import Experiment, train, untrained_network

ROOT = Path(__file__).resolve().parents[2]


PLAIN = {
    "epochs": 3,
    "hidden_size": [9, 7],
    "batch_size": 16,
    "learning_rate": 0.01,
    "optimizer": "nadam",
    "activation": "relu",
    "weight_init": "xavier",
    "loss": "cross_entropy",
    "weight_decay": 0.0,
}


def config(**values) -> TrainConfig:
    """Return a small configuration that does not change with the defaults."""
    return TrainConfig(dataset="blobs.npz", **{**PLAIN, **values})


def figures(results: list[EpochResult]) -> list[tuple[float, ...]]:
    return [(r.epoch, r.train_loss, r.train_acc, r.val_loss, r.val_acc) for r in results]


@pytest.mark.parametrize("loss", list(LOSSES))
@pytest.mark.parametrize("optimizer", list(OPTIMIZERS))
def test_learns_small_data(blobs, optimizer, loss):
    # plain gradient descent wants a larger step than the adaptive ones
    rate = {"sgd": 0.3, "momentum": 0.05, "nesterov": 0.05}.get(optimizer, 0.01)
    experiment = Experiment(
        config(optimizer=optimizer, loss=loss, learning_rate=rate, epochs=20, hidden_size=[20]),
        blobs(n_train=400),
    )
    results = list(experiment)
    assert results[-1].train_loss < results[0].train_loss
    assert experiment.best is not None
    assert experiment.best.val_acc >= 0.9
    dataset = experiment.dataset
    assert np.mean(experiment.restore_best_weights().predict(dataset.x_test) == dataset.y_test) >= 0.85


@settings(max_examples=15)
@given(
    st.fixed_dictionaries(
        {
            "optimizer": st.sampled_from(list(OPTIMIZERS)),
            "loss": st.sampled_from(list(LOSSES)),
            "activation": st.sampled_from(list(ACTIVATIONS)),
            "weight_init": st.sampled_from(["random", "xavier"]),
            "batch_size": st.integers(1, 400),
            "weight_decay": st.sampled_from([0.0, 0.1]),
            "seed": st.integers(-(2**70), 2**70),
        }
    )
)
def test_the_same_seed_gives_the_same_run(blobs, values):
    dataset = blobs()
    first, again = (Experiment(config(epochs=2, **values), dataset) for _ in range(2))
    assert figures(list(first)) == figures(list(again))
    assert first.network.params.tobytes() == again.network.params.tobytes()
    other = Experiment(config(epochs=2, **{**values, "seed": values["seed"] + 1}), dataset)
    list(other)
    assert first.network.params.tobytes() != other.network.params.tobytes()


def test_a_seed_stands_for_weights_and_shuffling_apart(blobs):
    starts = [untrained_network(config(seed=seed), blobs()).params for seed in (0, 0, 1, -1)]
    assert starts[0].tobytes() == starts[1].tobytes()
    assert len({start.tobytes() for start in starts}) == 3
    shufflers = [Experiment(config(seed=seed), blobs()).rng for seed in (0, 0, 1)]
    first, again, other = (rng.permutation(50).tolist() for rng in shufflers)
    assert first == again != other
    # the generator that shuffles is not the one that drew the weights
    experiment = Experiment(config(), blobs())
    drawn = experiment.network.params.copy()
    experiment.network.initialize("xavier", experiment.rng)
    assert not np.any(drawn[drawn != 0] == experiment.network.params[drawn != 0])
    # of two optimizers with one seed, both start and shuffle alike
    experiments = [Experiment(config(optimizer=name), blobs()) for name in ("sgd", "adam")]
    assert experiments[0].network.params.tobytes() == experiments[1].network.params.tobytes()
    assert experiments[0].rng.bit_generator.state == experiments[1].rng.bit_generator.state


def saved(experiment: Experiment):
    """Return a checkpoint as it would be after it had lain on a disk."""
    arrays, rest = experiment.state_dict()
    return (
        {name: vector.copy() for name, vector in arrays.items()},
        json.loads(json.dumps(rest)),
        experiment.best,
        experiment.best_state.copy(),
    )


@pytest.mark.parametrize("epochs", [4, 6], ids=["to the planned end", "with more epochs"])
@pytest.mark.parametrize("optimizer", list(OPTIMIZERS))
def test_resumed_run_ends_bit_for_bit_the_same(blobs, optimizer, epochs):
    dataset = blobs()
    whole = Experiment(config(optimizer=optimizer, epochs=epochs, batch_size=7, weight_decay=0.01), dataset)
    expected = list(whole)

    begun = Experiment(config(optimizer=optimizer, epochs=4, batch_size=7, weight_decay=0.01), dataset)
    running = iter(begun)
    early = [next(running), next(running)]
    checkpoint = saved(begun)
    next(running)  # what happens after the checkpoint does not touch it

    resumed = Experiment(whole.config, dataset)
    resumed.load_state_dict(*checkpoint)
    late = list(resumed)
    assert figures(early + late) == figures(expected)
    assert resumed.network.params.tobytes() == whole.network.params.tobytes()
    assert resumed.best_state.tobytes() == whole.best_state.tobytes()
    assert figures([resumed.best]) == figures([whole.best])
    for name, vector in whole.state_dict()[0].items():
        assert resumed.state_dict()[0][name].tobytes() == vector.tobytes()
    assert resumed.state_dict()[1] == whole.state_dict()[1]


EVERYTHING = {
    "dropout": 0.2,
    "input_dropout": 0.1,
    "batch_norm": True,
    "label_smoothing": 0.1,
    "warmup_epochs": 1.5,
    "clip_norm": 0.5,
    "ema": 0.9,
    "augment": "flip,shift:1",
    "patience": 50,
    "optimizer": "adamw",
    "weight_decay": 0.01,
    "batch_size": 7,
}


@pytest.mark.parametrize("schedule", list(SCHEDULES))
def test_with_every_ingredient_it_still_resumes_bit_for_bit(blobs, schedule):
    settings = config(**EVERYTHING, schedule=schedule, decay_epochs=2, decay_factor=0.5, epochs=6)
    dataset = blobs()
    whole = Experiment(settings, dataset)
    expected = list(whole)
    begun = Experiment(settings, dataset)
    running = iter(begun)
    early = [next(running) for _ in range(3)]
    checkpoint = saved(begun)
    resumed = Experiment(settings, dataset)
    resumed.load_state_dict(*checkpoint)
    assert figures(early + list(resumed)) == figures(expected)
    assert resumed.evaluated.state.tobytes() == whole.evaluated.state.tobytes()
    assert resumed.best_state.tobytes() == whole.best_state.tobytes()
    assert resumed.state_dict()[1] == whole.state_dict()[1]
    for name, vector in whole.state_dict()[0].items():
        assert resumed.state_dict()[0][name].tobytes() == vector.tobytes()


@pytest.mark.parametrize("name", list(EVERYTHING))
def test_every_ingredient_changes_what_comes_out(blobs, name):
    if name in ("patience", "batch_size", "weight_decay"):
        pytest.skip("it does so by itself only in other tests")
    plain, refined = Experiment(config(), blobs()), Experiment(config(**{name: EVERYTHING[name]}), blobs())
    list(plain), list(refined)
    assert plain.evaluated.params[:200].tobytes() != refined.evaluated.params[:200].tobytes()


def test_patience_ends_the_run_and_keeps_its_best(blobs):
    whole = list(Experiment(config(epochs=40, learning_rate=0.02), blobs(n_train=100)))
    accuracies = [result.val_acc for result in whole]
    patient = Experiment(config(epochs=40, learning_rate=0.02, patience=4), blobs(n_train=100))
    results = list(patient)
    assert figures(results) == figures(whole[: len(results)])
    best = patient.best
    assert best is not None
    assert best.epoch == len(results) - 4 < 36
    assert best.val_acc == max(accuracies[: len(results)])
    assert list(patient) == [], "no patience is left, so nothing is left to do"


@pytest.mark.parametrize("name", ["dropout", "input_dropout", "batch_norm", "label_smoothing", "augment"])
def test_validation_is_of_the_true_images_and_labels_by_the_network_as_it_predicts(blobs, name):
    dataset = blobs()
    before = dataset.x_train.copy()
    experiment = Experiment(config(epochs=1, **{name: EVERYTHING[name]}), dataset)
    (result,) = experiment
    rows = experiment.data.val_indices
    p = experiment.network.predict_proba(before[rows])
    labels = dataset.y_train[rows]
    assert result.val_acc == np.mean(p.argmax(axis=1) == labels)
    assert result.val_loss == pytest.approx(-np.mean(np.log(p[np.arange(len(rows)), labels])), rel=1e-5)
    assert np.array_equal(dataset.x_train, before)


def test_patience_goes_on_counting_in_a_resumed_run(blobs):
    settings = config(epochs=40, learning_rate=0.02, patience=4)
    whole = Experiment(settings, blobs(n_train=100))
    expected = list(whole)
    begun = Experiment(settings, blobs(n_train=100))
    running = iter(begun)
    early = [next(running) for _ in range(len(expected) - 2)]
    resumed = Experiment(settings, blobs(n_train=100))
    resumed.load_state_dict(*saved(begun))
    assert figures(early + list(resumed)) == figures(expected)


def test_validation_is_of_the_average_where_there_is_one(blobs):
    experiment = Experiment(config(ema=0.99, epochs=1), blobs())
    (result,) = experiment
    dataset, rows = experiment.dataset, experiment.data.val_indices

    def accuracy(network):
        return np.mean(network.predict(dataset.x_train[rows]) == dataset.y_train[rows])

    assert result.val_acc == accuracy(experiment.evaluated)
    assert experiment.restore_best_weights().params.tobytes() == experiment.evaluated.params.tobytes()


@pytest.mark.parametrize(
    ("values", "dataset", "message"),
    [
        ({"augment": "flip"}, {"shape": (20,)}, "augment: got flip"),
        ({"augment": "shift:1"}, {"shape": (2, 2, 3)}, "augment: got shift:1"),
        ({"augment": "shift:4"}, {}, "augment: got shift:4, but 4 pixels"),
    ],
)
def test_augmentation_that_the_data_does_not_allow_is_refused(blobs, values, dataset, message):
    with pytest.raises(RequestError, match=message):
        Experiment(config(**values), blobs(**dataset))


def test_mirrored_digits_are_refused(blobs):
    digits = replace(blobs(), name="mnist")
    with pytest.raises(RequestError, match="augment: got flip, but flip is not for mnist"):
        Experiment(config(augment="flip"), digits)


def test_going_on_in_memory_is_the_same_run(blobs):
    whole = Experiment(config(), blobs())
    expected = figures(list(whole))
    stopped = Experiment(config(), blobs())
    first = [next(iter(stopped))]
    assert stopped.epoch == 1
    assert figures(first + list(stopped)) == expected
    assert list(stopped) == []


def test_the_best_epoch_is_the_first_of_the_highest(blobs):
    experiment = Experiment(config(epochs=12, learning_rate=0.02), blobs(n_train=100))
    params, results = [], []
    for result in experiment:
        params.append(experiment.network.params.copy())
        results.append(result)
    accuracies = [result.val_acc for result in results]
    best = accuracies.index(max(accuracies))
    assert accuracies.count(max(accuracies)) > 1, "no tie, so ties were not tested"
    assert experiment.best is results[best]
    assert experiment.best_state.tobytes() == params[best].tobytes()
    assert experiment.restore_best_weights().params.tobytes() == params[best].tobytes()


@pytest.mark.parametrize(
    "values",
    [
        {"num_layers": 0, "hidden_size": 5},
        {"hidden_size": [1]},
        {"hidden_size": [1, 1, 1], "activation": "tanh"},
        {"hidden_size": 8, "num_layers": 50, "activation": "tanh"},
        {"batch_size": 10**9},
        {"batch_size": 1},
        {"batch_size": 270},
        {"batch_size": 269},
        {"val_fraction": 0.98},
    ],
    ids=str,
)
def test_edge_sizes(blobs, values):
    experiment = Experiment(config(epochs=2, **values), blobs())
    seen = []
    results = list(experiment.run(lambda done, total: seen.append((done, total))))
    assert len(results) == 2
    assert not any(result.diverged for result in results)
    assert seen[-1] == (experiment.steps_per_epoch, experiment.steps_per_epoch)
    assert experiment.optimizer.steps == 2 * experiment.steps_per_epoch


def test_sizes_follow_from_the_dataset(blobs):
    experiment = Experiment(config(), blobs(shape=(3, 2, 2), n_classes=5, dtype=np.float32))
    assert experiment.network.layer_sizes == (12, 9, 7, 5)
    assert len(list(experiment)) == 3
    flat = blobs(shape=(6,), n_classes=2)
    assert untrained_network(config(num_layers=0, hidden_size=3), flat).layer_sizes == (6, 2)


def test_all_is_float32(blobs):
    experiment = Experiment(config(optimizer="adam"), blobs(dtype=np.float32))
    list(experiment)
    assert {vector.dtype for vector in experiment.state_dict()[0].values()} == {np.dtype(np.float32)}
    assert experiment.network.logits(experiment.dataset.x_test).dtype == np.float32


def test_the_test_images_are_never_read(blobs):
    dataset = blobs()
    hidden = Dataset(
        dataset.name, dataset.x_train, dataset.y_train, None, None, dataset.class_names, dataset.digest
    )
    assert figures(list(Experiment(config(), hidden))) == figures(list(Experiment(config(), dataset)))


def test_mapped_read_only_data_will_do(blobs, tmp_path):
    dataset = blobs()
    arrays = []
    for name in ("x_train", "y_train"):
        np.save(tmp_path / f"{name}.npy", getattr(dataset, name))
        arrays.append(np.load(tmp_path / f"{name}.npy", mmap_mode="r"))
    mapped = Dataset(dataset.name, *arrays, dataset.x_test, dataset.y_test, dataset.class_names, "")
    assert figures(list(Experiment(config(), mapped))) == figures(list(Experiment(config(), dataset)))


def test_a_run_that_diverges_keeps_its_best_epoch(blobs):
    experiment = Experiment(
        config(optimizer="sgd", learning_rate=1e6, epochs=9, activation="identity"), blobs()
    )
    results = list(experiment)
    assert results[-1].diverged
    assert len(results) < 9
    assert experiment.epoch == len(results)
    assert np.isfinite(experiment.best_state).all()
    assert experiment.best is None or not experiment.best.diverged


def test_weight_decay_shrinks_weights_and_counts_in_the_losses(blobs):
    ends = {}
    for decay in (0.0, 0.5):
        experiment = Experiment(config(optimizer="sgd", weight_decay=decay, learning_rate=0.1), blobs())
        ends[decay] = experiment, list(experiment)[-1]
    norms = {decay: sum(float((W**2).sum()) for W in e.network.weights) for decay, (e, _) in ends.items()}
    assert norms[0.5] < 0.5 * norms[0.0]
    experiment, result = ends[0.5]
    labels = experiment.data.labels[experiment.data.val_indices]
    p = experiment.network.predict_proba(experiment.data.images[experiment.data.val_indices])
    plain = -np.mean(np.log(p[np.arange(len(labels)), labels]))
    assert result.val_loss == pytest.approx(plain + 0.25 * norms[0.5], rel=1e-5)


def test_train_is_an_experiment(blobs):
    assert [result.epoch for result in train(config(), blobs())] == [1, 2, 3]


@pytest.mark.network
def test_real_fashion_mnist_reaches_84_percent_in_two_epochs():
    data_dir = os.environ.get("FFNN_DATA_DIR") or ROOT / "data"
    experiment = Experiment(TrainConfig(epochs=2), load_dataset("fashion_mnist", data_dir))
    results = list(experiment)
    assert results[-1].train_loss < results[0].train_loss
    assert results[1].val_acc >= 0.84
    assert len(experiment.data.val_indices) == 6000
    assert np.mean(experiment.network.predict(experiment.dataset.x_test) == experiment.dataset.y_test) >= 0.83
