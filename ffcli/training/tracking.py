"""Tracking of stored runs by W&B, while they train and afterwards."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ffcli.config import TrainConfig
from ffcli.datasets.reference import short_name
from ffcli.runs.metric import METRICS, SPELLINGS
from ffcli.runs.record import HistoryRow, RunRecord
from ffcli.runs.recorder import RunRecorder
from ffcli.runs.store import MODEL
from ffcli.tracking.base import Assigned, Facts, Model, Outcome, TrackedRun
from ffcli.tracking.modes import decide, under_agent
from ffcli.training.context import Context
from ffcli.util.text import counted

if TYPE_CHECKING:
    from ffcli.tracking.wandb_tracker import WandbTracker

_TURN_ON = (
    "W&B is off: no key is configured (wandb login turns it on; ffnn train --wandb offline keeps files)"
)
EXIT_CODES = {"finished": 0, "pruned": 0, "interrupted": 255}  # 255: as W&B marks what was stopped; else 1


class Tracking:
    """Follows runs of the store, one after another; use it as a context.

    A run's record holds what is known of it at W&B (`WandbRun`).
    """

    def __init__(self, context: Context, request: str, *, hint: bool = True) -> None:
        """Decide what ``--wandb request`` comes to; ``hint``: say how W&B is turned on where it is off."""
        decision = decide(request)
        self.mode = decision.mode
        self._context = context
        self._tracker = None if self.mode == "disabled" else new_tracker(self.mode)
        self._begun = self._told_url = False
        self._followed = 0  # epochs of the present run
        if decision.keyless and hint:
            context.notify(_TURN_ON)

    def __enter__(self) -> Tracking:
        return self

    def __exit__(self, *_: object) -> None:
        if self._tracker is not None:
            self._tracker.close()

    @property
    def stopped(self) -> bool:
        """Whether somebody has asked W&B to stop the present run."""
        return self._tracker is not None and self._tracker.stopped

    def note(self, record: RunRecord, assigned: Assigned | None = None) -> None:
        """Put into a run's record as which run W&B gets it, before it is written."""
        record.wandb = replace(record.wandb, mode=self.mode, synced=None)
        if self.mode == "disabled":
            return
        if assigned is None and under_agent():
            id_, project, entity, sweep = map(_from_agent, ("RUN_ID", "PROJECT", "ENTITY", "SWEEP_ID"))
        elif assigned is not None:
            id_, project, entity, sweep = assigned.id, assigned.project, assigned.entity, assigned.sweep
        else:
            return
        record.wandb = replace(record.wandb, id=id_, project=project, entity=entity, sweep=sweep)

    def begin(self, recorder: RunRecorder, config: TrainConfig, assigned: Assigned | None = None) -> None:
        """Begin or resume a run whose record is noted and written."""
        if self._tracker is None:
            return
        given = dict(assigned.parameters) if assigned else {}
        told = {**given, **config.as_dict()}
        if "dataset" in given:  # by the path that the sweep has
            told["dataset"] = given["dataset"]
        run = tracked_run(recorder.record, told)
        if assigned is None and under_agent():  # of a sweep that may name its metric otherwise
            run = replace(run, metric_names=SPELLINGS)
        rows = [tracked_row(row) for row in recorder.rows]
        self._followed = len(rows)
        self._begun, self._told_url = True, False
        self._tracker.start(run, rows, wandb_folder(self.mode, recorder.path))

    def epoch(self, recorder: RunRecorder) -> None:
        """Follow the run up to the last epoch that the recorder has written."""
        if self._tracker is None:
            return
        for row in recorder.rows[self._followed :]:
            self._tracker.epoch(tracked_row(row))
        self._followed = len(recorder.rows)
        _note_facts(recorder.record, self._tracker)
        self._tell_url(self._tracker.facts)

    def end(self, recorder: RunRecorder) -> None:
        """End a run whose record is closed: wait for W&B, note what came of it, and say so."""
        if self._tracker is None or not self._begun:
            return
        self._begun = False
        self.epoch(recorder)  # Ctrl-C may have come between the last one and here
        run_id = recorder.path.name
        outcome = finish(self._tracker, recorder)
        self._tell_url(self._tracker.facts)
        if outcome.problem is not None:
            self._context.notify(
                f"W&B: {outcome.problem}. The run is stored here; ffnn sync {run_id} sends it later."
            )
        elif self.mode == "offline":
            self._context.notify(f"W&B: kept offline; wandb sync {self._tracker.facts.folder} sends it")

    def _tell_url(self, facts: Facts) -> None:
        if facts.url and not self._told_url:
            self._told_url = True
            self._context.notify(f"W&B: {facts.url}")


def new_tracker(mode: str) -> WandbTracker:
    """Return a tracker for ``mode``, online or offline."""
    from ffcli.tracking.wandb_tracker import WandbTracker

    return WandbTracker("online" if mode == "online" else "offline")


def agents_sweep() -> str | None:
    """Return entity/project/id of the sweep whose agent has started this process, as far as it says."""
    if not under_agent():
        return None
    return "/".join(filter(None, map(_from_agent, ("ENTITY", "PROJECT", "SWEEP_ID"))))


def _from_agent(name: str) -> str | None:
    return os.environ.get(f"WANDB_{name}")


def _note_facts(record: RunRecord, tracker: WandbTracker) -> None:
    """Put into a run's record what the tracker knows of it at W&B by now."""
    if (facts := tracker.facts).id is not None:
        known = {name: getattr(facts, name) for name in ("id", "project", "entity", "sweep", "url")}
        record.wandb = replace(record.wandb, **known)


def wandb_folder(mode: str, run: Path) -> str | None:
    """Return where W&B keeps its files: in WANDB_DIR, else those of an offline run with the run."""
    return os.environ.get("WANDB_DIR") or (str(run.resolve()) if mode == "offline" else None)


def tracked_run(record: RunRecord, config: dict[str, Any] | None = None) -> TrackedRun:
    """Return a run of the store as W&B gets it; runs of one local sweep are a group."""
    about = record.wandb
    return TrackedRun(
        id=about.id or record.run_id,
        name=record.name,
        started=record.started,
        config=_with_short_name(record.config if config is None else config),
        group=None if about.sweep else record.sweep_id,
        sweep=about.sweep,
        tags=tuple(record.tags),
        project=about.project,
        entity=about.entity,
    )


def _with_short_name(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration without the folders of this machine above the dataset."""
    dataset = config.get("dataset")
    return {**config, **({"dataset": short_name(dataset)} if isinstance(dataset, str) else {})}


def tracked_row(row: HistoryRow) -> dict[str, Any]:
    """Return an epoch as W&B gets it."""
    result = row.result
    return {
        "epoch": result.epoch,
        **{metric: getattr(result, metric) for metric in METRICS},
        "time": row.time,
    }


def synced_as(record: RunRecord) -> str:
    """Return what ``synced`` holds of a run that W&B has as it is now."""
    return f"{record.status} {record.epochs_done}"


def finish(tracker: WandbTracker, recorder: RunRecorder) -> Outcome:
    """End a run at W&B as its record has ended, and write into the record what came of it."""
    record, path = recorder.record, recorder.path / MODEL
    model = None
    if record.wandb.model and path.is_file():
        about = {"best_epoch": record.best_epoch, "best_val_acc": record.best_val_acc}
        about |= _with_short_name(record.config)
        model = Model(path, f"model-{record.wandb.id or record.run_id}", about)
    outcome = tracker.finish(EXIT_CODES.get(record.status, 1), {"status": record.status}, model)
    _note_facts(record, tracker)
    if outcome.problem is None and tracker.facts.url is not None:
        record.wandb = replace(record.wandb, mode="online", synced=synced_as(record))
    with suppress(OSError):  # the run itself is on disk
        recorder.save()
    return outcome


def tell_of_tracking(context: Context, sweep_id: str) -> None:
    """Say what W&B has of a sweep's runs and what is left to do."""
    tracked = [record for record in context.runs.records() if record.sweep_id == sweep_id]
    online = [record for record in tracked if record.wandb.mode == "online"]
    missing = sum(record.wandb.synced != synced_as(record) for record in online)
    if missing:
        runs = counted(missing, "run")
        context.notify(f"W&B does not have all of {runs}: ffnn sync {sweep_id} sends what is missing.")
    if any(record.wandb.mode == "offline" for record in tracked):
        where = os.environ.get("WANDB_DIR") or context.runs_dir / "*"
        context.notify(f"W&B: kept offline; wandb sync {where}/wandb/offline-run-* sends the runs.")
