"""Finished runs of the store that equal a run to be trained."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

import yaml

from ffcli.config import TrainConfig, run_name, validate
from ffcli.core.training import CORE_VERSION
from ffcli.errors import FfnnError
from ffcli.runs.integrity import known_config
from ffcli.runs.layout import SUMMARY
from ffcli.runs.model_file import digest
from ffcli.runs.provenance import Provenance
from ffcli.runs.record import HistoryRow, are_all, history_csv
from ffcli.runs.store import CONFIG, ENDED, HISTORY, MODEL
from ffcli.sweeping.study.record import Past
from ffcli.training.context import Context
from ffcli.training.options import RunOptions, wandb_wishes
from ffcli.util.atomic_files import json_text, write_atomic

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
            config = known_config(record)
            if config is not None and not looked_elsewhere(config, about):
                self._runs.setdefault(_key(config, about.dataset_digest), []).append(record.run_id)

    def find(self, config: TrainConfig, dataset_digest: str, *, weights: bool = False) -> str | None:
        """Return the earliest such run, or None; ``weights``: its network must be stored too."""
        for run_id in self._runs.get(_key(config, dataset_digest), []):
            if not weights or self._context.runs.has_model(run_id):
                return run_id
        return None


def own_past(context: Context, run_id: str, config: TrainConfig, dataset_digest: str | None) -> Past | None:
    """Return what the run of an earlier start of this very configuration came to, if it ended.

    That is so where the process was killed after it had closed the run and before the sweep heard of it.
    """
    with suppress(FfnnError, OSError):  # of another version of the program, or damaged
        record = context.runs.read(run_id)
        about = record.provenance
        if record.status not in ENDED or about.core != CORE_VERSION:
            return None
        if dataset_digest not in (None, about.dataset_digest):
            return None
        rows = _whole_history(context, run_id, record.epochs_done)
        if rows and validate(record.config) == config and not looked_elsewhere(config, about):
            results = tuple(row.result for row in rows)
            return Past(run_id, about.reused_from, results, record.status == "pruned")
    return None


def looked_elsewhere(config: TrainConfig, about: Provenance) -> bool:
    """Tell whether the schedule looked ahead to a last epoch that for the first ones was another."""
    return about.begun_for_epochs is not None and config.schedule != "constant"


def _whole_history(context: Context, run_id: str, epochs: int) -> list[HistoryRow]:
    """Return the epochs of a run; none where the history is not of all of them."""
    try:
        rows = context.runs.history(run_id)
    except FfnnError:
        return []
    return rows if are_all(rows, epochs) else []


def _key(config: TrainConfig, dataset_digest: object) -> tuple[TrainConfig, str]:
    return config.model_copy(update={"dataset": ""}), str(dataset_digest)


def take_over(
    context: Context,
    source: str,
    config: TrainConfig,
    *,
    sweep_id: str,
    provenance: Mapping[str, Any],
    options: RunOptions,
) -> Past | None:
    """Copy a run that has ended as a run of a sweep, tagged ``reused``; None where it is no longer whole.

    Its weights are copied too, if it still has them. Raises OSError.
    """
    record = context.runs.sound(source)
    if record is None:
        return None
    rows = _whole_history(context, source, record.epochs_done)
    if not rows:
        return None
    with context.runs.create() as new:
        record = replace(
            record,
            run_id=new.path.name,
            name=options.name or run_name(config),
            dataset=config.dataset,
            config=config.as_dict(),
            sweep_id=sweep_id,
            recipe=None,
            tags=[*options.tags, REUSED],
            wandb=wandb_wishes(options),
            provenance=replace(record.provenance, **provenance, reused_from=source),
        )
        write_atomic(new.place / HISTORY, history_csv(rows))
        write_atomic(new.place / CONFIG, yaml.safe_dump(config.as_dict(), sort_keys=False))
        with suppress(FileNotFoundError):  # its sweep may drop them at any moment
            model = (context.runs.path(source) / MODEL).read_bytes()
            if digest(model) == record.model_sha256:  # else somebody has trained the run further
                write_atomic(new.place / MODEL, model)
        write_atomic(new.place / SUMMARY, json_text(record.as_dict()))
        new.appear()
        results = tuple(row.result for row in rows)
        return Past(new.path.name, source, results, record.status == "pruned")
