from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from tiny_datasets import PATIENT, Server, tiny_arrays, write_idx

from ffcli.datasets import download as fetching
from ffcli.datasets.http import Web


@pytest.fixture(autouse=True)
def long_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "Web", partial(Web, patience=PATIENT))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def arrays() -> dict[str, np.ndarray]:
    return tiny_arrays()


@pytest.fixture
def idx_folder(tmp_path: Path, arrays: dict[str, np.ndarray]) -> Path:
    """A folder of the four IDX files of the small dataset, and the same as an .npz."""
    folder = write_idx(tmp_path / "idx", arrays)
    np.savez_compressed(folder / "tiny.npz", **arrays)
    return folder


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def server(idx_folder: Path) -> Iterator[Server]:
    server = Server(idx_folder)
    yield server
    server.stop()
