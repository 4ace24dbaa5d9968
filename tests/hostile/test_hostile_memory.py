"""Promises of terabytes, and bombs: refused by a process that has no memory to spare."""

from __future__ import annotations

import gzip
import io
import json
import shutil
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hostile_helpers import Trained, small_memory

from ffcli.runs.store import CHECKPOINT, CONFIG, HISTORY, MODEL, SUMMARY

IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"


def idx(*shape: int) -> bytes:
    return b"\0\0\x08" + bytes([len(shape)]) + struct.pack(f">{len(shape)}I", *shape)


def bomb(start: bytes, megabytes: int) -> bytes:
    """Return a gzip file of so many megabytes of nothing behind a start: one, again and again."""
    return gzip.compress(start) + gzip.compress(bytes(1 << 20)) * megabytes


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        (IMAGES, idx(2**32 - 1, 2**32 - 1, 2**32 - 1), "has shape"),
        (IMAGES, b"\0\0\x08\xff" + b"\xff" * 1020, "has shape"),
        (f"{IMAGES}.gz", gzip.compress(idx(2**32 - 1, 28, 28)), "has shape"),
        (f"{IMAGES}.gz", bomb(idx(60000, 28, 28), 4000), "47,040,000"),
        (f"{IMAGES}.gz", bomb(b"no idx", 10), "not an IDX file"),
    ],
    ids=["terabytes", "255 dimensions", "packed terabytes", "a gzip bomb", "a bomb that is no IDX"],
)
def test_idx_files(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(content)
    done = small_memory(tmp_path, "download", "fashion_mnist", "--from", tmp_path, megabytes=700)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr


def entry(shape: tuple[int, ...], dtype: str = "|u1") -> bytes:
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": dtype, "fortran_order": False, "shape": shape})
    return head.getvalue()


def test_an_npz_that_promises_terabytes(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, shape in {
            "x_train": (2**20, 2**20),
            "y_train": (2**20,),
            "x_test": (1, 2**20),
            "y_test": (1,),
        }.items():
            archive.writestr(f"{name}.npy", entry(shape) + bytes(100))
    done = small_memory(tmp_path, "train", "-d", "a.npz")
    assert done.returncode == 2, done.stderr
    assert "has a header that does not fit its size" in done.stderr


def test_yaml_bombs(trained: Trained) -> None:
    folder = trained.folder
    levels = (f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 15))
    (folder / "bomb.yaml").write_text("seed: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(levels))
    for command in (["train", "--config", "bomb.yaml"], ["sweep", "bomb.yaml", "--backend", "local"]):
        done = small_memory(folder, *command)
        assert done.returncode == 2, done.stderr
        assert "unfolds to more than" in done.stderr


@pytest.mark.parametrize(
    "size", [{"hidden_size": 10**15}, {"num_layers": 10**12}, {"hidden_size": [10**9] * 9}]
)
def test_a_network_that_nobody_could_hold(trained: Trained, size: dict[str, object]) -> None:
    (trained.folder / "large.yaml").write_text(json.dumps({"dataset": "tiny.npz", **size}))
    done = small_memory(trained.folder, "train", "--config", "large.yaml", "--dry-run")
    assert done.returncode in (1, 2), done.stderr
    assert "1048576" in done.stderr or "10000" in done.stderr or "not enough memory" in done.stderr


@pytest.mark.parametrize("name", [SUMMARY, HISTORY, CONFIG])
def test_records_without_an_end(trained: Trained, tmp_path: Path, name: str) -> None:
    """A sparse file of a terabyte takes no room on the disk, and here none in memory."""
    shutil.copytree(trained.folder / "runs", tmp_path / "runs")
    with (tmp_path / "runs" / trained.interrupted / name).open("r+b") as file:
        file.truncate(1 << 40)
    done = small_memory(tmp_path, "train", "--resume", trained.interrupted)
    assert done.returncode == 1, done.stderr
    assert "is larger than" in done.stderr
    listed = small_memory(tmp_path, "runs", "list", "--json")
    statuses = {run["run_id"]: run["status"] for run in json.loads(listed.stdout)}
    assert statuses[trained.interrupted] == ("damaged" if name == SUMMARY else "interrupted")
    assert statuses[trained.finished] == "finished"


@pytest.mark.parametrize("honest", [True, False], ids=["honest", "lying"])
def test_a_model_of_a_terabyte(trained: Trained, tmp_path: Path, honest: bool) -> None:
    shutil.copytree(trained.folder / "runs", tmp_path / "runs")
    shutil.copytree(trained.folder / "data", tmp_path / "data")
    rows = 1 << 33
    sizes = [rows, 32] if honest else [36, 3]
    about = {"architecture": {"layer_sizes": sizes, "activation": "relu"}}
    header = {
        "__metadata__": {"ffnn": json.dumps(about)},
        "layers.0.weight": {"dtype": "F32", "shape": [rows, 32], "data_offsets": [0, rows * 128]},
        "layers.0.bias": {"dtype": "F32", "shape": [32], "data_offsets": [rows * 128, rows * 128 + 128]},
    }
    text = json.dumps(header).encode()
    with (tmp_path / "runs" / trained.finished / MODEL).open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + rows * 128 + 128)
    done = small_memory(tmp_path, "evaluate", trained.finished)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert "This is a bug" not in done.stderr


def test_a_checkpoint_with_a_header_of_gigabytes(trained: Trained, tmp_path: Path) -> None:
    shutil.copytree(trained.folder / "runs", tmp_path / "runs")
    shutil.copytree(trained.folder / "data", tmp_path / "data")
    with (tmp_path / "runs" / trained.interrupted / CHECKPOINT).open("wb") as file:
        file.write(struct.pack("<Q", 1 << 39))
        file.truncate(1 << 40)
    done = small_memory(tmp_path, "train", "--resume", trained.interrupted)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert "This is a bug" not in done.stderr
