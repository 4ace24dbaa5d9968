from __future__ import annotations

import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from tiny_datasets import PATIENT, fetched_whole, patience, refused, tiny_spec, write_idx

from ffcli.datasets import download as fetching
from ffcli.datasets import fetch
from ffcli.datasets.base import BrokenDataError
from ffcli.datasets.http import Web
from ffcli.datasets.sources import Candidate
from ffcli.errors import DataError, RequestError

SPEC = tiny_spec()


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("separator", ["-", "."])
def test_from_a_folder_under_any_names(tmp_path, data_dir, arrays, packed, separator):
    folder = write_idx(tmp_path / "files", arrays, packed=packed, separator=separator)
    got = fetch(SPEC, data_dir, from_=folder)
    assert (got.dataset, got.source, got.verified, got.train, got.test) == ("tiny", "from", True, 40, 12)
    assert got.path == data_dir / "tiny"
    assert got.origin == str(folder)
    fetched_whole(data_dir, arrays)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_from_an_npz(tmp_path, data_dir, arrays, save):
    save(tmp_path / "a.npz", **arrays, extra=np.arange(3))
    fetch(SPEC, data_dir, from_=str(tmp_path / "a.npz"))
    fetched_whole(data_dir, arrays)


def test_from_an_npz_of_flat_or_fortran_arrays(tmp_path, data_dir, arrays):
    arrays["x_test"] = arrays["x_test"].reshape(12, -1)
    np.savez(tmp_path / "a.npz", **{**arrays, "x_train": np.asfortranarray(arrays["x_train"])})
    fetch(SPEC, data_dir, from_=tmp_path / "a.npz")
    fetched_whole(data_dir, {**arrays, "x_test": arrays["x_test"].reshape(12, 28, 28)})


@pytest.mark.parametrize("path", ["ok/", "ok", "ok/tiny.npz", "unsized/tiny.npz", "ok/?token=secret"])
def test_from_a_url(server, data_dir, arrays, path):
    notices = []
    got = fetch(SPEC, data_dir, from_=server.url(path), notify=notices.append)
    assert "secret" not in got.origin + "".join(notices)
    fetched_whole(data_dir, arrays)


def test_from_a_url_of_unpacked_files(server, data_dir, arrays, idx_folder):
    write_idx(idx_folder / "plain", arrays, packed=False, separator=".")
    fetch(SPEC, data_dir, from_=server.url("ok/plain/"))
    fetched_whole(data_dir, arrays)


@pytest.mark.parametrize(
    ("manner", "message"),
    [
        ("404", "404"),
        ("500", "500"),
        ("half", "broke off"),
        ("drip", "too slow"),
        ("silent", "no answer"),
        ("endless", "expected at most"),
    ],
)
@pytest.mark.parametrize("file", ["", "tiny.npz"])
def test_from_a_bad_server(*, server, data_dir, manner, message, file, monkeypatch):
    monkeypatch.setattr(fetching, "Web", partial(Web, patience=patience(manner)))
    refused(data_dir, server.url(f"{manner}/{file}"), message, DataError)


@pytest.mark.parametrize("place", ["http://[::1", "ftp://example.org/a", "no/such/folder"])
def test_from_nowhere(data_dir, place):
    with pytest.raises(RequestError) as caught:
        fetch(SPEC, data_dir, from_=place)
    assert caught.value.parameter == "from_"


def test_what_is_there_is_not_fetched_again(idx_folder, data_dir):
    spec = tiny_spec(local=(str(idx_folder),))
    first = fetch(spec, data_dir)
    assert (first.source, first.origin) == ("local", str(idx_folder))
    stamp = (data_dir / "tiny" / "x_train.npy").stat().st_ino
    notices = []
    assert fetch(SPEC, data_dir, notify=notices.append) == first
    assert "already" in notices[0]
    assert (data_dir / "tiny" / "x_train.npy").stat().st_ino == stamp
    fetch(spec, data_dir, force=True)
    assert (data_dir / "tiny" / "x_train.npy").stat().st_ino != stamp


def test_damage_in_the_data_folder_is_found_and_mended(idx_folder, data_dir, arrays):
    spec = tiny_spec(local=(str(idx_folder),))
    path = fetch(spec, data_dir).path / "x_test.npy"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    notices = []
    fetch(spec, data_dir, notify=notices.append)
    assert "damaged" in notices[0]
    fetched_whole(data_dir, arrays)


def test_auto_goes_on_until_one_source_is_right(tmp_path, server, data_dir, arrays):
    wrong = write_idx(tmp_path / "wrong", {**arrays, "y_test": arrays["y_test"] + 1})
    spec = tiny_spec(
        local=("/no/such/folder", str(wrong)),
        mirrors=(server.url("404/"), server.url("half/tiny.npz"), server.url("ok/")),
    )
    notices = []
    got = fetch(spec, data_dir, notify=notices.append)
    assert (got.source, got.origin) == ("mirror", server.url("ok/"))
    assert [notice.split(":")[0].split()[:3] for notice in notices[1:4]] == [
        ["not", "from", "local"],  # the wrong one; that the other is not there is no news
        ["not", "from", "mirror"],
        ["not", "from", "mirror"],
    ]
    fetched_whole(data_dir, arrays)


def test_where_all_fail_one_message_says_why(server, data_dir, monkeypatch):
    monkeypatch.setattr(fetching, "Web", partial(Web, patience=replace(PATIENT, answer=2)))
    spec = tiny_spec(
        local=("/no/such/folder",),
        mirrors=(server.url("404/"), server.url("silent/a.npz"), server.url("ok/")),
        homepage="https://example.org/tiny",
    )
    with pytest.raises(DataError) as caught:
        fetch(spec, data_dir)
    assert caught.value.exit_code == 1
    lines = str(caught.value).splitlines()
    assert [line.split()[0] for line in lines[1:]] == [
        "local",
        "mirror",
        "mirror",
        "mirror",
        "debian",
        "keras",
    ]
    assert "not on this machine" in lines[1]
    assert "404" in lines[2]
    assert "no answer" in lines[3]
    assert "no answer" in lines[4]
    assert "not offered" in lines[5]
    assert sum("ok/" in path for path in server.requests) == 0
    assert "example.org/tiny" in caught.value.hint
    assert caught.value.dataset == "tiny"
    assert list(data_dir.iterdir()) == []


def test_one_source_alone_is_asked(server, data_dir, idx_folder):
    spec = tiny_spec(local=(str(idx_folder),), mirrors=(server.url("404/"),))
    with pytest.raises(DataError, match="mirror"):
        fetch(spec, data_dir, source="Mirror")


def test_requests_that_make_no_sense(data_dir, tmp_path):
    with pytest.raises(RequestError, match="Did you mean 'mirror'") as caught:
        fetch(SPEC, data_dir, source="miror")
    assert caught.value.parameter == "source"
    with pytest.raises(RequestError, match="Did you mean 'mnist'"):
        fetch("mnst", data_dir)
    with pytest.raises(RequestError, match="needs no download"):
        fetch(str(tmp_path / "mine.npz"), data_dir)


def test_the_data_folder_is_a_file(tmp_path, idx_folder):
    (tmp_path / "data").write_bytes(b"")
    for folder in (tmp_path / "data", tmp_path / "data" / "below"):
        with pytest.raises(RequestError, match="is a file") as caught:
            fetch(SPEC, folder, from_=idx_folder)
        assert caught.value.parameter == "data_dir"


def test_the_manifest_tells_where_the_data_came_from(idx_folder, data_dir):
    fetch(SPEC, data_dir, from_=idx_folder)
    manifest = json.loads((data_dir / "tiny" / "dataset.json").read_text())
    assert manifest["origin"] == str(idx_folder)
    assert manifest["arrays"]["x_test"] == {
        "shape": [12, 28, 28],
        "dtype": "|u1",
        "sha256": SPEC.digests["x_test"],
    }


def test_each_candidate_has_a_folder_of_its_own(tmp_path):
    """A late answer to one that was given up must not end up in the files of the next."""
    places = []

    def remember(place):
        places.append(place)
        raise BrokenDataError("no")

    candidates = iter([("a", Candidate("first", remember)), ("b", Candidate("second", remember))])
    with pytest.raises(DataError):
        fetching._first_sound(SPEC, candidates, tmp_path, lambda _: None, given=False)
    assert len(set(places)) == 2


def test_a_new_data_folder_is_told_of_once(tmp_path, idx_folder):
    """Its name may be mistyped: the data would be fetched again, and lie in a place that nobody expects."""
    notices = []
    for _ in range(2):
        fetch(SPEC, tmp_path / "dta", from_=idx_folder, notify=notices.append)
    told = [notice for notice in notices if f"creating {tmp_path / 'dta'}, which was not there" in notice]
    assert told == notices[:1]
