"""The files that a user names for a command to write, checked before any work.

None may take the place of a file of the run store, of a prepared dataset, or of one that is read as data.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from ffcli.errors import FfnnError, RequestError
from ffcli.plotting.style import FORMATS, is_written_through
from ffcli.runs.record_files import owner_of
from ffcli.training.context import Context

_LEAST_DPI, _MOST_DPI = 30, 1200


def check_figure(
    context: Context, path: Path | None, dpi: int | None = None, reads: Iterable[str | Path | None] = ()
) -> Path | None:
    """Return the path of a figure to write with ``~`` resolved, as `check_output`; None for None.

    Raises RequestError that names ``out`` or ``dpi``.
    """
    if dpi is not None and not _LEAST_DPI <= dpi <= _MOST_DPI:
        raise RequestError(f"must be an integer from {_LEAST_DPI} to {_MOST_DPI}, got {dpi}", parameter="dpi")
    return None if path is None else check_output(context, "out", path, *FORMATS, reads=reads)


def check_table(
    context: Context, path: Path | None, figure: Path | None, reads: Iterable[str | Path | None] = ()
) -> Path | None:
    """Return the path of a CSV file to write beside a figure, as `check_output`; None for None.

    Raises RequestError that names ``csv``, also where both are the same file.
    """
    if path is None:
        return None
    target = check_output(context, "csv", path, reads=reads)
    check_apart(target, figure)
    return target


def check_apart(table: Path | None, figure: Path | None) -> None:
    """Raise RequestError that names ``csv`` where a table and a figure are the same file."""
    if table is None or figure is None or os.path.realpath(table) != os.path.realpath(figure):
        return
    if table.is_file() or not table.exists():  # a device may take both
        raise RequestError(f"expected another file than that of the figure, got {table}", parameter="csv")


def check_output(
    context: Context, parameter: str, path: Path, *endings: str, reads: Iterable[str | Path | None] = ()
) -> Path:
    """Return the path of a file to write with ``~`` resolved; called before any long work starts.

    ``reads`` are what the command reads beside the data of the stored runs: datasets by their names, files
    by their paths. Raises RequestError that names ``parameter`` where the directory of the file does not
    exist, where it is itself a directory, where it does not end in one of ``endings`` (a device or a pipe
    needs none), and where it is a file that must not be overwritten, wherever links lead.
    """
    try:
        target = path.expanduser()
    except RuntimeError as error:  # ~somebody who is not there
        raise RequestError(f"{path}: {error}", parameter=parameter) from None
    if target.is_dir():
        raise RequestError(f"expected a file, got the directory {path}", parameter=parameter)
    if endings and target.suffix.lower() not in endings and (target.suffix or not is_written_through(target)):
        expected = " or ".join(filter(None, (", ".join(endings[:-1]), endings[-1])))
        raise RequestError(f"must end in {expected}, got {path}", parameter=parameter)
    if not target.parent.is_dir():
        raise RequestError(f"{path}: there is no directory {target.parent}", parameter=parameter)
    belongs_to = _owner(context, _without_links(target), reads)
    if belongs_to is not None:
        raise RequestError(f"{path} belongs to {belongs_to}", hint="Name another file.", parameter=parameter)
    return target


def _owner(context: Context, file: Path, reads: Iterable[str | Path | None]) -> str | None:
    """Return what a file without links belongs to that must not be overwritten, None where it is free."""
    # Imported here: datasets load NumPy, which a command that writes no figure may not need.
    from ffcli.datasets.catalog import ARRAYS
    from ffcli.datasets.store import MANIFEST

    stored = owner_of(file)
    if stored is not None:
        return stored
    if file.name in (MANIFEST, *(f"{array}.npy" for array in ARRAYS)) and (file.parent / MANIFEST).is_file():
        return f"the prepared dataset in {file.parent}"
    if not file.is_file():
        return None
    for read in [*reads, *_trained_on(context)]:
        if isinstance(read, Path) and file == _without_links(read):
            return "what this command reads"
        if isinstance(read, str) and file in _files_beside(read, file):
            return f"the dataset {read}"
    return None


def _without_links(path: Path) -> Path:
    with suppress(RuntimeError):  # ~somebody who is not there, of whom the command tells itself
        path = path.expanduser()
    return Path(os.path.realpath(path))  # Path.resolve fails on links in a circle


def _trained_on(context: Context) -> set[str]:
    """Return the datasets of the stored runs."""
    with suppress(FfnnError, OSError):  # who needs the store says what is wrong with it
        return {record.dataset for record in context.runs.records()}
    return set()


def _files_beside(dataset: str, file: Path) -> Iterator[Path]:
    """Yield the files of a user's dataset, unless it lies elsewhere than ``file`` or cannot be read."""
    from ffcli.datasets.base import BrokenDataError
    from ffcli.datasets.catalog import KNOWN
    from ffcli.datasets.reference import canonical_name, parse
    from ffcli.datasets.user_data.layout import members

    with suppress(FfnnError, BrokenDataError, OSError, RuntimeError):  # RuntimeError: links in a circle
        name = canonical_name(dataset)
        if name in KNOWN:
            return
        path = parse(name).path.resolve()
        if file.is_relative_to(path if path.is_dir() else path.parent):
            yield from (each.path.resolve() for each in members(path) if each.path is not None)
