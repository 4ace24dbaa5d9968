"""Finished runs of the store that are sure to come out as one that is to be trained."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timezone

import yaml

from ffcli.config import TrainConfig, validate
from ffcli.core.training import CORE_VERSION
from ffcli.datasets import Dataset
from ffcli.errors import FfnnError
from ffcli.runs.layout import SUMMARY
from ffcli.runs.provenance import Provenance
from ffcli.runs.record import HistoryRow, RunRecord, are_all, history_csv
from ffcli.runs.staging import NewFolder
from ffcli.runs.store import CONFIG, ENDED, HISTORY, MODEL
from ffcli.sweeping.trials import Past
from ffcli.training.context import Context
from ffcli.training.experiment import untrained_network
from ffcli.training.options import RunOptions, wandb_wishes
from ffcli.util.atomic_files import json_text, write_atomic
from ffcli.util.safe_read import is_name, parse_time

REUSED = "reused"  # the tag of a run whose epochs were taken over


class PastRuns:
    """The finished runs of the store by all that makes two runs the same.

    That is the configuration with its seed, the contents of the dataset (wherever its file lies) and the
    version of the core. The number of threads is not part of it: it changes no more than roundings.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._runs: dict[tuple[TrainConfig, str], list[str]] = {}
        for record in context.runs.records():
            about = record.provenance
            if record.status != "finished" or about.core != CORE_VERSION:
                continue
            try:
                config = validate(record.config)
            except (FfnnError, OSError):  # of another version of the program, or damaged
                continue
            if _looked_elsewhere(config, about):
                continue
            self._runs.setdefault(_key(config, about.dataset_digest), []).append(record.run_id)

    def find(self, config: TrainConfig, dataset_digest: str, *, weights: bool = False) -> str | None:
        """Return the earliest such run, or None; ``weights``: its network must be stored too."""
        for run_id in self._runs.get(_key(config, dataset_digest), []):
            if not weights or (self._context.runs.path(run_id) / MODEL).is_file():
                return run_id
        return None

    def past(self, config: TrainConfig, dataset_digest: str) -> Past | None:
        """Return what such a run came to, or None where there is none with a whole history."""
        run_id = self.find(config, dataset_digest)
        if run_id is None:
            return None
        return _past(self._context, run_id, run_id, config.epochs)


def own_past(context: Context, run_id: str, config: TrainConfig, dataset: Dataset) -> Past | None:
    """Return what the run of an attempt at this very configuration came to, if it ended.

    That is so where the process was killed after it had closed the run and before the sweep heard of it.
    """
    with suppress(FfnnError, OSError):  # of another version of the program, or damaged
        record = context.runs.read(run_id)
        about = record.provenance
        made_of = (about.dataset_digest, about.core)
        if record.status in ENDED and made_of == (dataset.digest, CORE_VERSION):
            past = _past(context, run_id, about.reused_from, record.epochs_done)
            is_the_same = validate(record.config) == config and not _looked_elsewhere(config, about)
            if past is not None and is_the_same:
                return replace(past, pruned=record.status == "pruned")
    return None


def _looked_elsewhere(config: TrainConfig, about: Provenance) -> bool:
    """Tell whether the schedule looked ahead to a last epoch that for the first ones was another."""
    return about.begun_for_epochs is not None and config.schedule != "constant"


def _past(context: Context, run_id: str, source: str | None, epochs: int) -> Past | None:
    """Return what a run came to, or None where its history is not of all those epochs."""
    try:
        rows = context.runs.history(run_id)
    except FfnnError:
        return None
    if not rows or not are_all(rows, epochs):
        return None
    return Past(source, tuple(row.result for row in rows), tuple(parse_time(row.time) for row in rows))


def _key(config: TrainConfig, dataset_digest: object) -> tuple[TrainConfig, str]:
    return config.model_copy(update={"dataset": ""}), str(dataset_digest)


def store_past(
    context: Context,
    new: NewFolder,
    past: Past,
    *,
    config: TrainConfig,
    dataset: Dataset,
    sweep_id: str,
    options: RunOptions,
) -> None:
    """Store an earlier training in the folder of a new run of a sweep, tagged ``reused``.

    Where the earlier run lies in this store, its record and, if it still has them, its weights are copied.
    """
    # The sweep and number of a trial that left no run are no name, and no run's folder.
    source = context.runs.path(past.source) if past.source and is_name(past.source) else None
    if source is not None and (source / SUMMARY).is_file():
        record = context.runs.read(source.name)
    else:
        record = _record(past, config, dataset)
    record = replace(
        record,
        run_id=new.path.name,
        name=options.name or config.run_name,
        dataset=config.dataset,
        config=config.as_dict(),
        sweep_id=sweep_id,
        recipe=None,
        tags=[*options.tags, REUSED],
        wandb=wandb_wishes(options),
        provenance=replace(record.provenance, reused_from=past.source),
    )
    rows = [HistoryRow(result, _utc(time)) for result, time in zip(past.results, past.times)]
    write_atomic(new.place / HISTORY, history_csv(rows))
    write_atomic(new.place / CONFIG, yaml.safe_dump(config.as_dict(), sort_keys=False))
    if source is not None:
        with suppress(FileNotFoundError):  # its sweep may drop them at any moment
            write_atomic(new.place / MODEL, (source / MODEL).read_bytes())
    write_atomic(new.place / SUMMARY, json_text(record.as_dict()))
    new.appear()


def _record(past: Past, config: TrainConfig, dataset: Dataset) -> RunRecord:
    """Return the record of a run on another machine, of which the database knows the epochs only."""
    best = max(past.results, key=lambda result: result.val_acc)
    record = RunRecord(
        run_id="",
        name="",
        status="finished",
        dataset=config.dataset,
        config=config.as_dict(),
        started=_utc(past.times[0] - past.results[0].seconds),
        ended=_utc(past.times[-1]),
        parameters=untrained_network(config, dataset).n_parameters,
        provenance=Provenance(core=CORE_VERSION, dataset_digest=dataset.digest),
    )
    for result in past.results:
        record.note_epoch(result, best)
    return record


def _utc(seconds: float) -> str:
    moment = datetime.fromtimestamp(seconds, timezone.utc)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
