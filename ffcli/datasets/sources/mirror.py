"""The public HTTPS mirrors of a dataset."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from ffcli.datasets.catalog import ARRAYS, DatasetSpec
from ffcli.datasets.http import NotFoundError, Web
from ffcli.datasets.idx import file_names
from ffcli.datasets.sources.base import Candidate, source


@source("mirror", rank=20)
def mirror(spec: DatasetSpec, web: Web) -> Iterator[Candidate]:
    """Yield the mirrors of ``spec``."""
    for url in spec.mirrors:
        yield Candidate(url, partial(download, url, spec, web))


def download(url: str, spec: DatasetSpec, web: Web, work: Path) -> Path:
    """Download an ``.npz`` or ``.zip``, or the four IDX files below a base URL, into ``work``.

    Returns the file, or the folder.

    Raises:
        BrokenDataError: a file cannot be downloaded under any of its names.
    """
    if urlsplit(url).path.lower().endswith((".npz", ".zip")):
        total = sum(spec.n_bytes(array) for array in ARRAYS)
        return web.download(url, work / "arrays.npz", total)
    for array in ARRAYS:
        _download_idx(url, array, spec, web, work)
    return work


def _download_idx(url: str, array: str, spec: DatasetSpec, web: Web, work: Path) -> None:
    parts = urlsplit(url)
    folder = parts._replace(path=parts.path.rstrip("/") + "/", fragment="")
    missing: NotFoundError | None = None
    for name in file_names(array):
        address = folder._replace(path=urljoin(folder.path, name)).geturl()
        try:
            web.download(address, work / name, spec.n_bytes(array))
        except NotFoundError as error:
            missing = missing or NotFoundError(f"{name}: {error}")
        else:
            return
    if missing:
        raise missing
