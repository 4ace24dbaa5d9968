"""The best run with its weights: trained again where they were dropped or lie on another machine."""

from __future__ import annotations

from dataclasses import dataclass

from ffcli.config import TrainConfig, validate
from ffcli.core.training import CORE_VERSION
from ffcli.datasets import canonical_name
from ffcli.errors import FfnnError
from ffcli.runs.layout import SUMMARY
from ffcli.runs.metric import BY_VAL_ACC, Metric, Standing
from ffcli.runs.store import MODEL
from ffcli.services.past_runs import PastRuns
from ffcli.services.runs.select import best_run
from ffcli.services.sweeps.create import storage_url
from ffcli.services.train import train
from ffcli.sweeping.store import TrialStore
from ffcli.sweeping.trials import Sweep, Trial
from ffcli.sweeping.wandb.address import is_address, parse_address
from ffcli.training.context import Context
from ffcli.training.options import RunOptions
from ffcli.training.runner import Unwatched, Watcher

RETRAINED = "retrained"  # the tag of a run that was trained again for its weights


@dataclass(frozen=True)
class Wanted:
    """A run whose weights are needed, and what is known of it; ``value`` is the metric at its best epoch."""

    title: str
    run_id: str | None
    config: TrainConfig
    dataset_digest: str | None
    core_version: int
    metric: Metric
    value: float
    threads: int
    tags: tuple[str, ...]


def best_with_weights(
    context: Context,
    *,
    metric: str | None = None,
    dataset: str | None = None,
    sweep_id: str | None = None,
    watcher: Watcher | None = None,
    command_line: tuple[str, ...] = (),
) -> str:
    """Return the id of a run with weights in the store that is the best by ``metric``, or the same training.

    It is the best finished run of one dataset (see `best_run`), or trial of a sweep, by the sweep's own
    metric unless another is given. The study of a sweep decides, and the server of one at W&B
    (entity/project/id). Where the store has the weights of no such training,
    it is trained again, with a notice, as an ordinary run tagged ``retrained``. Raises FfnnError where it
    cannot come out the same, and as `best_run`.
    """
    if sweep_id is None:
        wanted = _of_store(context, BY_VAL_ACC.or_named(metric), dataset)
    elif is_address(sweep_id):
        from ffcli.services.evaluation.best_wandb import best_of_wandb

        wanted = best_of_wandb(context, parse_address(sweep_id), metric, dataset)
    else:
        wanted = _of_sweep(context, sweep_id, metric, dataset)
    if wanted.run_id is not None and (context.runs.path(wanted.run_id) / MODEL).is_file():
        return wanted.run_id
    digest = context.dataset(wanted.config.dataset).digest
    if wanted.dataset_digest not in (None, digest):
        raise FfnnError(
            f"{wanted.title} has no weights here and cannot be trained again: "
            f"{wanted.config.dataset} is not the dataset that it was trained on."
        )
    if wanted.core_version != CORE_VERSION:
        raise FfnnError(
            f"{wanted.title} has no weights here and cannot be trained again: it was trained by version "
            f"{wanted.core_version} of the core, this is {CORE_VERSION}."
        )
    same = PastRuns(context).find(wanted.config, digest, weights=True)
    if same is not None:
        context.notify(f"{wanted.title} has no weights here; run {same} is the same training")
        return same
    return _train_again(context, wanted, watcher or Unwatched(), command_line)


def _of_store(context: Context, metric: Metric, dataset: str | None) -> Wanted:
    record = best_run(context, metric, dataset)
    about = record.provenance
    return Wanted(
        f"Run {record.run_id}",
        record.run_id,
        validate(record.config),
        about.get("dataset_digest"),
        about.get("core", CORE_VERSION),
        metric,
        record.best[metric.name],
        record.threads,
        (RETRAINED,),
    )


def _of_sweep(context: Context, sweep_id: str, metric: str | None, dataset: str | None) -> Wanted:
    store = TrialStore(storage_url(context, sweep_id, None))
    try:
        sweep = store.sweep(sweep_id)
        chosen = sweep.metric.or_named(metric)
        only = canonical_name(dataset) if dataset else None
        ranked = [
            pair for pair in ranked_trials(store, sweep, chosen) if only in (None, pair[1].config.dataset)
        ]
    finally:
        store.close()
    if not ranked:
        raise FfnnError(f"Sweep {sweep_id} has no finished run{f' on {only}' if only else ''} yet.")
    value, trial = ranked[0]
    digest = sweep.dataset_digest if sweep.has_one_dataset else None
    threads = 1
    if trial.run_id is not None and (context.runs.path(trial.run_id) / SUMMARY).is_file():
        record = context.runs.read(trial.run_id)
        digest, threads = record.provenance.get("dataset_digest"), record.threads
    title = f"Trial {trial.number} of sweep {sweep_id}"
    title += f" (run {trial.run_id})" if trial.run_id is not None else ""
    return Wanted(
        title,
        trial.run_id,
        trial.config,
        digest,
        sweep.core_version,
        chosen,
        value,
        threads,
        (RETRAINED, sweep_id),
    )


def ranked_trials(store: TrialStore, sweep: Sweep, metric: Metric) -> list[tuple[float, Trial]]:
    """Return the finished trials with ``metric`` at their best epoch, the best first, the earlier on a tie.

    Raises IncomparableError where a loss is to rank trials with different losses.
    """
    finished = [trial for trial in store.trials(sweep) if trial.state == "finished"]
    values: dict[int, float | None]
    if metric == sweep.metric:
        values = {trial.number: trial.value for trial in finished}
    else:
        figures: dict[int, list[float]] = {}
        for epoch in store.epochs(sweep.id):
            figures.setdefault(epoch.number, []).append(getattr(epoch.result, metric.name))
        values = {number: metric.best(of_trial) for number, of_trial in figures.items()}
    pairs = [(value, trial) for trial in finished if (value := values.get(trial.number)) is not None]
    return metric.ranked(pairs, lambda pair: Standing(pair[0], pair[1].config.loss))


def _train_again(context: Context, wanted: Wanted, watcher: Watcher, command_line: tuple[str, ...]) -> str:
    context.notify(f"{wanted.title} has no weights here: the same configuration is trained again")
    options = RunOptions(tags=wanted.tags, threads=wanted.threads, command_line=command_line)
    result = train(context, wanted.config, options, watcher)
    run_id = result.run_id
    if result.status != "finished":
        raise FfnnError(f"Trained again, the run {result.status}: see run {run_id}.")
    value = wanted.metric.best(getattr(row, wanted.metric.name) for row in result.epochs)
    if value != wanted.value:
        context.notify(
            f"run {run_id} differs from the record (another processor, NumPy or number of threads): "
            f"{wanted.metric.name} {value:.6g} instead of {wanted.value:.6g}"
        )
    return run_id
