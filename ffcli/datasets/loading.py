"""Loading a dataset by name; a missing one is fetched first."""

from __future__ import annotations

import os
from pathlib import Path

from ffcli.datasets import reference
from ffcli.datasets.base import Dataset, Notify, Progress, dataset_digest
from ffcli.datasets.catalog import KNOWN, DatasetSpec
from ffcli.datasets.download import fetch, known_spec, sound_manifest
from ffcli.datasets.store import open_arrays, plain_errors
from ffcli.datasets.user_data.prepare import prepare
from ffcli.errors import DataError, RequestError
from ffcli.util.folders import data_folder


def load_dataset(
    name: str | DatasetSpec,
    data_dir: str | Path | None = None,
    *,
    source: str = "auto",
    notify: Notify | None = None,
    progress: Progress | None = None,
) -> Dataset:
    """Return a dataset, memory-mapped; what is missing is fetched (a user's own is converted) first.

    Data that was verified when it came is mapped at once, without reading it again unless it was written to.

    Args:
        name: a known name, the path of a user's own file or folder (see `datasets.reference`), or a
            specification.
        data_dir: the folder for all datasets; without it FFNN_DATA_DIR, else ``data``.
        source: where to fetch from, as for `fetch`.
        notify: called with each notice, one line of plain text.
        progress: shown the transfers.

    Raises:
        RequestError: no such dataset, or a user's path that does not hold one.
        DataError: it cannot be fetched or written.
    """
    if isinstance(name, DatasetSpec) or (canonical := reference.canonical_name(name)) in KNOWN:
        return _load_known(known_spec(name), data_folder(data_dir), source, notify, progress)
    own = reference.parse(canonical)
    if not own.path.suffix and not os.path.lexists(own.path):  # perhaps no path was meant
        raise RequestError(
            f"{own.path} cannot be read: No such file or directory.",
            hint=f"The known datasets are {', '.join(KNOWN)}. {reference.OWN}",
            parameter="dataset",
        )
    prepared, arrays = prepare(own, data_folder(data_dir), notify or (lambda _: None))
    class_names, split, white = (prepared.details[name] for name in ("class_names", "split", "white"))
    digest = dataset_digest(prepared.digests)
    return Dataset.of(canonical, arrays, tuple(class_names), digest, split, white)


def _load_known(
    spec: DatasetSpec, data_dir: Path, source: str, notify: Notify | None, progress: Progress | None
) -> Dataset:
    ready = _map_known(spec, data_dir)
    if ready is None:
        fetch(spec, data_dir, source=source, notify=notify, progress=progress)
        ready = _map_known(spec, data_dir)
    if ready is None:
        raise DataError(f"{spec.name} in {data_dir} has just been removed or damaged by another process")
    return ready


def _map_known(spec: DatasetSpec, data_dir: Path) -> Dataset | None:
    folder = data_dir / spec.name
    with plain_errors(data_dir):
        prepared = sound_manifest(spec, folder)
        arrays = open_arrays(folder, prepared) if prepared else None
    if arrays is None:
        return None
    return Dataset.of(spec.name, arrays, spec.class_names, dataset_digest(spec.digests))
