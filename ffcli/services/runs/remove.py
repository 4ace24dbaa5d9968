"""``ffnn runs rm``: selection of the runs to remove, and their removal."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

from ffcli.errors import FfnnError
from ffcli.runs.layout import SWEEP_FILE
from ffcli.runs.metric import BY_VAL_ACC, Metric, is_loss
from ffcli.runs.record import RunRecord
from ffcli.runs.store import DamagedRunError
from ffcli.services.runs.listing import DAMAGED, Filter, ListedRun, listed, listed_damaged
from ffcli.services.runs.select import standing_by
from ffcli.training.context import Context
from ffcli.util.safe_read import parse_time
from ffcli.util.text import counted


@dataclass(frozen=True)
class Selection:
    """Which runs to remove: those of ``which`` that ended longer ago than ``older_than``.

    The ``keep_best`` best finished trials of each sweep by its own metric, with all their runs, and as many
    runs of each dataset by val_acc among those outside of sweeps, are kept. A run that is being trained is
    never removed; a damaged one, which cannot be ranked, only by its age or where ``which`` selects damaged
    ones.
    """

    which: Filter = field(default_factory=Filter)
    older_than: timedelta | None = None
    keep_best: int | None = None


@dataclass(frozen=True)
class Removal:
    """Which runs were removed, or would be."""

    removed: list[str]
    """Ids of the removed runs."""
    would_remove: list[str] = field(default_factory=list)
    """In a dry run: ids of the runs that would be removed."""
    size: int = 0
    """In a dry run: bytes of the runs that would be removed."""


def named(context: Context, runs: Sequence[str]) -> list[ListedRun]:
    """Return these runs as listed, each once. Raises RequestError where one is unknown."""
    paths = dict.fromkeys(context.runs.find(run) for run in runs)
    return [_listed(context, path.name) for path in paths]


def _listed(context: Context, run_id: str) -> ListedRun:
    try:
        return listed(context, context.runs.read(run_id))
    except DamagedRunError:
        return listed_damaged(context, run_id)


def selected(context: Context, selection: Selection) -> list[ListedRun]:
    """Return the runs that would be removed as listed, the oldest first."""
    records, damaged = selection.which.select(context)
    kept = set() if selection.keep_best is None else _best(context, records, selection.keep_best)
    now = time.time()

    def is_old(since: float | None) -> bool:
        older_than = selection.older_than
        return older_than is None or (since is not None and now - since > older_than.total_seconds())

    found = [
        listed(context, record)
        for record in records
        if record.status != "running" and record.run_id not in kept and is_old(_ended(context, record))
    ]
    if selection.older_than is not None or selection.which.status is not None:
        found += [listed_damaged(context, run_id) for run_id in damaged if is_old(_changed(context, run_id))]
    return sorted(found, key=lambda run: run.run_id)


def _ended(context: Context, record: RunRecord) -> float | None:
    """Return when a run ended; where its process was killed, when its last epoch ended or the run began.

    None where the record does not say.
    """
    last = record.ended
    if last is None:
        with suppress(DamagedRunError):
            last = next((row.time for row in reversed(context.runs.history(record.run_id))), None)
    with suppress(ValueError):
        return parse_time(last or record.started)
    return None


def _changed(context: Context, run_id: str) -> float | None:
    with suppress(OSError):
        return (context.runs_dir / run_id).stat().st_mtime
    return None


def _best(context: Context, records: Iterable[RunRecord], keep: int) -> set[str]:
    """Return the ids of the best finished runs of each sweep or dataset, per loss where a loss ranks.

    Of a dataset that has changed each content counts as one.
    """
    metrics: dict[str | None, Metric] = {None: BY_VAL_ACC}
    groups: dict[tuple[object, ...], list[RunRecord]] = {}
    for record in records:
        sweep_id = record.sweep_id
        if record.status == "finished":
            if sweep_id not in metrics:
                metrics[sweep_id] = _metric(context, sweep_id)
            metric = metrics[sweep_id]
            loss = record.config.get("loss") if is_loss(metric.name) else None
            data = None if sweep_id else (record.dataset, record.provenance.dataset_digest)
            groups.setdefault((sweep_id, data, loss), []).append(record)
    best: set[str] = set()
    for members in groups.values():
        sweep_id = members[0].sweep_id
        metric = metrics[sweep_id]
        trials = _trials(context, sweep_id, {record.run_id for record in members})
        if trials is None:
            best.update(record.run_id for record in metric.ranked(members, standing_by(metric))[:keep])
        else:
            best.update(run_id for run_ids in trials[:keep] for run_id in run_ids)
    return best


def _trials(context: Context, sweep_id: str | None, members: set[str]) -> list[tuple[str, ...]] | None:
    """Return the runs of each finished trial with one of the ``members``, the best trial first.

    None where trials have one run each, or no study of theirs can be read here.
    """
    if sweep_id is None:
        return None
    from ffcli.services.sweeps.create import read_sweep
    from ffcli.sweeping.study.record import ranked

    with suppress(FfnnError, OSError):
        study = read_sweep(context, sweep_id)
        if study.sweep.runs_per_trial > 1:
            finished = [trial for trial in study.trials if trial.state == "finished"]
            runs = [trial.run_ids for trial in ranked(study.sweep.metric, finished)]
            return [run_ids for run_ids in runs if not members.isdisjoint(run_ids)]
    return None


def _metric(context: Context, sweep_id: str | None) -> Metric:
    """Return the metric of a sweep; val_acc where there is no sweep, or no file of it here."""
    if sweep_id is not None:
        from ffcli.services.sweeps.create import sweep_folder
        from ffcli.sweeping.spec.spec import load_spec

        with suppress(FfnnError, OSError):
            return load_spec(sweep_folder(context, sweep_id) / SWEEP_FILE).metric or BY_VAL_ACC
    return BY_VAL_ACC


def remove(context: Context, runs: Sequence[ListedRun]) -> Removal:
    """Remove runs that still exist and were not trained since they were listed, however long a question took.

    Raises FfnnError where one is being trained or has been, once all the others are removed.
    """
    removed: list[str] = []
    kept = None
    for run in runs:
        try:
            context.runs.remove(run.run_id, partial(_check_untrained, context, run))
        except FileNotFoundError:  # another process was faster
            continue
        except FfnnError as error:
            kept = error
        else:
            removed.append(run.run_id)
    if kept is not None:
        raise kept
    return Removal(removed)


def _check_untrained(context: Context, run: ListedRun) -> None:
    """Raise FfnnError where a run that this process holds was trained since it was listed."""
    try:
        record = RunRecord.from_json(context.runs.summary(run.run_id))
    except (ValueError, OSError, FfnnError):  # it is damaged, as it may have been before
        return
    if record.status == "running":  # its process was killed
        record.status = "interrupted"
    if run.status != DAMAGED and state_of(record) != state_of(run):
        raise FfnnError(
            f"Run {run.run_id} was trained since it was listed: it is {record.status} now, with "
            f"{counted(record.epochs_done, 'epoch')}.",
            hint="Run the command again.",
        )


def state_of(run: ListedRun | RunRecord) -> tuple[str, int | None]:
    """Return what tells whether a run was trained meanwhile."""
    return run.status, run.epochs_done
