from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from small_runs import Place, put_other_test_labels, write_dataset

from ffcli.config import TrainConfig
from ffcli.core.network import Network
from ffcli.datasets import Dataset
from ffcli.errors import FfnnError, RequestError
from ffcli.runs.model_file import network_bytes
from ffcli.runs.record import RunRecord
from ffcli.runs.store import MODEL
from ffcli.services.evaluation import visualize as visualizing
from ffcli.services.evaluation.best import RunChoice
from ffcli.services.evaluation.images import Illustrated, as_pictures
from ffcli.services.evaluation.visualize import visualize, visualize_mistakes
from ffcli.tracking.base import Additions
from ffcli.training.context import Context
from ffcli.training.options import RunOptions
from ffcli.util.atomic_files import json_text
from ffcli.util.folders import data_folder

pytestmark = pytest.mark.usefixtures("here")


def show(place: Place, **options: Any) -> Illustrated:
    defaults: dict[str, Any] = {"dataset": str(place.dataset), "index": None, "seed": 0, "out": None}
    return visualize(place.context, RunOptions(), **{**defaults, **options})


def data_of(place: Place) -> Dataset:
    return place.context.dataset(str(place.dataset))


def save(path: Path, x: np.ndarray, y: np.ndarray) -> str:
    np.savez(path, x_train=x, y_train=y, x_test=x, y_test=y)
    return str(path)


def test_one_training_image_of_each_class(place: Place) -> None:
    data = data_of(place)
    shown = show(place)
    samples = shown.result.samples
    assert [(sample.label, sample.name) for sample in samples] == [(0, "0"), (1, "1"), (2, "2")]
    for sample, image in zip(samples, shown.images):
        assert sample.split == "train"
        assert data.y_train[sample.index - 1] == sample.label
        np.testing.assert_array_equal(image, data.x_train[sample.index - 1])
    assert shown.result.dataset == str(place.dataset)
    assert shown.result.png == Path("visualize-mine.png")
    json_text(shown.result)


def test_the_picture_holds_the_images(place: Place) -> None:
    """Every gray of an image is found in the picture, as large as pixels of an inch and a half / 8 are."""
    shown = show(place, out=Path("x.png"))
    with Image.open("x.png") as picture:
        found = np.unique(np.asarray(picture.convert("L")), return_counts=True)
        assert picture.width == 3 * 1.5 * 150
    counts = dict(zip(*map(np.ndarray.tolist, found)))
    for image in shown.images:
        for gray in image.ravel().tolist():
            assert counts.get(gray, 0) > 400


def test_a_seed_picks_other_samples_and_the_same_ones_again(place: Place) -> None:
    def indices(seed: int) -> list[int]:
        return [sample.index for sample in show(place, seed=seed).result.samples]

    assert indices(0) == indices(0)
    assert len({tuple(indices(seed)) for seed in (0, 1, 2, -1, 10**30)}) == 5


@pytest.mark.parametrize(("index", "split"), [(1, "train"), (400, "train"), (401, "test"), (500, "test")])
def test_one_image_by_its_index(place: Place, index: int, split: str) -> None:
    data = data_of(place)
    shown = show(place, index=index)
    (sample,) = shown.result.samples
    labels = np.concatenate([data.y_train, data.y_test])
    assert (sample.index, sample.split, sample.label) == (index, split, labels[index - 1])
    np.testing.assert_array_equal(shown.images[0], np.concatenate([data.x_train, data.x_test])[index - 1])
    assert Path(f"visualize-mine-{index}.png").is_file()


def test_the_first_image_of_fashion_mnist_is_an_ankle_boot() -> None:
    context = Context(data_folder(), Path("runs"))
    shown = visualize(context, RunOptions(), dataset=None, index=1, seed=0, out=None)
    (sample,) = shown.result.samples
    assert (sample.label, sample.name) == (9, "Ankle boot")
    assert shown.images[0].shape == (28, 28)
    assert shown.result.png == Path("visualize-fashion_mnist-1.png")


def test_an_index_out_of_bounds_is_refused(place: Place) -> None:
    with pytest.raises(RequestError, match="has the images 1 to 500"):
        show(place, index=501)


class TestOtherImages:
    def test_colours_and_floats(self, place: Place) -> None:
        y = np.arange(6) % 2
        x = np.random.default_rng(0).random((6, 5, 3, 3)).astype(np.float32)
        shown = show(place, dataset=save(place.folder / "c.npz", x, y))
        sample, image = shown.result.samples[0], shown.images[0]
        assert image.shape == (5, 3, 3)
        assert image.dtype == np.uint8
        np.testing.assert_allclose(image, x[sample.index - 1] * 255, atol=0.51)

    def test_a_channel_of_gray(self, place: Place) -> None:
        x, y = np.full((4, 3, 3, 1), 9, np.uint8), np.arange(4) % 2
        assert show(place, dataset=save(place.folder / "c.npz", x, y)).images[0].tolist() == [[9] * 3] * 3

    def test_floats_beyond_zero_and_one_are_all_seen(self) -> None:
        (picture,) = as_pictures([np.array([[-1.0, 0.0], [0.5, 3.0]], np.float32)])
        assert picture.tolist() == [[0, 64], [96, 255]]
        (picture,) = as_pictures([np.array([[0.2, 0.6]], np.float32)])
        assert picture.tolist() == [[51, 153]]

    @pytest.mark.parametrize(
        ("shape", "message"), [((4,), "holds 4 features per example"), ((4, 4, 2), "images of 2 channels")]
    )
    def test_what_is_no_image_is_refused(self, place: Place, shape: tuple[int, ...], message: str) -> None:
        path = save(place.folder / "c.npz", np.ones((4, *shape), np.float32), np.arange(4) % 2)
        with pytest.raises(RequestError, match=message):
            show(place, dataset=path)
        assert not list(Path().glob("*.png"))

    def test_of_very_many_classes_the_first_hundred(self, place: Place) -> None:
        x, y = np.zeros((130, 2, 2), np.uint8), np.arange(130)
        shown = show(place, dataset=save(place.folder / "c.npz", x, y))
        assert [sample.label for sample in shown.result.samples] == list(range(100))
        assert any("130 classes" in notice for notice in place.notices)

    def test_the_name_of_the_file_does_no_harm(self, place: Place) -> None:
        path = write_dataset(place.folder / "my $data$ [red].v2.npz")
        assert show(place, dataset=str(path)).result.png == Path("visualize-my_data_red_.v2.png")


def put_classifier(place: Place) -> str:
    """Store a run whose network takes the class of the larger of two pixels, the surer the larger it is."""
    x_test = np.array([[[9, 0]], [[0, 200]], [[40, 0]], [[0, 90]], [[255, 0]]], np.uint8)
    y_test = np.array([0, 0, 1, 0, 0])
    path = place.folder / "pair.npz"
    np.savez(path, x_train=x_test[:2], y_train=[0, 1], x_test=x_test, y_test=y_test)
    config = TrainConfig.model_validate({"dataset": str(path), "num_layers": 0})
    place.put("pair", dataset=str(path), config=config.as_dict(), best={"val_acc": 1.0})
    network = Network([2, 2])
    network.weights[0][...] = np.eye(2) * 10
    (place.path("pair") / MODEL).write_bytes(network_bytes(network, {}))
    return str(path)


class TestMistakes:
    def test_the_surest_mistakes_come_first(self, place: Place) -> None:
        put_classifier(place)
        shown = visualize_mistakes(place.context, RunChoice("pair"), out=None)
        document = shown.result
        assert (document.run_id, document.n, document.mistakes) == ("pair", 5, 3)
        assert [sample.index for sample in document.samples] == [2 + 2, 2 + 4, 2 + 3]
        for sample, pixel in zip(document.samples, (200, 90, 40)):
            assert sample.predicted.label == 1 - sample.label
            assert sample.probability == pytest.approx(1 / (1 + np.exp(-10 * pixel / 255)), rel=1e-5)
        assert shown.images[0].tolist() == [[0, 200]]
        assert document.png == Path("misclassified-pair.png")
        assert Path("misclassified-pair.png").is_file()
        json.loads(json_text(document))

    def test_at_most_ten_of_the_best_run(self, place: Place) -> None:
        runs = [place.train(seed=seed) for seed in range(2)]
        best = max(runs, key=lambda run: run.best_val_acc).run_id
        shown = visualize_mistakes(place.context, RunChoice(dataset=str(place.dataset)), out=Path("x.png"))
        samples = shown.result.samples
        assert shown.result.run_id == best
        assert len(samples) == min(10, shown.result.mistakes)
        certainty = [sample.probability for sample in samples]
        assert certainty == sorted(certainty, reverse=True)
        assert all(sample.label != sample.predicted.label for sample in samples)
        assert all(sample.split == "test" for sample in samples)

    def test_wandb_gets_those_of_the_data_of_the_training(
        self, place: Place, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        added: list[tuple[RunRecord, Additions]] = []
        monkeypatch.setattr(visualizing, "attach", lambda _, found: added.extend(found))
        run_id = place.train(epochs=1).run_id
        visualize_mistakes(place.context, RunChoice(run_id), out=None, track=False)
        assert not added
        own = visualize_mistakes(place.context, RunChoice(run_id), out=None).result
        put_other_test_labels(place)
        assert visualize_mistakes(place.context, RunChoice(run_id), out=None).result.mistakes != own.mistakes
        ((record, additions),) = added
        assert (record.run_id, list(additions.images)) == (run_id, ["misclassified"])

    def test_a_perfect_network_has_none(self, place: Place) -> None:
        path = put_classifier(place)
        with np.load(path) as arrays:
            right = {**arrays, "y_test": np.array([0, 1, 0, 1, 0])}
        np.savez(path, **right)
        shown = visualize_mistakes(place.context, RunChoice("pair"), out=None)
        assert (shown.result.mistakes, shown.result.png, shown.result.samples) == (0, None, [])
        assert not list(Path().glob("*.png"))
        assert "no mistake" in place.notices[-1]

    def test_there_must_be_a_run(self, place: Place) -> None:
        with pytest.raises(FfnnError, match="no finished run"):
            visualize_mistakes(place.context, RunChoice(dataset=str(place.dataset)), out=None)
