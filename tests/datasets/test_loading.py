from __future__ import annotations

import hashlib
import json
import mmap
import shutil

import numpy as np
import pytest
from tiny_datasets import tiny_spec

from ffcli.datasets import KNOWN, fetch, load_dataset, store
from ffcli.datasets.reference import short_name
from ffcli.errors import DataError, RequestError


@pytest.fixture
def spec(idx_folder):
    return tiny_spec(local=(str(idx_folder),))


def test_what_is_missing_is_fetched_with_a_notice(spec, data_dir, arrays):
    notices = []
    dataset = load_dataset(spec, data_dir, notify=notices.append)
    assert "fetching tiny" in notices[0]
    assert np.array_equal(dataset.x_train, arrays["x_train"])
    notices.clear()
    load_dataset(tiny_spec(), data_dir, notify=notices.append)
    assert notices == []


def test_the_arrays_are_mapped_and_read_only(spec, data_dir):
    dataset = load_dataset(spec, data_dir)
    for array in (dataset.x_train, dataset.y_train, dataset.x_test, dataset.y_test):
        assert type(array) is np.ndarray
        assert not array.flags.writeable
        base = array
        while isinstance(base, np.ndarray):
            base = base.base
        assert isinstance(base, mmap.mmap)


def test_what_a_dataset_knows_of_itself(spec, data_dir):
    dataset = load_dataset(spec, data_dir)
    assert (dataset.name, dataset.n_features, dataset.n_classes) == ("tiny", 784, 4)
    assert dataset.image_shape == (28, 28)
    assert dataset.class_names == ("a", "b", "c", "d")
    joined = "\n".join(spec.digests[name] for name in ("x_train", "y_train", "x_test", "y_test"))
    assert dataset.digest == hashlib.sha256(joined.encode()).hexdigest()


def test_a_name_finds_the_known_dataset(spec, data_dir, monkeypatch):
    monkeypatch.setitem(KNOWN._items, "mnist", spec)
    monkeypatch.setenv("FFNN_DATA_DIR", str(data_dir))
    assert load_dataset("MNIST").name == "tiny"
    assert (data_dir / "tiny" / "dataset.json").exists()


def damage_manifest(folder):
    (folder / "dataset.json").write_text("{")


def forget_manifest(folder):
    (folder / "dataset.json").unlink()


def change_digest(folder):
    manifest = json.loads((folder / "dataset.json").read_text())
    manifest["arrays"]["x_test"]["sha256"] = "0" * 64
    (folder / "dataset.json").write_text(json.dumps(manifest))


def empty_manifest(folder):
    (folder / "dataset.json").write_text('{"arrays": {}, "source": "", "origin": "", "details": {}}')


def cut_array(folder):
    path = folder / "x_train.npy"
    path.write_bytes(path.read_bytes()[:-1])


def grow_array(folder):
    path = folder / "x_train.npy"
    path.write_bytes(path.read_bytes() + b"\0")


def empty_array(folder):
    (folder / "y_test.npy").write_bytes(b"")


def lose_array(folder):
    (folder / "y_test.npy").unlink()


def reshape_array(folder):
    np.save(folder / "x_test.npy", np.zeros((12, 784), np.uint8))


def pickle_array(folder):
    np.save(folder / "y_test.npy", np.array([print], dtype=object), allow_pickle=True)


def change_pixel(folder):
    path = folder / "x_train.npy"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def swap_files(folder):
    """Exchange two files of one size, as a copy gone wrong does."""
    np.save(folder / "x_test.npy", np.zeros((12, 28, 28), np.uint8))


@pytest.mark.parametrize(
    "damage",
    [
        change_pixel,
        swap_files,
        damage_manifest,
        forget_manifest,
        change_digest,
        empty_manifest,
        cut_array,
        grow_array,
        empty_array,
        lose_array,
        reshape_array,
        pickle_array,
    ],
)
def test_damaged_data_is_never_taken_for_good(spec, data_dir, arrays, damage):
    damage(fetch(spec, data_dir).path)
    with pytest.raises(DataError, match="could not be fetched"):
        load_dataset(tiny_spec(), data_dir, source="mirror")
    dataset = load_dataset(spec, data_dir)
    assert all(np.array_equal(getattr(dataset, name), array) for name, array in arrays.items())


def test_sound_data_is_read_again_only_after_it_was_written_to(spec, data_dir, monkeypatch):
    read = []
    is_intact = store.is_intact
    monkeypatch.setattr(store, "is_intact", lambda *given: read.append(1) or is_intact(*given))
    folder = fetch(spec, data_dir).path
    load_dataset(spec, data_dir)
    assert read == []
    shutil.copytree(data_dir, data_dir.parent / "copy", copy_function=shutil.copyfile)
    for _ in range(2):
        load_dataset(spec, data_dir.parent / "copy", source="mirror")
    assert read == [1]
    manifest = json.loads((folder / "dataset.json").read_text())
    del manifest["stamps"]  # as versions of before have it
    (folder / "dataset.json").write_text(json.dumps(manifest))
    for _ in range(2):
        load_dataset(spec, data_dir, source="mirror")
    assert read == [1, 1]
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        ["dataset.json", *(f"{name}.npy" for name in spec.digests)]
    )


def test_a_users_file_is_unpacked_again_where_the_copy_is_damaged(data_dir, tmp_path, arrays):
    np.savez(tmp_path / "mine.npz", **arrays)
    load_dataset(str(tmp_path / "mine.npz"), data_dir)
    (folder,) = (data_dir / "custom").iterdir()
    change_pixel(folder)
    dataset = load_dataset(str(tmp_path / "mine.npz"), data_dir)
    assert np.array_equal(dataset.x_train, arrays["x_train"])


def test_an_unknown_name(data_dir):
    with pytest.raises(RequestError, match="Did you mean 'fashion_mnist'"):
        load_dataset("fashion_minst", data_dir)


def test_a_name_too_long_for_any_file_is_refused(tmp_path):
    with pytest.raises(RequestError):
        load_dataset(5000 * "x", tmp_path)


def test_others_see_no_folder_above_the_current_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/someone")
    assert short_name("mnist") == "mnist"
    assert short_name(f"{tmp_path}/a/iris.csv#label=kind") == "a/iris.csv#label=kind"
    assert short_name("/home/someone/iris.csv") == "~/iris.csv"
    assert short_name("/home/someoneelse/iris.csv") == "/home/someoneelse/iris.csv"
