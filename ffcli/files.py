"""Files that are whole or not there, and folders that one process holds at a time."""

from __future__ import annotations

import json
import math
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any


def json_text(document: Any) -> str:
    """Return a document as JSON, with null for every NaN and infinity: JSON has no such numbers."""
    return json.dumps(_finite(document), indent=2, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def write_atomic(path: Path, content: bytes | str) -> None:
    """Write beside, bring it safely to disk, rename: a reader never sees a half-written file.

    Raises OSError, with nothing left behind and the old file still in place.
    """
    data = content.encode("utf-8") if isinstance(content, str) else content
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    beside = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.chmod(0o666 & ~_umask())
        beside.replace(path)
    except BaseException as error:
        beside.unlink(missing_ok=True)
        if isinstance(error, OSError):
            error.filename = str(path)  # a full disk does not say which file it is about
        raise
    sync_folder(path.parent)


def remove_leftovers(folder: Path) -> None:
    """Remove what a process that was killed within `write_atomic` has left in a folder."""
    for path in folder.glob(".*-????????"):
        path.unlink(missing_ok=True)


def _umask() -> int:
    """Return the process's umask, which can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def sync_folder(folder: Path) -> None:
    """Bring a folder's entries safely to disk, where the system can do that."""
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def lock_folder(folder: Path, *, shared: bool = False) -> int | None:
    """Hold a folder until `unlock` or this process's end, however it ends.

    Any number of processes can hold it ``shared``, or one alone. Returns None where the system has no such
    locks (Windows, some network file systems): there nobody ever holds a folder. Raises BlockingIOError
    where another holds it, and OSError where it cannot be opened.
    """
    if sys.platform == "win32":
        return None
    import fcntl

    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    descriptor = os.open(folder, os.O_RDONLY)
    # Who only asks whether a folder is held holds it shared for an instant: that is worth a second try.
    for wait in (0.0,) if shared else (0.01, 0.05, 0.0):
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if not wait:
                os.close(descriptor)
                raise
            time.sleep(wait)
        except OSError:
            os.close(descriptor)
            return None
        else:
            break
    return descriptor


def unlock(lock: int | None) -> None:
    """Let go of what `lock_folder` gave."""
    if lock is not None:
        os.close(lock)
