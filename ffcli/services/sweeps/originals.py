"""The finished runs of a sweep, the best first: by its study or, of a sweep of W&B's, by the server."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ffcli.config import TrainConfig, validate
from ffcli.errors import FfnnError, RequestError
from ffcli.runs.record import is_loss
from ffcli.services.evaluation.best import metric_name, ranked_trials
from ffcli.services.evaluation.best_wandb import config_of
from ffcli.services.sweeps.create import read_sweep
from ffcli.services.sweeps.find import find_sweep
from ffcli.services.sweeps.wandb import check_account, records, remote_spec
from ffcli.sweeping.spec.spec import Metric
from ffcli.sweeping.study.record import BY_VAL_ACC, best_epoch
from ffcli.sweeping.wandb.address import WandbAddress, is_address, parse_address
from ffcli.sweeping.wandb.server import ServerLostError, WandbServer
from ffcli.training.context import Context
from ffcli.util.text import are, counted


@dataclass(frozen=True)
class Original:
    """A finished run of a sweep; ``value`` is the metric at its best epoch.

    ``run_id`` is that of this store where it may hold the run, else W&B's.
    """

    sweep_id: str
    run_id: str | None
    config: TrainConfig
    metric: str
    value: float


def ranked_originals(context: Context, sweep: str, *, metric: str | None = None) -> list[Original]:
    """Return the finished runs of a sweep, the best first and the earlier first on a tie: one at least.

    ``sweep`` is a sweep of the store, or entity/project/id at W&B. The
    sweep's own metric decides unless another is given. Raises RequestError where there is no such sweep or
    metric, FfnnError where no run has finished or W&B cannot be asked.
    """
    chosen = None if metric is None else metric_name(metric)
    if is_address(sweep):
        sweep_id = sweep
        originals = _of_wandb(context, parse_address(sweep), chosen)
    else:
        sweep_id = find_sweep(context, sweep)
        originals = _of_store(context, sweep_id, chosen)
    if not originals:
        raise FfnnError(f"Sweep {sweep_id} has no finished run yet.")
    return originals


def _of_store(context: Context, sweep_id: str, metric: str | None) -> list[Original]:
    study = read_sweep(context, sweep_id)
    name = metric or study.sweep.metric.name
    ranked = ranked_trials(context, study, name)
    return [Original(sweep_id, trial.run_id, trial.config, name, value) for value, trial in ranked]


def _of_wandb(context: Context, address: WandbAddress, metric: str | None) -> list[Original]:
    """Ask W&B; where that cannot be, the runs of the sweep that this store holds do, with a notice."""
    stored = {record.wandb.id: record for record in records(context, str(address))}
    finished = {key: record.run_id for key, record in stored.items() if record.status == "finished"}
    try:
        check_account()
        server = WandbServer()
        spec = remote_spec(server, address)
        chosen = _metric(spec.metric or BY_VAL_ACC, metric)
        runs = [run for run in server.runs(address, chosen.name) if run.state == "finished"]
    except (ServerLostError, RequestError) as error:
        if not finished:
            raise
        here = f"{counted(len(finished), 'run')} that {are(len(finished))} stored here"
        context.notify(f"{error} The {here} {are(len(finished))} taken.")
        return _of_records(context, address, list(finished.values()), _metric(BY_VAL_ACC, metric))
    found = []
    for run in runs:
        value = run.best(chosen)
        # A run that early termination has stopped is finished too in W&B's eyes.
        if value is None or (run.id in stored and run.id not in finished):
            continue
        try:
            config = config_of(run)
        except (RequestError, OSError) as error:
            context.notify(f"run {run.id} of sweep {address} is left out: {error}")
            continue
        found.append(Original(str(address), finished.get(run.id, run.id), config, chosen.name, value))
    return _ranked(found, chosen)


def _of_records(
    context: Context, address: WandbAddress, run_ids: Sequence[str], metric: Metric
) -> list[Original]:
    found = []
    for run_id in run_ids:
        value = best_epoch(metric, [row.result for row in context.runs.history(run_id)])[0]
        if value is not None:
            config = validate(context.runs.read(run_id).config)
            found.append(Original(str(address), run_id, config, metric.name, value))
    return _ranked(found, metric)


def _metric(of_sweep: Metric, given: str | None) -> Metric:
    """Return the metric that decides: the sweep's, or another, whose nature says what is the best."""
    if given is None or given == of_sweep.name:
        return of_sweep
    return Metric(given, "minimize" if is_loss(given) else "maximize")


def _ranked(originals: Iterable[Original], metric: Metric) -> list[Original]:
    sign = 1 if metric.goal == "minimize" else -1
    return sorted(originals, key=lambda original: sign * original.value)
