"""``fetch`` from a folder or archive in whatever layout the files of a known dataset lie there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from brought_data import idx_files, npy, write_files, write_zip
from tiny_datasets import fetched_whole, refused, tiny_arrays, tiny_spec

from ffcli.datasets import KNOWN, fetch
from ffcli.errors import RequestError

SPEC = tiny_spec()


@pytest.mark.parametrize("given", ["Tiny", "Tiny/raw", ""])
def test_torchvisions_layout(tmp_path: Path, data_dir: Path, arrays: dict[str, Any], given: str) -> None:
    """The folder, the one above and the one below; other data sets beside it are passed over."""
    files = {f"Tiny/raw/{name}": content for name, content in idx_files(arrays).items()}
    other = {name: array[::-1].copy() for name, array in arrays.items()}
    files |= {f"Other/raw/{name}": content for name, content in idx_files(other).items()}
    folder = write_files(tmp_path / "torchvision", files) / given
    fetch(SPEC, data_dir, from_=folder)
    fetched_whole(data_dir, arrays)


@pytest.mark.parametrize("form", ["idx", "npy"])
def test_a_zip(tmp_path: Path, data_dir: Path, arrays: dict[str, Any], form: str) -> None:
    files = {f"below/{n}.npy": npy(a) for n, a in arrays.items()} if form == "npy" else idx_files(arrays)
    fetch(SPEC, data_dir, from_=write_zip(tmp_path / "a.zip", files))
    fetched_whole(data_dir, arrays)


def test_arrays_under_other_names(tmp_path: Path, data_dir: Path, arrays: dict[str, Any]) -> None:
    names = ("train_images", "train_labels", "test_images", "test_labels")
    np.savez(tmp_path / "a.npz", **dict(zip(names, arrays.values())))
    fetch(SPEC, data_dir, from_=tmp_path / "a.npz")
    fetched_whole(data_dir, arrays)


def test_the_files_of_another_known_dataset_are_recognised(
    tmp_path: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(KNOWN._items, "mnist", SPEC)
    folder = write_files(tmp_path / "files", idx_files(tiny_arrays()))
    other = tiny_spec()
    object.__setattr__(other, "digests", dict.fromkeys(other.digests, "0" * 64))
    object.__setattr__(other, "name", "fashion_mnist")
    with pytest.raises(RequestError, match="these are tiny's files"):
        fetch(other, data_dir, from_=folder)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<!DOCTYPE html><html></html>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "LFS"),
        (b"MATLAB 5.0 MAT-file" + bytes(90), "MATLAB"),
    ],
)
@pytest.mark.parametrize("name", ["a.npz", "train-images-idx3-ubyte"])
def test_what_it_is_not(
    *, tmp_path: Path, data_dir: Path, arrays: dict[str, Any], content: bytes, message: str, name: str
) -> None:
    files = idx_files(arrays) if name != "a.npz" else {}
    folder = write_files(tmp_path / "files", files | {name: content})
    refused(data_dir, folder if files else folder / name, message)
