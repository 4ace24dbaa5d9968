"""The figures of an evaluation, in the record of the run that was evaluated."""

from __future__ import annotations

import errno
from collections.abc import Callable

from ffcli.errors import FfnnError
from ffcli.runs.layout import SUMMARY
from ffcli.runs.record import RunRecord
from ffcli.runs.store import DamagedRunError, RunStore, lock_run
from ffcli.util.atomic_files import json_text, unlock, write_atomic

_NOT_OURS = (errno.EACCES, errno.EPERM, errno.EROFS)  # another user's store


def read_evaluated(
    store: RunStore, evaluated: RunRecord, digest: str | None
) -> tuple[RunRecord, bytes] | None:
    """Return what `RunStore.read_seen` returns by now, where figures of an evaluation are those of the run.

    None where the dataset with this digest is not the one that the run was trained on, where the run has
    another network by now than the ``evaluated`` one, and where it has no sound record any more.
    """
    try:
        record, seen = store.read_seen(evaluated.run_id)
    except DamagedRunError:
        return None
    now = (record.provenance.dataset_digest, record.model_sha256)
    return (record, seen) if now == (digest, evaluated.model_sha256) else None


def note_test_acc(
    store: RunStore,
    run: RunRecord,
    digest: str,
    accuracy: float,
    *,
    tta: bool,
    notify: Callable[[str], None],
) -> RunRecord | None:
    """Record the test accuracy of a run, with or without test-time averaging; return the record by now.

    None, and nothing is recorded, where `read_evaluated` returns None. Nor is it where the run is being
    trained, in another user's store, or, which ``notify`` is told, where the disk does not take it.
    """
    found = read_evaluated(store, run, digest)
    if found is None:
        return None
    (record, seen), name = found, "test_acc_tta" if tta else "test_acc"
    if record.status == "running" or getattr(record, name) == accuracy:
        return record
    setattr(record, name, accuracy)
    folder = store.folder / record.run_id
    try:
        lock = lock_run(folder, seen)
        try:
            write_atomic(folder / SUMMARY, json_text(record.as_dict()))
        finally:
            unlock(lock)
    except FfnnError:  # it is being trained again
        pass
    except OSError as error:
        if error.errno not in _NOT_OURS:
            notify(f"{name} of run {record.run_id} is not recorded: {error.strerror}")
    return record
