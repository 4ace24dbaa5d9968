"""Atomic file writes and advisory locks."""

from __future__ import annotations

import csv
import errno
import hashlib
import io
import json
import math
import os
import platform
import re
import secrets
import shutil
import sys
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

_MANY = 100  # items, of which nobody reads the JSON
_A_DAY = 24 * 3600.0
_PROBE = 1 << 14  # bytes that a disk with room takes
_WAITS = (0.01, 0.05, 0.2)  # seconds: who only asks for the holder holds it shared for an instant
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def json_text(document: Any) -> str:
    """Return a result as JSON, see `json_value`.

    A long list has a line for each item, which takes a tenth of the time.
    """
    document = json_value(document)
    if isinstance(document, list) and len(document) > _MANY:
        return "[\n" + ",\n".join(json.dumps(item, allow_nan=False) for item in document) + "\n]"
    return json.dumps(document, indent=2, allow_nan=False)


def json_value(value: Any) -> Any:
    """Return a result in the types that JSON knows.

    A dataclass becomes an object with a key for each field, in their order; a tuple becomes a list, a path
    its text, and NaN and the infinities null, since JSON has no such numbers.
    """
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: json_value(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {key: json_value(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [json_value(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    return None if isinstance(value, float) and not math.isfinite(value) else value


def cell(value: Any) -> Any:
    """Return a value as a cell of a CSV file for others: numbers as they are, no text that would be run.

    A text that a spreadsheet would take for a formula gets an apostrophe in front
    (https://owasp.org/www-community/attacks/CSV_Injection).
    """
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def joined(value: Any) -> Any:
    """Return a list as one text with commas, anything else as it is."""
    return ",".join(map(str, value)) if isinstance(value, (list, tuple)) else value


def csv_text(rows: Iterable[Iterable[Any]]) -> str:
    """Return rows as a CSV file for others, each value as `cell` and `joined` have it."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([cell(joined(value)) for value in row] for row in rows)
    return text.getvalue()


def write_atomic(path: Path, content: bytes | str) -> None:
    """Write beside, bring it safely to disk, rename: a reader never sees a half-written file.

    What a process that was killed within this has left of the same file goes with it. Raises OSError, with
    nothing left behind and the old file still in place.
    """
    data = content.encode("utf-8") if isinstance(content, str) else content
    remove_leftovers(path.parent, of=path.name)
    descriptor, beside = _open_beside(path)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            if sys.platform != "win32":  # where an open file has its name for good
                beside.replace(path)
        if sys.platform == "win32":
            beside.replace(path)
    except BaseException as error:
        beside.unlink(missing_ok=True)
        if isinstance(error, OSError):
            error.filename = str(path)  # a full disk does not say which file it is about
        raise
    sync_folder(path.parent)


def check_room(folder: Path) -> None:
    """Raise OSError where a folder, or its disk, takes no file of some size."""
    probe = folder / "probe"
    try:
        write_atomic(probe, bytes(_PROBE))
    finally:
        probe.unlink(missing_ok=True)


def append(path: Path, text: str) -> None:
    """Add a text to the end of a file that exists, and bring it safely to disk.

    A process that is killed within this, or a full disk, may leave a part of the text. Raises OSError.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(text.encode("utf-8"))
            file.flush()
            os.fsync(descriptor)
    except OSError as error:
        error.filename = str(path)
        raise


def _open_beside(path: Path) -> tuple[int, Path]:
    """Open a new file beside, held so that no other process removes it as left by a dead one."""
    while True:
        beside = path.with_name(f".{path.name}-{secrets.token_hex(4)}.ffnn")
        try:
            descriptor = os.open(
                beside, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666
            )
        except FileExistsError:
            continue
        with suppress(OSError):  # without locks nobody removes any
            lock_file(descriptor)
        if beside.exists():  # not removed in the moment before it was held
            return descriptor, beside
        os.close(descriptor)


_LEFTOVER = re.compile(r"\.(.+)-[0-9a-f]{8}\.ffnn", re.DOTALL)  # as `_open_beside` makes them


def remove_leftovers(folder: Path, *, of: str | None = None) -> None:
    """Remove what processes killed within `write_atomic` have left in a folder, of one file or of all."""
    with suppress(OSError), os.scandir(folder) as entries:  # a missing folder is told of by what needs it
        for entry in entries:
            match = _LEFTOVER.fullmatch(entry.name)
            if match is not None and of in (None, match[1]):
                with suppress(OSError):  # another process is writing it, or has removed it
                    _remove_if_left(folder / entry.name)


def _remove_if_left(path: Path) -> None:
    descriptor = os.open(path, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
    try:
        lock_file(descriptor)
        path.unlink()
    finally:
        os.close(descriptor)


def lock_file(descriptor: int, *, shared: bool = False, patient: bool = False) -> None:
    """Hold an open file or folder until it is closed.

    Raises BlockingIOError where another process holds it, for longer than an instant if ``patient``, and
    OSError where the system has no such locks.
    """
    if sys.platform == "win32":
        raise OSError("Windows")
    import fcntl

    kind = (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB
    for wait in _WAITS if patient else ():
        with suppress(BlockingIOError):
            fcntl.flock(descriptor, kind)
            return
        time.sleep(wait)
    fcntl.flock(descriptor, kind)


def sync_folder(folder: Path) -> None:
    """Bring a folder's entries safely to disk, where the system can do that."""
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # what a file system answers that cannot
            raise
    finally:
        os.close(descriptor)


def lock_folder(folder: Path, *, shared: bool = False, patient: bool = True) -> int | None:
    """Hold a folder until `unlock` or this process's end, however it ends.

    Any number of processes can hold it ``shared``, or one alone. Returns None where the system has no such
    locks (Windows, some network file systems): there nobody ever holds a folder. Raises BlockingIOError
    where another holds it, for longer than an instant if ``patient``, and OSError where it cannot be opened.
    """
    if sys.platform == "win32":
        return None
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        lock_file(descriptor, shared=shared, patient=patient and not shared)
    except OSError as error:
        os.close(descriptor)
        if isinstance(error, BlockingIOError):
            raise
        return None
    return descriptor


def this_machine() -> str:
    """Return eight letters for names of files, which stand for this machine's name, whatever that holds."""
    return hashlib.sha256(platform.node().encode("utf-8", "replace")).hexdigest()[:8]


def remove_left(folder: Path, *, here: bool) -> None:
    """Remove a folder that no process holds any more; ``here``: it was this machine's.

    What another machine has left, or any where there are no locks, goes when it is a day old: locks may be
    seen by one machine only. Nothing is said where it cannot be removed.
    """
    with suppress(OSError):  # held by a process, just gone, or another user's
        lock = lock_folder(folder, patient=False) if here else None
        try:
            if lock is not None or time.time() - folder.stat().st_mtime > _A_DAY:
                shutil.rmtree(folder)
        finally:
            unlock(lock)


def unlock(lock: int | None) -> None:
    """Let go of what `lock_folder` gave."""
    if lock is not None:
        os.close(lock)
