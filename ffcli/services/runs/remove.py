"""``ffnn runs rm``: which runs go, and their removal."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from ffcli.errors import FfnnError
from ffcli.runs.layout import SWEEP_FILE
from ffcli.runs.record import RunRecord, is_loss
from ffcli.runs.store import DamagedRunError
from ffcli.services.runs.listing import Filter, damaged_document, record_document
from ffcli.training.context import Context
from ffcli.util.safe_read import parse_time


@dataclass(frozen=True)
class Choice:
    """Which runs go: those of ``which`` that ended longer ago than ``older_than`` and are not ``keep_best``.

    ``keep_best`` is so many of the best finished runs of each sweep by its own metric, and of each dataset,
    by val_acc, among the runs that are of no sweep. A run that is being trained never goes; a damaged one,
    of which nobody knows how good it is, only by its age or where ``which`` asks for damaged ones.
    """

    which: Filter = field(default_factory=Filter)
    older_than: timedelta | None = None
    keep_best: int | None = None


def named(context: Context, runs: Sequence[str]) -> list[dict[str, Any]]:
    """Return what is listed of these runs, each once. Raises RequestError where one is unknown."""
    paths = dict.fromkeys(context.runs.find(run) for run in runs)
    return [_document(context, path.name) for path in paths]


def _document(context: Context, run_id: str) -> dict[str, Any]:
    try:
        return record_document(context, context.runs.read(run_id))
    except DamagedRunError:
        return damaged_document(context, run_id)


def chosen(context: Context, choice: Choice) -> list[dict[str, Any]]:
    """Return what is listed of the runs that would go, the oldest first."""
    records, damaged = choice.which.chosen(context)
    kept = set() if choice.keep_best is None else _best(context, records, choice.keep_best)
    now = time.time()

    def goes(since: float | None) -> bool:
        older_than = choice.older_than
        return older_than is None or (since is not None and now - since > older_than.total_seconds())

    documents = [
        record_document(context, record)
        for record in records
        if record.status != "running" and record.run_id not in kept and goes(_ended(record))
    ]
    if choice.older_than is not None or choice.which.status is not None:
        documents += [
            damaged_document(context, run_id) for run_id in damaged if goes(_changed(context, run_id))
        ]
    return sorted(documents, key=lambda document: str(document["run_id"]))


def _ended(record: RunRecord) -> float | None:
    """Return when a run ended, or began where its process was killed; None where the record does not say."""
    with suppress(ValueError):
        return parse_time(record.ended or record.started)
    return None


def _changed(context: Context, run_id: str) -> float | None:
    with suppress(OSError):
        return (context.runs_dir / run_id).stat().st_mtime
    return None


def _best(context: Context, records: Iterable[RunRecord], keep: int) -> set[str]:
    """Return the ids of the best finished runs of each group, the earlier on a tie."""
    groups: dict[tuple[str | None, str], list[RunRecord]] = {}
    for record in records:
        if record.status == "finished":
            group = (record.sweep_id, "" if record.sweep_id else record.dataset)
            groups.setdefault(group, []).append(record)
    best: set[str] = set()
    for (sweep_id, _), members in groups.items():
        metric = _metric(context, sweep_id)
        sign = 1 if is_loss(metric) else -1
        ranked = sorted(
            (sign * record.best[metric], record.run_id) for record in members if metric in record.best
        )
        best.update(run_id for _, run_id in ranked[:keep])
    return best


def _metric(context: Context, sweep_id: str | None) -> str:
    """Return what makes runs of a sweep the best; val_acc where there is no sweep, or no file of it here."""
    if sweep_id is not None:
        from ffcli.services.sweeps.create import sweep_folder
        from ffcli.sweeping.spec.spec import load_spec

        with suppress(FfnnError, OSError):
            metric = load_spec(sweep_folder(context, sweep_id) / SWEEP_FILE).metric
            if metric is not None:
                return metric.name
    return "val_acc"


def remove(context: Context, run_ids: Sequence[str]) -> list[str]:
    """Remove runs and return the ids of those that were there.

    Raises FfnnError where one is being trained, once all the others are removed.
    """
    removed, busy = [], None
    for run_id in run_ids:
        try:
            context.runs.remove(context.runs_dir / run_id)
        except FileNotFoundError:  # another process was faster
            continue
        except FfnnError as error:
            busy = error
        else:
            removed.append(run_id)
    if busy is not None:
        raise busy
    return removed
