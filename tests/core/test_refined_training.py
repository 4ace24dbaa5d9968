"""What the training loop asks of a schedule, of an average and of the clock, step by step."""

from __future__ import annotations

import time
import tracemalloc

import numpy as np
import pytest

from ffcli.core.backprop import Backpropagation
from ffcli.core.ema import WeightAverage
from ffcli.core.losses import LOSSES
from ffcli.core.network import Network
from ffcli.core.optimizers import OPTIMIZERS
from ffcli.core.schedules import SCHEDULES, Schedule
from ffcli.core.training import EpochResult, Refinements, TrainingData, evaluate, train

SGD = OPTIMIZERS["sgd"]


class RecordingSGD(SGD):
    """Gradient descent that remembers with which learning rate it went."""

    def __init__(self, *arguments, **settings) -> None:
        super().__init__(*arguments, **settings)
        self.rates: list[float] = []

    def step(self) -> None:
        self.rates.append(self.learning_rate)
        super().step()


class Linear(Schedule):
    """Falls from 1 to 0 over the training, and remembers what it was asked and told."""

    def __init__(self, epochs: int) -> None:
        super().__init__(epochs, 1, 0.5)
        self.asked: list[float] = []
        self.told: list[float] = []

    def factor(self, progress: float) -> float:
        self.asked.append(progress)
        return 1 - progress / self.epochs

    def after_epoch(self, val_loss: float) -> None:
        self.told.append(val_loss)


def some_data(n: int = 40, scale: float = 1.0) -> TrainingData:
    rng = np.random.default_rng(0)
    images = (scale * rng.normal(0, 1, (n, 5))).astype(np.float32)
    return TrainingData(images, np.arange(n) % 3, np.arange(10, n), np.arange(10), 3)


def made(decay: float = 0.0, dtype: type = np.float64) -> tuple[Network, Backpropagation]:
    network = Network([5, 4, 3], "tanh", dtype)
    network.initialize("xavier", np.random.default_rng(1))
    return network, Backpropagation(network, LOSSES["cross_entropy"](), decay)


def run(parts, epochs: range, *, data: TrainingData | None = None, **refinements) -> list[EpochResult]:
    """Train network, backpropagation and optimizer on 30 images in batches of 10: three steps an epoch."""
    network, backpropagation, optimizer = parts
    return list(
        train(
            network, optimizer, backpropagation, data or some_data(),
            epochs=epochs, batch_size=10, rng=np.random.default_rng(2),
            refinements=Refinements(**refinements),
        )
    )  # fmt: skip


def test_progress_is_counted_in_epochs_from_wherever_the_training_goes_on():
    """Epochs 3 and 4 of 8, after steps that the optimizer has taken before."""
    network, backpropagation = made()
    optimizer = RecordingSGD(network.params, backpropagation.gradient, learning_rate=0.8)
    optimizer.steps = 100
    schedule = Linear(8)
    results = run((network, backpropagation, optimizer), range(3, 5), schedule=schedule)
    assert schedule.asked == pytest.approx([2, 7 / 3, 8 / 3, 3, 10 / 3, 11 / 3])
    assert optimizer.rates == pytest.approx([0.1 * (8 - place) for place in schedule.asked])
    assert schedule.told == [result.val_loss for result in results]
    assert optimizer.learning_rate == 0.8, "for whoever goes on with it"
    assert optimizer.steps == 106


def test_warming_up_multiplies_the_schedule():
    network, backpropagation = made()
    optimizer = RecordingSGD(network.params, backpropagation.gradient, learning_rate=0.8)
    run((network, backpropagation, optimizer), range(1, 3), schedule=Linear(2), warmup_epochs=1.0)
    # progress p = 0, 1/3, 2/3, 1, 4/3, 5/3: the rate is 0.8 (1 - p/2) min(p, 1)
    assert optimizer.rates == pytest.approx([0, 0.8 * 5 / 18, 0.8 * 4 / 9, 0.4, 0.8 / 3, 0.8 / 6])


def test_the_learning_rate_is_as_given_between_epochs():
    network, backpropagation = made()
    optimizer = SGD(network.params, backpropagation.gradient, learning_rate=0.5)
    for _ in train(
        network, optimizer, backpropagation, some_data(),
        epochs=range(1, 4), batch_size=10, rng=np.random.default_rng(2),
        refinements=Refinements(schedule=SCHEDULES["step"](3, 1, 0.1)),
    ):  # fmt: skip
        assert optimizer.learning_rate == 0.5


def test_the_average_is_what_is_validated():
    network, backpropagation = made(decay=0.1)
    optimizer = SGD(network.params, backpropagation.gradient, learning_rate=0.5)
    average = WeightAverage(network, 0.99)
    (result,) = run((network, backpropagation, optimizer), range(1, 2), average=average)
    data = some_data()
    seen = []
    for evaluated in (average.network, network):
        loss, *_ = evaluate(evaluated, backpropagation.loss, data, data.val_indices)
        seen.append(loss + 0.05 * sum(float((W**2).sum()) for W in evaluated.weights))
    assert result.val_loss == pytest.approx(seen[0], rel=1e-12)
    assert abs(seen[0] - seen[1]) > 1e-3, "the last weights would have told something else"


def test_no_arithmetic_of_a_training_warns_even_where_everything_raises():
    """Squares of gradients that underflow, and an ε that does: Adam divides by zero."""
    network, backpropagation = made(dtype=np.float32)
    settings = {"learning_rate": 0.1, "epsilon": 1e-60}
    optimizer = OPTIMIZERS["adam"](network.params, backpropagation.gradient, **settings)
    with np.errstate(all="raise"):
        results = run((network, backpropagation, optimizer), range(1, 5), data=some_data(scale=1e-25))
    assert len(results) == 1
    assert results[0].diverged


def test_seconds_are_those_that_went_by():
    network, backpropagation = made()
    optimizer = SGD(network.params, backpropagation.gradient)
    started = time.perf_counter()
    results = run((network, backpropagation, optimizer), range(1, 4))
    assert sum(result.seconds for result in results) <= time.perf_counter() - started


def test_progress_is_told_after_every_large_batch():
    network, backpropagation = made()
    optimizer = SGD(network.params, backpropagation.gradient)
    told: list[tuple[int, int]] = []
    for _ in train(
        network, optimizer, backpropagation, some_data(1810),
        epochs=range(1, 2), batch_size=600, rng=np.random.default_rng(2),
        on_batches=lambda done, total: told.append((done, total)),
    ):  # fmt: skip
        pass
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_a_mean_loss_is_finite_where_its_sum_is_none_in_float32():
    """Each image of class 1 is taken for class 0 by 1e38, and the largest float32 is 3.4e38."""
    network = Network([1, 2])
    network.weights[0][...] = [[1e38, 0]]
    everything = np.arange(20)
    data = TrainingData(np.ones((20, 1), np.float32), np.ones(20, int), everything, everything, 2)
    loss, accuracy, _ = evaluate(network, LOSSES["cross_entropy"](), data, everything)
    assert loss == pytest.approx(1e38)
    assert accuracy == 0


def test_steps_make_no_array_of_the_size_of_a_layer():
    network = Network([20, 400, 400, 3], "tanh")
    network.initialize("xavier", np.random.default_rng(1))
    backpropagation = Backpropagation(network, LOSSES["cross_entropy"]())
    optimizer = OPTIMIZERS["adam"](network.params, backpropagation.gradient)
    x, targets = np.ones((400, 20), np.float32), np.eye(3, dtype=np.float32)[[0] * 400]
    logits = np.empty((400, 3), np.float32)
    backpropagation(x, targets, logits)  # makes the buffers
    tracemalloc.start()
    try:
        for _ in range(3):
            backpropagation(x, targets, logits)
            optimizer.step()
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 400 * 400 * 4 / 2
