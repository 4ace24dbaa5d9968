"""``ffnn rerun``: the best configurations of a sweep trained again, on other data or with other seeds."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from ffcli.config import TrainConfig, members, merge, validate
from ffcli.errors import FfnnError, RequestError
from ffcli.execution.open import PoolOptions
from ffcli.runs.provenance import RerunOf
from ffcli.runs.record import RunRecord
from ffcli.runs.results import RunResult
from ffcli.services.evaluation.best import RunChoice
from ffcli.services.evaluation.evaluate import evaluate, own_test_acc
from ffcli.services.evaluation.results import Evaluation
from ffcli.services.jobs import Job, OnJobs
from ffcli.services.members import Spread, spread, train_missing
from ffcli.services.runs.listing import show_run
from ffcli.services.sweeps.originals import Original, ranked_originals
from ffcli.training.context import Context
from ffcli.training.options import RunOptions
from ffcli.util.text import counted

TAG = "rerun"  # of the runs


@dataclass(frozen=True)
class RerunOptions:
    """What is trained again, on what, and how.

    Attributes:
        seeds: each is trained with so many seeds other than the configuration's own.
        folds: each is trained on so many folds of the training images; 0: on its own split.
    """

    top: int = 3
    dataset: str | None = None
    seeds: int | None = None
    folds: int = 0
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
    """Null where its weights are gone, its data have changed, or the value is the mean of several runs."""


@dataclass(frozen=True)
class OverRuns:
    """The finished runs of one configuration, which differ in their seeds and folds."""

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
    test_loss: float | None
    """Null, as test_acc, where the run did not finish."""
    original: RerunOriginal
    over_runs: OverRuns


def rerun(context: Context, sweep: str, options: RerunOptions, on_event: OnJobs) -> list[RerunResult]:
    """Train the best configurations of a sweep again; return train's document of each run, by rank and seed.

    ``sweep`` is named as for `ranked_originals`. Each document has also {rank, test_acc, test_loss, original,
    over_runs}: ``original`` is what the sweep had, with the test accuracy where its weights are still
    stored; ``over_runs`` holds the mean, standard deviation and standard error of val_acc
    and test_acc over the finished runs of the configuration. Runs that an earlier call has trained to their
    end are not trained again; those it left are continued.

    Errors pass through as from `train_missing`.
    """
    if options.dataset is None and options.seeds is None and not options.folds:
        raise _only_repeated()
    originals = ranked_originals(context, sweep, metric=options.metric)
    sweep_id = originals[0].sweep_id
    chosen = _distinct(originals, options)
    last = max(config.seed for original in originals for config in (original.config, *original.members))
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
        for seeded in _seeded(base, options.seeds, last)
        for config in members(seeded, folds=options.folds)
    ]
    _check_new(options, chosen, jobs)
    trained = train_missing(context, jobs, options.pool, on_event, is_one=partial(_is_rerun_of, sweep_id))
    tested = _tested(context, trained.run_ids, trained.new)
    each = len(jobs) // len(chosen)
    return [
        result
        for rank, (original, _) in enumerate(chosen, 1)
        for result in _results(
            context, rank, original, trained.run_ids[(rank - 1) * each : rank * each], tested
        )
    ]


# Which configurations


def _only_repeated() -> RequestError:
    return RequestError(
        "Expected another dataset, other seeds or folds: without one, each run would only be repeated."
    )


def _check_new(
    options: RerunOptions, chosen: Iterable[tuple[Original, TrainConfig]], jobs: Iterable[Job]
) -> None:
    """Raise RequestError where the runs on the sweep's own data are those that it has had."""
    had = [config for original, _ in chosen for config in original.members]
    if options.dataset is None and all(job.config in had for job in jobs):
        raise _only_repeated()


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


def _seeded(config: TrainConfig, seeds: int | None, last: int) -> list[TrainConfig]:
    """Return the configuration, or with seeds that the sweep has not tried: those flatter the best."""
    if seeds is None:
        return [config]
    return [config.model_copy(update={"seed": last + more}) for more in range(1, seeds + 1)]


def _is_rerun_of(sweep_id: str, record: RunRecord) -> bool:
    return record.provenance.rerun is not None and record.provenance.rerun.sweep == sweep_id


# What came of it


def _tested(context: Context, run_ids: Sequence[str], new: Collection[str]) -> dict[str, Evaluation]:
    """Evaluate the finished runs, each by its id; W&B gets the figures of the ``new`` ones."""
    finished = [run_id for run_id in run_ids if context.runs.read(run_id).status == "finished"]
    tested: dict[str, Evaluation] = {}
    for track in (True, False):
        choices = [RunChoice(run_id) for run_id in finished if (run_id in new) is track]
        if choices:
            tested |= {each.run_id: each for each in evaluate(context, choices, track=track)}
    return tested


def _results(
    context: Context,
    rank: int,
    original: Original,
    run_ids: Sequence[str],
    tested: Mapping[str, Evaluation],
) -> list[RerunResult]:
    """Return the runs of one configuration, with the evaluations of those that have finished."""
    before = RerunOriginal(
        sweep_id=original.sweep_id,
        run_id=original.run_id,
        dataset=original.config.dataset,
        seed=original.config.seed,
        metric=original.metric.name,
        value=original.value,
        test_acc=None if original.members else _original_test_acc(context, original.run_id),
    )
    runs = [show_run(context, run_id) for run_id in run_ids]
    finished = [run for run in runs if run.run_id in tested]
    over_runs = OverRuns(
        finished=len(finished),
        val_acc=spread([run.best_val_acc for run in finished if run.best_val_acc is not None]),
        test_acc=spread([tested[run.run_id].accuracy for run in finished]),
    )
    return [
        RerunResult(
            **{**vars(run), "test_acc": tested[run.run_id].accuracy if run.run_id in tested else None},
            rank=rank,
            test_loss=tested[run.run_id].loss if run.run_id in tested else None,
            original=before,
            over_runs=over_runs,
        )
        for run in runs
    ]


def _original_test_acc(context: Context, run_id: str | None) -> float | None:
    """Return it where the weights lie in this store, of which a sweep keeps those of its best runs only.

    None where the figure is no longer that of the run (see `own_test_acc`).
    """
    if run_id is None or not context.runs.has_model(run_id):
        return None
    try:
        return own_test_acc(context, run_id)
    except FfnnError as error:
        context.notify(f"run {run_id} of the sweep could not be evaluated: {error}")
        return None
