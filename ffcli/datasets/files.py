"""The files of a dataset: in a folder, in a zip archive, or alone; gzipped or not.

Nothing here trusts a size or a name. What is damaged raises `BrokenDataError`, whenever it is read.
"""

from __future__ import annotations

import errno
import gzip
import io
import os
import posixpath
import shutil
import stat
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from ffcli.datasets.base import BrokenDataError
from ffcli.datasets.disk import check_space

HEAD = 4096
"""How many bytes of a file tell what it is."""

_MOST_FILES, _MOST_DEPTH = 1 << 21, 10
# Deflate packs at most 1032 bytes into one; an entry that promises more is lying about its size.
_DEFLATE_LIMIT = 1040
_PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# What the zip and gzip modules raise for damage; a ValueError where a name that they repeat is no text.
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError, ValueError)
_JUNK = {"__macosx", "thumbs.db", "desktop.ini", "$recycle.bin", "__pycache__"}


@dataclass(frozen=True)
class File:
    """One file of a dataset.

    Attributes:
        name: its path below the dataset's root, with slashes.
        size: in bytes, as the file system or the archive says.
        opener: opens it for reading; see `opened`.
        path: where it lies on disk; None in an archive.
        stamp: what changes when the file does.
        is_ordinary: whether it can be read; the opener of a pipe or of a link to nothing says what it is.
        may_be_folder: whether it is a link that may stand for a folder: one to nothing, without an ending.
        is_doubled: whether its archive holds another file of its name.
    """

    name: str
    size: int
    opener: Callable[[], BinaryIO]
    path: Path | None = None
    stamp: str = ""
    is_ordinary: bool = True
    may_be_folder: bool = False
    is_doubled: bool = False

    @property
    def parts(self) -> list[str]:
        """The folders that it lies in and its own name."""
        return self.name.split("/")


class _Guarded(io.RawIOBase):
    """A stream of bytes that raises `BrokenDataError` where the packing around it is damaged."""

    def __init__(self, stream: BinaryIO, name: str) -> None:
        self._stream, self._name = stream, name

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        try:
            piece = self._stream.read(len(buffer))
        except _DAMAGE as error:
            reason = getattr(error, "strerror", None) or error
            raise BrokenDataError(f"{self._name} is damaged or cut short ({reason})") from error
        buffer[: len(piece)] = piece
        return len(piece)

    def close(self) -> None:
        self._stream.close()
        super().close()


def _guarded(stream: BinaryIO, name: str) -> io.BufferedReader:
    return io.BufferedReader(_Guarded(stream, name), 1 << 16)


@contextmanager
def opened(file: File) -> Iterator[io.BufferedReader]:
    """Open a file; a gzipped one, told by its content, is unpacked as it is read."""
    with _guarded(file.opener(), file.name) as stream:
        if stream.peek(2)[:2] == b"\x1f\x8b":
            with _guarded(gzip.GzipFile(fileobj=stream), file.name) as unpacked:  # type: ignore[arg-type]
                yield unpacked
        else:
            yield stream


def head(file: File) -> bytes:
    """Return the beginning of a file, unpacked; the packed bytes where it is damaged so early."""
    try:
        with opened(file) as stream:
            return stream.read(HEAD)
    except BrokenDataError:
        with _guarded(file.opener(), file.name) as stream:
            return stream.read(HEAD)


def open_ordinary(path: Path) -> BinaryIO:
    """Open a file that is no pipe and no device, which may never answer.

    Raises:
        BrokenDataError: it is one, or cannot be read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except OSError as error:
        raise BrokenDataError(f"{path.name} cannot be read: {error.strerror}") from error
    file = os.fdopen(descriptor, "rb")
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        file.close()
        raise BrokenDataError(f"{path.name} is not an ordinary file")
    return file


def file_at(path: Path) -> File:
    """Return the file at ``path``. Raises OSError where there is none."""
    return _file(path, path.name, path.stat())


def _file(path: Path, name: str, state: os.stat_result) -> File:
    stamp = f"{state.st_size} {state.st_mtime_ns} {state.st_ctime_ns}"
    return File(name, state.st_size, lambda: open_ordinary(path), path, stamp)


def _not_ordinary(name: str, what: str) -> File:
    def refuse() -> BinaryIO:
        raise BrokenDataError(f"{name} is {what}: put the data itself there, or remove it")

    return File(name, 0, refuse, is_ordinary=False)


def _unfollowed(name: str, what: str) -> File:
    """Return a link that leads nowhere, or that lies in an archive."""
    return replace(_not_ordinary(name, what), may_be_folder=not Path(name).suffix)


def folder_files(folder: Path) -> list[File]:
    """Return the files below a folder, in order of their names, without what systems leave there.

    Links are followed, though not into a folder that the walk is already in. Prepared datasets, runs and
    sweeps of `ffnn` below the folder are left out.

    Raises:
        BrokenDataError: the folder cannot be read, or is too large or too deep.
    """
    files: list[File] = []
    _walk(folder, "", frozenset(), files)
    return sorted(files, key=lambda file: file.name)


# The files that tell a prepared dataset, a run and a sweep of `ffnn`, which may lie among a user's data.
_OF_FFNN = ({"dataset.json", "x_train.npy"}, {"summary.json", "config.yaml"}, {"study.log", "sweep.yaml"})


def _walk(folder: Path, prefix: str, above: frozenset[tuple[int, int]], files: list[File]) -> None:
    try:
        state = folder.stat()
        names = sorted(os.listdir(folder))  # noqa: PTH208 - names only, before what is junk is looked at
    except OSError as error:
        raise BrokenDataError(f"the folder {prefix or folder} cannot be read: {error.strerror}") from error
    inode = (state.st_dev, state.st_ino)
    if inode in above or (above and any(marks <= {*names} for marks in _OF_FFNN)):
        return
    if len(above) >= _MOST_DEPTH:
        raise BrokenDataError(f"the folder {prefix} is nested more than {_MOST_DEPTH} levels deep")
    for name in names:
        if _is_junk(name):
            continue
        path = folder / name
        try:
            state = path.stat()
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ELOOP):
                if path.is_symlink():  # else it has just been removed
                    files.append(_unfollowed(prefix + name, "a link that leads nowhere"))
                continue
            raise BrokenDataError(f"{prefix}{name} cannot be read: {error.strerror}") from error
        if stat.S_ISDIR(state.st_mode):
            _walk(path, f"{prefix}{name}/", above | {inode}, files)
        elif stat.S_ISREG(state.st_mode):
            files.append(_file(path, prefix + name, state))
        else:
            files.append(_not_ordinary(prefix + name, "not an ordinary file (a pipe, socket or device)"))
        _check_count(len(files))


def _is_junk(name: str) -> bool:
    return name.startswith(".") or name.lower() in _JUNK


def _check_count(count: int) -> None:
    if count > _MOST_FILES:
        raise BrokenDataError(f"there are more than {_MOST_FILES} files")


@contextmanager
def zip_files(file: File, scratch: Path) -> Iterator[list[File]]:
    """Open a zip archive and yield its files, in order of their names; one in an archive goes to ``scratch``.

    Raises:
        BrokenDataError: it cannot be read, or is not a zip archive.
    """
    with file_at(spooled(file, scratch)).opener() as stream:
        try:
            archive = zipfile.ZipFile(stream)
        except _DAMAGE as error:
            raise BrokenDataError(f"{file.name} is a damaged zip archive ({error})") from error
        with archive:
            _check_count(len(archive.infolist()))
            files = [
                _entry(archive, entry)
                for entry in archive.infolist()
                if not entry.filename.endswith("/") and not _is_left_by_a_system(entry.filename)
            ]
            times = Counter(member.name for member in files)
            files = [replace(member, is_doubled=times[member.name] > 1) for member in files]
            yield sorted(files, key=lambda member: member.name)


def _is_left_by_a_system(name: str) -> bool:
    return any(part != "." and _is_junk(part) for part in name.split("/"))


def _entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> File:
    name = posixpath.normpath(entry.filename)  # without ./ before it
    if stat.S_ISLNK(entry.external_attr >> 16):
        return _unfollowed(name, "a link, which is not followed in an archive")
    return File(name, entry.file_size, _entry_opener(archive, entry))


def _entry_opener(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Callable[[], BinaryIO]:
    def open_entry() -> BinaryIO:
        name = entry.filename
        if entry.flag_bits & 1:
            raise BrokenDataError(f"{name} is encrypted: unpack it first")
        if entry.compress_type not in _PACKINGS:
            raise BrokenDataError(f"{name} uses an unknown compression method: use ordinary zip")
        if entry.file_size > _DEFLATE_LIMIT * max(1, entry.compress_size):
            raise BrokenDataError(
                f"{name} claims to unpack to {entry.file_size} bytes, which its compressed size rules out"
            )
        try:
            return archive.open(entry)  # type: ignore[return-value]
        except _DAMAGE as error:
            raise BrokenDataError(f"{name} cannot be unpacked ({error})") from error

    return open_entry


def spooled(file: File, scratch: Path) -> Path:
    """Return a file as one on disk; one in an archive is unpacked into the folder ``scratch``.

    Raises:
        BrokenDataError: it is damaged.
        OSError: the disk is full.
    """
    if file.path is not None:
        return file.path
    check_space(scratch, file.size)
    target = scratch / f"spooled-{len(list(scratch.iterdir()))}"
    with _guarded(file.opener(), file.name) as stream, target.open("wb") as out:
        shutil.copyfileobj(stream, out, 1 << 20)
    return target
