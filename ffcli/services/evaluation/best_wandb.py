"""The best run of a sweep at W&B, found by its API."""

from __future__ import annotations

from dataclasses import replace

from ffcli.config import FIELDS, TrainConfig, field_name, validate
from ffcli.core.training import CORE_VERSION
from ffcli.datasets import canonical_name
from ffcli.errors import FfnnError, RequestError
from ffcli.runs.metric import BY_VAL_ACC, Metric, Standing
from ffcli.runs.record import RunRecord
from ffcli.services.evaluation.best import RETRAINED, Wanted
from ffcli.services.sweep_wandb_worker import best_epoch
from ffcli.services.sweeps.wandb import check_account, records, remote_spec
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
        chosen = (remote_spec(server, address).metric or BY_VAL_ACC).or_named(metric)
        found = _of_server(server, address, chosen, only)
    except (ServerLostError, RequestError) as error:
        chosen = BY_VAL_ACC.or_named(metric)
        here = [record for record in records(context, str(address)) if record.status == "finished"]
        if not here:
            raise
        stored = f"{counted(len(here), 'run')} that {are(len(here))} stored here"
        context.notify(f"{error} The best of the {stored} is taken.")
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
        metric=chosen,
        value=value,
        threads=1,
        tags=(RETRAINED,),
    )
    for record in records(context, str(address)):
        if record.wandb.get("id") == run_id:
            about = record.provenance
            wanted = replace(
                wanted,
                run_id=record.run_id,
                dataset_digest=about.get("dataset_digest"),
                core_version=about.get("core", CORE_VERSION),
                threads=record.threads,
            )
    return wanted


_Found = tuple[float, str, TrainConfig]


def _of_server(server: WandbServer, address: WandbAddress, metric: Metric, only: str | None) -> _Found | None:
    runs = [run for run in server.runs(address, metric.name) if run.state == "finished"]
    ranked = metric.ranked(
        [run for run in runs if only in (None, run.config.get("dataset"))],
        lambda run: Standing(run.best(metric), run.config.get("loss")),
    )
    for run in ranked[:1]:
        try:
            return metric.best(run.values) or 0.0, run.id, config_of(run)
        except RequestError as error:
            raise FfnnError(f"W&B's run {run.id} is the best, and ffnn cannot train it: {error}") from None
    return None


def config_of(run: RemoteRun) -> TrainConfig:
    """Return the configuration of a run; where it has a hyper-parameter under two names, ours counts.

    Raises RequestError where W&B has values that no configuration takes.
    """
    old = {field: value for name, value in run.config.items() if (field := field_name(name)) is not None}
    return validate({**old, **{name: run.config[name] for name in FIELDS if name in run.config}})


def _of_store(context: Context, here: list[RunRecord], metric: Metric, only: str | None) -> _Found | None:
    found = []
    for record in here:
        value = best_epoch(metric, [row.result for row in context.runs.history(record.run_id)])[0]
        if value is not None and only in (None, record.dataset):
            found.append((value, str(record.wandb.get("id")), validate(record.config)))
    ranked = metric.ranked(found, lambda each: Standing(each[0], each[2].loss))
    return ranked[0] if ranked else None
