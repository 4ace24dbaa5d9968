from __future__ import annotations

from pathlib import Path

import pytest

from ffcli.datasets import KNOWN, canonical_name, source_names
from ffcli.datasets.catalog import ARRAYS
from ffcli.errors import RequestError


@pytest.mark.parametrize("name", ["fashion_mnist", "fashion-mnist", "Fashion-MNIST", "FASHION_MNIST"])
def test_known_names_in_any_spelling(name):
    assert canonical_name(name) == "fashion_mnist"


def test_a_path_is_resolved(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert canonical_name("mine.npz") == str(tmp_path / "mine.npz")
    assert canonical_name("MINE.NPZ") == str(tmp_path / "MINE.NPZ")
    (tmp_path / "other").write_bytes(b"")
    assert canonical_name("other") == str(tmp_path / "other")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert canonical_name("~/mine.npz") == str(tmp_path / "mine.npz")


def test_a_known_name_wins_over_a_file_of_that_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mnist").write_bytes(b"")
    assert canonical_name("mnist") == "mnist"


@pytest.mark.parametrize(
    ("name", "near"), [("fashon_mnist", "fashion_mnist"), ("mnst", "mnist"), ("MINST", "mnist")]
)
def test_an_unknown_name_names_the_nearest(name, near):
    with pytest.raises(RequestError, match=f"Did you mean '{near}'") as caught:
        canonical_name(name)
    assert caught.value.exit_code == 2


def test_every_known_dataset_is_fully_specified():
    for spec in KNOWN.values():
        assert set(spec.digests) == set(spec.shapes) == set(ARRAYS)
        assert all(len(bytes.fromhex(digest)) == 32 for digest in spec.digests.values())
        assert all(url.startswith("https://") for url in spec.mirrors)
        assert len(spec.mirrors) >= 2
        assert len(spec.class_names) == 10
        assert Path(spec.homepage.partition("://")[2]).name


def test_the_order_of_the_sources():
    assert source_names() == ["local", "mirror", "debian", "keras"]
