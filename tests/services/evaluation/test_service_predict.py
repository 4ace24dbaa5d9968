from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from small_runs import Place, Watcher

from ffcli.config import validate
from ffcli.datasets import Dataset
from ffcli.errors import RequestError
from ffcli.runs.results import ClassLabel
from ffcli.runs.store import MODEL
from ffcli.services.evaluation.best import RunChoice
from ffcli.services.evaluation.predict import predict
from ffcli.services.evaluation.results import Prediction
from ffcli.training.context import Context
from ffcli.training.experiment import Experiment
from ffcli.training.options import RunOptions
from ffcli.util.atomic_files import json_text
from ffcli.util.folders import data_folder

OFF = RunOptions()


def ask(context: Context, **options: Any) -> Prediction:
    chosen = {field.name: options.pop(field.name) for field in fields(RunChoice) if field.name in options}
    network = options.pop("untrained", None) or RunChoice(**chosen)
    return predict(context, OFF, network, **options).result


@pytest.fixture
def run_id(place: Place) -> str:
    run_id: str = place.train().run_id
    return run_id


@pytest.fixture
def data(place: Place) -> Dataset:
    return place.context.dataset(str(place.dataset))


@pytest.mark.parametrize(
    ("index", "split", "label"),
    [(1, "train", 9), (60000, "train", 5), (60001, "test", 9), (70000, "test", 5)],
)
def test_the_ends_of_fashion_mnist(tmp_path: Path, index: int, split: str, label: int) -> None:
    """The labels of the first and last images: ankle boots and sandals, as published."""
    context = Context(data_folder(), tmp_path)
    document = ask(context, index=index, untrained=validate({"hidden_size": [16, 8]}))
    assert (document.index, document.split, document.true.label) == (index, split, label)
    assert document.true.name == {9: "Ankle boot", 5: "Sandal"}[label]
    assert next(iter(document.probabilities)) == "T-shirt/top"
    assert sum(document.probabilities.values()) == pytest.approx(1, abs=1e-5)
    assert document.run_id is None


@pytest.mark.parametrize("index", [1, 7, 400, 401, 500])
def test_the_probabilities_are_the_networks_own(place: Place, run_id: str, data: Dataset, index: int) -> None:
    document = ask(place.context, index=index, run=run_id)
    experiment = Experiment(place.config(), data)
    list(experiment)
    images = np.concatenate([data.x_train, data.x_test])
    labels = np.concatenate([data.y_train, data.y_test])
    expected = experiment.restore_best_weights().predict_proba(images[index - 1 : index])[0]
    assert list(document.probabilities.values()) == [float(p) for p in expected]
    assert document.predicted.label == expected.argmax()
    assert document.true == ClassLabel(labels[index - 1], str(labels[index - 1]))
    assert document.split == ("train" if index <= 400 else "test")
    assert document.run_id == run_id
    json_text(document)


@pytest.mark.parametrize("index", [0, -1, 501, 10**12])
def test_an_index_out_of_bounds_is_refused(place: Place, run_id: str, index: int) -> None:
    with pytest.raises(RequestError, match=rf"There is no image {index}: .* has the images 1 to 500"):
        ask(place.context, index=index, run=run_id)


def test_an_untrained_network_has_the_weights_a_training_starts_with(place: Place, data: Dataset) -> None:
    config = place.config(hidden_size=[9, 5], seed=3)
    document = ask(place.context, index=1, untrained=config)
    start = Experiment(config, data).network.predict_proba(data.x_train[:1])[0]
    assert list(document.probabilities.values()) == [float(p) for p in start]


def test_the_best_run_of_a_dataset_predicts(place: Place) -> None:
    runs = [place.train(seed=seed) for seed in range(3)]
    best = max(runs, key=lambda run: run.best_val_acc).run_id
    for options in ({"best": True}, {}):
        document = ask(place.context, index=1, dataset=str(place.dataset), **options)
        assert document.run_id == best


def test_the_best_run_is_trained_again_where_it_has_no_weights(place: Place, run_id: str) -> None:
    before = ask(place.context, index=1, run=run_id)
    (place.path(run_id) / MODEL).unlink()
    after = ask(
        place.context, index=1, best=True, dataset=str(place.dataset), on_event=(watcher := Watcher())
    )
    assert after.run_id != run_id
    assert after.probabilities == before.probabilities
    assert watcher.told[0][:2] == ("started", after.run_id)


def test_the_request_must_be_clear(place: Place, run_id: str) -> None:
    wrong: list[dict[str, Any]] = [
        {"run": run_id},
        {"run": run_id, "index": 1, "image": place.folder / "x.png"},
        {"run": run_id, "index": 1, "best": True},
        {"run": "", "index": 1},
    ]
    for options in wrong:
        with pytest.raises(RequestError):
            ask(place.context, **options)


def test_the_image_is_handed_on_and_drawn_on_request(place: Place, run_id: str, data: Dataset) -> None:
    shown = predict(place.context, OFF, RunChoice(run_id), index=402)
    np.testing.assert_array_equal(shown.images[0], data.x_test[1])
    assert shown.result.png is None
    out = place.folder / "x.png"
    shown = predict(place.context, OFF, RunChoice(run_id), index=402, out=out)
    assert shown.result.png == out
    with Image.open(out) as picture:
        grays = set(np.unique(np.asarray(picture.convert("L"))).tolist())
        assert (0x00, 0x72, 0xB2) in {colour for _, colour in picture.convert("RGB").getcolors(1 << 20)}
    assert set(data.x_test[1].ravel().tolist()) <= grays


def test_a_target_that_cannot_be_is_refused_first(place: Place) -> None:
    with pytest.raises(RequestError, match=r"out: .*\.png"):
        ask(place.context, index=1, run="none", out=Path("x.jpg"))


def test_features_are_predicted_without_an_image(place: Place) -> None:
    path = place.folder / "flat.npz"
    x, y = np.random.default_rng(0).random((60, 4)), np.arange(60) % 3
    np.savez(path, x_train=x, y_train=y, x_test=x, y_test=y)
    out = place.folder / "x.png"
    untrained = place.config(dataset=str(path))
    shown = predict(place.context, OFF, untrained, index=1, out=out)
    assert shown.images == []
    assert out.is_file()


class TestImage:
    def dark(self, data: Dataset) -> np.ndarray:
        """Return the 402nd image with a dark frame, as it could be in the dataset."""
        pixels = np.zeros((8, 8), np.uint8)
        pixels[1:-1, 1:-1] = data.x_test[1][1:-1, 1:-1]
        pixels[2, 3:6] = 255, 128, 3
        return pixels

    def expected(self, place: Place, data: Dataset, pixels: np.ndarray) -> list[float]:
        experiment = Experiment(place.config(), data)
        list(experiment)
        return [float(p) for p in experiment.restore_best_weights().predict_proba(pixels[np.newaxis])[0]]

    def check(
        self, place: Place, data: Dataset, run: str, picture: Image.Image, wanted: np.ndarray, **options: Any
    ) -> None:
        """Compare what a picture gives, as PNG, with what the network says of the wanted pixels."""
        path = place.folder / "picture.png"
        picture.save(path, **options.pop("save", {}))
        place.notices.clear()
        document = ask(place.context, image=path, run=run, **options)
        assert list(document.probabilities.values()) == self.expected(place, data, wanted)
        assert (document.index, document.split, document.true) == (None, None, None)

    def test_a_gray_picture_is_taken_as_it_is(self, place: Place, data: Dataset, run_id: str) -> None:
        pixels = self.dark(data)
        self.check(place, data, run_id, Image.fromarray(pixels), pixels)
        assert place.notices == []

    @pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "P"])
    def test_other_modes_of_a_gray_picture(self, place: Place, data: Dataset, run_id: str, mode: str) -> None:
        pixels = self.dark(data)
        self.check(place, data, run_id, Image.fromarray(pixels).convert(mode), pixels)

    def test_a_picture_of_16_bits(self, place: Place, data: Dataset, run_id: str) -> None:
        pixels = self.dark(data)
        self.check(place, data, run_id, Image.fromarray(pixels.astype(np.uint16) * 257), pixels)

    def test_a_picture_that_its_camera_stored_upside_down(
        self, place: Place, data: Dataset, run_id: str
    ) -> None:
        pixels = self.dark(data)
        exif = Image.Exif()
        exif[0x0112] = 3
        self.check(
            place, data, run_id, Image.fromarray(pixels[::-1, ::-1].copy()), pixels, save={"exif": exif}
        )

    @pytest.mark.parametrize(("invert", "notices"), [(None, 1), (False, 0), (True, 0)])
    def test_a_light_background_is_inverted_unless_told_otherwise(
        self, place: Place, data: Dataset, run_id: str, invert: bool | None, notices: int
    ) -> None:
        light = 255 - self.dark(data)
        wanted = light if invert is False else 255 - light
        self.check(place, data, run_id, Image.fromarray(light), wanted, invert=invert)
        assert len(place.notices) == notices

    def test_a_large_picture_is_scaled_and_that_is_said(
        self, place: Place, data: Dataset, run_id: str
    ) -> None:
        pixels = np.zeros((8, 8), np.uint8)
        self.check(place, data, run_id, Image.new("RGB", (31, 17)), pixels)
        scaled, blank = place.notices
        assert "padded and scaled to 8×8" in scaled
        assert "it is blank" in blank

    def test_a_jpeg_is_read(self, place: Place, data: Dataset, run_id: str) -> None:
        path = place.folder / "picture.JPG"
        Image.fromarray(np.full((16, 16), 40, np.uint8)).save(path, "JPEG")
        document = ask(place.context, image=path, run=run_id)
        pixels = np.full((8, 8), 40, np.uint8)
        assert list(document.probabilities.values()) == self.expected(place, data, pixels)

    @pytest.mark.parametrize(
        ("make", "message"),
        [
            (lambda _: None, "there is no file"),
            (lambda path: path.mkdir(), "is a folder"),
            (lambda path: path.write_text("not a picture"), "cannot be read as an image"),
            (lambda path: path.write_bytes(b""), "cannot be read as an image"),
            (lambda path: path.write_bytes(PNG[: len(PNG) // 2]), "cannot be read as an image"),
            (lambda path: path.write_bytes(PNG[:40] + b"\xff" + PNG[41:]), "cannot be read as an image"),
            (lambda path: path.write_bytes(BAD_CHUNK), "cannot be read as an image"),
        ],
    )
    def test_what_is_no_picture_is_refused(
        self, place: Place, run_id: str, make: Callable[[Path], object], message: str
    ) -> None:
        path = place.folder / "picture.png"
        make(path)
        with pytest.raises(RequestError, match=r"^image: "):
            ask(place.context, image=path, run=run_id)

    def test_a_dataset_of_features_takes_no_picture(self, place: Place) -> None:
        path = place.folder / "flat.npz"
        x, y = np.random.default_rng(0).random((60, 4)), np.arange(60) % 3
        np.savez(path, x_train=x, y_train=y, x_test=x, y_test=y)
        Image.new("L", (4, 1)).save(place.folder / "picture.png")
        with pytest.raises(RequestError, match=r"^image: "):
            ask(place.context, image=place.folder / "picture.png", untrained=place.config(dataset=str(path)))


def _png() -> bytes:
    import io

    picture = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (30, 30), dtype=np.uint8)).save(picture, "PNG")
    return picture.getvalue()


PNG = _png()
BAD_CHUNK = PNG[:33] + b"\x00\x00\x00\x00\xc3\xaa\t\x0c" + PNG[41:]
