"""Damage anywhere in a format that people bring: the data is read or refused in one line."""

from __future__ import annotations

import errno
import gzip
import tracemalloc
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from brought_data import NAMES, arrays, class_files, csv_text, idx_files, npy, write_files, write_zip
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ffcli.datasets import load_dataset
from ffcli.datasets.base import BrokenDataError
from ffcli.datasets.kinds import kind_of
from ffcli.datasets.pictures import decode
from ffcli.errors import DataError, RequestError

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


@given(data=st.data())
@MOST
@pytest.mark.parametrize("what", ["idx", "pictures", "tables", "npy"])
def test_damage_in_a_folder(tmp_path: Path, what: str, data: st.DataObject) -> None:
    """A file of a folder is changed, cut, emptied, removed, doubled under another name, or made a folder."""
    files = {
        "idx": idx_files(DATA),
        "pictures": class_files(DATA["x_train"], DATA["y_train"], "train/"),
        "tables": {
            f"a_{part}.csv": csv_text(DATA[f"x_{part}"], DATA[f"y_{part}"]).encode()
            for part in ("train", "test")
        },
        "npy": {f"{name}.npy": npy(array) for name, array in DATA.items()},
    }[what]
    name = data.draw(st.sampled_from(sorted(files)))
    content = bytearray(files[name])
    how = data.draw(st.sampled_from(["change", "cut", "remove", "double", "folder"]))
    if how == "change":
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    elif how == "cut":
        del content[data.draw(st.integers(0, len(content) - 1)) :]
    if how in ("remove", "folder"):
        del files[name]
    else:
        files[name] = bytes(content)
    if how == "double":
        other = data.draw(st.sampled_from(["x/", "test/", "valid-", "train/deep/"]))
        files[other + name] = bytes(content)
    with TemporaryDirectory(dir=tmp_path) as folder:
        write_files(Path(folder) / "a", files)
        if how == "folder":
            (Path(folder) / "a" / name).mkdir(parents=True)
        with suppress(RequestError):
            load_dataset(f"{folder}/a", Path(folder) / "data")


OUTWARD = ["../../evil.csv", "/tmp/../evil.csv", "a/../../b.csv", "..", "C:\\evil.csv", "a\nb.csv", "a" * 300]


@pytest.mark.parametrize("name", OUTWARD)
def test_no_name_in_an_archive_leads_out_of_the_data_folder(tmp_path: Path, name: str) -> None:
    table = csv_text(DATA["x_train"], DATA["y_train"]).encode()
    inner = write_zip(tmp_path / "inner.zip", {name: table}).read_bytes()
    place = tmp_path / "place"
    place.mkdir()
    for number, files in enumerate(
        ({name: table}, {f"{name}.zip": inner}, {f"{name}.parquet": parquet_bytes()})
    ):
        path = write_zip(place / f"{number}.zip", files)
        before = {each for each in tmp_path.rglob("*") if place / "data" not in each.parents}
        with suppress(RequestError):
            load_dataset(str(path), place / "data")
        left = {each for each in tmp_path.rglob("*") if place / "data" not in each.parents}
        assert left - before <= {place / "data"}
    assert not Path("/tmp/evil.csv").exists()


def test_a_file_without_a_name_in_an_archive(tmp_path: Path) -> None:
    """A name ends at its first zero byte."""
    table = csv_text(DATA["x_train"], DATA["y_train"]).encode()
    path = write_zip(tmp_path / "a.zip", {"a.csv": table})
    path.write_bytes(path.read_bytes().replace(b"a.csv", b"\0.csv"))
    with suppress(RequestError):
        load_dataset(str(path), tmp_path / "data")


def test_archives_within_archives_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that unpacks to more than is free is not unpacked, and one that is nested deeply is refused."""
    content = csv_text(DATA["x_train"], DATA["y_train"]).encode()
    for depth in range(4):
        content = write_zip(
            tmp_path / f"{depth}.zip", {f"{depth}/a.zip" if depth else "a.csv": content}
        ).read_bytes()
    with pytest.raises(RequestError):
        load_dataset(str(tmp_path / "3.zip"), tmp_path / "data")
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=100))
    with pytest.raises(DataError, match="100 are free") as caught:
        load_dataset(str(tmp_path / "1.zip"), tmp_path / "other")
    assert caught.value.exit_code == 1


@pytest.mark.parametrize("form", ["csv", "csv.gz", "zip of csv", "zip of pictures", "parquet"])
@pytest.mark.parametrize("free", [8 << 20, (64 << 20) + 10])
def test_a_full_disk_is_no_wrong_request(
    tmp_path: Path, sound: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, form: str, free: int
) -> None:
    """64 MB are left free; the first rows of each have more than 10 bytes."""
    (tmp_path / "mine").write_bytes(sound[form])
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=free))
    with pytest.raises(DataError, match=f"disk is full.*{free:,} are free.*67,108,864") as caught:
        load_dataset(str(tmp_path / "mine"), tmp_path / "data")
    assert (caught.value.exit_code, caught.value.parameter) == (1, "data_dir")
    assert "space" in str(caught.value.hint)
    assert list((tmp_path / "data").iterdir()) == []


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("form", ["csv", "zip of pictures", "parquet"])
def test_a_disk_that_is_filled_meanwhile(
    tmp_path: Path, sound: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, form: str, code: int
) -> None:
    """Or the user's part of it. Parquet's reader, which damage makes fail alike, calls no file damaged."""

    def fill(*_: object) -> None:
        raise OSError(code, "No space left on device")

    (tmp_path / "mine").write_bytes(sound[form])
    monkeypatch.setattr("ffcli.datasets.user_data.staging.Stage.extend", fill)
    with pytest.raises(DataError, match="No space left") as caught:
        load_dataset(str(tmp_path / "mine"), tmp_path / "data")
    assert caught.value.exit_code == 1
    assert "space" in str(caught.value.hint)


def test_a_parquet_file_whose_few_bytes_are_long_texts(tmp_path: Path) -> None:
    """Each of 200 labels is one text of 1 MB, which the file holds once."""
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    texts = pa.array(["a" * (1 << 20), "b" * (1 << 20)])
    labels = pa.DictionaryArray.from_arrays(pa.array([n % 2 for n in range(200)]), texts)
    table = pa.table({"p": list(range(200)), "label": labels})
    parquet.write_table(table, tmp_path / "a.parquet", compression="zstd", store_schema=False)
    assert (tmp_path / "a.parquet").stat().st_size < 100_000
    tracemalloc.start()
    with pytest.raises(RequestError, match="1048576 letters"):
        load_dataset(str(tmp_path / "a.parquet"), tmp_path / "data")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50e6
    assert pa.default_memory_pool().max_memory() < 100e6


def test_a_parquet_file_whose_rows_share_one_large_picture(tmp_path: Path) -> None:
    """The file holds 1 MB once for 200 rows."""
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    pictures = pa.DictionaryArray.from_arrays(pa.array([0] * 200), pa.array([bytes(1 << 20)], pa.binary()))
    table = pa.table({"image": pictures, "label": [n % 2 for n in range(200)]})
    parquet.write_table(table, tmp_path / "a.parquet", store_schema=False, dictionary_pagesize_limit=1 << 30)
    pool = pa.system_memory_pool()
    before, default = pool.bytes_allocated(), pa.default_memory_pool()
    pa.set_memory_pool(pool)
    try:
        with pytest.raises(RequestError, match="row 1 cannot be read as an image"):
            load_dataset(str(tmp_path / "a.parquet"), tmp_path / "data")
    finally:
        pa.set_memory_pool(default)
    assert pool.max_memory() - before < 50e6


def test_a_long_text_in_the_column_of_labels_takes_the_room_of_one(tmp_path: Path) -> None:
    """NumPy would give each of the 2,000 labels 4 MB."""
    rows = [f"{n},{'ab'[n % 2]}" for n in range(2000)]
    rows[5] = "5," + "x" * (1 << 20)
    (tmp_path / "a.csv").write_text("\n".join(["p,label", *rows]))
    tracemalloc.start()
    with pytest.raises(RequestError, match="line 7, column 2"):
        load_dataset(str(tmp_path / "a.csv"), tmp_path / "data")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50e6


@given(st.binary(max_size=200))
@example(b"\0\0\x08")
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
    with pytest.raises(RequestError, match="1099511627776 bytes"):
        load_dataset(str(path), tmp_path / "data")


def test_a_picture_of_an_absurd_size_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    files = class_files(DATA["x_train"], DATA["y_train"])
    head = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + (60_000).to_bytes(4, "big") * 2 + b"\x08\0\0\0\0"
    files["ant/bomb.png"] = head + zlib.crc32(head[12:]).to_bytes(4, "big") + b"\0\0\0\0IEND\xaeB`\x82"
    with pytest.raises(RequestError, match=r"ant/bomb\.png"):
        load_dataset(str(write_files(tmp_path / "a", files)), tmp_path / "data")
