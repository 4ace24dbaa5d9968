"""The best run with its weights: trained again where they were dropped or lie on another machine."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ffcli.config import TrainConfig, validate
from ffcli.core.training import CORE_VERSION
from ffcli.datasets import canonical_name
from ffcli.errors import FfnnError, RequestError
from ffcli.runs.layout import SUMMARY
from ffcli.runs.record import METRICS, is_loss
from ffcli.runs.store import MODEL
from ffcli.services.past_runs import PastRuns
from ffcli.services.runs.select import best_run
from ffcli.services.sweeps.create import read_sweep
from ffcli.services.sweeps.epochs import epochs_of
from ffcli.services.train import train
from ffcli.sweeping.study.record import Sweep, Trial
from ffcli.sweeping.study.study import Study
from ffcli.sweeping.wandb.address import is_address, parse_address
from ffcli.training.context import Context
from ffcli.training.options import RunOptions
from ffcli.training.runner import Unwatched, Watcher
from ffcli.util.suggest import unknown

RETRAINED = "retrained"  # the tag of a run that was trained again for its weights


@dataclass(frozen=True)
class Wanted:
    """A run whose weights are wanted, and what is known of it: ``value`` is the metric at its best epoch.

    ``least``: the best epoch is that of the lowest value.
    """

    title: str
    run_id: str | None
    config: TrainConfig
    dataset_digest: str | None
    core_version: int | None
    metric: str
    value: float
    least: bool
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
    metric unless another is given. Of a sweep its study alone decides, and of one at W&B
    (entity/project/id) its server. Where the store has the weights of no such training,
    it is trained again, with a notice, as an ordinary run tagged ``retrained``. Raises FfnnError where it
    cannot come out the same, and as `best_run`.
    """
    if sweep_id is None:
        wanted = _of_store(context, metric or "val_acc", dataset)
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
    if wanted.core_version not in (None, CORE_VERSION):
        raise FfnnError(
            f"{wanted.title} has no weights here and cannot be trained again: it was trained by version "
            f"{wanted.core_version} of the core, this is {CORE_VERSION}."
        )
    same = PastRuns(context).find(wanted.config, digest, weights=True)
    if same is not None:
        context.notify(f"{wanted.title} has no weights here; run {same} is the same training")
        return same
    return _train_again(context, wanted, watcher or Unwatched(), command_line)


def _of_store(context: Context, metric: str, dataset: str | None) -> Wanted:
    record = best_run(context, metric, dataset)
    name = metric_name(metric)
    about = record.provenance
    return Wanted(
        f"Run {record.run_id}",
        record.run_id,
        validate(record.config),
        about.dataset_digest,
        about.core,
        name,
        record.best[name],
        is_loss(name),
        record.threads,
        (RETRAINED,),
    )


def _of_sweep(context: Context, sweep_id: str, metric: str | None, dataset: str | None) -> Wanted:
    study = read_sweep(context, sweep_id)
    sweep = study.sweep
    name = sweep.metric.name if metric is None else metric_name(metric)
    only = canonical_name(dataset) if dataset else None
    ranked = [pair for pair in ranked_trials(context, study, name) if only in (None, pair[1].config.dataset)]
    if not ranked:
        raise FfnnError(f"Sweep {sweep_id} has no finished run{f' on {only}' if only else ''} yet.")
    value, trial = ranked[0]
    digest = sweep.dataset_digest if sweep.has_one_dataset else None
    threads = 1
    if trial.run_id is not None and (context.runs.path(trial.run_id) / SUMMARY).is_file():
        record = context.runs.read(trial.run_id)
        digest, threads = record.provenance.dataset_digest, record.threads
    title = f"Trial {trial.number} of sweep {sweep_id}"
    title += f" (run {trial.run_id})" if trial.run_id is not None else ""
    return Wanted(
        title,
        trial.run_id,
        trial.config,
        digest,
        sweep.core_version,
        name,
        value,
        _least(sweep, name),
        threads,
        (RETRAINED, sweep_id),
    )


def ranked_trials(context: Context, study: Study, metric: str) -> list[tuple[float, Trial]]:
    """Return the finished trials with ``metric`` at their best epoch, the best first, the earlier on a tie.

    The sweep's goal says which is the best, of another metric than the sweep's its nature.
    """
    sweep = study.sweep
    finished = [trial for trial in study.trials if trial.state == "finished"]
    least = _least(sweep, metric)
    if metric == sweep.metric.name:
        values = {trial.number: trial.value for trial in finished}
    else:
        values = {}
        for epoch in epochs_of(context, finished):
            value, before = getattr(epoch.result, metric), values.get(epoch.number)
            if math.isfinite(value) and (before is None or (value < before if least else value > before)):
                values[epoch.number] = value
    pairs = [(value, trial) for trial in finished if (value := values.get(trial.number)) is not None]
    return sorted(pairs, key=lambda pair: pair[0] if least else -pair[0])


def _least(sweep: Sweep, metric: str) -> bool:
    """Whether the lowest value of a metric is the best in a sweep."""
    return sweep.metric.goal == "minimize" if metric == sweep.metric.name else is_loss(metric)


def metric_name(word: str) -> str:
    """Return the metric that a word means. Raises RequestError for another."""
    name = word.strip().lower().replace("-", "_")
    if name not in METRICS:
        raise RequestError(f"--metric: {unknown('metric', word, METRICS)}")
    return name


def _train_again(context: Context, wanted: Wanted, watcher: Watcher, command_line: tuple[str, ...]) -> str:
    context.notify(f"{wanted.title} has no weights here: the same configuration is trained again")
    options = RunOptions(tags=wanted.tags, threads=wanted.threads, command_line=command_line)
    document = train(context, wanted.config, options, watcher)
    run_id = str(document["run_id"])
    if document["status"] != "finished":
        raise FfnnError(f"Trained again, it {document['status']}: see run {run_id}.")
    best = min if wanted.least else max
    value = best(epoch[wanted.metric] for epoch in document["epochs"])
    if value != wanted.value:
        context.notify(
            f"run {run_id} does not come out quite as recorded (another processor, NumPy or number of "
            f"threads): {wanted.metric} {value:.6g} instead of {wanted.value:.6g}"
        )
    return run_id
