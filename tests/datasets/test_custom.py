from __future__ import annotations

import hashlib
import io
import tracemalloc
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ffcli.datasets import fetch, load_dataset
from ffcli.errors import DataError, RequestError


@pytest.fixture
def mine(tmp_path):
    """Return a function that saves the user's file with some arrays changed or (None) left out."""
    rng = np.random.default_rng(3)
    arrays = {
        "x_train": rng.integers(0, 256, (12, 4, 5), dtype=np.uint8),
        "y_train": np.arange(12) % 3,
        "x_test": rng.integers(0, 256, (6, 4, 5), dtype=np.uint8),
        "y_test": np.arange(6) % 3,
    }

    def save(pack=np.savez, **changes):
        kept = {name: array for name, array in {**arrays, **changes}.items() if array is not None}
        pack(tmp_path / "mine.npz", **kept)
        return str(tmp_path / "mine.npz")

    save.arrays = arrays
    return save


def refused(path, data_dir, message):
    with pytest.raises(RequestError, match=message) as caught:
        load_dataset(path, data_dir)
    assert caught.value.exit_code == 2
    assert path in str(caught.value)
    assert list(data_dir.rglob("*.npy")) == []


@pytest.mark.parametrize("pack", [np.savez, np.savez_compressed])
def test_images(mine, data_dir, pack):
    path = mine(pack)
    dataset = load_dataset(path, data_dir)
    for name, array in mine.arrays.items():
        assert np.array_equal(getattr(dataset, name), array)
        assert not getattr(dataset, name).flags.writeable
    assert (dataset.name, dataset.image_shape, dataset.n_features) == (path, (4, 5), 20)
    assert dataset.class_names == ("0", "1", "2")
    assert dataset.x_train.dtype == dataset.y_train.dtype == np.uint8


@pytest.mark.parametrize("dtype", ["f2", "<f4", ">f4", "f8"])
def test_flat_features_are_taken_as_they_are(mine, data_dir, dtype):
    train = (np.arange(36).reshape(12, 3) - 5.5).astype(dtype)
    dataset = load_dataset(mine(x_train=train, x_test=train[:6]), data_dir)
    assert dataset.x_train.dtype == np.float32
    assert np.array_equal(dataset.x_train, train)
    assert (dataset.image_shape, dataset.n_features) == (None, 3)


def test_channels_and_fortran_order(mine, data_dir):
    train = np.asfortranarray(np.random.default_rng(0).random((12, 4, 5, 3)))
    dataset = load_dataset(mine(x_train=train, x_test=train[:6]), data_dir)
    assert np.array_equal(dataset.x_train, train.astype(np.float32))
    assert dataset.image_shape == (4, 5, 3)


@pytest.mark.parametrize("dtype", ["i1", "u2", ">i4", "i8", "u8"])
def test_labels_of_any_integer_type(mine, data_dir, dtype):
    labels = (np.arange(12) % 3).astype(dtype)
    dataset = load_dataset(mine(y_train=labels.reshape(12, 1)), data_dir)
    assert np.array_equal(dataset.y_train, labels)


def test_many_classes_and_one_that_only_the_training_images_show(mine, data_dir):
    x, y = np.zeros((300, 2), np.float32), np.arange(300)
    dataset = load_dataset(mine(x_train=x, y_train=y, x_test=x[:6]), data_dir)
    assert dataset.n_classes == 300
    assert dataset.y_train.dtype == dataset.y_test.dtype == np.int64
    assert np.array_equal(dataset.y_train, y)


def test_the_digest_is_that_of_the_prepared_bytes(mine, data_dir):
    path = mine(x_train=np.ones((12, 2)), x_test=np.ones((6, 2)))
    dataset = load_dataset(path, data_dir)
    prepared = (dataset.x_train, dataset.y_train, dataset.x_test, dataset.y_test)
    joined = "\n".join(hashlib.sha256(array.tobytes()).hexdigest() for array in prepared)
    assert dataset.digest == hashlib.sha256(joined.encode()).hexdigest()


NAN = np.full((12, 3), np.nan)
ONES = np.ones((12, 3))
BAD = {
    "missing key": ({"y_test": None}, "y_test is missing"),
    "nan": ({"x_train": NAN, "x_test": ONES[:6]}, "x_train holds values that are NaN"),
    "infinite": ({"x_train": ONES, "x_test": ONES[:6] * np.inf}, "x_test holds values that are NaN"),
    "beyond float32": ({"x_train": ONES * 1e300, "x_test": ONES[:6]}, "x_train.*too large for float32"),
    "ones beside bytes": ({"x_train": np.ones((12, 4, 5), int)}, "x_train runs to 1"),
    "truth beside bytes": ({"x_test": np.ones((6, 4, 5), bool)}, "x_test runs to 1"),
    "text": ({"x_train": np.full((12, 4, 5), "a")}, "x_train holds <U1"),
    "complex": ({"x_train": np.ones((12, 4, 5)) * 1j}, "x_train holds complex128"),
    "mixed types": ({"x_test": np.ones((6, 4, 5)) / 2}, "x_test runs to 0.5 where x_train runs to 255"),
    "other size": ({"x_test": np.ones((6, 5, 4), np.uint8)}, r"x_test has rows of shape \(5, 4\)"),
    "one dimension": ({"x_train": np.ones(12, np.uint8)}, r"x_train has shape \(12,\)"),
    "no dimension": ({"x_train": np.uint8(3)}, r"x_train has shape \(\)"),
    "five dimensions": ({"x_train": np.ones((12, 1, 1, 1, 1), np.uint8)}, "x_train has shape"),
    "empty": ({"x_test": np.ones((0, 4, 5), np.uint8)}, r"x_test has shape \(0, 4, 5\)"),
    "no features": ({"x_train": np.ones((12, 0), np.uint8)}, r"x_train has shape \(12, 0\)"),
    "too few labels": ({"y_train": np.arange(11) % 3}, r"y_train has shape \(11,\).*12 rows"),
    "rows that are not one-hot": ({"y_train": np.ones((12, 3), int)}, r"y_train has shape \(12, 3\)"),
    "two classes at once": ({"y_train": np.eye(12)[:, :3] + [1, 0, 0]}, r"y_train has shape \(12, 3\)"),
    "no label dimension": ({"y_test": np.int64(1)}, r"y_test has shape \(\)"),
    "regression": ({"y_train": np.arange(12) + 0.5}, "y_train holds 0.5"),
    "more classes than images": (
        {"y_train": np.arange(12), "y_test": np.arange(6) + 12},
        "y_train holds 18 classes, yet there are 12 training",
    ),
    "pickle": ({"y_train": np.array([print] * 12)}, "y_train holds pickled Python objects"),
    "records": ({"x_train": np.zeros(12, [("a", "u1")])}, "x_train is not an array of plain numbers"),
}


@pytest.mark.parametrize("case", BAD)
def test_arrays_that_do_not_fit_are_named(mine, data_dir, case):
    changes, message = BAD[case]
    refused(mine(**changes), data_dir, message)


def test_no_such_file(tmp_path, data_dir):
    refused(str(tmp_path / "none.npz"), data_dir, "cannot be read: No such file")
    (tmp_path / "folder.npz").mkdir()
    refused(str(tmp_path / "folder.npz"), data_dir, "is an empty folder")


def test_a_truncated_file(mine, data_dir, tmp_path):
    path = mine(np.savez_compressed)
    content = (tmp_path / "mine.npz").read_bytes()
    (tmp_path / "mine.npz").write_bytes(content[: len(content) // 2])
    refused(path, data_dir, "damaged zip archive")


def test_a_name_that_is_no_text(mine, data_dir, tmp_path):
    path = mine()
    content = bytearray((tmp_path / "mine.npz").read_bytes())
    content[7] |= 8  # says of the first entry's name, where its bytes begin, that it is UTF-8
    content[30] = 0x92
    (tmp_path / "mine.npz").write_bytes(content)
    refused(path, data_dir, "cannot be unpacked")


def npy_header(shape, dtype="|u1"):
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": dtype, "fortran_order": False, "shape": shape})
    return file.getvalue()


def test_a_header_that_promises_terabytes(mine, data_dir):
    path = mine(x_train=None)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("x_train.npy", npy_header((12, 2**20, 2**20)) + bytes(100))
    refused(path, data_dir, "x_train has a header that does not fit its size")


def test_an_archive_that_agrees_with_such_a_header(mine, data_dir):
    path = mine(x_train=None)
    header = npy_header((12, 2**12, 2**12))
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x_train.npy", header + bytes(100))
        archive.filelist[-1].file_size = len(header) + 12 * 2**24
    refused(path, data_dir, r"x_train.npy .* 201326")


def test_a_header_that_is_endless(mine, data_dir):
    path = mine(x_train=None)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x_train.npy", b"\x93NUMPY\2\0" + b"\xff" * 4 + b" " * (100 << 20))
    tracemalloc.start()
    refused(path, data_dir, "x_train is not a plain NumPy array")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20e6


def test_unpacking_takes_little_memory(mine, data_dir):
    x = np.zeros((12, 2000, 2000), np.uint8)
    path = mine(np.savez_compressed, x_train=x, x_test=x[:6])
    del x
    tracemalloc.start()
    load_dataset(path, data_dir)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20e6  # of 72 MB


def test_a_copy_that_does_not_fit_on_the_disk(mine, data_dir, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 100}))
    with pytest.raises(DataError, match=r"disk is full.* 100 are free"):
        load_dataset(mine(), data_dir)
    assert list(data_dir.iterdir()) == []


def test_the_copy_is_made_once_and_again_when_the_file_changes(mine, data_dir):
    path, notices = mine(), []
    first = load_dataset(path, data_dir, notify=notices.append)
    assert len(notices) == 1
    assert load_dataset(path, data_dir, notify=notices.append).digest == first.digest
    assert len(notices) == 1
    mine(y_train=(np.arange(12) + 1) % 3)
    second = load_dataset(path, data_dir, notify=notices.append)
    assert len(notices) == 2
    assert second.y_train[0] == 1
    assert first.y_train[0] == 0  # still mapped
    assert len(list((data_dir / "custom").iterdir())) == 1


def test_a_damaged_copy_is_made_again(mine, data_dir):
    path = mine()
    load_dataset(path, data_dir)
    copy = next((data_dir / "custom").glob("*/x_train.npy"))
    copy.write_bytes(copy.read_bytes()[:-3])
    assert np.array_equal(load_dataset(path, data_dir).x_train, mine.arrays["x_train"])


def test_two_files_do_not_disturb_each_other(mine, data_dir, tmp_path):
    path = mine()
    other = tmp_path / "other.npz"
    np.savez(other, **{**mine.arrays, "x_train": mine.arrays["x_train"] // 2})
    load_dataset(path, data_dir)
    load_dataset(str(other), data_dir)
    assert len(list((data_dir / "custom").iterdir())) == 2


def test_it_is_not_downloaded(mine, data_dir):
    with pytest.raises(RequestError, match="needs no download"):
        fetch(mine(), data_dir)


@given(st.data())
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damage_anywhere_is_refused_or_harmless(mine, tmp_path, data):
    path = tmp_path / "mine.npz"
    mine(data.draw(st.sampled_from([np.savez, np.savez_compressed])))
    content = bytearray(path.read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        content[at] ^= data.draw(st.integers(1, 255))
    else:
        del content[at:]
    path.write_bytes(content)
    try:
        dataset = load_dataset(str(path), tmp_path / "data")
    except RequestError:
        return
    assert len(dataset.x_train) == 12


@pytest.mark.parametrize(
    ("changes", "missing"),
    [
        ({"y_train": np.arange(12) % 3 * 2, "y_test": np.arange(6) % 2 * 9}, "9"),
        ({"y_test": np.arange(6)}, "3, 4, 5"),
        ({"y_train": np.arange(12) % 2, "y_test": np.arange(6) * 2 - 7}, "-7, -5, -3, -1, 3"),
    ],
)
def test_a_class_that_no_training_image_shows_is_told_of(mine, data_dir, changes, missing):
    notices = []
    path = mine(**changes)
    dataset = load_dataset(path, data_dir, notify=notices.append)
    labels = {**mine.arrays, **changes}
    names = np.array(dataset.class_names).astype(int)
    assert np.array_equal(names[dataset.y_train], labels["y_train"])
    assert np.array_equal(names[dataset.y_test], labels["y_test"])
    assert notices[1:] == [f"mine.npz: no training image is of class {missing}"]
    load_dataset(path, data_dir, notify=notices.append)
    assert len(notices) == 2


def test_a_new_data_folder_is_told_of(mine, tmp_path):
    notices = []
    load_dataset(mine(), tmp_path / "dta", notify=notices.append)
    assert notices[0].endswith(f" (creating {tmp_path / 'dta'}, which was not there)")
