from __future__ import annotations

import json
import subprocess
import sys
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_runs import Place, Watcher

from ffcli.config import TrainConfig
from ffcli.core.activations import ACTIVATIONS
from ffcli.core.losses import softmax
from ffcli.core.network import Network
from ffcli.errors import FfnnError, RequestError
from ffcli.runs.model_file import network_bytes
from ffcli.runs.store import MODEL
from ffcli.services.evaluation.best import RunChoice
from ffcli.services.evaluation.evaluate import evaluate
from ffcli.services.export.export import FORMATS, export
from ffcli.services.train import train
from ffcli.training.options import RunOptions

RNG = np.random.default_rng(5)
PIXELS = RNG.integers(0, 256, (50, 6, 5), dtype=np.uint8)
FEATURES = RNG.normal(0, 1, (50, 30)).astype(np.float32)
NAMES = ["T-shirt/top", "été", "2"]


pytestmark = pytest.mark.usefixtures("here")


def network(activation: str = "relu", sizes: tuple[int, ...] = (30, 7, 6, 3)) -> Network:
    """Return a network with batch normalization whose every parameter and statistic counts."""
    made = Network(sizes, activation, batch_norm=True)
    made.initialize("xavier", np.random.default_rng(1))
    rng = np.random.default_rng(2)
    for b in made.biases:
        b[...] = rng.normal(0, 0.5, b.shape)
    for normal in made.normalizations:
        normal.gamma[...], normal.mean[...] = rng.uniform(0.5, 2, (2, *normal.gamma.shape))
        normal.variance[...] = rng.uniform(0.5, 2, normal.variance.shape)
    return made


def put(place: Place, model: Network, *, pixels: bool = True, run: str = "r1", **about: Any) -> Network:
    """Store a run with this network."""
    place.put(run, dataset="my data", config=TrainConfig().as_dict(), best={"val_acc": 0.5})
    described = {
        "class_names": NAMES,
        "image_shape": [6, 5] if pixels else [30],
        "input_dtype": "uint8" if pixels else "float32",
        "input_scale": 1 / 255 if pixels else 1.0,
    }
    (place.path(run) / MODEL).write_bytes(network_bytes(model, {**described, **about}))
    return model


def by_onnx(path: Path, images: np.ndarray) -> np.ndarray:
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (probabilities,) = session.run(["probabilities"], {"images": images})
    return np.asarray(probabilities)


def by_keras(path: Path, images: np.ndarray) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        keras = pytest.importorskip("keras")
        return np.asarray(keras.models.load_model(path)(images))


def by_numpy(path: Path, images: np.ndarray) -> np.ndarray:
    """Compute relu networks as the docstring of the format says."""
    with np.load(path) as file:
        h = file["input_scale"] * images.reshape(len(images), -1).astype(np.float32)
        layers = sum(name.endswith(".weight") for name in file)
        for layer in range(layers):
            h = h @ file[f"layers.{layer}.weight"] + file[f"layers.{layer}.bias"]
            h = h if layer == layers - 1 else np.maximum(h, 0)
    return softmax(h)


READERS = {"onnx": by_onnx, "keras": by_keras, "npz": by_numpy}


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("format", ["onnx", "keras"])
def test_other_programs_give_the_same_probabilities(place: Place, format: str, activation: str) -> None:
    stored = put(place, network(activation))
    done = export(place.context, RunChoice("r1"), format=format)
    assert (done.run_id, done.format, done.path) == ("r1", format, Path(f"r1.{format}"))
    expected = stored.predict_proba(PIXELS)
    assert np.ptp(expected) > 0.1, "the probabilities of such a network would agree by chance"
    np.testing.assert_allclose(READERS[format](done.path, PIXELS), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("sizes", [(30, 7, 6, 3), (30, 3)])
def test_features_are_taken_as_they_are(place: Place, format: str, sizes: tuple[int, ...]) -> None:
    stored = put(place, network(sizes=sizes), pixels=False)
    path = export(place.context, RunChoice("r1"), out=Path(f"x.{format}")).path
    expected = stored.predict_proba(FEATURES)
    np.testing.assert_allclose(READERS[format](path, FEATURES), expected, rtol=0, atol=1e-6)


def test_an_npz_is_computed_as_documented(place: Place) -> None:
    stored = put(place, network())
    path = export(place.context, RunChoice("r1"), format="NPZ", out=Path("x.NPZ")).path
    np.testing.assert_allclose(by_numpy(path, PIXELS), stored.predict_proba(PIXELS), rtol=0, atol=1e-6)
    with np.load(path) as file:
        assert file["class_names"].tolist() == NAMES
        assert (str(file["activation"]), file["input_shape"].tolist()) == ("relu", [6, 5])
        assert (str(file["run_id"]), str(file["dataset"])) == ("r1", "my data")


def test_the_names_of_the_classes_are_in_the_file(place: Place) -> None:
    onnx = pytest.importorskip("onnx")
    put(place, network())
    stored = onnx.load(export(place.context, RunChoice("r1"), format="onnx").path)
    properties = {each.key: each.value for each in stored.metadata_props}
    assert json.loads(properties.pop("class_names")) == NAMES
    assert properties == {"run_id": "r1", "dataset": "my data"}
    pytest.importorskip("keras")
    with zipfile.ZipFile(export(place.context, RunChoice("r1"), format="keras").path) as archive:
        assert json.loads(archive.read("ffnn.json")) == {
            "class_names": NAMES,
            "run_id": "r1",
            "dataset": "my data",
        }


def test_a_trained_run_and_the_best_one(place: Place) -> None:
    first, second = place.train(learning_rate=1e-7), place.train()
    dataset = str(place.dataset)
    best = max((first, second), key=lambda run: run.best_val_acc or 0)
    done = export(place.context, RunChoice(best=True, dataset=dataset), format="npz")
    assert done.run_id == best.run_id
    with np.load(done.path) as file:
        assert file["input_scale"] == np.float32(1 / 255)
        assert file["input_shape"].tolist() == [8, 8]


@pytest.mark.parametrize(
    ("run", "options"),
    [
        (None, {}),
        ("r1", {"format": "onx"}),
        ("r1", {"out": Path("x.txt")}),
        ("r1", {"out": Path("x.onnx"), "format": "npz"}),
        ("r1", {"out": Path("no/x.npz")}),
        ("r2", {"format": "npz"}),
    ],
)
def test_wrong_requests_are_refused(place: Place, run: str | None, options: dict[str, Any]) -> None:
    put(place, network())
    with pytest.raises(RequestError):
        export(place.context, RunChoice(run), **options)
    assert not list(Path().glob("*.*n*x"))


@pytest.mark.parametrize("format", READERS)
@pytest.mark.parametrize(("highest", "dtype"), [(1023, ">u2"), (254.5, "float64"), (1, "float32")])
def test_it_takes_the_users_own_images(
    place: Place, tmp_path: Path, format: str, highest: float, dtype: str
) -> None:
    with np.load(place.dataset) as arrays:
        own = {**arrays}
    for name in ("x_train", "x_test"):
        own[name] = (own[name] / own[name].max() * highest).astype(dtype)
    np.savez(tmp_path / "own.npz", **own)
    run = train(place.context, place.config(dataset=str(tmp_path / "own.npz")), RunOptions(), Watcher())
    path = export(place.context, RunChoice(run.run_id), format=format, out=tmp_path / f"x.{format}").path
    found = READERS[format](path, own["x_test"].astype(np.float32))
    (result,) = evaluate(place.context, [RunChoice(run.run_id)])
    assert (found.argmax(axis=1) == own["y_test"]).mean() == pytest.approx(result.accuracy)


@pytest.mark.parametrize(
    "about",
    [
        {"class_names": ["a"]},
        {"class_names": 3},
        {"image_shape": [6, 6]},
        {"image_shape": ["a"]},
        {"input_scale": "words"},
    ],
)
def test_a_description_that_does_not_fit_is_refused(place: Place, about: dict[str, Any]) -> None:
    put(place, network(), **about)
    with pytest.raises(FfnnError):
        export(place.context, RunChoice("r1"), format="npz")


@pytest.mark.parametrize("format", ["onnx", "keras"])
def test_without_its_package_a_format_is_refused_with_the_command(
    place: Place, format: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(place, network())
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(FfnnError) as caught:
        export(place.context, RunChoice("r1"), format=format)
    assert f"pip install 'ffnn[{format}]'" in str(caught.value.hint)
    assert export(place.context, RunChoice("r1"), format="npz").path.is_file()


@pytest.mark.parametrize("format", ["onnx", "keras"])
def test_an_activation_of_ones_own_goes_into_an_npz_only(
    place: Place, format: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip(format)
    stored = network()
    put(place, stored)
    monkeypatch.setattr(f"ffcli.services.export.{format}_format._activations", lambda *_: {}, raising=False)
    monkeypatch.setattr(f"ffcli.services.export.{format}_format._ACTIVATIONS", {}, raising=False)
    with pytest.raises(FfnnError, match="relu"):
        export(place.context, RunChoice("r1"), format=format)


def test_the_command_prints_only_its_result(place: Place) -> None:
    pytest.importorskip("keras")
    put(place, network())
    command = [sys.executable, "-m", "ffcli", "export", "r1", "--format", "keras", "--json"]
    command += ["--runs-dir", str(place.context.runs_dir)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == {"run_id": "r1", "format": "keras", "path": "r1.keras"}
