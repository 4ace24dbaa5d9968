"""The weights of the best run where they were removed or are on another machine: it is trained again."""

from __future__ import annotations

from dataclasses import replace

from ffcli.config import validate
from ffcli.core.training import CORE_VERSION
from ffcli.errors import FfnnError
from ffcli.runs.metric import Metric
from ffcli.runs.record import RunRecord
from ffcli.services.past_runs import PastRuns, looked_elsewhere
from ffcli.services.sweeps.originals import Original
from ffcli.services.train import train
from ffcli.sweeping.wandb.address import is_address
from ffcli.training.context import Context
from ffcli.training.events import OnTraining, null_observer
from ffcli.training.options import RunOptions

RETRAINED = "retrained"  # the tag of a run that was trained again for its weights


def of_store(record: RunRecord, metric: Metric) -> Original:
    """Return a run as the best of the store."""
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


def with_weights(
    context: Context, best: Original, on_event: OnTraining = null_observer, command_line: tuple[str, ...] = ()
) -> str:
    """Return the id of the run, of one that is the same training, or of one that is trained now.

    Of a trial with several runs it is the first, of which notice is given. Raises FfnnError where it cannot
    come out the same.
    """
    if best.members:
        context.notify(f"{best.title} is the first of the {len(best.members)} runs of its trial")
        best = replace(best, config=best.members[0])
    if best.run_id is not None and context.runs.has_model(best.run_id):
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
    record = context.runs.sound(best.run_id)
    if record is not None and looked_elsewhere(best.config, record.provenance):
        raise FfnnError(
            f"{best.title} has no weights here and cannot be trained again: its schedule was begun for "
            f"{record.provenance.begun_for_epochs} epochs."
        )
    same = PastRuns(context).find(best.config, digest, weights=True)
    if same is not None:
        context.notify(f"{best.title} has no weights here; run {same} is the same training")
        return same
    return _train_again(context, best, on_event, command_line)


def _train_again(
    context: Context, best: Original, on_event: OnTraining, command_line: tuple[str, ...]
) -> str:
    context.notify(f"{best.title} has no weights here: the same configuration is trained again")
    is_local = best.sweep_id and not is_address(best.sweep_id)
    tags = (RETRAINED, best.sweep_id) if is_local else (RETRAINED,)
    options = RunOptions(tags=tags, threads=best.threads, command_line=command_line)
    result = train(context, best.config, options, on_event)
    if result.status != "finished":
        raise FfnnError(f"The training was repeated as run {result.run_id}, which ended as {result.status}.")
    value = best.metric.best(map(best.metric.of, result.epochs))
    if value != best.value and not best.members:  # of several runs the value is the mean
        context.notify(
            f"run {result.run_id} differs from the record (another processor, NumPy or number of threads): "
            f"{best.metric.name} {value:.6g} instead of {best.value:.6g}"
        )
    return result.run_id
