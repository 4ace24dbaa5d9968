"""A copy that is already on the machine, put there by a package or by Keras."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from ffcli.datasets.base import BrokenDataError, NotOfferedError
from ffcli.datasets.catalog import DatasetSpec
from ffcli.datasets.http import Web
from ffcli.datasets.sources.base import Candidate, source


@source("local", rank=10)
def local(spec: DatasetSpec, _web: Web) -> Iterator[Candidate]:
    """Look in the usual folders for ``spec``."""
    for path in spec.local:
        yield Candidate(path, partial(_get, Path(path)))


def _get(local: Path, _work: Path) -> Path:
    # The home folder may be unknown, as it is for some service accounts.
    try:
        path = local.expanduser()
        found = path.exists()
    except (RuntimeError, OSError) as error:
        raise BrokenDataError(f"cannot be read ({error})") from error
    if not found:
        raise NotOfferedError("not on this machine")
    return path
