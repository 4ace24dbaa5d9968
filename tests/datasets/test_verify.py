"""Files that are not what they should be."""

from __future__ import annotations

import gzip
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiny_datasets import NAMES, fetched_whole, idx_bytes, refused, tiny_spec, write_idx

from ffcli.datasets import fetch
from ffcli.errors import FfnnError

SPEC = tiny_spec()


def test_truncated_gzip(idx_folder, data_dir):
    path = idx_folder / f"{NAMES['x_test']}.gz"
    path.write_bytes(path.read_bytes()[:-2000])
    refused(data_dir, idx_folder, "t10k-images-idx3-ubyte.gz is damaged or cut short")


def test_damaged_gzip(idx_folder, data_dir):
    path = idx_folder / f"{NAMES['y_train']}.gz"
    data = bytearray(path.read_bytes())
    data[-6] ^= 1  # in the checksum
    path.write_bytes(data)
    refused(data_dir, idx_folder, "train-labels-idx1-ubyte.gz is damaged.*CRC")


@pytest.mark.parametrize("magic", [b"\0\0\x0d\3", b"\x89PNG", b"", b"\0\0"])
def test_wrong_magic(idx_folder, data_dir, magic):
    (idx_folder / f"{NAMES['x_train']}.gz").write_bytes(gzip.compress(magic + bytes(100 if magic else 0)))
    refused(data_dir, idx_folder, "train-images-idx3-ubyte.gz (is|holds)")


def test_wrong_count_in_the_header(idx_folder, data_dir, arrays):
    data = bytearray(idx_bytes(arrays["y_test"]))
    data[4:8] = struct.pack(">I", 11)
    (idx_folder / f"{NAMES['y_test']}.gz").write_bytes(gzip.compress(data))
    refused(data_dir, idx_folder, r"t10k-labels-idx1-ubyte.gz has shape \(11,\) where tiny has \(12,\)")


@pytest.mark.parametrize(("change", "message"), [(-1, "is cut short: 1 of the"), (1, "continues after")])
def test_another_count_than_the_header_says(idx_folder, data_dir, arrays, change, message):
    data = idx_bytes(arrays["y_test"])
    data = data[:change] if change < 0 else data + b"\0"
    (idx_folder / f"{NAMES['y_test']}.gz").write_bytes(gzip.compress(data))
    refused(data_dir, idx_folder, f"t10k-labels-idx1-ubyte.gz {message}")


def test_a_header_that_promises_terabytes(idx_folder, data_dir):
    header = b"\0\0\x08\3" + struct.pack(">3I", 2**32 - 1, 2**32 - 1, 2**32 - 1)
    (idx_folder / f"{NAMES['x_train']}.gz").write_bytes(gzip.compress(header))
    refused(data_dir, idx_folder, "4294967295")


def test_swapped_images_and_labels(idx_folder, data_dir, arrays):
    write_idx(idx_folder, {"x_train": arrays["y_train"], "y_train": arrays["x_train"]})
    refused(data_dir, idx_folder, "train-images.*images and labels swapped")


def test_swapped_train_and_test(idx_folder, data_dir, arrays):
    write_idx(idx_folder, {"x_train": arrays["x_test"], "x_test": arrays["x_train"]})
    refused(data_dir, idx_folder, r"train-images.*\(12, 28, 28\) where tiny has \(40, 28, 28\)")


@pytest.mark.parametrize("changed", [["y_test"], ["x_train", "y_train"]])
def test_wrong_digests_are_named(idx_folder, data_dir, arrays, changed):
    for name in changed:
        arrays[name].flat[3] += 1
    write_idx(idx_folder, arrays)
    refused(data_dir, idx_folder, f"not tiny: {', '.join(changed)} differ")


def test_a_missing_file(idx_folder, data_dir):
    (idx_folder / f"{NAMES['y_test']}.gz").unlink()
    refused(data_dir, idx_folder, "y_test.*there is no file t10k-labels-idx1-ubyte.gz")


def test_a_gzip_bomb_costs_no_memory(idx_folder, data_dir, arrays):
    packer = zlib.compressobj(wbits=31)
    bomb = packer.compress(idx_bytes(arrays["x_train"]))
    bomb += b"".join(packer.compress(bytes(1 << 20)) for _ in range(200)) + packer.flush()
    (idx_folder / f"{NAMES['x_train']}.gz").write_bytes(bomb)
    tracemalloc.start()
    refused(data_dir, idx_folder, "continues after")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10e6


def test_an_npz_that_holds_a_pickle(tmp_path, data_dir, arrays):
    trap = np.array([print, None], dtype=object)
    np.savez(tmp_path / "a.npz", **{**arrays, "y_test": trap})
    refused(data_dir, tmp_path / "a.npz", "y_test holds pickled Python objects")


def test_an_npz_with_a_missing_key(tmp_path, data_dir, arrays):
    del arrays["y_train"]
    np.savez(tmp_path / "a.npz", **arrays)
    refused(data_dir, tmp_path / "a.npz", r"y_train is missing \(the file holds ")


def test_an_npz_of_another_type(tmp_path, data_dir, arrays):
    np.savez(tmp_path / "a.npz", **{**arrays, "x_train": arrays["x_train"] / 255})
    refused(data_dir, tmp_path / "a.npz", "x_train holds float64 where tiny has uint8")


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\3\4" + bytes(100)])
def test_a_file_that_is_no_npz(tmp_path, data_dir, content):
    (tmp_path / "a.npz").write_bytes(content)
    refused(data_dir, tmp_path / "a.npz", "zip|empty|no arrays")


@given(st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damage_anywhere_is_refused_or_harmless(tmp_path, arrays, data):
    """Any byte changed, or any tail cut off: the data is right or refused with a message."""
    good = write_idx(tmp_path / "whole", arrays) / f"{NAMES['x_test']}.gz"
    np.savez_compressed(tmp_path / "whole.npz", **arrays)
    path = data.draw(st.sampled_from([good, tmp_path / "whole.npz"]))
    content = bytearray(path.read_bytes())
    at = data.draw(st.integers(0, len(content) - 1) | st.integers(1, 40).map(lambda n: len(content) - n))
    if data.draw(st.booleans()):
        content[at] ^= data.draw(st.integers(1, 255))
    else:
        del content[at:]
    path.write_bytes(content)
    place = path if path.suffix == ".npz" else path.parent
    try:
        fetch(SPEC, tmp_path / "d", from_=place)
    except FfnnError:
        return
    fetched_whole(tmp_path / "d", arrays)
