"""The training loop against a deliberately simple one, and what it promises besides."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ffcli.core.backprop import Backpropagation
from ffcli.core.losses import LOSSES
from ffcli.core.network import Network
from ffcli.core.optimizers import OPTIMIZERS
from ffcli.core.training import EpochResult, TrainingData, evaluate, train

N_CLASSES = 4
HIDDEN_FUNCTIONS = {
    "identity": (lambda z: z, np.ones_like),
    "sigmoid": (lambda z: 1 / (1 + np.exp(-z)), lambda z: np.exp(-z) / (1 + np.exp(-z)) ** 2),
    "tanh": (np.tanh, lambda z: 1 / np.cosh(z) ** 2),
    "relu": (lambda z: np.where(z > 0, z, 0), lambda z: np.where(z > 0, 1.0, 0.0)),
    "leaky_relu": (lambda z: np.where(z > 0, z, 0.2 * z), lambda z: np.where(z > 0, 1.0, 0.2)),
    "elu": (lambda z: np.where(z > 0, z, np.exp(z) - 1), lambda z: np.where(z > 0, 1.0, np.exp(z))),
}


def some_data(n: int, dtype: type = np.uint8, n_val: int = 40) -> TrainingData:
    """Return images of classes that can be learnt; those to validate with lie between the others."""
    rng = np.random.default_rng(11)
    centres = rng.uniform(0, 255, (N_CLASSES, 3, 4))
    labels = rng.integers(N_CLASSES, size=n).astype(np.uint8)
    images = np.clip(centres[labels] + rng.normal(0, 60, (n, 3, 4)), 0, 255).astype(np.uint8)
    order = rng.permutation(n)
    if dtype is not np.uint8:
        images = (images / 255).astype(dtype)
    return TrainingData(images, labels, np.sort(order[n_val:]), np.sort(order[:n_val]), N_CLASSES)


def parts(
    *, loss="cross_entropy", optimizer="sgd", hidden=(6, 5), activation="tanh", decay=0.0, dtype=np.float32
):
    """Return a network, its backpropagation and its optimizer."""
    network = Network([12, *hidden, N_CLASSES], activation, dtype)
    network.initialize("xavier", np.random.default_rng(2))
    backpropagation = Backpropagation(network, LOSSES[loss](), decay)
    stepper = OPTIMIZERS[optimizer](network.params, backpropagation.gradient, learning_rate=0.2)
    return network, backpropagation, stepper


def run(made, data, epochs=range(1, 3), batch_size=30, seed=5, **more) -> list[EpochResult]:
    network, backpropagation, stepper = made
    rng = np.random.default_rng(seed)
    return list(
        train(network, stepper, backpropagation, data, epochs=epochs, batch_size=batch_size, rng=rng, **more)
    )


class Simple:
    """Gradient descent as a textbook has it: one example at a time, everything allocated, no flat vectors."""

    def __init__(self, network: Network, loss: str, decay: float) -> None:
        self.Ws = [W.astype(np.float64) for W in network.weights]
        self.bs = [b.astype(np.float64) for b in network.biases]
        self.f, self.slope = HIDDEN_FUNCTIONS[network.activation_name]
        self.loss, self.decay = loss, decay

    def forward(self, x: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray], np.ndarray]:
        hs, zs = [x], []
        for W, b in zip(self.Ws, self.bs):
            zs.append(hs[-1] @ W + b)
            hs.append(self.f(zs[-1]))
        e = np.exp(zs[-1])
        return hs, zs, e / e.sum()

    def value(self, p: np.ndarray, label: int) -> float:
        if self.loss == "cross_entropy":
            return -math.log(p[label])
        return sum((p[c] - (c == label)) ** 2 for c in range(N_CLASSES))

    def output_gradient(self, p: np.ndarray, label: int) -> np.ndarray:
        dp = np.zeros(N_CLASSES)  # of the loss with respect to the probabilities
        for c in range(N_CLASSES):
            if self.loss == "cross_entropy":
                dp[c] = -1 / p[c] if c == label else 0
            else:
                dp[c] = 2 * (p[c] - (c == label))
        jacobian = np.array(
            [[p[i] * ((i == j) - p[j]) for j in range(N_CLASSES)] for i in range(N_CLASSES)]
        )  # ∂p_i/∂z_j
        return jacobian.T @ dp

    def step(self, xs: np.ndarray, labels: np.ndarray, rate: float) -> tuple[float, int]:
        """Descend once; return the sum of losses and the number of hits before."""
        slopes, dbs = [self.decay * W for W in self.Ws], [np.zeros_like(b) for b in self.bs]
        total, hits = 0.0, 0
        for x, label in zip(xs, labels):
            hs, zs, p = self.forward(x)
            total, hits = total + self.value(p, label), hits + int(p.argmax() == label)
            delta = self.output_gradient(p, label)
            for layer in range(len(self.Ws) - 1, -1, -1):
                slopes[layer] = slopes[layer] + np.outer(hs[layer], delta) / len(xs)
                dbs[layer] = dbs[layer] + delta / len(xs)
                if layer:
                    delta = (self.Ws[layer] @ delta) * self.slope(zs[layer - 1])
        self.Ws = [W - rate * dW for W, dW in zip(self.Ws, slopes)]
        self.bs = [b - rate * db for b, db in zip(self.bs, dbs)]
        return total, hits

    def train(self, data: TrainingData, epochs: int, batch_size: int, rate: float, seed: int):
        """Return (train_loss, train_acc, val_loss, val_acc) an epoch."""
        rng, results = np.random.default_rng(seed), []
        xs = data.images.reshape(len(data.images), -1).astype(np.float64)
        xs = xs / 255 if data.images.dtype == np.uint8 else xs
        labels = data.labels
        for _ in range(epochs):
            order = rng.permutation(data.train_indices)
            total, hits = 0.0, 0
            for start in range(0, len(order), batch_size):
                batch = order[start : start + batch_size]
                more, found = self.step(xs[batch], labels[batch], rate)
                total, hits = total + more, hits + found
            ps = [self.forward(xs[i])[2] for i in data.val_indices]
            seen = [labels[i] for i in data.val_indices]
            l2 = self.decay / 2 * sum(float((W**2).sum()) for W in self.Ws)
            results.append(
                (
                    total / len(order) + l2,
                    hits / len(order),
                    float(np.mean([self.value(p, c) for p, c in zip(ps, seen)])) + l2,
                    float(np.mean([p.argmax() == c for p, c in zip(ps, seen)])),
                )
            )
        return results


@pytest.mark.parametrize(
    ("loss", "hidden", "activation", "decay", "n", "batch_size"),
    [
        ("cross_entropy", (6, 5), "tanh", 0.0, 700, 30),  # 660 to train on: more than are gathered at once
        ("cross_entropy", (7,), "relu", 0.05, 207, 16),  # the last batch holds 7
        ("squared_error", (6, 5, 4), "sigmoid", 0.01, 203, 9),
        ("squared_error", (5,), "identity", 0.05, 120, 80),  # one batch an epoch
        ("cross_entropy", (), "tanh", 0.1, 141, 1000),  # fewer images than a batch, no hidden layer
        ("cross_entropy", (1, 1), "tanh", 0.02, 123, 1),  # one neuron a layer, one image a batch
    ],
)
@pytest.mark.parametrize(
    ("dtype", "tolerance"),
    # round-off of a few hundred steps of 6e-8 and 1e-16 each
    [(np.float32, 2e-4), (np.float64, 1e-9)],
    ids=["float32", "float64"],
)
def test_agrees_with_a_simple_implementation(
    *, loss, hidden, activation, decay, n, batch_size, dtype, tolerance
):
    data = some_data(n)
    made = parts(loss=loss, hidden=hidden, activation=activation, decay=decay, dtype=dtype)
    simple = Simple(made[0], loss, decay)
    expected = simple.train(data, epochs=2, batch_size=batch_size, rate=0.2, seed=5)
    results = run(made, data, batch_size=batch_size)
    assert [result.epoch for result in results] == [1, 2]
    for result, (train_loss, train_acc, val_loss, val_acc) in zip(results, expected, strict=True):
        assert result.train_loss == pytest.approx(train_loss, rel=tolerance)
        assert result.val_loss == pytest.approx(val_loss, rel=tolerance)
        # in float32 an image may lie on the fence
        slack = 0 if dtype is np.float64 else 1
        assert abs(result.train_acc - train_acc) * len(data.train_indices) <= slack + 1e-9
        assert abs(result.val_acc - val_acc) * len(data.val_indices) <= slack + 1e-9
    for ours, theirs in zip([*made[0].weights, *made[0].biases], [*simple.Ws, *simple.bs]):
        np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance / 10)


def test_float_features_are_taken_as_they_are():
    pixels = some_data(150)
    features = some_data(150, np.float32)
    ends = []
    for data in (pixels, features):
        made = parts()
        run(made, data)
        ends.append(made[0].params)
    np.testing.assert_allclose(ends[0], ends[1], rtol=1e-4, atol=1e-6)


def test_each_epoch_has_the_macro_f1_of_the_validation_images():
    data = some_data(333)
    made = parts()
    (result,) = run(made, data, range(1, 2))
    true = data.labels[data.val_indices]
    predicted = made[0].logits(data.images[data.val_indices]).argmax(axis=1)
    by_class = []
    for label in range(N_CLASSES):  # harmonic mean of precision and recall
        hits = np.sum((true == label) & (predicted == label))
        if hits:
            precision, recall = hits / np.sum(predicted == label), hits / np.sum(true == label)
            by_class.append(2 * precision * recall / (precision + recall))
        elif label in true or label in predicted:
            by_class.append(0.0)
    assert result.val_f1 == pytest.approx(np.mean(by_class), rel=1e-12)


def test_every_image_counts_once_an_epoch():
    """Without steps the running training figures are those of the whole training part."""
    data = some_data(333)
    made = parts()
    made[2].learning_rate = 0.0
    (result,) = run(made, data, range(1, 2), batch_size=16)
    loss, accuracy, _ = evaluate(made[0], made[1].loss, data, data.train_indices)
    assert result.train_loss == pytest.approx(loss, rel=1e-6)
    assert result.train_acc == pytest.approx(accuracy)
    # the mean over many chunks is the mean over all
    logits = made[0].logits(data.images[data.train_indices])
    targets = np.eye(N_CLASSES)[data.labels[data.train_indices]]
    assert loss == pytest.approx(float(made[1].loss.per_example(logits, targets).mean()), rel=1e-6)


def test_validation_images_are_never_trained_on():
    data = some_data(150)
    spoilt = data.images.copy()
    spoilt[data.val_indices] = 255 - spoilt[data.val_indices]
    other = TrainingData(spoilt, data.labels, data.train_indices, data.val_indices, N_CLASSES)
    first, second = parts(), parts()
    results = run(first, data), run(second, other)
    assert first[0].params.tobytes() == second[0].params.tobytes()
    assert results[0][-1].train_loss == results[1][-1].train_loss
    assert results[0][-1].val_loss != results[1][-1].val_loss


def test_each_epoch_is_shuffled_anew():
    data = some_data(150)
    orders = [parts(), parts()]
    together = run(orders[0], data, range(1, 3))
    network, backpropagation, stepper = orders[1]
    for epoch in (1, 2):  # the same order twice
        result = run((network, backpropagation, stepper), data, range(epoch, epoch + 1))
    assert result[0].train_loss != together[1].train_loss


def test_results_are_numbered_and_timed():
    results = run(parts(), some_data(100), range(4, 7))
    assert [result.epoch for result in results] == [4, 5, 6]
    assert all(0 < result.train_seconds <= result.seconds for result in results)
    assert run(parts(), some_data(100), range(4, 4)) == []


@pytest.mark.parametrize(("batch_size", "steps"), [(7, 95), (30, 22), (660, 1), (5000, 1)])
def test_progress_counts_the_steps_of_each_epoch(batch_size, steps):
    seen: list[tuple[int, int]] = []
    made = parts()
    run(
        made,
        some_data(700),
        range(8, 10),
        batch_size=batch_size,
        on_batches=lambda done, total: seen.append((done, total)),
    )
    assert {total for _, total in seen} == {steps}
    done = [count for count, _ in seen]
    half = len(done) // 2
    assert done[:half] == done[half:] == sorted(set(done[:half]))
    assert done[-1] == steps
    assert made[2].steps == 2 * steps


def test_numpy_warnings_are_left_as_they_were():
    """Also while several trainings take turns, and one of them ends first."""
    data = some_data(100)

    def training(epochs: range):
        network, backpropagation, stepper = parts()
        rng = np.random.default_rng(0)
        return train(network, stepper, backpropagation, data, epochs=epochs, batch_size=16, rng=rng)

    with np.errstate(over="raise", invalid="warn", divide="print", under="ignore"):
        before = np.geterr()
        first, second = training(range(1, 2)), training(range(1, 3))
        for each in (first, second, first, second, second):
            next(each, None)
            assert np.geterr() == before


@pytest.mark.parametrize("optimizer", list(OPTIMIZERS))
@pytest.mark.parametrize("learning_rate", [1e6, 1e30, 1e300])
def test_divergence_ends_the_training_without_warnings(optimizer, learning_rate):
    made = parts(optimizer=optimizer, activation="relu", decay=0.01)
    made[2].learning_rate = learning_rate
    results = run(made, some_data(200), range(1, 30), batch_size=8)
    assert all(not result.diverged for result in results[:-1])
    assert results[-1].diverged == (not math.isfinite(results[-1].train_loss + results[-1].val_loss))
    if learning_rate >= 1e30:
        assert results[-1].diverged
        assert len(results) == 1


def test_one_loss_that_is_not_finite_is_divergence():
    figures = {
        "epoch": 1,
        "train_acc": 0.5,
        "val_acc": 0.5,
        "val_f1": 0.5,
        "seconds": 1.0,
        "train_seconds": 1.0,
    }
    for bad in (math.nan, math.inf, -math.inf):
        assert EpochResult(train_loss=bad, val_loss=1.0, **figures).diverged
        assert EpochResult(train_loss=1.0, val_loss=bad, **figures).diverged
    assert not EpochResult(train_loss=1.0, val_loss=1.0, **figures).diverged
