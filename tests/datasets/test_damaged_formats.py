"""Damage anywhere in a format that people bring: the data is read or refused in one line."""

from __future__ import annotations

import gzip
import tracemalloc
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from brought_data import NAMES, arrays, class_files, csv_text, idx_files, write_files, write_zip
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ffcli.datasets import load_dataset
from ffcli.datasets.base import BrokenDataError
from ffcli.datasets.kinds import kind_of
from ffcli.datasets.pictures import decode
from ffcli.errors import RequestError

DATA = arrays(18, 6, 4)
MOST = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


def parquet_bytes() -> bytes:
    import io

    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    out = io.BytesIO()
    columns: dict[str, Any] = {f"p{n}": DATA["x_train"].reshape(18, -1)[:, n] for n in range(16)}
    parquet.write_table(pa.table({**columns, "label": [NAMES[y] for y in DATA["y_train"]]}), out)
    return out.getvalue()


def zip_bytes(folder: Path, files: dict[str, bytes]) -> bytes:
    return write_zip(folder / "sound.zip", files).read_bytes()


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("sound")
    text = csv_text(DATA["x_train"], DATA["y_train"]).encode()
    return {
        "csv": text,
        "csv.gz": gzip.compress(text),
        "zip of pictures": zip_bytes(folder, class_files(DATA["x_train"], DATA["y_train"])),
        "zip of idx": zip_bytes(folder, idx_files(DATA)),
        "zip of csv": zip_bytes(folder, {"a/a.csv": text}),
        "parquet": parquet_bytes(),
    }


@given(data=st.data())
@MOST
@pytest.mark.parametrize("what", ["csv", "csv.gz", "zip of pictures", "zip of idx", "zip of csv", "parquet"])
def test_damage_anywhere(tmp_path: Path, sound: dict[str, bytes], what: str, data: st.DataObject) -> None:
    content = bytearray(sound[what])
    at = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        content[at] ^= data.draw(st.integers(1, 255))
    else:
        del content[at:]
    (tmp_path / "mine").write_bytes(content)
    with suppress(RequestError):
        load_dataset(str(tmp_path / "mine"), tmp_path / "data")


@given(st.binary(max_size=200))
@MOST
def test_any_bytes_are_of_some_kind_and_seldom_a_picture(content: bytes) -> None:
    assert kind_of(content).what
    with suppress(BrokenDataError):
        decode(content, "a.png")


@given(st.text('0123456789,;\t"ab.-\n ', max_size=200))
@MOST
def test_any_table(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.csv").write_text(text)
    try:
        dataset = load_dataset(str(tmp_path / "a.csv"), tmp_path / "data")
    except RequestError:
        return
    assert dataset.n_classes == len(np.unique(np.concatenate([dataset.y_train, dataset.y_test])))


def bomb(head: bytes, megabytes: int = 300) -> bytes:
    packer = zlib.compressobj(wbits=31)
    parts = [packer.compress(head), *(packer.compress(bytes(1 << 20)) for _ in range(megabytes))]
    return b"".join(parts) + packer.flush()


@pytest.mark.parametrize(
    "head", [b"label,a\n1,", b"label,a\n1,2\n2,3\n1,", b"\0\0\x08\3\0\0\0\x0c\0\0\0\4\0\0\0\4"]
)
def test_a_packed_bomb_costs_little_memory(tmp_path: Path, head: bytes) -> None:
    files = idx_files(DATA)
    name = "train-images-idx3-ubyte" if head.startswith(b"\0") else "a.csv"
    folder = write_files(tmp_path / "a", (files if head.startswith(b"\0") else {}) | {name: bomb(head)})
    tracemalloc.start()
    with pytest.raises(RequestError):
        load_dataset(str(folder), tmp_path / "data")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 400e6  # a line of a table may have 64 MB; a pixel takes no more than its byte


def test_an_archive_that_lies_about_a_size(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"a.csv": csv_text(DATA["x_train"], DATA["y_train"]).encode()})
    with zipfile.ZipFile(path, "a") as archive:
        for entry in archive.filelist:
            entry.file_size = 1 << 40
        archive._didModify = True
    with pytest.raises(RequestError, match="promises"):
        load_dataset(str(path), tmp_path / "data")


def test_a_picture_of_an_absurd_size_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    files = class_files(DATA["x_train"], DATA["y_train"])
    head = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + (60_000).to_bytes(4, "big") * 2 + b"\x08\0\0\0\0"
    files["ant/bomb.png"] = head + zlib.crc32(head[12:]).to_bytes(4, "big") + b"\0\0\0\0IEND\xaeB`\x82"
    with pytest.raises(RequestError, match=r"ant/bomb\.png"):
        load_dataset(str(write_files(tmp_path / "a", files)), tmp_path / "data")
