"""``import ffcli`` as a notebook uses it."""

from __future__ import annotations

import numpy as np
import pytest

import ffcli


@pytest.mark.parametrize("name", ffcli.__all__)
def test_public_names_are_there(name):
    assert getattr(ffcli, name) is not None
    assert name == "__version__" or getattr(ffcli, name).__doc__


def test_other_names_are_not():
    with pytest.raises(AttributeError, match="has no attribute 'trian'"):
        ffcli.trian  # noqa: B018
    assert not hasattr(ffcli, "numpy")


def test_a_notebook_trains_on_its_own_file(tmp_path, blobs):
    made = blobs()
    path = tmp_path / "mine.npz"
    np.savez(path, **{name: getattr(made, name) for name in ("x_train", "y_train", "x_test", "y_test")})
    dataset = ffcli.load_dataset(str(path), tmp_path / "data")
    config = ffcli.TrainConfig(
        dataset=str(path), epochs=10, hidden_size=[16], batch_size=16, optimizer="adam", learning_rate=0.01
    )
    training = ffcli.train(config, dataset)
    epochs = [result.epoch for result in training]
    assert epochs == list(range(1, 11))
    network = training.restore_best_weights()
    assert isinstance(network, ffcli.Network)
    accuracy = float((network.predict(dataset.x_test) == dataset.y_test).mean())
    assert accuracy > 0.8
    probabilities = network.predict_proba(dataset.x_test[:3])
    assert probabilities.shape == (3, 4)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-6)


def test_a_notebook_runs_the_dict_that_wandb_takes(tmp_path, blobs):
    made = blobs()
    path = tmp_path / "mine.npz"
    np.savez(path, **{name: getattr(made, name) for name in ("x_train", "y_train", "x_test", "y_test")})
    config = {
        "method": "grid",
        "metric": {"name": "val_accuracy", "goal": "maximize"},
        "parameters": {
            "dataset": {"value": str(path)},
            "epochs": {"value": 1},
            "hidden_units": {"values": [3, 5, 7]},
            "unheard_of": {"values": [1, 2]},
        },
    }
    told: list[str] = []
    result = ffcli.sweep(
        config, count=2, workers=1, ignore=("unheard_of",), runs_dir=tmp_path / "runs", notify=told.append
    )
    assert result.counts.finished == len(result.runs) == 2
    assert [run["hidden_size"] for run in result.runs] == [3, 5]
    assert result.best is not None
    assert result.best.value == max(run["value"] for run in result.runs)
    assert result.best.run_id in [run["run_id"] for run in result.runs]
    assert result.report.is_file()
    assert any("hidden_units" in message for message in told)
    assert ffcli.load_run(result.best.run_id, tmp_path / "runs").record.sweep_id == result.sweep_id
    with pytest.raises(ffcli.FfnnError, match="epochs"):
        ffcli.TrainConfig(epohcs=1)


def test_a_network_can_be_made_by_hand():
    network = ffcli.Network([784, 32, 10], "tanh")
    network.initialize("xavier", np.random.default_rng(0))
    assert network.predict(np.zeros((2, 28, 28), np.uint8)).shape == (2,)
