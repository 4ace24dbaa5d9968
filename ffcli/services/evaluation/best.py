"""The best run with its weights: trained again where they were removed or are on another machine."""

from __future__ import annotations

from dataclasses import dataclass

from ffcli.config import validate
from ffcli.core.training import CORE_VERSION
from ffcli.errors import FfnnError, RequestError
from ffcli.runs.metric import BY_VAL_ACC, Metric
from ffcli.runs.store import MODEL
from ffcli.services.past_runs import PastRuns
from ffcli.services.runs.select import best_run
from ffcli.services.sweeps.originals import Original, ranked_originals
from ffcli.services.train import train
from ffcli.sweeping.wandb.address import is_address
from ffcli.training.context import Context
from ffcli.training.events import OnTraining, null_observer
from ffcli.training.options import RunOptions

RETRAINED = "retrained"  # the tag of a run that was trained again for its weights


@dataclass(frozen=True)
class RunChoice:
    """One stored run: ``run`` where it is named, else the best. Raises RequestError for both.

    Attributes:
        best: the best one is asked for.
        metric: what ranks the runs; without it the sweep's own, else val_acc.
        dataset: of the best run; a named one is evaluated on it in place of its own.
        sweep_id: the best run is of this sweep, which may be entity/project/id at W&B.
        on_event: observes the training where the best run has to be trained again for its weights.
        command_line: what is recorded with that training.
    """

    run: str | None = None
    best: bool = False
    metric: str | None = None
    dataset: str | None = None
    sweep_id: str | None = None
    on_event: OnTraining = null_observer
    command_line: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.run is not None and (self.best or self.sweep_id is not None):
            raise RequestError("Expected either a run or the best one (of a sweep), got both.")


def best_with_weights(context: Context, choice: RunChoice) -> str:
    """Return the id of a run with weights in the store: the best one, or the same training.

    It is the best finished run of one dataset (see `best_run`), or of a sweep (see `ranked_originals`). Where
    the store has the weights of no such training, it is trained again, with a notice, as an ordinary run
    tagged ``retrained``. Raises FfnnError where it cannot come out the same, and errors as these two do.
    """
    metric, dataset = choice.metric, choice.dataset
    best = (
        _of_store(context, BY_VAL_ACC.or_named(metric), dataset)
        if choice.sweep_id is None
        else ranked_originals(context, choice.sweep_id, metric=metric, dataset=dataset)[0]
    )
    if best.run_id is not None and (context.runs.path(best.run_id) / MODEL).is_file():
        return best.run_id
    digest = context.dataset(best.config.dataset).digest
    if best.dataset_digest not in (None, digest):
        raise FfnnError(
            f"{best.title} has no weights here and cannot be trained again: "
            f"{best.config.dataset} is not the dataset that it was trained on."
        )
    if best.core_version != CORE_VERSION:
        raise FfnnError(
            f"{best.title} has no weights here and cannot be trained again: it was trained by version "
            f"{best.core_version} of the core, this is {CORE_VERSION}."
        )
    same = PastRuns(context).find(best.config, digest, weights=True)
    if same is not None:
        context.notify(f"{best.title} has no weights here; run {same} is the same training")
        return same
    return _train_again(context, best, choice)


def _of_store(context: Context, metric: Metric, dataset: str | None) -> Original:
    record = best_run(context, metric, dataset)
    return Original(
        title=f"Run {record.run_id}",
        sweep_id="",
        run_id=record.run_id,
        config=validate(record.config),
        metric=metric,
        value=record.best[metric.name],
        dataset_digest=record.provenance.dataset_digest,
        core_version=record.provenance.core or CORE_VERSION,
        threads=record.threads,
    )


def _train_again(context: Context, best: Original, choice: RunChoice) -> str:
    context.notify(f"{best.title} has no weights here: the same configuration is trained again")
    is_local = best.sweep_id and not is_address(best.sweep_id)
    tags = (RETRAINED, best.sweep_id) if is_local else (RETRAINED,)
    options = RunOptions(tags=tags, threads=best.threads, command_line=choice.command_line)
    result = train(context, best.config, options, choice.on_event)
    if result.status != "finished":
        raise FfnnError(f"Trained again, the run {result.status}: see run {result.run_id}.")
    value = best.metric.best(getattr(row, best.metric.name) for row in result.epochs)
    if value != best.value:
        context.notify(
            f"run {result.run_id} differs from the record (another processor, NumPy or number of threads): "
            f"{best.metric.name} {value:.6g} instead of {best.value:.6g}"
        )
    return result.run_id
