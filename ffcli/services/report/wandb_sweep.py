"""The part of a W&B sweep that is stored here, for ``ffnn report``."""

from __future__ import annotations

from dataclasses import replace

from ffcli.core.training import CORE_VERSION
from ffcli.errors import RequestError
from ffcli.runs.layout import SWEEP_FILE
from ffcli.services.sweeps.create import sweep_folder
from ffcli.services.sweeps.epochs import epochs_of
from ffcli.services.sweeps.find import records_of
from ffcli.services.sweeps.wandb import check_account, remote_spec, trials
from ffcli.sweeping.spec.spec import load_spec
from ffcli.sweeping.study.record import Epoch, Sweep, Trial
from ffcli.sweeping.wandb.address import WandbAddress
from ffcli.sweeping.wandb.server import WandbServer
from ffcli.training.context import Context


def stored_part(context: Context, address: WandbAddress) -> tuple[Sweep, list[Trial], list[Epoch]]:
    """Return a sweep with those of its runs that have ended here, and their epochs.

    W&B is only asked where the store does not have the sweep's file, since W&B's own agents trained its runs.
    Raises RequestError where the store holds no run of the sweep.
    """
    sweep_id = str(address)
    if not any(True for _ in records_of(context, sweep_id)):
        raise RequestError(
            f"No run of sweep {sweep_id} is stored in {context.runs_dir}: the page shows what lies here.",
            hint=f"W&B's own page of the sweep shows all its runs; ffnn sweep {sweep_id} trains some here.",
        )
    file = sweep_folder(context, sweep_id) / SWEEP_FILE
    if file.is_file():
        spec = load_spec(file)
    else:
        check_account()
        spec = remote_spec(WandbServer(), address)
    sweep = Sweep(sweep_id, spec, "", CORE_VERSION, 0, 0.0)
    known = trials(context, sweep)
    epochs = epochs_of(context, known)
    begun = min((epoch.time - epoch.result.seconds for epoch in epochs), default=0.0)
    ends = {epoch.number: epoch.time for epoch in epochs}
    ended = [replace(trial, ended=ends.get(trial.number)) for trial in known]
    return replace(sweep, created=begun), ended, epochs
