"""Schedules, augmentation, averaging, clipping and label smoothing, against hand-worked numbers and Keras."""

from __future__ import annotations

import json

import numpy as np
import pytest

from ffcli.core.augmentation import Augmentation
from ffcli.core.backprop import Backpropagation
from ffcli.core.ema import WeightAverage
from ffcli.core.losses import LOSSES
from ffcli.core.network import Network
from ffcli.core.optimizers import OPTIMIZERS
from ffcli.core.schedules import SCHEDULES, warm_up
from ffcli.core.training import Refinements, TrainingData, train


def factors(name: str, places: list[float], epochs: int = 10) -> list[float]:
    schedule = SCHEDULES[name](epochs, 3, 0.5)
    return [schedule.factor(place) for place in places]


def test_factors_worked_by_hand():
    assert factors("constant", [0, 4.5, 9.9]) == [1, 1, 1]
    # (1 + cos 0)/2, (1 + cos 60°)/2, (1 + cos 90°)/2, (1 + cos 120°)/2
    assert factors("cosine", [0, 4, 6, 8], epochs=12) == pytest.approx([1, 0.75, 0.5, 0.25])
    assert factors("step", [0, 2.99, 3, 5.9, 6, 9.5]) == [1, 1, 0.5, 0.5, 0.25, 0.125]
    assert [warm_up(place, 2) for place in (0, 0.5, 2, 7)] == [0, 0.25, 1, 1]
    assert warm_up(0, 0) == 1


def test_cosine_is_keras():
    keras = pytest.importorskip("tensorflow").keras
    theirs = keras.optimizers.schedules.CosineDecay(1.0, decay_steps=400)
    expected = [float(theirs(step)) for step in range(0, 400, 7)]
    assert factors("cosine", [step / 40 for step in range(0, 400, 7)]) == pytest.approx(expected, abs=1e-6)


def test_plateau_waits_and_lowers():
    schedule = SCHEDULES["plateau"](10, 2, 0.5)
    seen = []
    for val_loss in (1.0, 0.9, 0.9, 0.95, 0.8, 0.8, 0.8, 0.8, 0.8):
        schedule.after_epoch(val_loss)
        seen.append(schedule.factor(0))
    # the third and fourth bring nothing lower: halved; the fifth does; then twice two that do not
    assert seen == [1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.125]


def test_plateau_goes_on_from_what_a_checkpoint_held():
    losses = (1.0, 0.9, 0.9, 0.95, 0.95, 0.8, 0.9, 0.9, 0.9, 0.9)
    for stop in range(len(losses)):
        whole, first, resumed = (SCHEDULES["plateau"](10, 3, 0.5) for _ in range(3))
        for val_loss in losses[:stop]:
            whole.after_epoch(val_loss)
            first.after_epoch(val_loss)
        resumed.load_state_dict(json.loads(json.dumps(first.state_dict())))
        for val_loss in losses[stop:]:
            whole.after_epoch(val_loss)
            resumed.after_epoch(val_loss)
            assert resumed.factor(0) == whole.factor(0)
        assert resumed.state_dict() == whole.state_dict()


@pytest.mark.parametrize("name", list(SCHEDULES))
def test_a_schedule_refuses_a_checkpoint_that_lacks_something(name):
    schedule = SCHEDULES[name](10, 2, 0.5)
    scalars = schedule.state_dict()
    schedule.load_state_dict(scalars)
    for missing in scalars:
        with pytest.raises(KeyError, match=missing):
            schedule.load_state_dict({key: scalars[key] for key in scalars if key != missing})


def test_two_pixels_either_way_make_25_places():
    picture = np.zeros((7, 9), np.uint8)
    picture[3, 4] = 200
    images = np.tile(picture.reshape(1, -1), (2500, 1))
    Augmentation((7, 9), flip=False, shift=2)(images, np.random.default_rng(0))
    assert np.all(images.sum(axis=1, dtype=int) == 200)
    counts = (images > 0).sum(axis=0).reshape(7, 9)
    assert counts[1:6, 2:7].min() > 60, "25 places, 100 times each, four standard errors"
    assert counts[1:6, 2:7].max() < 140
    assert counts[1:6, 2:7].sum() == 2500


def test_shifts_move_whole_pictures_and_bring_in_zeros():
    picture = np.arange(1, 13, dtype=np.uint8).reshape(3, 4)
    images = np.tile(picture.reshape(1, -1), (400, 1))
    Augmentation((3, 4), flip=False, shift=1)(images, np.random.default_rng(0))
    expected = set()
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            moved = np.zeros((3, 4), np.uint8)
            for row in range(3):
                for column in range(4):
                    if 0 <= row + down < 3 and 0 <= column + right < 4:
                        moved[row + down, column + right] = picture[row, column]
            expected.add(moved.tobytes())
    counts = dict.fromkeys(expected, 0)
    for image in images:
        counts[image.tobytes()] += 1
    assert all(20 < count < 75 for count in counts.values()), "nine shifts, about 44 times each"


def test_about_half_are_mirrored():
    picture = np.arange(12, dtype=np.float32).reshape(3, 4)
    images = np.tile(picture.reshape(1, -1), (400, 1))
    Augmentation((3, 4), flip=True, shift=0)(images, np.random.default_rng(0))
    mirrored = [np.array_equal(image.reshape(3, 4), picture[:, ::-1]) for image in images]
    same = [np.array_equal(image.reshape(3, 4), picture) for image in images]
    assert sum(mirrored) + sum(same) == 400
    assert 160 < sum(mirrored) < 240


def test_average_follows_the_steps():
    network = Network([1, 1], dtype=np.float64)
    average = WeightAverage(network, decay=0.5)
    values = []
    for step, value in enumerate((1.0, 3.0, 2.0), start=1):
        network.weights[0][...] = value
        average.update(step)
        values.append(float(average.network.weights[0][0, 0]))
    # d = 2/11, 3/12, 4/13 (all below 0.5): 9/11; 1/4·9/11 + 3/4·3 = 27/11 ; 4/13·27/11 + 9/13·2 = 306/143
    assert values == pytest.approx([9 / 11, 9 / 44 + 9 / 4, 4 / 13 * (9 / 44 + 9 / 4) + 18 / 13])
    late = WeightAverage(network, decay=0.5)
    late.network.state[...] = 0
    late.update(10_000)
    assert float(late.network.weights[0][0, 0]) == 1.0


def test_average_is_a_network_like_its_source_running_statistics_and_all():
    network = Network([3, 4, 2], "tanh", batch_norm=True)
    network.initialize("xavier", np.random.default_rng(0))
    average = WeightAverage(network, decay=0.9)
    ours = average.network
    assert (ours.layer_sizes, ours.activation_name, ours.dtype) == ((3, 4, 2), "tanh", np.float32)
    np.testing.assert_array_equal(ours.state, network.state)
    network.normalizations[0].mean[...] = 11
    assert not ours.normalizations[0].mean.any()
    average.update(1)  # 2/11 of 0 and 9/11 of 11
    np.testing.assert_allclose(ours.normalizations[0].mean, 9, rtol=1e-6)


def one_epoch(refinements: Refinements, learning_rate: float = 1.0) -> tuple[Network, np.ndarray]:
    """Train a network without hidden layers for one step; return it and its gradient at the start."""
    rng = np.random.default_rng(0)
    data = TrainingData(rng.random((12, 5)), np.arange(12) % 3, np.arange(8), np.arange(8, 12), 3)
    network = Network([5, 3], dtype=np.float64)
    network.initialize("xavier", np.random.default_rng(1))
    targets = np.eye(3)[data.labels[:8]] * (1 - refinements.label_smoothing) + refinements.label_smoothing / 3
    loss = LOSSES["cross_entropy"]()
    backpropagation = Backpropagation(network, loss)
    backpropagation(data.images[:8], targets, np.empty((8, 3)))
    gradient = backpropagation.gradient.copy()
    optimizer = OPTIMIZERS["sgd"](network.params, backpropagation.gradient, learning_rate=learning_rate)
    list(
        train(
            network, optimizer, backpropagation, data,
            epochs=range(1, 2), batch_size=8, rng=np.random.default_rng(2), refinements=refinements,
        )
    )  # fmt: skip
    return network, gradient


def start() -> np.ndarray:
    network = Network([5, 3], dtype=np.float64)
    network.initialize("xavier", np.random.default_rng(1))
    return network.params


@pytest.mark.parametrize("label_smoothing", [0.0, 0.3])
def test_step_is_along_the_gradient_of_smoothed_targets(label_smoothing):
    network, gradient = one_epoch(Refinements(label_smoothing=label_smoothing))
    np.testing.assert_allclose(network.params, start() - gradient, rtol=1e-12, atol=1e-15)


def test_long_gradients_are_cut_to_the_norm_and_short_ones_left():
    _, gradient = one_epoch(Refinements())
    norm = float(np.linalg.norm(gradient))
    network, _ = one_epoch(Refinements(clip_norm=norm / 4))
    np.testing.assert_allclose(network.params, start() - gradient / 4, rtol=1e-12, atol=1e-15)
    network, _ = one_epoch(Refinements(clip_norm=norm * 1.01))
    np.testing.assert_allclose(network.params, start() - gradient, rtol=1e-12, atol=1e-15)


def test_the_schedule_scales_the_learning_rate_and_leaves_it_as_it_was():
    class Half(SCHEDULES["constant"]):
        def factor(self, progress: float) -> float:
            return 0.5

    network, gradient = one_epoch(Refinements(schedule=Half(1, 1, 0.5)))
    np.testing.assert_allclose(network.params, start() - gradient / 2, rtol=1e-12, atol=1e-15)


def test_keras_smooths_the_same():
    tf = pytest.importorskip("tensorflow")
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(0, 2, (6, 4)), np.eye(4)[rng.integers(4, size=6)]
    expected = tf.keras.losses.categorical_crossentropy(labels, logits, from_logits=True, label_smoothing=0.2)
    ours = LOSSES["cross_entropy"]().per_example(logits, labels * 0.8 + 0.05)
    np.testing.assert_allclose(ours, expected.numpy(), rtol=1e-6)
