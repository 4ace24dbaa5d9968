"""``ffnn train --folds K``: one configuration trained on all folds, or with several seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ffcli.config import TrainConfig, members, validation_split
from ffcli.execution.open import PoolOptions
from ffcli.runs.record import RunRecord
from ffcli.runs.results import RunResult
from ffcli.services.jobs import Job, OnJobs
from ffcli.services.members import Spread, spread, train_missing
from ffcli.services.runs.listing import show_run
from ffcli.training.context import Context
from ffcli.training.experiment import check_before_loading
from ffcli.training.options import RunOptions

TAG = "repeated"  # of the runs


@dataclass(frozen=True)
class CrossValidation:
    """One configuration measured by several runs: on all folds, with several seeds, or both."""

    config: dict[str, Any]
    """All hyper-parameters, by their names; the runs differ in seed and fold."""
    folds: int
    """Number of folds; 0: every run has the configuration's own split."""
    repeats: int
    """Number of seeds."""
    finished: int
    """Number of finished runs, of which the figures are."""
    val_acc: Spread
    """Of the val_acc at the best epoch of each run."""
    val_loss: Spread
    """Of the val_loss at the same epochs."""
    val_f1: Spread
    """Of the val_f1 at the same epochs."""
    seconds: float
    """Duration of all epochs of all runs."""
    run_ids: list[str]
    runs: list[RunResult]


def cross_validate(
    context: Context,
    config: TrainConfig,
    options: RunOptions,
    pool: PoolOptions,
    on_event: OnJobs,
    *,
    folds: int = 0,
    repeats: int = 1,
) -> CrossValidation:
    """Train the runs by which a configuration is measured (see `members`) and return their figures.

    What an earlier call has trained is not trained again, nor is a single run that is the same; unfinished
    ones are continued. Raises RequestError for a configuration with a fold or a dataset with too few images,
    and errors as `train_missing` does.
    """
    configs = members(config, repeats, folds)
    check_before_loading(config)
    dataset = context.dataset(config.dataset)
    validation_split(configs[0], dataset.y_train, "folds")  # it can be refused before a worker has to
    options = replace(options, tags=tuple(dict.fromkeys([*options.tags, TAG])))
    jobs = [Job(each, dataset.digest, options) for each in configs]
    trained = train_missing(context, jobs, pool, on_event, is_one=_is_own)
    runs = [show_run(context, run_id) for run_id in trained.run_ids]
    return CrossValidation(
        config=config.as_dict(),
        folds=folds,
        repeats=repeats,
        finished=len(_at_best(runs, "val_acc")),
        val_acc=spread(_at_best(runs, "val_acc")),
        val_loss=spread(_at_best(runs, "val_loss")),
        val_f1=spread(_at_best(runs, "val_f1")),
        seconds=sum(run.seconds for run in runs),
        run_ids=trained.run_ids,
        runs=runs,
    )


def _is_own(record: RunRecord) -> bool:
    """Whether a run was trained for itself: the runs of sweeps and reruns are their commands'."""
    return record.sweep_id is None and record.provenance.rerun is None


def _at_best(runs: Sequence[RunResult], metric: str) -> list[float]:
    """Return a metric at the best epoch of each finished run."""
    return [
        float(getattr(row, metric))
        for run in runs
        if run.status == "finished"
        for row in run.epochs
        if row.epoch == run.best_epoch
    ]
