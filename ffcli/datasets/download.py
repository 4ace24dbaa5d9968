"""Fetching and verifying a known dataset from the first source that has it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from ffcli.datasets.base import BrokenDataError, NoProgress, Notify, NotOfferedError, Progress
from ffcli.datasets.catalog import KNOWN, DatasetSpec
from ffcli.datasets.http import Web
from ffcli.datasets.reference import canonical_name
from ffcli.datasets.sources import SOURCES, Candidate, source_names
from ffcli.datasets.sources.mirror import download
from ffcli.datasets.store import (
    Prepared,
    is_intact,
    open_arrays,
    plain_errors,
    publish,
    read_manifest,
    to_be_made,
    workspace,
)
from ffcli.datasets.verify import verify
from ffcli.errors import DataError, RequestError, UnavailableError, UnknownNameError
from ffcli.util.folders import data_folder


@dataclass(frozen=True)
class Fetched:
    """What `fetch` has left in the data folder."""

    dataset: str
    path: Path
    source: str
    """Name of the source, or from."""
    origin: str
    """Path, URL or package that it was read from."""
    verified: bool
    """Whether the digest of its arrays is the known one."""
    train: int
    """Number of training images."""
    test: int
    """Number of test images."""


def fetch(
    name: str | DatasetSpec,
    data_dir: str | Path | None = None,
    *,
    from_: str | Path | None = None,
    source: str = "auto",
    force: bool = False,
    notify: Notify | None = None,
    progress: Progress | None = None,
) -> Fetched:
    """Bring a known dataset into ``data_dir`` and verify every byte of it.

    Data that is already there is read and verified again, and only fetched where it is damaged.

    Args:
        name: the dataset's name (or a specification of one's own).
        data_dir: the folder for all datasets; without it FFNN_DATA_DIR, else ``data``.
        from_: a folder or base URL of IDX files (.gz or not), the path or URL of a Keras-style ``.npz``,
            or a zip archive of either; torchvision's folder or the one above it will do. It is read even
            where the data is already there.
        source: one of `source_names`, or ``auto`` to try them all in turn.
        force: fetch even where sound data is already there.
        notify: called with each notice, one line of plain text.
        progress: shown the transfers.

    Raises:
        RequestError: no such dataset or source; ``from_`` does not exist or is not this dataset.
        DataError: no source has it (the message says why for each), or it cannot be written.
    """
    spec = known_spec(name)
    say = notify or (lambda _: None)
    folder = data_folder(data_dir) / spec.name
    web = Web(progress or NoProgress())
    candidates: Iterator[tuple[str, Candidate]]
    with plain_errors(folder.parent):
        if from_ is None:
            chosen = _chosen_sources(source)
            if not force and (found := _still_sound(spec, folder, say)):
                return found
            candidates = _candidates(spec, chosen, web)
        else:
            candidates = iter([("from", _given(str(from_), spec, web))])
        say(f"fetching {spec.name} into {folder} …{to_be_made(folder.parent)}")
        with workspace(folder.parent) as work:
            prepared = _first_sound(spec, candidates, work, say, given=from_ is not None)
            publish(work, folder, prepared)
    say(f"{spec.name}: verified, from {prepared.origin}")
    return _fetched(spec, folder, prepared)


def known_spec(name: str | DatasetSpec) -> DatasetSpec:
    """Return the specification of a dataset that can be fetched."""
    if isinstance(name, DatasetSpec):
        return name
    canonical = canonical_name(name)
    if canonical not in KNOWN:
        raise RequestError(
            f"'{name}' is a dataset of your own and needs no download",
            hint="Train on it by its path.",
        )
    return KNOWN[canonical]


def sound_manifest(spec: DatasetSpec, folder: Path) -> Prepared | None:
    """Return the manifest of ``folder`` where it speaks of this very dataset."""
    prepared = read_manifest(folder)
    if prepared is None or prepared.digests != dict(spec.digests):
        return None
    return prepared


def _still_sound(spec: DatasetSpec, folder: Path, say: Notify) -> Fetched | None:
    prepared = sound_manifest(spec, folder)
    if prepared is None:
        return None
    arrays = open_arrays(folder, prepared)
    if arrays is None or not is_intact(arrays, spec.digests):
        say(f"{spec.name} in {folder} is damaged: fetching it again")
        return None
    say(f"{spec.name} is already in {folder}, verified (force fetches it again)")
    return _fetched(spec, folder, prepared)


def _fetched(spec: DatasetSpec, folder: Path, prepared: Prepared) -> Fetched:
    train, test = (spec.shapes[array][0] for array in ("x_train", "x_test"))
    return Fetched(spec.name, folder, prepared.source, prepared.origin, True, train, test)


def _chosen_sources(source: str) -> list[str]:
    if source.strip().lower() == "auto":
        return source_names()
    if source not in SOURCES:
        raise UnknownNameError("source", source, ["auto", *source_names()], parameter="source")
    return [SOURCES.canonical(source)]


def _candidates(spec: DatasetSpec, sources: list[str], web: Web) -> Iterator[tuple[str, Candidate]]:
    def refuse(_work: Path) -> Path:
        raise NotOfferedError("not offered by this source")

    for name in sources:
        offered = False
        for candidate in SOURCES[name].candidates(spec, web):
            offered = True
            yield name, candidate
        if not offered:
            yield name, Candidate(spec.name, refuse)


def _first_sound(
    spec: DatasetSpec, candidates: Iterator[tuple[str, Candidate]], work: Path, say: Notify, *, given: bool
) -> Prepared:
    """Write the arrays of the first candidate that holds the dataset into ``work``.

    Where the user gave the only candidate, its contents being wrong is the user's mistake.
    """
    failures = []
    for source, candidate in candidates:
        # A folder of its own: a late answer to an earlier candidate must not end up in this one's files.
        bench = Path(tempfile.mkdtemp(dir=work))
        got = None
        try:
            got = candidate.get(bench)
            saved = verify(got, spec, work)
        except BrokenDataError as error:
            if given:
                kind = DataError if got is None else RequestError
                raise kind(f"{candidate.origin}: {error}", parameter="from_") from error
            failures.append(f"{source} {candidate.origin}: {error}")
            if not isinstance(error, NotOfferedError):
                say(f"not from {failures[-1]}")
        else:
            return Prepared(saved, source, candidate.origin, {})
        finally:
            shutil.rmtree(bench, ignore_errors=True)
    tried = "\n".join(f"  {failure}" for failure in failures)
    raise UnavailableError(
        f"{spec.name} could not be fetched. Tried:\n{tried}",
        hint=f"Download it from {spec.homepage or 'elsewhere'} on another machine and copy it here "
        "(the four IDX files in one folder, or a Keras .npz).",
        dataset=spec.name,
    )


def _given(given: str, spec: DatasetSpec, web: Web) -> Candidate:
    """Return the path or URL that the user named, as a candidate."""
    try:
        parts = urlsplit(given)
    except ValueError as error:
        raise RequestError(f"{given}: {error}", parameter="from_") from error
    if parts.scheme in ("http", "https"):
        # Records and messages leave out what may be a password or a token.
        shown = parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()
        return Candidate(shown, partial(download, given, spec, replace(web, plain_http=True)))
    if "://" in given:
        raise RequestError(f"{given}: only http and https addresses can be fetched", parameter="from_")
    try:
        path = Path(given).expanduser()
        path.stat()
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise RequestError(f"{given}: {reason}", parameter="from_") from error
    return Candidate(str(path.resolve()), lambda _: path)
