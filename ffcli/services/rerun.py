"""``ffnn rerun``: the best configurations of a sweep trained again, on other data or with other seeds."""

from __future__ import annotations

import statistics
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace

from ffcli.config import TrainConfig, merge, validate
from ffcli.core.training import CORE_VERSION
from ffcli.errors import FfnnError, RequestError
from ffcli.execution.open import PoolOptions, open_pool
from ffcli.runs.provenance import RerunOf
from ffcli.runs.record import RunRecord
from ffcli.runs.results import RunResult
from ffcli.runs.store import MODEL
from ffcli.services.evaluation.best import RunChoice
from ffcli.services.evaluation.evaluate import evaluate
from ffcli.services.evaluation.results import Evaluation
from ffcli.services.jobs import Job, Jobs, JobsOver, JobsStarted, OnJobs
from ffcli.services.runs.listing import show_run
from ffcli.services.sweeps.originals import Original, ranked_originals
from ffcli.sweeping.study.events import unfailing
from ffcli.training.context import Context
from ffcli.training.options import RunOptions
from ffcli.util.text import counted

TAG = "rerun"  # of the runs


@dataclass(frozen=True)
class RerunOptions:
    """What is trained again, on what, and how. ``seeds``: so many other than the configuration's own."""

    top: int = 3
    dataset: str | None = None
    seeds: int | None = None
    metric: str | None = None
    pool: PoolOptions = field(default_factory=PoolOptions)
    run: RunOptions = field(default_factory=RunOptions)


@dataclass(frozen=True)
class RerunOriginal:
    """The run of a sweep whose configuration is trained again."""

    sweep_id: str
    run_id: str | None
    dataset: str
    seed: int
    metric: str
    value: float
    """The metric at its best epoch."""
    test_acc: float | None
    """Test accuracy, where its weights are still stored."""


@dataclass(frozen=True)
class Spread:
    """Mean and standard deviation of some runs."""

    mean: float | None
    sd: float | None
    """With n - 1 in the denominator; null for fewer than two runs."""


@dataclass(frozen=True)
class OverSeeds:
    """The finished runs of one configuration, which differ in their seeds."""

    finished: int
    """Number of finished runs."""
    val_acc: Spread
    """Of the best val_acc."""
    test_acc: Spread


@dataclass(frozen=True)
class RerunResult(RunResult):
    """A run that trained a configuration of a sweep again."""

    rank: int
    """Of the configuration in the sweep, from 1."""
    test_acc: float | None
    """Test accuracy; null, as test_loss, where the run did not finish."""
    test_loss: float | None
    original: RerunOriginal
    over_seeds: OverSeeds


def rerun(context: Context, sweep: str, options: RerunOptions, on_event: OnJobs) -> list[RerunResult]:
    """Train the best configurations of a sweep again; return train's document of each run, by rank and seed.

    ``sweep`` is named as for `ranked_originals`. Each document has also {rank, test_acc, test_loss, original,
    over_seeds}: ``original`` is what the sweep had, with the test accuracy where its weights are still
    stored; ``over_seeds`` holds the mean and the standard deviation (n - 1 in the denominator) of val_acc
    and test_acc over the finished runs of the configuration. Runs that an earlier call has trained to their
    end are not trained again; those it left are continued.

    KeyboardInterrupt passes through after the runs under way are closed as interrupted, FfnnError as from
    `Jobs.train`.
    """
    if options.dataset is None and options.seeds is None:
        raise RequestError(
            "Expected another dataset, other seeds or both: with neither, each run would only be repeated."
        )
    originals = ranked_originals(context, sweep, metric=options.metric)
    sweep_id = originals[0].sweep_id
    chosen = _distinct(originals, options)
    if len(chosen) < options.top:
        only = counted(len(chosen), "such configuration")
        context.notify(f"sweep {sweep_id} has only {only} to train again: no other has finished")
    digests = {name: context.dataset(name).digest for name in {config.dataset for _, config in chosen}}
    jobs = [
        Job(
            config,
            digests[config.dataset],
            replace(options.run, tags=(TAG,)),
            {"rerun": RerunOf(sweep_id, original.run_id)},
        )
        for original, base in chosen
        for config in _seeded(base, options.seeds)
    ]
    found = _earlier_runs(context, sweep_id, jobs)
    run_ids = _train(context, jobs, found, options.pool, on_event)
    new = {run_id for run_id, record in zip(run_ids, found) if record is None or not _is_done(record)}
    each = len(jobs) // len(chosen)
    return [
        result
        for rank, (original, _) in enumerate(chosen, 1)
        for result in _results(context, rank, original, run_ids[(rank - 1) * each : rank * each], new)
    ]


# Which configurations


def _distinct(originals: Iterable[Original], options: RerunOptions) -> list[tuple[Original, TrainConfig]]:
    """Return the best originals with what is trained of them; some may differ in nothing but what changes."""
    chosen: list[tuple[Original, TrainConfig]] = []
    seen: list[TrainConfig] = []
    for original in originals:
        change = {} if options.dataset is None else {"dataset": options.dataset}
        config = validate(merge(original.config.as_dict(), change))
        if (without_seed := config.model_copy(update={"seed": 0})) not in seen:
            seen.append(without_seed)
            chosen.append((original, config))
        if len(chosen) == options.top:
            break
    return chosen


def _seeded(config: TrainConfig, seeds: int | None) -> list[TrainConfig]:
    """Return the configuration, or with other seeds: chosen as the best, its own flatters it."""
    if seeds is None:
        return [config]
    return [config.model_copy(update={"seed": config.seed + more}) for more in range(1, seeds + 1)]


# Training what is not there yet


def _train(
    context: Context,
    jobs: Sequence[Job],
    found: Sequence[RunRecord | None],
    options: PoolOptions,
    on_event: OnJobs,
) -> list[str]:
    """Train what is not at its end, ``found`` holding what is there of each job; return the runs' ids."""
    run_ids = ["" if record is None else record.run_id for record in found]
    open_ = [at for at, record in enumerate(found) if record is None or not _is_done(record)]
    if not open_:
        return run_ids
    missing = [replace(jobs[at], run_id=run_ids[at] or None) for at in open_]
    tell = unfailing(on_event)
    with open_pool(context, options) as pool:
        tell(JobsStarted(missing, len(jobs) - len(missing), min(pool.size, len(missing))))
        try:
            for at, run_id in zip(open_, Jobs(context, missing, pool, tell).train()):
                run_ids[at] = run_id
        finally:
            tell(JobsOver())
    return run_ids


def _earlier_runs(context: Context, sweep_id: str, jobs: Sequence[Job]) -> list[RunRecord | None]:
    """Return of each job the run of the same configuration, data and core that has come furthest, if any.

    Raises FfnnError where another process trains it.
    """
    stored = [record for record in context.runs.records() if _is_usable(context, record, sweep_id)]
    found: list[RunRecord | None] = []
    for job in jobs:
        of_data = (record for record in stored if record.provenance.dataset_digest == job.dataset_digest)
        same = [record for record in of_data if _is_of(record, job.config)]
        best = max(same, key=lambda record: (_is_done(record), record.epochs_done), default=None)
        if best is not None and best.status == "running":
            raise FfnnError(f"Run {best.run_id} of this rerun is being trained by another process.")
        found.append(best)
    return found


def _is_usable(context: Context, record: RunRecord, sweep_id: str) -> bool:
    """Whether a run is a rerun of the sweep with this version's core, and can be evaluated."""
    about = record.provenance
    if about.rerun is None or about.rerun.sweep != sweep_id or about.core != CORE_VERSION:
        return False
    return record.status != "finished" or (context.runs.path(record.run_id) / MODEL).is_file()


def _is_done(record: RunRecord) -> bool:
    return record.status in ("finished", "diverged")


def _is_of(record: RunRecord, config: TrainConfig) -> bool:
    try:
        return validate(record.config) == config
    except (RequestError, OSError):  # of another version, or damaged
        return False


# What came of it


def _results(
    context: Context, rank: int, original: Original, run_ids: Sequence[str], new: Collection[str]
) -> list[RerunResult]:
    """Return the runs of one configuration; W&B gets the figures of the ``new`` ones."""
    before = RerunOriginal(
        sweep_id=original.sweep_id,
        run_id=original.run_id,
        dataset=original.config.dataset,
        seed=original.config.seed,
        metric=original.metric.name,
        value=original.value,
        test_acc=_original_test_acc(context, original.run_id),
    )
    runs = [show_run(context, run_id) for run_id in run_ids]
    tested = {
        run.run_id: _evaluate(context, run.run_id, track=run.run_id in new)
        for run in runs
        if run.status == "finished"
    }
    finished = [run for run in runs if run.run_id in tested]
    over_seeds = OverSeeds(
        finished=len(finished),
        val_acc=spread(
            [run.best_val_acc for run in runs if run.run_id in tested and run.best_val_acc is not None]
        ),
        test_acc=spread([each.accuracy for each in tested.values()]),
    )
    return [
        RerunResult(
            **vars(run),
            rank=rank,
            test_acc=tested[run.run_id].accuracy if run.run_id in tested else None,
            test_loss=tested[run.run_id].loss if run.run_id in tested else None,
            original=before,
            over_seeds=over_seeds,
        )
        for run in runs
    ]


def _evaluate(context: Context, run_id: str, *, track: bool) -> Evaluation:
    (tested,) = evaluate(context, [RunChoice(run_id)], track=track)
    return tested


def _original_test_acc(context: Context, run_id: str | None) -> float | None:
    """Return it where the weights lie in this store; a sweep keeps those of its best runs only."""
    if run_id is None or not (context.runs.path(run_id) / MODEL).is_file():
        return None
    try:
        return _evaluate(context, run_id, track=False).accuracy
    except FfnnError as error:
        context.notify(f"run {run_id} of the sweep could not be evaluated: {error}")
        return None


def spread(values: Sequence[float]) -> Spread:
    """Return the mean and the standard deviation."""
    return Spread(
        mean=statistics.fmean(values) if values else None,
        sd=statistics.stdev(values) if len(values) > 1 else None,
    )
