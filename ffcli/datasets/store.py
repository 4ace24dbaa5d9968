"""The prepared arrays on disk: uncompressed ``.npy`` files, and a manifest that is written last.

Everything is written in a hidden folder beside, brought safely to disk, and then renamed into
place file by file. The files of one folder can only ever hold one content (known datasets are
fixed by their digests, a user's file by the folder's name), so two processes that prepare the same
folder at once replace each other's files by equal ones. Without its manifest a folder counts for nothing.
"""

from __future__ import annotations

import errno
import hashlib
import json
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ffcli.datasets.base import Array
from ffcli.datasets.catalog import ARRAYS
from ffcli.datasets.disk import is_full
from ffcli.datasets.streams import Saved
from ffcli.errors import DataError, RequestError
from ffcli.util.atomic_files import sync_folder, write_atomic
from ffcli.util.held_folder import HeldFolder, remove_abandoned
from ffcli.util.safe_read import parse_json, read_file

MANIFEST = "dataset.json"
_PREFIX = ".fetch-"


@dataclass(frozen=True)
class Prepared:
    """What a manifest says: each array's shape, type and digest, and where the data came from.

    ``stamps`` are the times at which the files were last written when their contents were verified.
    """

    arrays: Mapping[str, Saved]
    source: str
    origin: str
    details: Mapping[str, Any]
    stamps: Mapping[str, int] = field(default_factory=dict)

    @property
    def digests(self) -> dict[str, str]:
        """The SHA-256 of each array's raw bytes."""
        return {array: saved.sha256 for array, saved in self.arrays.items()}


@contextmanager
def plain_errors(folder: Path) -> Iterator[None]:
    """Turn what the file system refuses under ``folder`` into one clear message.

    Raises:
        RequestError: something that is no folder stands in the way.
        DataError: it is not writable, the disk is full, …
        OSError: too many files are open.
    """
    try:
        yield
    except (NotADirectoryError, FileExistsError) as error:
        raise RequestError(
            f"the data folder {folder} cannot be used: {error.filename} is a file",
            hint="Name another folder.",
            parameter="data_dir",
        ) from error
    except OSError as error:
        if error.errno in (errno.EMFILE, errno.ENFILE):  # another folder would not help
            raise
        where = f" ({error.filename})" if error.filename else ""
        raise DataError(
            f"the data folder {folder} cannot be used: {error.strerror or error}{where}",
            hint="Free some space, or name another folder." if is_full(error) else "Name another folder.",
            parameter="data_dir",
        ) from error


def to_be_made(data_dir: Path) -> str:
    """Return what to say where this folder is still to be made, else nothing: its name may be mistyped."""
    return "" if data_dir.exists() else f" (creating {data_dir.resolve()}, which was not there)"


@contextmanager
def workspace(data_dir: Path) -> Iterator[Path]:
    """Make a hidden folder in ``data_dir``, removed at the end; remove what dead processes left."""
    data_dir = data_dir.resolve()
    data_dir.mkdir(parents=True, exist_ok=True)
    remove_abandoned(data_dir, _PREFIX)
    while True:
        with suppress(FileExistsError):
            work = HeldFolder(data_dir, _PREFIX, secrets.token_hex(4))
            break
    try:
        yield work.path
    finally:
        work.close()


def publish(work: Path, folder: Path, prepared: Prepared) -> None:
    """Move the four arrays from ``work`` into ``folder``, then write the manifest."""
    folder.mkdir(parents=True, exist_ok=True)
    for array in ARRAYS:
        (work / f"{array}.npy").replace(folder / f"{array}.npy")
    sync_folder(folder)
    _write_manifest(folder, replace(prepared, stamps=_stamps(folder)), work)


def _write_manifest(folder: Path, prepared: Prepared, work: Path) -> None:
    """Write the manifest in ``work``, which is of the same file system, and move it into place."""
    manifest = work / MANIFEST
    write_atomic(manifest, json.dumps({"version": 1, **asdict(prepared)}, indent=1))
    if work != folder:
        manifest.replace(folder / MANIFEST)
        sync_folder(folder)


def _stamps(folder: Path) -> dict[str, int]:
    return {array: (folder / f"{array}.npy").stat().st_mtime_ns for array in ARRAYS}


def read_manifest(folder: Path) -> Prepared | None:
    """Return what the manifest of ``folder`` says, or None where there is no sound one."""
    try:
        entries = parse_json(read_file(folder / MANIFEST))
        arrays = {
            array: Saved(tuple(map(int, saved["shape"])), str(saved["dtype"]), str(saved["sha256"]))
            for array, saved in entries["arrays"].items()
        }
        stamps = {array: int(stamp) for array, stamp in entries.get("stamps", {}).items()}
        origin = str(entries["source"]), str(entries["origin"])
        prepared = Prepared(arrays, *origin, dict(entries["details"]), stamps)
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
        return None  # damaged: the data is prepared again
    return prepared if set(arrays) == set(ARRAYS) else None


def open_arrays(folder: Path, prepared: Prepared) -> dict[str, Array] | None:
    """Memory-map the four arrays read-only, or return None where a file is missing or damaged.

    Their contents were verified when the manifest was written. They are read again only where a file has
    been written to since, or copied; if they are sound, the manifest takes note of it.
    """
    arrays = {}
    for array, saved in prepared.arrays.items():
        path = folder / f"{array}.npy"
        try:
            mapped = np.load(path, mmap_mode="r", allow_pickle=False)
            n_bytes = path.stat().st_size - mapped.offset
        # NumPy compiles the header as a literal, which fails in many ways where it is damaged.
        except (FileNotFoundError, ValueError, EOFError, LookupError, TypeError, AttributeError, SyntaxError):
            return None
        except (OverflowError, MemoryError, RecursionError):
            return None
        if (mapped.shape, mapped.dtype.str, mapped.nbytes) != (saved.shape, saved.dtype, n_bytes):
            return None
        arrays[array] = np.asarray(mapped)
    stamps = _stamps(folder)
    if stamps != prepared.stamps:
        if not is_intact(arrays, prepared.digests):
            return None
        with suppress(OSError):  # others' data is read again each time
            _write_manifest(folder, replace(prepared, stamps=stamps), folder)
    return arrays


def is_intact(arrays: Mapping[str, Array], digests: Mapping[str, str]) -> bool:
    """Read all four arrays and compare their bytes with ``digests``."""
    return all(hashlib.sha256(arrays[array].data).hexdigest() == digests[array] for array in ARRAYS)
