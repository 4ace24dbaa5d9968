"""A user's own dataset in every format that people have, told by its content."""

from __future__ import annotations

import gzip
import io
import json
import os
import shutil
import socket
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from brought_data import (
    NAMES,
    arrays,
    class_files,
    csv_text,
    idx_files,
    npy,
    picture,
    write_files,
    write_kaggle,
    write_zip,
)

from ffcli.datasets import Dataset, load_dataset
from ffcli.errors import RequestError

Load = Callable[..., Dataset]


@pytest.fixture
def notices() -> list[str]:
    return []


@pytest.fixture
def load(data_dir: Path, notices: list[str]) -> Load:
    return lambda path: load_dataset(str(path), data_dir, notify=notices.append)


@pytest.fixture
def data() -> dict[str, np.ndarray]:
    return arrays()


def check(dataset: Dataset, data: dict[str, Any], names: tuple[str, ...] = ("0", "1", "2")) -> None:
    """Compare a dataset with the arrays that it was written from."""
    for array in ("x_train", "x_test"):
        np.testing.assert_array_equal(getattr(dataset, array), data[array])
    for array in ("y_train", "y_test"):
        found = np.array(dataset.class_names)[getattr(dataset, array)]
        np.testing.assert_array_equal(found, np.array(names)[data[array]])
    assert sorted(dataset.class_names) == sorted(names)
    assert dataset.x_train.dtype == np.uint8
    assert dataset.split is None


def whole(dataset: Dataset) -> list[bytes]:
    """Return all images of a dataset, in one order."""
    return sorted(row.tobytes() for row in np.concatenate([dataset.x_train, dataset.x_test]))


class TestTables:
    @pytest.mark.parametrize("name", ["", "fashion-mnist_train.csv", "fashion-mnist_test.csv"])
    def test_kaggles_pair(self, tmp_path: Path, load: Load, data: dict[str, Any], name: str) -> None:
        dataset = load(write_kaggle(tmp_path / "kaggle", data) / name)
        check(dataset, data)
        assert dataset.image_shape == (8, 8)

    @pytest.mark.parametrize(
        "how",
        [
            {},
            {"header": False},
            {"last": True},
            {"mark": ";"},
            {"mark": "\t"},
            {"mark": " ", "header": False},
        ],
    )
    def test_one_file(
        self, tmp_path: Path, load: Load, data: dict[str, Any], notices: list[str], how: dict[str, Any]
    ) -> None:
        (tmp_path / "a.csv").write_text(csv_text(data["x_train"], data["y_train"], **how))
        dataset = load(tmp_path / "a.csv")
        assert whole(dataset) == sorted(image.tobytes() for image in data["x_train"])
        assert np.bincount(dataset.y_train).tolist() == [8, 8, 8]
        assert np.bincount(dataset.y_test).tolist() == [2, 2, 2]
        assert sum("test part" in notice for notice in notices) == 1
        column = "column 65" if how.get("last") else "column 1"
        named = "" if how.get("header") is False else " (label)"
        (said,) = (notice for notice in notices if "labels" in notice)
        assert f"{column}{named}" in said
        assert ("#label=" in said) == (not named)

    def test_no_line_is_lost(self, tmp_path: Path, load: Load) -> None:
        """Lines are parsed a thousand at a time."""
        n = 2503
        lines = [f"{row % 2},{row},{row // 7}" for row in range(n)]
        (tmp_path / "a.csv").write_text("label,a,b\n" + "\n".join(lines))
        dataset = load(tmp_path / "a.csv")
        first = np.concatenate([dataset.x_train, dataset.x_test])[:, 0]
        assert sorted(first.tolist()) == list(range(n))
        (tmp_path / "a.csv").write_text("\n".join([*lines[:2400], "1,2", *lines[2400:]]))
        with pytest.raises(RequestError, match="line 2401"):
            load(tmp_path / "a.csv")

    def test_a_column_is_named(self, tmp_path: Path, load: Load, data: dict[str, Any]) -> None:
        text = csv_text(data["x_train"], data["y_train"], last=True).replace("label", "kind of thing")
        (tmp_path / "a.csv").write_text(text)
        for column in ("kind of thing", "Kind_Of_Thing", "last", "65", "-1"):
            dataset = load(f"{tmp_path / 'a.csv'}#label={column}")
            assert whole(dataset) == sorted(image.tobytes() for image in data["x_train"])
        for column in ("kind", "66", "0"):
            with pytest.raises(RequestError, match="has no column"):
                load(f"{tmp_path / 'a.csv'}#label={column}")

    def test_whoever_names_the_column_is_not_told_how(
        self, tmp_path: Path, load: Load, data: dict[str, Any], notices: list[str]
    ) -> None:
        (tmp_path / "a.csv").write_text(csv_text(data["x_train"], data["y_train"], header=False))
        load(f"{tmp_path / 'a.csv'}#label=1")
        assert not [notice for notice in notices if "#label=" in notice]

    @pytest.mark.parametrize("missing", ["", "NA", "nan", "?", "null"])
    def test_a_missing_value_is_found(self, tmp_path: Path, load: Load, missing: str) -> None:
        rows = ["label,a,b", *(f"{n % 2},{n},{n}" for n in range(9)), f"1,{missing},3"]
        (tmp_path / "a.csv").write_text("\n".join(rows))
        with pytest.raises(RequestError, match=r"line 11, column 2 \(a\): .*missing"):
            load(tmp_path / "a.csv")

    @pytest.mark.parametrize("missing", ["", "NA", "nan", "?", " Null ", '"n/a"'])
    @pytest.mark.parametrize("others", [("0", "1"), ("ant", "bee")])
    def test_a_missing_label_is_found(
        self, tmp_path: Path, load: Load, missing: str, others: tuple[str, str]
    ) -> None:
        rows = ["a,label", *(f"{n},{others[n % 2]}" for n in range(1100)), f"3,{missing}", "4,?"]
        (tmp_path / "a.csv").write_text("\n".join(rows))
        with pytest.raises(RequestError, match=r"line 1102, column 2 \(label\): .*missing.*name") as caught:
            load(tmp_path / "a.csv")
        assert caught.value.exit_code == 2

    @pytest.mark.parametrize("names", [("+", "-"), ("none", "mild", "severe"), ("nil", "one")])
    def test_words_that_are_missing_values_may_be_classes(
        self, tmp_path: Path, load: Load, names: tuple[str, ...]
    ) -> None:
        """Without a header, so that the labels are told by what the columns hold."""
        rows = [f"{n}.5,{n % 2},{names[n % len(names)]}" for n in range(30)]
        (tmp_path / "a.csv").write_text("\n".join(rows))
        assert sorted(load(tmp_path / "a.csv").class_names) == sorted(names)
        (tmp_path / "a.csv").write_text("\n".join([*rows, f"{names[0]},1,{names[1]}"]))
        with pytest.raises(RequestError, match="line 31, column 1: expected a number"):
            load(tmp_path / "a.csv")

    def test_a_missing_value_makes_no_column_of_numbers_labels(self, tmp_path: Path, load: Load) -> None:
        """Without a header: the first column holds numbers and one ``?``, the last 0 and 1."""
        rows = [f"{n}.5,{n},{n % 2}" for n in range(9)]
        (tmp_path / "a.csv").write_text("\n".join([*rows, "?,3,1"]))
        with pytest.raises(RequestError, match="line 10, column 1: expected a number"):
            load(tmp_path / "a.csv")

    @pytest.mark.parametrize("first", ["?,NA,1", ",,1"])
    def test_a_first_row_of_missing_values_is_no_header(self, tmp_path: Path, load: Load, first: str) -> None:
        (tmp_path / "a.csv").write_text("\n".join([first, *(f"{n}.5,{n},{n % 2}" for n in range(9))]))
        with pytest.raises(RequestError, match=r"line 1, column 1: .*missing"):
            load(tmp_path / "a.csv")

    def test_what_is_refused_is_not_announced(self, tmp_path: Path, load: Load, notices: list[str]) -> None:
        (tmp_path / "a.csv").write_text("label,a\n1,2\n2,x\n")
        with pytest.raises(RequestError):
            load(tmp_path / "a.csv")
        assert notices == []

    def test_text_labels_in_the_last_column_and_features(self, tmp_path: Path, load: Load) -> None:
        rng = np.random.default_rng(0)
        values = np.round(rng.uniform(0.1, 7.9, (30, 4)), 1)
        lines = [f'{",".join(map(str, row))},"{NAMES[n % 3]}, wild"' for n, row in enumerate(values)]
        (tmp_path / "iris.data").write_text("\r\n".join(lines) + "\r\n\r\n")
        dataset = load(tmp_path / "iris.data")
        assert dataset.class_names == ("ant, wild", "bee, wild", "cat, wild")
        assert dataset.image_shape is None
        found = np.concatenate([dataset.x_train, dataset.x_test])
        assert sorted(map(tuple, found)) == sorted(map(tuple, values.astype(np.float32)))

    @pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
    def test_text_of_other_encodings(
        self, tmp_path: Path, load: Load, data: dict[str, Any], encoding: str
    ) -> None:
        text = csv_text(data["x_train"], [("Käfer", "蜂", "cat")[y] for y in data["y_train"]])
        (tmp_path / "a.csv").write_bytes(text.encode(encoding))
        assert set(load(tmp_path / "a.csv").class_names) == {"Käfer", "蜂", "cat"}

    def test_a_packed_one(self, tmp_path: Path, load: Load, data: dict[str, Any]) -> None:
        text = csv_text(data["x_train"], data["y_train"])
        (tmp_path / "a.csv.gz").write_bytes(gzip.compress(text.encode()))
        assert len(load(tmp_path / "a.csv.gz").x_train) == 24

    def test_kaggles_digits_whose_test_file_has_no_labels(
        self, tmp_path: Path, load: Load, data: dict[str, Any], notices: list[str]
    ) -> None:
        folder = tmp_path / "digits"
        folder.mkdir()
        train = csv_text(data["x_train"], data["y_train"])
        (folder / "train.csv").write_text(train)
        unlabelled = "\n".join(line.partition(",")[2] for line in train.splitlines())
        (folder / "test.csv").write_text(unlabelled)
        (folder / "sample_submission.csv").write_text("ImageId,Label\n1,0\n2,0\n")
        dataset = load(folder)
        assert (len(dataset.x_train), len(dataset.x_test)) == (24, 6)
        assert any("test.csv" in notice and "left out" in notice for notice in notices)

    def test_a_missing_shard_is_named(self, tmp_path: Path, load: Load, data: dict[str, Any]) -> None:
        text = csv_text(data["x_train"], data["y_train"]).encode()
        folder = write_files(tmp_path / "a", {"train-00000-of-00002.csv": text})
        with pytest.raises(RequestError, match=r"train-00001-of-00002\.csv is missing"):
            load(folder)

    def test_an_index_column_is_left_out(self, tmp_path: Path, load: Load, data: dict[str, Any]) -> None:
        lines = csv_text(data["x_train"], data["y_train"]).splitlines()
        numbered = [f"{',' if n == 0 else f'{n - 1},'}{line}" for n, line in enumerate(lines)]
        (tmp_path / "a.csv").write_text("\n".join(numbered))
        assert load(tmp_path / "a.csv").image_shape == (8, 8)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("label,a,b\n0,1,2\n1,2\n", "line 3, has 2 columns"),
            ("label,a,b\n0,1,2\n1,2,3,4\n", "line 3, has 4 columns"),
            ("label,a,b\n0,1,2\n1,red,3\n", r"line 3, column 2 \(a\).*'red'"),
            ("label,a,b\n0,1,2\n1,,3\n", r"line 3, column 2 \(a\)"),
            ("label,a,b\n", "no rows"),
            ("one\ntwo\n", "one column"),
            ("1.5,2.25,3.5\n2.5,3.5,4.75\n3.5,1.5,9.5\n1.25,1.5,1.75\n", "neither"),
            ("a,b,label\n1,2,0.5\n2,3,1.5\n3,4,0.25\n", "holds 0"),
            ('label,a\n0,"1\n1,2\n', "line 2|CSV"),
            ("label,a\n0,nan\n1,2\n0,3\n1,4\n", "line 2.*missing"),
            ("label,a\n0,1e300\n1,2\n0,3\n1,4\n", "too large"),
        ],
    )
    def test_what_does_not_fit_is_named(self, tmp_path: Path, load: Load, text: str, message: str) -> None:
        (tmp_path / "a.csv").write_text(text)
        with pytest.raises(RequestError, match=message):
            load(tmp_path / "a.csv")


class TestClassFolders:
    def files(self, data: dict[str, Any], test: str = "test") -> dict[str, bytes]:
        train = class_files(data["x_train"], data["y_train"], "train/")
        return train | class_files(data["x_test"], data["y_test"], f"{test}/")

    def as_sorted(self, data: dict[str, Any]) -> dict[str, Any]:
        """Return the arrays in the order of the files: by class."""
        order = {part: np.argsort(data[f"y_{part}"], kind="stable") for part in ("train", "test")}
        return {name: array[order[name[2:]]] for name, array in data.items()}

    @pytest.mark.parametrize("test", ["test", "val", "Testing"])
    def test_train_and_test(self, tmp_path: Path, load: Load, data: dict[str, Any], test: str) -> None:
        dataset = load(write_files(tmp_path / "a", self.files(data, test)))
        check(dataset, self.as_sorted(data), NAMES)
        assert dataset.class_names == NAMES

    def test_in_a_zip_below_one_folder(self, tmp_path: Path, load: Load, data: dict[str, Any]) -> None:
        files = {f"archive/{name}": content for name, content in self.files(data).items()}
        check(load(write_zip(tmp_path / "a.zip", files)), self.as_sorted(data), NAMES)

    def test_without_a_test_part_and_with_notes(
        self, tmp_path: Path, load: Load, data: dict[str, Any]
    ) -> None:
        files = class_files(data["x_train"], data["y_train"])
        files |= {"README.txt": b"Insects and cats", ".DS_Store": b"\0\0", "ant/Thumbs.db": b"\xd0\xcf"}
        dataset = load(write_files(tmp_path / "a", files))
        assert (len(dataset.x_train), len(dataset.x_test), dataset.class_names) == (24, 6, NAMES)

    def test_a_table_beside_the_pictures(self, tmp_path: Path, load: Load, data: dict[str, Any]) -> None:
        files = class_files(data["x_train"], data["y_train"]) | {"labels.csv": b"name,class\n000.png,ant\n"}
        assert load(write_files(tmp_path / "a", files)).class_names == NAMES

    def test_jpegs_of_numbered_classes(self, tmp_path: Path, load: Load) -> None:
        images = np.full((22, 8, 8), 100, np.uint8)
        files = {f"{n % 11}/{n}.jpg": picture(image, "JPEG") for n, image in enumerate(images)}
        dataset = load(write_files(tmp_path / "a", files))
        assert dataset.class_names == tuple(map(str, range(11)))
        assert np.unique(dataset.x_train).tolist() == [100]

    def test_colours_gray_ones_in_three_channels_and_grayscale(self, tmp_path: Path, load: Load) -> None:
        gray = np.repeat(arrays()["x_train"][..., np.newaxis], 3, axis=3)
        labels = np.arange(30) % 3
        folder = write_files(tmp_path / "gray", class_files(gray, labels))
        assert load(folder).image_shape == (8, 8)
        coloured = gray.copy()
        coloured[3] = (200, 100, 50)
        folder = write_files(tmp_path / "coloured", class_files(coloured, labels))
        assert load(folder).image_shape == (8, 8, 3)
        images = np.concatenate(
            [getattr(load(f"{folder}#grayscale"), name) for name in ("x_train", "x_test")]
        )
        # 0.299 · 200 + 0.587 · 100 + 0.114 · 50 = 124.2
        assert any((image == 124).all() for image in images)

    def test_pictures_of_different_sizes_are_padded(
        self, tmp_path: Path, load: Load, notices: list[str]
    ) -> None:
        images = [np.full((8, 8), 90, np.uint8)] * 20 + [np.full((16, 4), 90, np.uint8)] * 4
        files = {f"{NAMES[n % 2]}/{n:02}.png": picture(image) for n, image in enumerate(images)}
        dataset = load(write_files(tmp_path / "a", files))
        assert dataset.image_shape == (8, 8)
        assert np.unique(dataset.x_train).tolist() == [90]
        assert any("sizes" in notice for notice in notices)

    def test_a_damaged_picture_is_named(self, tmp_path: Path, load: Load, data: dict[str, Any]) -> None:
        files = self.files(data)
        files["train/bee/001.png"] = files["train/bee/001.png"][:60]
        with pytest.raises(RequestError, match=r"train/bee/001\.png"):
            load(write_files(tmp_path / "a", files))

    @pytest.mark.parametrize(
        "files", [{"a.png": picture(np.ones((8, 8), np.uint8))}, {"ant/a.png": picture(np.ones((8, 8)) > 0)}]
    )
    def test_no_classes(self, tmp_path: Path, load: Load, files: dict[str, bytes]) -> None:
        with pytest.raises(RequestError, match="CLASS/PICTURE"):
            load(write_files(tmp_path / "a", files))


class TestIdx:
    def test_a_relative_of_mnist_whose_labels_begin_at_one(
        self, tmp_path: Path, load: Load, data: dict[str, Any]
    ) -> None:
        shifted = {**data, "y_train": data["y_train"] + 1, "y_test": data["y_test"] + 1}
        files = idx_files(shifted, "emnist-letters-", "test", packed=True)
        folder = write_files(tmp_path / "emnist", files)
        check(load(folder), data, ("1", "2", "3"))
        check(load(folder / next(iter(files))), data, ("1", "2", "3"))

    def test_torchvisions_folder_or_a_zip(self, tmp_path: Path, load: Load, data: dict[str, Any]) -> None:
        files = {f"KMNIST/raw/{name}": content for name, content in idx_files(data).items()}
        check(load(write_files(tmp_path / "a", files)), data)
        check(load(write_zip(tmp_path / "a.zip", files)), data)

    def test_two_sets_are_told_apart(self, tmp_path: Path, load: Load, data: dict[str, Any]) -> None:
        files = idx_files(data, "a-") | idx_files(data, "b-")
        folder = write_files(tmp_path / "two", files)
        with pytest.raises(RequestError, match="several"):
            load(folder)
        check(load(folder / "b-train-images-idx3-ubyte"), data)

    @pytest.mark.parametrize("lost", ["train-labels-idx1-ubyte", "train-images-idx3-ubyte"])
    def test_a_lost_file(self, tmp_path: Path, load: Load, data: dict[str, Any], lost: str) -> None:
        files = idx_files(data)
        del files[lost]
        with pytest.raises(RequestError, match="there is no file"):
            load(write_files(tmp_path / "a", files))

    def test_floats(self, tmp_path: Path, load: Load, data: dict[str, Any]) -> None:
        files = idx_files(data)
        for part, name in (("train", "train"), ("test", "t10k")):
            values = (data[f"x_{part}"] / 255).astype(">f4")
            shape = b"".join(n.to_bytes(4, "big") for n in values.shape)
            files[f"{name}-images-idx3-ubyte"] = b"\0\0\x0d\3" + shape + values.tobytes()
        dataset = load(write_files(tmp_path / "a", files))
        np.testing.assert_array_equal(dataset.x_train, (data["x_train"] / 255).astype(np.float32))


class TestArrays:
    @pytest.mark.parametrize(
        "names",
        [
            ("X_train", "Y_train", "X_test", "Y_test"),
            ("train_images", "train_labels", "test_images", "test_labels"),
            ("trainX", "trainy", "testX", "testy"),
            ("arr_0", "arr_1", "arr_2", "arr_3"),
        ],
    )
    def test_names(self, tmp_path: Path, load: Load, data: dict[str, Any], names: tuple[str, ...]) -> None:
        np.savez(tmp_path / "a.npz", **dict(zip(names, data.values())))
        check(load(tmp_path / "a.npz"), data)

    @pytest.mark.parametrize(
        "names", [("x", "y"), ("images", "labels"), ("data", "target"), ("arr_0", "arr_1")]
    )
    def test_without_a_test_part(
        self, tmp_path: Path, load: Load, data: dict[str, Any], notices: list[str], names: tuple[str, str]
    ) -> None:
        np.savez(tmp_path / "a.npz", **{names[0]: data["x_train"], names[1]: data["y_train"]})
        dataset = load(tmp_path / "a.npz")
        assert whole(dataset) == sorted(image.tobytes() for image in data["x_train"])
        assert dataset.split == {"test_fraction": 0.2, "seed": 20260731}
        assert any("20260731" in notice for notice in notices)

    def test_the_names_of_the_classes_beside_the_labels(
        self, tmp_path: Path, load: Load, data: dict[str, Any]
    ) -> None:
        np.savez(tmp_path / "a.npz", **data, target_names=np.array(NAMES), feature_names=np.array(["f"] * 64))
        check(load(tmp_path / "a.npz"), data, NAMES)
        np.savez(tmp_path / "b.npz", **data, target_names=np.array(NAMES[:2]))
        check(load(tmp_path / "b.npz"), data)

    @pytest.mark.parametrize("name", ["latest.npz", "contest.npz", "trained.npz"])
    def test_a_name_that_holds_the_letters_of_a_part(
        self, tmp_path: Path, load: Load, data: dict[str, Any], name: str
    ) -> None:
        np.savez(tmp_path / name, x=data["x_train"], y=data["y_train"])
        np.savez(tmp_path / f"x{name}", x=data["x_test"], y=data["y_test"])
        assert len(load(tmp_path / name).x_train) == 24

    def test_a_validation_part_is_trained_on(self, tmp_path: Path, load: Load, data: dict[str, Any]) -> None:
        medical = {
            f"{part}_{kind}": data[f"{letter}_{source}"].reshape(-1, *((8, 8) if letter == "x" else (1,)))
            for part, source in (("train", "train"), ("val", "test"), ("test", "test"))
            for letter, kind in (("x", "images"), ("y", "labels"))
        }
        np.savez(tmp_path / "a.npz", **medical)
        dataset = load(tmp_path / "a.npz")
        assert (len(dataset.x_train), len(dataset.x_test)) == (42, 12)

    @pytest.mark.parametrize("dtype", ["U3", "S3"])
    def test_a_missing_label_is_found(
        self, tmp_path: Path, load: Load, data: dict[str, Any], dtype: str
    ) -> None:
        """Text made of a float that is no number is ``nan``."""
        names = np.array(NAMES)[data["y_train"]].astype(dtype)
        names[4] = "nan"
        np.savez(tmp_path / "a.npz", x=data["x_train"], y=names)
        with pytest.raises(RequestError, match=r"y, row 5: .*missing \(nan\)"):
            load(tmp_path / "a.npz")

    @pytest.mark.parametrize("form", ["folder", "zip"])
    def test_npy_files(self, tmp_path: Path, load: Load, data: dict[str, Any], form: str) -> None:
        files = {f"below/{name}.npy": npy(array) for name, array in data.items()}
        place = write_zip(tmp_path / "a.zip", files) if form == "zip" else write_files(tmp_path / "a", files)
        check(load(place), data)

    def test_a_pair_of_archives(self, tmp_path: Path, load: Load, data: dict[str, Any]) -> None:
        for part in ("train", "test"):
            np.savez(tmp_path / f"mine_{part}.npz", x=data[f"x_{part}"], y=data[f"y_{part}"])
        check(load(tmp_path / "mine_train.npz"), data)

    def test_an_archive_in_an_archive(self, tmp_path: Path, load: Load, data: dict[str, Any]) -> None:
        inner = io.BytesIO()
        np.savez(inner, **data)
        check(load(write_zip(tmp_path / "a.zip", {"a/mine.npz": inner.getvalue()})), data)


class TestScales:
    def save(self, path: Path, change: Callable[[np.ndarray], np.ndarray]) -> Path:
        data = arrays()
        np.savez(path, **{n: change(a) if n[0] == "x" else a for n, a in data.items()})
        return path

    @pytest.mark.parametrize("dtype", ["f4", "f8", "i4", "u2"])
    def test_whole_numbers_up_to_255_are_bytes(
        self, tmp_path: Path, load: Load, data: dict[str, Any], notices: list[str], dtype: str
    ) -> None:
        check(load(self.save(tmp_path / "a.npz", lambda x: x.astype(dtype))), data)
        assert any("1/255" in notice for notice in notices) == (dtype[0] == "f")

    def test_images_up_to_255_that_are_not_whole(self, tmp_path: Path, load: Load) -> None:
        dataset = load(self.save(tmp_path / "a.npz", lambda x: np.maximum(x - 0.5, 0)))
        expected = np.maximum(arrays()["x_train"] - 0.5, 0) / 255
        np.testing.assert_allclose(dataset.x_train, expected, atol=1e-6)

    def test_images_of_twelve_bits(self, tmp_path: Path, load: Load) -> None:
        dataset = load(self.save(tmp_path / "a.npz", lambda x: x.astype(np.uint16) * 16))
        np.testing.assert_allclose(dataset.x_train, arrays()["x_train"] * (16 / 4095), atol=1e-6)

    @pytest.mark.parametrize(
        "change", [lambda x: x / 255, lambda x: (x - 128.0) / 60, lambda x: x.reshape(len(x), -1) / 100]
    )
    def test_features_stay_as_they_are(
        self, tmp_path: Path, load: Load, change: Callable[[np.ndarray], np.ndarray]
    ) -> None:
        dataset = load(self.save(tmp_path / "a.npz", change))
        np.testing.assert_array_equal(dataset.x_train, change(arrays()["x_train"]).astype(np.float32))

    @pytest.mark.parametrize(
        "change", [lambda x: x[..., None], lambda x: x[:, None], lambda x: x.reshape(len(x), -1)]
    )
    def test_other_shapes_of_gray_images(
        self, tmp_path: Path, load: Load, data: dict[str, Any], change: Callable[[np.ndarray], np.ndarray]
    ) -> None:
        check(load(self.save(tmp_path / "a.npz", change)), data)

    def test_channels_that_come_first(self, tmp_path: Path, load: Load, notices: list[str]) -> None:
        dataset = load(self.save(tmp_path / "a.npz", lambda x: np.stack([x, x // 2, x // 4], axis=1)))
        assert dataset.image_shape == (8, 8, 3)
        np.testing.assert_array_equal(dataset.x_train[..., 1], arrays()["x_train"] // 2)
        assert any("grayscale" in notice for notice in notices)

    def test_grayscale_needs_colours(self, tmp_path: Path, load: Load) -> None:
        path = self.save(tmp_path / "a.npz", lambda x: x.reshape(len(x), -1))
        with pytest.raises(RequestError, match="grayscale needs colour"):
            load(f"{path}#grayscale")


class TestParquet:
    @pytest.fixture(autouse=True)
    def pyarrow(self) -> None:
        pytest.importorskip("pyarrow")

    def table(self, images: np.ndarray, labels: Any, names: tuple[str, ...] | None = NAMES) -> bytes:
        """Return a file as Hugging Face's library writes it."""
        import pyarrow as pa
        from pyarrow import parquet

        kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
        cells = [{"bytes": picture(image), "path": None} for image in images]
        table = pa.table({"image": pa.array(cells, kind), "label": pa.array(np.asarray(labels))})
        if names is not None:
            features = {"image": {"_type": "Image"}, "label": {"names": list(names), "_type": "ClassLabel"}}
            noted = json.dumps({"info": {"features": features}}).encode()
            table = table.replace_schema_metadata({b"huggingface": noted})
        out = io.BytesIO()
        parquet.write_table(table, out)
        return out.getvalue()

    def test_shards_and_class_names(self, tmp_path: Path, load: Load, data: dict[str, Any]) -> None:
        files = {
            "data/train-00000-of-00002.parquet": self.table(data["x_train"][:20], data["y_train"][:20]),
            "data/train-00001-of-00002.parquet": self.table(data["x_train"][20:], data["y_train"][20:]),
            "data/test-00000-of-00001.parquet": self.table(data["x_test"], data["y_test"]),
        }
        dataset = load(write_files(tmp_path / "a", files))
        check(dataset, data, NAMES)
        check(load(write_zip(tmp_path / "a.zip", files)), data, NAMES)

    @pytest.mark.parametrize("form", ["folder", "zip", "file"])
    @pytest.mark.parametrize(
        ("names", "missing"),
        [
            (["train-00000-of-00002"], r"train-00001-of-00002\.parquet is missing"),
            (["train-00002-of-00003"], r"train-00000-of-00003\.parquet, train-00001-of-00003\.parquet are"),
            (["x-2-of-2-0123456789abcdef"], r"x-1-of-2\.parquet is missing"),
            (["train-00000-of-00001", "test-00001-of-00002"], r"test-00000-of-00002\.parquet is missing"),
            (["train-0-of-000000009"], r"train-1-of-\S* train-2-of-\S* train-3-of-\S* and 5 others"),
            (["fold_1_of_3"], r"fold_2_of_3\.parquet, fold_3_of_3\.parquet are missing"),
            (["x-00001-of-00003"], r"x-00000-of-00003\.parquet, x-00002-of-00003\.parquet are missing"),
            (["x-10-of-11", "x-09-of-11"], r"x-00-of-11\.parquet, x-01-of-11\.parquet, \S* and 6 others"),
            (["x-0-of-2", "x-2-of-2"], r"x-2-of-2\.parquet is beyond the 2 parts.* from 0:"),
            (["x-1-of-2", "x-3-of-2"], r"x-3-of-2\.parquet is beyond the 2 parts.* from 1:"),
            (["x-00001-of-00000"], r"x-00001-of-00000\.parquet is beyond the 0 parts"),
            (["train_0_of_1", "train_0_of_2", "train_1_of_2"], "two versions"),
            (["train-0-of-1-abcdef", "train-0-of-1-012345"], "the same part"),
        ],
    )
    def test_a_missing_shard_is_named(
        self,
        tmp_path: Path,
        load: Load,
        data: dict[str, Any],
        form: str,
        names: list[str],
        missing: str,
    ) -> None:
        content = self.table(data["x_train"], data["y_train"])
        files = {f"data/{name}.parquet": content for name in names}
        place = write_zip(tmp_path / "a.zip", files) if form == "zip" else write_files(tmp_path / "a", files)
        with pytest.raises(RequestError, match=missing) as caught:
            load(place / next(iter(files)) if form == "file" else place)
        assert caught.value.exit_code == 2

    @pytest.mark.parametrize(
        ("names", "missing"),
        [
            (["0000", "0002"], r"train/0001\.parquet is missing"),
            (["0001", "0004"], r"train/0002\.parquet, train/0003\.parquet are missing"),
            (["0000", "0001"], None),
            (["0001", "0002"], None),
            (["2019", "2021"], None),
            (["0101", "0102", "0315"], None),
        ],
    )
    def test_gaps_of_numbered_files(
        self, tmp_path: Path, load: Load, data: dict[str, Any], names: list[str], missing: str | None
    ) -> None:
        content = self.table(data["x_test"], data["y_test"])
        folder = write_files(tmp_path / "a", {f"train/{name}.parquet": content for name in names})
        if missing is None:
            dataset = load(folder)
            assert len(dataset.x_train) + len(dataset.x_test) == 12 * len(names)
        else:
            with pytest.raises(RequestError, match=missing):
                load(folder)

    @pytest.mark.parametrize("name", ["0000", "0003"])
    def test_a_numbered_file_that_is_named_is_read_alone(
        self, tmp_path: Path, load: Load, data: dict[str, Any], name: str
    ) -> None:
        content = self.table(data["x_test"], data["y_test"])
        folder = write_files(tmp_path / "a", {f"{n:04}.parquet": content for n in range(4)})
        dataset = load(folder / f"{name}.parquet")
        assert len(dataset.x_train) + len(dataset.x_test) == 12

    @pytest.mark.parametrize("name", ["train-00000-of-00002", "train-00001-of-00002", "test-00000-of-00001"])
    def test_one_shard_goes_with_the_others(
        self, tmp_path: Path, load: Load, data: dict[str, Any], name: str
    ) -> None:
        files = {
            "train-00000-of-00002.parquet": self.table(data["x_train"][:20], data["y_train"][:20]),
            "train-00001-of-00002.parquet": self.table(data["x_train"][20:], data["y_train"][20:]),
            "test-00000-of-00001.parquet": self.table(data["x_test"], data["y_test"]),
        }
        dataset = load(write_files(tmp_path / "a", files) / f"{name}.parquet")
        assert (len(dataset.x_train), len(dataset.x_test)) == (30, 12)

    def test_a_test_part_without_labels(self, tmp_path: Path, load: Load, data: dict[str, Any]) -> None:
        files = {
            "train.parquet": self.table(data["x_train"], data["y_train"]),
            "test.parquet": self.table(data["x_test"], np.full(12, -1)),
        }
        dataset = load(write_files(tmp_path / "a", files))
        assert (len(dataset.x_train), len(dataset.x_test)) == (24, 6)

    def test_a_table_of_numbers(self, tmp_path: Path, load: Load) -> None:
        import pyarrow as pa
        from pyarrow import parquet

        values = np.random.default_rng(0).random((30, 2))
        columns = {"a": values[:, 0], "b": values[:, 1], "species": [NAMES[n % 3] for n in range(30)]}
        parquet.write_table(pa.table(columns), tmp_path / "a.parquet")
        dataset = load(tmp_path / "a.parquet")
        assert dataset.class_names == NAMES
        found = np.concatenate([dataset.x_train, dataset.x_test])
        assert sorted(map(tuple, found)) == sorted(map(tuple, values.astype(np.float32)))

    @pytest.mark.parametrize("missing", [None, "", "NA"])
    def test_a_missing_label_is_found(self, tmp_path: Path, load: Load, missing: str | None) -> None:
        import pyarrow as pa
        from pyarrow import parquet

        labels = [*(NAMES[n % 3] for n in range(300)), missing]
        parquet.write_table(pa.table({"a": [*range(301)], "label": labels}), tmp_path / "a.parquet")
        with pytest.raises(RequestError, match=r"row 301, column label: .*missing"):
            load(tmp_path / "a.parquet")

    @pytest.mark.parametrize("names", [("ant", "bee"), ("ant", "ant", "bee")])
    def test_names_that_do_not_fit(
        self, tmp_path: Path, load: Load, data: dict[str, Any], names: tuple[str, ...]
    ) -> None:
        (tmp_path / "a.parquet").write_bytes(self.table(data["x_train"], data["y_train"], names))
        with pytest.raises(RequestError, match=r"class|name"):
            load(tmp_path / "a.parquet")

    def test_it_is_told_what_to_install(
        self, tmp_path: Path, load: Load, data: dict[str, Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "a.parquet").write_bytes(self.table(data["x_train"], data["y_train"]))
        monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
        with pytest.raises(RequestError) as caught:
            load(tmp_path / "a.parquet")
        assert "ffnn[parquet]" in str(caught.value.hint)


WRONG = {
    "a web page": b"\n<!DOCTYPE html>\n<html><head><title>404</title></head></html>",
    "a Git LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 3\n",
    "a MATLAB file": b"MATLAB 5.0 MAT-file, Platform: GLNXA64" + bytes(90),
    "an HDF5 file": b"\x89HDF\r\n\x1a\n" + bytes(90),
    "a picture in HEIC": b"\0\0\0\x18ftypheic" + bytes(90),
    "a pickle": b"\x80\4\x95" + bytes(90),
    "a PDF": b"%PDF-1.7\n",
    "a JSON": b'{"label": [1, 2]}',
    "a tar archive": bytes(257) + b"ustar" + bytes(300),
    "one picture": picture(np.ones((8, 8), np.uint8)),
    "one array": npy(np.ones((8, 8))),
    "empty": b"",
    "a binary file": bytes(range(1, 250)),
    "a damaged gzip": b"\x1f\x8b\x08\0" + bytes(50),
    "there is no file|other names": b"\0\0\x08\1\0\0\0\1\0",
}


@pytest.mark.parametrize("name", ["mine.npz", "mine.csv", "mine.zip", "mine-images-idx3-ubyte"])
@pytest.mark.parametrize("what", WRONG)
def test_what_cannot_be_read_is_refused_by_what_it_is(
    tmp_path: Path, load: Load, data_dir: Path, what: str, name: str
) -> None:
    (tmp_path / name).write_bytes(WRONG[what])
    with pytest.raises(RequestError, match=what) as caught:
        load(tmp_path / name)
    assert caught.value.exit_code == 2
    assert list(data_dir.rglob("*.npy")) == []


def test_content_counts_not_the_name(tmp_path: Path, load: Load, data: dict[str, Any]) -> None:
    (tmp_path / "a.npz").write_text(csv_text(data["x_train"], data["y_train"]))
    np.savez(tmp_path / "b.npz", **data)
    shutil.move(tmp_path / "b.npz", tmp_path / "b.csv")
    assert len(load(tmp_path / "a.npz").x_train) == 24
    check(load(tmp_path / "b.csv"), data)


class TestPaths:
    @pytest.mark.parametrize("below", [False, True])
    def test_a_link_to_itself(self, tmp_path: Path, load: Load, data: dict[str, Any], below: bool) -> None:
        link = tmp_path / "loop.npz"
        link.symlink_to(link)
        with pytest.raises(RequestError) as caught:
            load(link / "a.npz" if below else link)
        assert caught.value.exit_code == 2

    def test_a_folder_that_links_to_itself(self, tmp_path: Path, load: Load, data: dict[str, Any]) -> None:
        folder = write_files(tmp_path / "a", class_files(data["x_train"], data["y_train"]))
        (folder / "again").symlink_to(folder)
        assert load(folder).class_names == NAMES

    @pytest.mark.parametrize("name", ["ant/x.png", "ant/x.JPG", "ant/x.heic", "dog", "nowhere"])
    def test_a_link_that_leads_nowhere_is_named(
        self, tmp_path: Path, load: Load, data: dict[str, Any], name: str
    ) -> None:
        """Without an ending it may stand for the folder of a class."""
        folder = write_files(tmp_path / "a", class_files(data["x_train"], data["y_train"]))
        target = folder / "nowhere" if name == "nowhere" else tmp_path / "unmounted" / name
        (folder / name).symlink_to(target)
        with pytest.raises(RequestError, match=name) as caught:
            load(folder)
        assert caught.value.exit_code == 2

    def test_a_link_that_leads_nowhere_and_is_no_class(
        self, tmp_path: Path, load: Load, data: dict[str, Any]
    ) -> None:
        """Nor is a pipe, which is no folder."""
        files = class_files(data["x_train"], data["y_train"], "train/")
        files |= class_files(data["x_test"], data["y_test"], "test/")
        folder = write_files(tmp_path / "a", files)
        for name in ("train/ant/LICENSE", "train/notes.txt"):
            (folder / name).symlink_to(tmp_path / "nowhere")
        os.mkfifo(folder / "train" / "pipe")
        dataset = load(folder)
        assert (len(dataset.x_train), len(dataset.x_test), dataset.class_names) == (30, 12, NAMES)

    @pytest.mark.parametrize("role", ["test", "train"])
    def test_a_part_of_pictures_that_is_a_link_to_nowhere(
        self, tmp_path: Path, load: Load, data: dict[str, Any], role: str
    ) -> None:
        other = {"test": "train", "train": "test"}[role]
        folder = write_files(tmp_path / "a", class_files(data["x_train"], data["y_train"], f"b/{other}/"))
        (folder / "b" / role).symlink_to(tmp_path / "nowhere")
        with pytest.raises(RequestError, match=f"b/{role} is a link"):
            load(folder)

    def test_a_link_that_leads_nowhere_beside_arrays(
        self, tmp_path: Path, load: Load, data: dict[str, Any]
    ) -> None:
        (tmp_path / "a").mkdir()
        np.savez(tmp_path / "a" / "data.npz", **data)
        (tmp_path / "a" / "latest").symlink_to(tmp_path / "nowhere")
        check(load(tmp_path / "a"), data)

    @pytest.mark.parametrize(
        ("files", "lost"),
        [
            (["x_train.npy", "y_train.npy", "y_test.npy"], "x_test.npy"),
            (["train.zip"], "test.zip"),
            (["train.parquet"], "test.parquet"),
        ],
    )
    def test_a_link_that_leads_nowhere_among_its_kind(
        self, tmp_path: Path, load: Load, data: dict[str, Any], files: list[str], lost: str
    ) -> None:
        """What an unreadable file would be is told by its ending."""
        (tmp_path / "a").mkdir()
        for name in files:
            path = tmp_path / "a" / name
            if path.suffix == ".npy":
                path.write_bytes(npy(data[path.stem]))
            elif path.suffix == ".zip":
                write_zip(path, class_files(data["x_train"], data["y_train"]))
            else:
                pytest.importorskip("pyarrow")
                path.write_bytes(TestParquet().table(data["x_train"], data["y_train"]))
        (tmp_path / "a" / lost).symlink_to(tmp_path / "nowhere")
        with pytest.raises(RequestError, match=rf"{lost} is a link"):
            load(tmp_path / "a")

    def test_a_link_that_leads_nowhere_beside_a_table(
        self, tmp_path: Path, load: Load, data: dict[str, Any]
    ) -> None:
        folder = write_kaggle(tmp_path / "kaggle", data)
        for name in ("note.txt", "figure.png"):
            (folder / name).symlink_to(tmp_path / "nowhere")
        check(load(folder), data)
        (folder / "fashion-mnist_test.csv").unlink()
        (folder / "fashion-mnist_test.csv").symlink_to(tmp_path / "nowhere")
        for path in (folder, folder / "fashion-mnist_train.csv"):
            with pytest.raises(RequestError, match=r"fashion-mnist_test\.csv"):
                load(path)

    @pytest.mark.parametrize("kind", ["pipe", "socket"])
    def test_what_is_no_file_among_pictures(
        self, tmp_path: Path, load: Load, data: dict[str, Any], kind: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = write_files(tmp_path / "a", class_files(data["x_train"], data["y_train"]))
        monkeypatch.chdir(folder / "ant")
        if kind == "pipe":
            os.mkfifo("x.png")
        else:
            with socket.socket(socket.AF_UNIX) as bound:
                bound.bind("x.png")
        with pytest.raises(RequestError, match=r"ant/x\.png is not an ordinary file"):
            load(folder)

    def test_a_name_that_an_archive_holds_twice(
        self, tmp_path: Path, load: Load, data: dict[str, Any]
    ) -> None:
        path = write_zip(tmp_path / "a.zip", class_files(data["x_train"], data["y_train"]))
        """Only a file of the data counts; ./ before a name does not make it another one."""
        added = picture(data["x_test"][0])
        files = [("README.md", b"of ants"), ("./README.md", b"of bees"), ("./ant/100.png", added)]
        for n_rows, (name, content) in zip((30, 30, 30, 31), [*files, ("./ant/000.png", added)]):
            dataset = load(path)
            assert len(dataset.x_train) + len(dataset.x_test) == n_rows
            with zipfile.ZipFile(path, "a") as archive:
                archive.writestr(name, content)
        with pytest.raises(RequestError, match=r"holds ant/000\.png twice"):
            load(path)

    def test_an_archive_that_an_archive_holds_twice(
        self, tmp_path: Path, load: Load, data: dict[str, Any]
    ) -> None:
        inner = write_zip(tmp_path / "train.zip", class_files(data["x_train"], data["y_train"])).read_bytes()
        path = write_zip(tmp_path / "a.zip", {"train.zip": inner, "./train.zip": inner})
        with pytest.raises(RequestError, match=r"holds train\.zip twice"):
            load(path)

    @pytest.mark.parametrize("others", [[], ["pics-2-of-2.zip"]])
    def test_a_numbered_archive_is_read_alone(
        self, tmp_path: Path, load: Load, data: dict[str, Any], others: list[str]
    ) -> None:
        for name in ["pics-1-of-2.zip", *others]:
            write_zip(tmp_path / name, class_files(data["x_train"], data["y_train"]))
        dataset = load(tmp_path / "pics-1-of-2.zip")
        assert len(dataset.x_train) + len(dataset.x_test) == 30

    @pytest.mark.parametrize("name", ["ant/x.png", "dog"])
    def test_a_link_in_an_archive(self, tmp_path: Path, load: Load, data: dict[str, Any], name: str) -> None:
        path = write_zip(tmp_path / "a.zip", class_files(data["x_train"], data["y_train"]))
        entry = zipfile.ZipInfo(name)
        entry.external_attr = (stat.S_IFLNK | 0o777) << 16
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(entry, "../elsewhere")
        with pytest.raises(RequestError, match=f"{name} is a link"):
            load(path)

    @pytest.mark.parametrize("name", ["pipe.npz", "pipe"])
    def test_a_pipe_without_a_writer(self, tmp_path: Path, load: Load, name: str) -> None:
        os.mkfifo(tmp_path / name)
        with pytest.raises(RequestError, match="not an ordinary file"):
            load(tmp_path / name)

    def test_a_pipe_beside_the_data(self, tmp_path: Path, load: Load, data: dict[str, Any]) -> None:
        folder = write_kaggle(tmp_path / "kaggle", data)
        os.mkfifo(folder / "pipe")
        check(load(folder), data)
        os.mkfifo(folder / "other_train.csv")
        with pytest.raises(RequestError, match=r"other_train\.csv is not an ordinary file"):
            load(folder)

    @pytest.mark.parametrize("name", ["a#b.npz", "a b.npz", "a%20b.npz", "a?b.npz", "#grayscale", "a\nb.npz"])
    def test_odd_names(self, tmp_path: Path, load: Load, data: dict[str, Any], name: str) -> None:
        with (tmp_path / name).open("wb") as file:
            np.savez(file, **data)
        check(load(tmp_path / name), data)

    def test_a_nul(self, load: Load) -> None:
        with pytest.raises(RequestError):
            load("a\0b.npz")

    def test_a_folder_is_read_again_when_one_of_its_files_changes(
        self, tmp_path: Path, load: Load, data: dict[str, Any], data_dir: Path
    ) -> None:
        folder = write_kaggle(tmp_path / "kaggle", data)
        first = load(folder)
        assert load(folder).digest == first.digest
        text = csv_text(data["x_test"], (data["y_test"] + 1) % 3)
        (folder / "fashion-mnist_test.csv").write_text(text)
        assert load(folder).digest != first.digest
        assert len(list((data_dir / "custom").iterdir())) == 1

    def test_the_split_is_the_same_elsewhere(self, tmp_path: Path, load: Load, data: dict[str, Any]) -> None:
        digests = set()
        for name in ("here", "there"):
            (tmp_path / f"{name}.csv").write_text(csv_text(data["x_train"], data["y_train"]))
            digests.add(load(tmp_path / f"{name}.csv").digest)
        assert len(digests) == 1
