"""A small dataset of known digests, its files in every packing, and a server that serves them well and badly.

Run as a program it fetches the small dataset in a process of its own, and can be told to die on the way.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import os
import resource
import signal
import struct
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ffcli.datasets import DatasetSpec, fetch, load_dataset, store
from ffcli.datasets.http import Patience
from ffcli.errors import FfnnError, RequestError

PATIENT = Patience(connect=30, answer=30, stall=30, chunk=1 << 10)  # however busy the machine is
# A short patience, and only of the kind that the test wants to see at its end.
IMPATIENT = {
    "silent": replace(PATIENT, answer=0.5),
    "drip": replace(PATIENT, stall=0.5),
    "stall": replace(PATIENT, stall=0.5),
}


def patience(manner: str) -> Patience:
    """Return how long to wait for a server that behaves in this manner."""
    return IMPATIENT.get(manner, PATIENT)


NAMES = {
    "x_train": "train-images-idx3-ubyte",
    "y_train": "train-labels-idx1-ubyte",
    "x_test": "t10k-images-idx3-ubyte",
    "y_test": "t10k-labels-idx1-ubyte",
}


def tiny_arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(5)
    return {
        "x_train": rng.integers(0, 256, (40, 28, 28), dtype=np.uint8),
        "y_train": (np.arange(40) % 4).astype(np.uint8),
        "x_test": rng.integers(0, 256, (12, 28, 28), dtype=np.uint8),
        "y_test": (np.arange(12) % 4).astype(np.uint8),
    }


def tiny_spec(**changes: Any) -> DatasetSpec:
    arrays = tiny_arrays()
    return DatasetSpec(
        name="tiny",
        class_names=("a", "b", "c", "d"),
        shapes={name: array.shape for name, array in arrays.items()},
        digests={name: hashlib.sha256(array.tobytes()).hexdigest() for name, array in arrays.items()},
        **changes,
    )


def idx_bytes(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def write_idx(
    folder: Path, arrays: Mapping[str, np.ndarray], *, packed: bool = True, separator: str = "-"
) -> Path:
    folder.mkdir(exist_ok=True, parents=True)
    for name, array in arrays.items():
        data = idx_bytes(array)
        file_name = NAMES[name].replace("-idx", f"{separator}idx")
        if packed:
            (folder / f"{file_name}.gz").write_bytes(gzip.compress(data))
        else:
            (folder / file_name).write_bytes(data)
    return folder


def refused(data_dir, place, message, kind=RequestError):
    """Fetch from ``place``, expecting a refusal that leaves nothing behind."""
    with pytest.raises(kind, match=message) as caught:
        fetch(tiny_spec(), data_dir, from_=place)
    assert caught.value.parameter == "from_"
    assert list(data_dir.iterdir()) == []


def fetched_whole(data_dir, arrays):
    dataset = load_dataset(tiny_spec(), data_dir, source="local")
    for name, array in arrays.items():
        assert np.array_equal(getattr(dataset, name), array)
    assert [path.name for path in data_dir.iterdir()] == ["tiny"]


class Server(ThreadingHTTPServer):
    """Serves ``folder`` below /ok/, and misbehaves below the other paths."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.folder = folder
        self.requests: list[str] = []
        self.stopping = threading.Event()
        self.halfway = threading.Event()
        self.gate = threading.Barrier(2)
        self.failures = 0
        self.thread = threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{path}"

    def stop(self) -> None:
        self.stopping.set()
        self.gate.abort()
        self.shutdown()
        self.server_close()
        self.thread.join()

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that has hung up is no error here."""


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.requests.append(self.path)
        _, manner, *rest = self.path.partition("?")[0].split("/")
        if manner == "silent":
            self.server.stopping.wait(20)
            return
        if manner in ("404", "500", "403"):
            self.send_error(int(manner))
            return
        if manner == "once500" and self.server.failures == 0:
            self.server.failures += 1
            self.send_error(500)
            return
        path = self.server.folder.joinpath(*rest)
        if not path.is_file():
            self.send_error(404)
            return
        data = path.read_bytes()
        self.send_response(200)
        if manner not in ("endless", "unsized"):
            self.send_header("Content-Length", str(10**13 if manner == "huge" else len(data)))
        self.end_headers()
        self.send(manner, data)

    def send(self, manner: str, data: bytes) -> None:
        stopping = self.server.stopping
        if manner == "half":
            self.wfile.write(data[: len(data) // 2])
        elif manner == "drip":
            for byte in data:
                self.wfile.write(bytes([byte]))
                self.wfile.flush()
                if stopping.wait(0.02):
                    return
        elif manner == "stall":
            self.wfile.write(data[: len(data) // 2])
            self.wfile.flush()
            self.server.halfway.set()
            stopping.wait(20)
        elif manner == "endless":
            while not stopping.is_set():
                self.wfile.write(bytes(1 << 16))
        elif manner == "gate":
            if "train-images" in self.path:
                self.server.gate.wait(20)
            self.wfile.write(data)
        else:
            self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


def child(*arguments: str) -> list[str]:
    """Return the command that fetches the small dataset in another process."""
    return [sys.executable, __file__, *arguments]


def child_environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": python_path(Path(__file__).parents[2]), "NO_PROXY": "127.0.0.1"}


def python_path(first: Path) -> str:
    return os.pathsep.join([str(first), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(20)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("data_dir")
    parser.add_argument("place")
    parser.add_argument("--die-before-manifest", action="store_true")
    parser.add_argument("--file-limit", type=int)
    options = parser.parse_args()
    if options.die_before_manifest:
        store.sync_folder = lambda _folder: _die()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    if options.file_limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (options.file_limit, limits[1]))
    try:
        fetch(tiny_spec(), options.data_dir, from_=options.place)
    except FfnnError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    finally:  # whatever measures the process may write again
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    return 0


if __name__ == "__main__":
    sys.exit(main())
