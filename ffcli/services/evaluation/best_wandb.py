"""The best run of a sweep at W&B, found by its API."""

from __future__ import annotations

from dataclasses import replace

from ffcli.config import FIELDS, TrainConfig, field_name, validate
from ffcli.core.training import CORE_VERSION
from ffcli.datasets import canonical_name
from ffcli.errors import FfnnError, RequestError
from ffcli.runs.record import RunRecord, is_loss
from ffcli.services.evaluation.best import RETRAINED, Wanted, metric_name
from ffcli.services.sweeps.wandb import check_account, records, remote_spec
from ffcli.sweeping.spec.spec import Metric
from ffcli.sweeping.study.record import BY_VAL_ACC, best_epoch
from ffcli.sweeping.wandb.address import WandbAddress
from ffcli.sweeping.wandb.server import RemoteRun, ServerLostError, WandbServer
from ffcli.training.context import Context
from ffcli.util.text import are, counted


def best_of_wandb(context: Context, address: WandbAddress, metric: str | None, dataset: str | None) -> Wanted:
    """Return the best finished run of a sweep, with the run of this store that it is, if it is here.

    W&B decides, by the sweep's own metric unless another is given; where it cannot be asked, the runs of the
    sweep that are stored here do, with a notice. Raises FfnnError where there is none.
    """
    only = canonical_name(dataset) if dataset else None
    try:
        check_account()
        server = WandbServer()
        chosen = _metric(remote_spec(server, address).metric or BY_VAL_ACC, metric)
        found = _of_server(server, address, chosen, only)
    except (ServerLostError, RequestError) as error:
        if metric is not None:
            metric_name(metric)
        here = [record for record in records(context, str(address)) if record.status == "finished"]
        if not here:
            raise
        stored = f"{counted(len(here), 'run')} that {are(len(here))} stored here"
        context.notify(f"{error} The best of the {stored} is taken.")
        chosen = _metric(BY_VAL_ACC, metric)
        found = _of_store(context, here, chosen, only)
    if found is None:
        raise FfnnError(f"Sweep {address} has no finished run{f' on {only}' if only else ''} yet.")
    value, run_id, config = found
    wanted = Wanted(
        title=f"W&B's run {run_id} of sweep {address}",
        run_id=None,
        config=config,
        dataset_digest=None,
        core_version=CORE_VERSION,
        metric=chosen.name,
        value=value,
        least=chosen.goal == "minimize",
        threads=1,
        tags=(RETRAINED,),
    )
    for record in records(context, str(address)):
        if record.wandb.id == run_id:
            about = record.provenance
            wanted = replace(
                wanted,
                run_id=record.run_id,
                dataset_digest=about.dataset_digest,
                core_version=about.core,
                threads=record.threads,
            )
    return wanted


def _metric(of_sweep: Metric, given: str | None) -> Metric:
    """Return the metric to go by: the sweep's, or another, whose nature says what is the best."""
    name = of_sweep.name if given is None else metric_name(given)
    if name == of_sweep.name:
        return of_sweep
    return Metric(name, "minimize" if is_loss(name) else "maximize")


_Found = tuple[float, str, TrainConfig]


def _of_server(server: WandbServer, address: WandbAddress, metric: Metric, only: str | None) -> _Found | None:
    best: tuple[float, RemoteRun] | None = None
    for run in server.runs(address, metric.name):
        value = run.best(metric) if run.state == "finished" else None
        if value is None or (only is not None and run.config.get("dataset") != only):
            continue
        if best is None or metric.better(value, best[0]):
            best = value, run
    if best is None:
        return None
    value, run = best
    try:
        return value, run.id, config_of(run)
    except RequestError as error:
        raise FfnnError(f"W&B's run {run.id} is the best, and cannot be trained by ffnn: {error}") from None


def config_of(run: RemoteRun) -> TrainConfig:
    """Return the configuration of a run; where it has a hyper-parameter under two names, ours counts.

    Raises RequestError where W&B has values that no configuration takes.
    """
    old = {field: value for name, value in run.config.items() if (field := field_name(name)) is not None}
    return validate({**old, **{name: run.config[name] for name in FIELDS if name in run.config}})


def _of_store(context: Context, here: list[RunRecord], metric: Metric, only: str | None) -> _Found | None:
    best: _Found | None = None
    for record in here:
        value = best_epoch(metric, [row.result for row in context.runs.history(record.run_id)])[0]
        if value is None or only not in (None, record.dataset):
            continue
        if best is None or metric.better(value, best[0]):
            best = value, str(record.wandb.id), validate(record.config)
    return best
