"""The names that people give metrics, and the best of their values."""

from __future__ import annotations

import pytest

from ffcli.errors import RequestError, UnknownNameError
from ffcli.runs.metric import METRICS, Metric, known_metric, metric_name, names_no_images

SPELLED = {
    "val_acc": "val_acc val_accuracy validation_accuracy valid_acc val/acc ValidationAccuracy acc accuracy "
    "accuracy_val best_val_accuracy val.categorical_accuracy",
    "val_loss": "val_loss validation_loss valid_loss val/loss ValidationLoss loss",
    "train_acc": "train_accuracy training_acc train/acc",
    "train_loss": "training_loss TrainLoss loss_train",
    "val_f1": "val_f1 val_f1_score f1 macro_f1 validation_macro_f1",
}


@pytest.mark.parametrize(("metric", "names"), SPELLED.items())
def test_each_name_is_understood(metric, names):
    assert metric in METRICS
    for name in (*names.split(), names.split()[0].replace("_", " ").title()):
        assert known_metric(name) == metric_name(name.upper()) == metric
        assert names_no_images(name) is (name in ("acc", "accuracy", "loss", "f1", "macro_f1"))


@pytest.mark.parametrize("name", ["test_acc", "test accuracy", "TestLoss"])
def test_the_test_images_choose_nothing(name):
    with pytest.raises(RequestError, match="test images"):
        metric_name(name)


@pytest.mark.parametrize(("name", "meant"), [("val_acuracy", ("val_acc",)), ("precision", ()), ("", ())])
def test_others_are_refused(name, meant):
    assert known_metric(name) is None
    with pytest.raises(UnknownNameError) as caught:
        metric_name(name)
    assert caught.value.meant == meant


def test_the_best_value_is_finite_and_by_the_goal():
    values = (0.5, float("nan"), 0.7, float("inf"), 0.6)
    assert Metric("val_acc", "maximize").best(values) == 0.7
    assert Metric("val_loss", "minimize").best(values) == 0.5
    assert Metric("val_acc", "maximize").best([]) is None
