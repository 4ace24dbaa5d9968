"""The finished runs of a sweep, the best first, from its study or from W&B's server."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from statistics import fmean

from ffcli.config import FIELDS, NAMES, TrainConfig, validate
from ffcli.core.training import CORE_VERSION
from ffcli.datasets import canonical_name
from ffcli.errors import FfnnError, RequestError
from ffcli.runs.metric import BY_VAL_ACC, Metric, Standing
from ffcli.runs.record import RunRecord
from ffcli.services.sweeps.create import read_sweep
from ffcli.services.sweeps.epochs import histories
from ffcli.services.sweeps.find import find_sweep, records_of
from ffcli.services.sweeps.wandb import check_account, remote_spec
from ffcli.sweeping.study.record import Trial, best_epoch
from ffcli.sweeping.study.study import Study
from ffcli.sweeping.wandb.address import WandbAddress, is_address, parse_address
from ffcli.sweeping.wandb.server import RemoteRun, ServerLostError, WandbServer
from ffcli.training.context import Context
from ffcli.util.text import are, counted


@dataclass(frozen=True)
class Original:
    """A finished run, of a sweep unless ``sweep_id`` is empty; ``value`` is the metric at its best epoch.

    ``run_id`` is that of this store where it may hold the run, else W&B's. ``title`` names the run in
    messages. ``members`` are the configurations of the runs of a trial that has several; ``run_id`` is the
    first of them, ``value`` their mean. ``dataset_digest`` is None where it is not known.
    """

    title: str
    sweep_id: str
    run_id: str | None
    config: TrainConfig
    metric: Metric
    value: float
    dataset_digest: str | None = None
    core_version: int = CORE_VERSION
    threads: int = 1
    members: tuple[TrainConfig, ...] = ()


def ranked_originals(
    context: Context, sweep: str, *, metric: str | None = None, dataset: str | None = None
) -> list[Original]:
    """Return the finished runs of a sweep, the best first and the earlier first on a tie: at least one.

    ``sweep`` is a sweep of the store, or entity/project/id at W&B. The sweep's own metric ranks unless
    another is given. Raises RequestError for an unknown sweep or metric, or where a loss is to rank runs of
    different losses; FfnnError where no run has finished (on ``dataset``, if given) or W&B cannot be asked.
    """
    only = canonical_name(dataset) if dataset else None
    if is_address(sweep):
        sweep_id = sweep
        metric_, found = _of_wandb(context, parse_address(sweep), metric)
    else:
        sweep_id = find_sweep(context, sweep)
        metric_, found = _of_store(context, sweep_id, metric)
    found = [original for original in found if only in (None, original.config.dataset)]
    if not found:
        raise FfnnError(f"Sweep {sweep_id} has no finished run{f' on {only}' if only else ''} yet.")
    ranked = metric_.ranked(found, lambda original: Standing(original.value, original.config.loss))
    return [_as_stored(context, original) for original in ranked]


def _as_stored(context: Context, original: Original) -> Original:
    """Return an original with what its record says of the data and the threads, where it is stored here."""
    record = context.runs.sound(original.run_id)
    if record is None:
        return original
    about = record.provenance
    return replace(
        original,
        dataset_digest=about.dataset_digest,
        core_version=about.core or CORE_VERSION,
        threads=record.threads,
    )


def _of_store(context: Context, sweep_id: str, metric: str | None) -> tuple[Metric, list[Original]]:
    study = read_sweep(context, sweep_id)
    sweep, chosen = study.sweep, study.sweep.metric.or_named(metric)
    return chosen, [
        Original(
            title=f"Trial {trial.number} of sweep {sweep_id}"
            + (f" (run {trial.run_id})" * bool(trial.run_id)),
            sweep_id=sweep_id,
            run_id=trial.run_id,
            config=trial.config,
            metric=chosen,
            value=value,
            dataset_digest=sweep.dataset_digest if sweep.has_one_dataset else None,
            core_version=sweep.core_version,
            members=sweep.members(trial.config) if sweep.runs_per_trial > 1 else (),
        )
        for trial, value in _values(context, study, chosen)
    ]


def _values(context: Context, study: Study, metric: Metric) -> list[tuple[Trial, float]]:
    """Return the finished trials that have a value of a metric at their best epoch, with this value."""
    finished = [trial for trial in study.trials if trial.state == "finished"]
    if metric == study.sweep.metric:
        return [(trial, trial.value) for trial in finished if trial.value is not None]
    values = ((trial, _value(context, trial, metric)) for trial in finished)
    return [(trial, value) for trial, value in values if value is not None]


def _value(context: Context, trial: Trial, metric: Metric) -> float | None:
    """Return the mean over a trial's runs of a metric at its best epoch; None where one has none."""
    best = [best_epoch(metric, [row.result for row in rows])[0] for rows in histories(context, trial)]
    known = [value for value in best if value is not None]
    return fmean(known) if known and len(known) == len(trial.run_ids) else None


def _of_wandb(context: Context, address: WandbAddress, metric: str | None) -> tuple[Metric, list[Original]]:
    """Ask W&B; where it cannot be asked, the runs of the sweep in this store are used, with a notice."""
    stored = {record.wandb.id: record for record in records_of(context, str(address))}
    finished = {key: record for key, record in stored.items() if record.status == "finished"}
    try:
        check_account()
        server = WandbServer()
        chosen = (remote_spec(server, address).metric or BY_VAL_ACC).or_named(metric)
        runs = [run for run in server.runs(address, chosen.name) if run.state == "finished"]
    except (ServerLostError, RequestError) as error:
        chosen = BY_VAL_ACC.or_named(metric)
        if not finished:
            raise
        here = f"{counted(len(finished), 'run')} that {are(len(finished))} stored here"
        context.notify(f"{error} The {here} {are(len(finished))} used.")
        return chosen, _of_records(context, address, finished.values(), chosen)
    found = []
    for run in runs:
        value = chosen.best(run.values)
        # A run that early termination has stopped is finished too in W&B's eyes.
        if value is None or (run.id in stored and run.id not in finished):
            continue
        try:
            config = config_of(run)
        except (RequestError, OSError) as error:
            context.notify(f"run {run.id} of sweep {address} is left out: {error}")
            continue
        run_id = finished[run.id].run_id if run.id in finished else run.id
        title = f"W&B's run {run.id} of sweep {address}"
        found.append(Original(title, str(address), run_id, config, chosen, value))
    return chosen, found


def _of_records(
    context: Context, address: WandbAddress, finished: Iterable[RunRecord], metric: Metric
) -> list[Original]:
    found = []
    for record in finished:
        value = best_epoch(metric, [row.result for row in context.runs.history(record.run_id)])[0]
        if value is not None:
            title, config = f"Run {record.run_id} of sweep {address}", validate(record.config)
            found.append(Original(title, str(address), record.run_id, config, metric, value))
    return found


def config_of(run: RemoteRun) -> TrainConfig:
    """Return the configuration of a run; where it has a hyper-parameter under two names, ours counts.

    Raises RequestError where W&B has values that no configuration takes.
    """
    old = {field: value for name, value in run.config.items() if (field := NAMES.field(name)) is not None}
    return validate({**old, **{name: run.config[name] for name in FIELDS if name in run.config}})
