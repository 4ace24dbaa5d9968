"""Which format a folder, archive or file is in, told by the content of its files, and its reader."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from ffcli.datasets.base import BrokenDataError
from ffcli.datasets.files import File, file_at, folder_files, head, zip_files
from ffcli.datasets.kinds import TABLES, kind_of
from ffcli.datasets.user_data.arrays import read_arrays
from ffcli.datasets.user_data.base import Reader, role_of
from ffcli.datasets.user_data.class_folders import read_class_folders
from ffcli.datasets.user_data.idx_sets import idx_sets, read_idx
from ffcli.datasets.user_data.parquet import read_parquet
from ffcli.datasets.user_data.shards import check_complete, set_of
from ffcli.datasets.user_data.tables import read_tables

READERS: Mapping[str, Reader] = {
    "npy": read_arrays,
    "idx": read_idx,
    "parquet": read_parquet,
    "text": read_tables,
    "picture": read_class_folders,
}
"""The reader of each kind of file. In a folder of several kinds the first one counts, in this order."""

_SAMPLE = 64  # files that are looked into in a large folder
_NESTED = 2  # archives within archives
_FEW = 10  # pictures that may lie beside a table as its illustration
_PICTURES = (
    *(".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".gif", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm"),
    *(".pnm", ".heic", ".heif", ".avif"),
)
_ENDINGS = {
    "npy": (".npy",),
    "parquet": (".parquet",),
    "text": TABLES,
    "zip": (".zip", ".npz"),
}
"""What tells the kind of a file that cannot be read, beside the names of IDX files and pictures."""


@dataclass(frozen=True)
class Layout:
    """The files of a dataset, all of one kind, and the kind's name."""

    kind: str
    files: Sequence[File]


@contextmanager
def laid_out(path: Path, scratch: Path) -> Iterator[Layout]:
    """Yield what the dataset at ``path`` is made of.

    Raises:
        BrokenDataError: it is nothing that a reader takes; the message says what it is.
    """
    with ExitStack() as stack:
        yield _found(members(path), scratch, stack, alone=not path.is_dir())


def members(path: Path) -> list[File]:
    """Return the files that a path stands for: those below a folder, or a file with those that go with it.

    A file of a training part goes with the one of the same name for the test part, and the reverse; an IDX
    file goes with those of its set, as does one of several numbered files.

    Raises:
        BrokenDataError: it is no folder and no ordinary file, or cannot be read.
    """
    if path.is_dir():
        return folder_files(path)
    try:
        file = file_at(path)
    except OSError as error:
        raise BrokenDataError(f"it cannot be read: {error.strerror}") from error
    if not path.is_file():
        raise BrokenDataError("it is not an ordinary file or folder")
    return [file, *_companions(path, file)]


def _companions(path: Path, file: File) -> list[File]:
    if role_of(path.name) is None and set_of(path.name) is None:
        return []
    found = []
    try:
        beside = sorted(other for other in path.parent.iterdir() if other != path and not other.is_dir())
    except OSError:
        return []
    own = next((name for name, each in idx_sets([file]).items() if each), None)
    for other in beside:
        if own is not None:
            goes = any(name == own for name in idx_sets([File(other.name, 0, file.opener)]))
        else:
            goes = _goes_with(path.name, other.name)
        if goes and not other.is_file():
            raise BrokenDataError(f"{other.name} beside it is not an ordinary file: replace or remove it")
        if goes:
            found.append(file_at(other))
    return found


def _goes_with(name: str, other: str) -> bool:
    own_set, other_set = set_of(name), set_of(other)
    if own_set is not None and own_set == other_set:
        return True
    role = role_of(name)
    return (
        role is not None
        and role_of(other) not in (None, role)
        and _without_role(own_set or name) == _without_role(other_set or other)
    )


def _without_role(name: str) -> str:
    name = name.lower()
    for word in ("training", "train", "testing", "test", "validation", "valid", "val"):
        name = name.replace(word, "")
    return name


def _found(files: Sequence[File], scratch: Path, stack: ExitStack, *, alone: bool, depth: int = 0) -> Layout:
    """Return the files of the kind that counts, looking into archives."""
    by_kind = _by_kind(files, alone=alone)
    if len(by_kind.get("picture", [])) > _FEW * len(by_kind.get("text", [])):
        by_kind.pop("text", None)  # a list beside the pictures
    for kind in READERS:
        if found := by_kind.get(kind):
            if alone and kind == "npy":
                raise BrokenDataError("it is one array: expected images and labels, as in an .npz")
            if alone and kind == "picture":
                raise BrokenDataError("it is one picture: expected a folder with one folder per class")
            _check_once(found)
            if kind == "picture":
                _check_class_folders(found, files)
            else:
                check_complete(found)
            return Layout(kind, sorted(found, key=lambda file: file.name))
    archives = by_kind.get("zip", [])
    if archives and depth < _NESTED:
        _check_once(archives)
        if len(archives) > 1 and any(role_of(file.name) is None for file in archives):
            names = ", ".join(file.name for file in archives[:8])
            raise BrokenDataError(f"it holds several archives ({names}): name one of them")
        inner = []
        for archive in archives:
            held = stack.enter_context(zip_files(archive, scratch))
            if role := role_of(archive.name) if len(archives) > 1 else None:
                held = [replace(file, name=f"{role}/{file.name}") for file in held]
            inner += held
        return _found(inner, scratch, stack, alone=False, depth=depth + 1)
    raise _refusal(files, alone=alone)


def _check_once(found: Sequence[File]) -> None:
    if doubled := next((file for file in found if file.is_doubled), None):
        raise BrokenDataError(f"its archive holds {doubled.name} twice: pack it again, with each file once")


def _check_class_folders(pictures: Sequence[File], files: Sequence[File]) -> None:
    """Raise BrokenDataError where a link that may stand for a folder lies beside a folder of pictures."""
    if links := [file for file in files if file.may_be_folder]:
        parts = [picture.parts for picture in pictures]
        above = {tuple(each[:depth]) for each in parts for depth in range(len(each) - 1)}
        for link in links:
            if tuple(link.parts[:-1]) in above:
                link.opener()  # which says what it is


def _by_kind(files: Sequence[File], *, alone: bool) -> dict[str, list[File]]:
    """Sort files by their kinds, told by their contents; of many, by those of a sample of each ending."""
    kinds: dict[str, str] = {}
    groups: dict[str, list[File]] = {}
    seen: dict[str, int] = {}
    for file in files:
        ending = "".join(Path(file.name.lower()).suffixes[-2:])
        seen[ending] = seen.get(ending, 0) + 1
        if not file.is_ordinary:
            kind = next((kind for kind, ends in _ENDINGS.items() if file.name.lower().endswith(ends)), "")
        elif seen[ending] <= _SAMPLE or ending not in kinds:
            kinds[ending] = kind = kind_of(head(file)).name
        else:
            kind = kinds[ending]
        name = file.name.lower()
        if not alone and "-ubyte" in name.replace(".", "-"):
            kind = "idx"  # whatever it is: the reader of IDX files says so
        if not kind and not alone and name.endswith(_PICTURES):
            kind = "picture"  # which is damaged: its reader says so
        if kind == "text" and not alone and not name.endswith(TABLES):
            kind = ""  # a note beside the data
        groups.setdefault(kind, []).append(file)
    if "text" in groups:
        groups["text"] = [file for file in groups["text"] if "submission" not in file.name.lower()]
    return groups


def _refusal(files: Sequence[File], *, alone: bool) -> BrokenDataError:
    if not files:
        return BrokenDataError("it is an empty folder" if not alone else "it holds no files")
    file = files[0]
    content = head(file)
    kind = kind_of(content)
    known = _known_archive(files)
    if known is not None:
        return BrokenDataError(known)
    named = "it" if alone else file.name
    return BrokenDataError(
        f"{named} is {kind.what}. {kind.advice}".rstrip(". ")
        + (
            ""
            if kind.advice
            else ": expected arrays, a table, IDX files, or pictures in one folder per class"
        )
    )


def _known_archive(files: Sequence[File]) -> str | None:
    """Return what is said of archives that other programs write."""
    names = {file.name for file in files}
    if any(name.startswith(("xl/", "word/", "ppt/")) for name in names):
        return "it is an Office document. Save the table as CSV"
    if any(name.endswith("data.pkl") for name in names):
        return (
            "it is a PyTorch file, which holds a pickle and is never loaded. Save its arrays with numpy.savez"
        )
    return None
