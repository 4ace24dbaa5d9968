"""Running a sweep to its end, as the one process that owns it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from ffcli.config import TrainConfig
from ffcli.errors import FfnnError, RequestError
from ffcli.execution.open import PoolOptions, open_pool
from ffcli.runs.layout import TABLE
from ffcli.services.sweeps.create import check_same, keep_file, sweep_folder
from ffcli.services.sweeps.earlier import EarlierRuns
from ffcli.services.sweeps.listing import write_summary
from ffcli.services.sweeps.results import SweepOutcome
from ffcli.services.sweeps.retention import BestWeights
from ffcli.services.sweeps.summary import sweep_report
from ffcli.sweeping.study.coordinator import Coordinator
from ffcli.sweeping.study.events import OnEvent, SweepOver, SweepStarted, unfailing
from ffcli.sweeping.study.lock import SweepLock
from ffcli.sweeping.study.plan import Plan
from ffcli.sweeping.study.record import Ended, Sweep, Trial
from ffcli.sweeping.study.writer import StudyWriter
from ffcli.sweeping.wandb.address import is_address
from ffcli.training.context import Context
from ffcli.training.options import RunOptions
from ffcli.training.tracking import tell_of_tracking
from ffcli.util.atomic_files import csv_text, write_atomic
from ffcli.util.signals import interrupts_deferred

_COLUMNS = ("trial", "run", "state", "value", "best_epoch", "reused", "error")


@dataclass(frozen=True)
class SweepOptions:
    """How a sweep is run.

    Attributes:
        count: trials in all, over all resumptions; None: as many as were ever asked for.
        max_time: seconds from now after which no trial begins; None: no such time.
        retry_failed: try the trials that have failed again.
        reuse: take over the results of identical runs of the store instead of training again; None: as it
            was last said.
        wandb: online or offline, where W&B is to follow the runs.
    """

    count: int | None = None
    pool: PoolOptions = field(default_factory=PoolOptions)
    max_time: float | None = None
    retry_failed: bool = False
    reuse: bool | None = None
    wandb: str = "disabled"
    wandb_project: str | None = None
    wandb_entity: str | None = None
    command_line: tuple[str, ...] = ()


def run_sweep(context: Context, sweep: Sweep, options: SweepOptions, on_event: OnEvent) -> SweepOutcome:
    """Run a sweep to its end, or to ``count``, and return what came of it.

    Raises KeyboardInterrupt after the workers have stopped, SweepHeldError where another process runs the
    sweep, and FfnnError or OSError where it cannot be run any further. Whatever happens, it can be resumed.
    """
    check_same(context, sweep)
    if options.retry_failed and sweep.paired is not None:
        raise RequestError("A comparison does not try its failed trials again: begin a new one.")
    folder = sweep_folder(context, sweep.id)
    began = time.monotonic()
    with SweepLock(folder) as lock:
        study = StudyWriter(folder, lock.check)
        keep_file(context, sweep)
        if options.reuse is not None:  # before the count: no trial is to be trained in vain after a kill
            study.set_reuse(options.reuse)
        if options.count is not None:
            study.raise_count(options.count)
        if options.retry_failed:
            study.retry_failed()
        count = options.count or study.count
        try:
            ended = _run(context, study, options, count, unfailing(on_event))
        finally:
            _write_lists(context, study)
            if options.wandb != "disabled":
                tell_of_tracking(context, sweep.id)
    return SweepOutcome(
        **vars(sweep_report(context, study.study)),
        ended=ended.reason if ended else None,
        message=ended.message if ended else None,
        seconds=time.monotonic() - began,
    )


def write_table(context: Context, sweep: Sweep, trials: Iterable[Trial]) -> None:
    """Write ``runs.csv`` into the sweep's folder: a row for each trial, with its runs and searched values."""
    rows: list[list[Any]] = [[*_COLUMNS, *sweep.spec.space]]
    for trial in trials:
        about = [trial.number, " ".join(trial.run_ids) or None, trial.state, trial.value]
        about += [trial.best_epoch, trial.reused, trial.error]
        rows.append([*about, *(trial.values[name] for name in sweep.spec.space)])
    # A name that came from the command line may hold bytes that are no text.
    content = csv_text(rows).encode("utf-8", "backslashreplace")
    write_atomic(sweep_folder(context, sweep.id) / TABLE, content)


def _write_lists(context: Context, study: StudyWriter) -> None:
    """Write what others read of the sweep, with a notice where the disk does not take it."""
    try:
        with interrupts_deferred():
            write_table(context, study.sweep, study.trials)
            write_summary(sweep_folder(context, study.sweep.id))
    except (FfnnError, OSError) as error:
        context.notify(f"the list of the sweep's runs could not be written: {error}")


def _run(
    context: Context, study: StudyWriter, options: SweepOptions, count: int | None, on_event: OnEvent
) -> Ended | None:
    sweep, counts = study.sweep, study.counts
    run_options = RunOptions(
        tags=("sweep",),
        wandb=options.wandb,
        wandb_project=options.wandb_project or sweep.spec.project,
        wandb_entity=options.wandb_entity or sweep.spec.entity,
        command_line=options.command_line,
    )
    digest = digests(context, sweep, study.trials)
    # A comparison needs all weights.
    reuse = study.reuse and sweep.paired is None
    earlier = EarlierRuns(context, sweep, run_options, digest, reuse=reuse)
    plan = Plan(
        count,
        digest,
        left_over=earlier.left_over,
        reusable=earlier.reusable,
        ended=BestWeights(context, sweep, study.trials).ended,
        deadline=None if options.max_time is None else time.monotonic() + options.max_time,
        options=run_options,
    )
    with open_pool(context, options.pool) as pool:
        most, workers = sweep.spec.most_trials(count), pool.size
        if most is not None:
            workers = min(workers, max(1, most - counts.ended) * sweep.runs_per_trial)
        on_event(SweepStarted(sweep, sweep_folder(context, sweep.id), counts, count, workers))
        try:
            return Coordinator(study, pool, plan, on_event).run()
        finally:
            on_event(SweepOver())
            earlier.remove_replaced(study.trials)


def digests(context: Context, sweep: Sweep, trials: Iterable[Trial]) -> Callable[[TrainConfig], str]:
    """Return what tells the digest of a configuration's dataset: that which its earlier ``trials`` had."""
    if sweep.has_one_dataset and not is_address(sweep.id):  # W&B does not keep the digest
        return lambda _: sweep.dataset_digest
    known: dict[str, str] = {}
    for trial in trials:
        record = context.runs.sound(trial.run_id)
        if record is not None:
            known.setdefault(trial.config.dataset, str(record.provenance.dataset_digest))

    def digest(config: TrainConfig) -> str:
        if config.dataset not in known:
            known[config.dataset] = context.dataset(config.dataset).digest
        return known[config.dataset]

    return digest
