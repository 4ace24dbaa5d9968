"""Sweeps by W&B's agents: choosing, registering, joining and describing them."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Literal

import yaml

from ffcli.config import validate
from ffcli.core.training import CORE_VERSION
from ffcli.errors import FfnnError, RequestError
from ffcli.runs.layout import SWEEP_FILE, SWEEPS
from ffcli.runs.record import RunRecord, utc_now
from ffcli.runs.recorder import RunRecorder
from ffcli.services.sweeps.create import SweepSource, any_config, keep_file, load_source
from ffcli.services.sweeps.find import records_of, text_of
from ffcli.sweeping.spec.document import parse
from ffcli.sweeping.spec.spec import KEYS, SweepSpec, parse_spec
from ffcli.sweeping.study.record import EndState, Sweep, Trial, best_epoch
from ffcli.sweeping.wandb.address import WandbAddress, parse_address
from ffcli.sweeping.wandb.agents import Train
from ffcli.sweeping.wandb.server import SweepGoneError, WandbServer
from ffcli.tracking.base import PROJECT, TrackedRun
from ffcli.tracking.modes import decide, has_key
from ffcli.tracking.wandb_tracker import WandbTracker
from ffcli.training.context import Context

Backend = Literal["local", "wandb"]
BACKENDS = ("auto", "local", "wandb")
_STATES: dict[str, EndState] = {
    "finished": "finished",
    "pruned": "pruned",
    "diverged": "failed",
    "failed": "failed",
}


def choose_backend() -> tuple[Backend, str]:
    """Return what ``--backend auto`` comes to for a file, and why; nothing is imported or asked for it."""
    if not has_key():
        return "local", "no W&B key is configured"
    mode = decide("auto").mode
    if mode != "online":
        return "local", f"W&B is {mode}"
    return "wandb", "a W&B key is configured"


def check_account() -> None:
    """Raise RequestError where W&B cannot run a sweep: without a key, or told to stay offline.

    Offline its agents do ask the server for runs, but the results never get there.
    """
    hint = "ffnn sweep FILE --backend local runs the file here, without W&B."
    if not has_key():
        raise RequestError(
            "A sweep by W&B needs a key, and none is configured: wandb login, or set WANDB_API_KEY.",
            hint=hint,
        )
    mode = decide("auto").mode
    if mode != "online":
        raise RequestError(f"A sweep by W&B cannot run while W&B is {mode} (WANDB_MODE).", hint=hint)


def register(
    context: Context, server: WandbServer, source: SweepSource, entity: str | None, project: str | None
) -> Sweep:
    """Register a sweep at W&B and return it. Raises RequestError for what is wrong in its file."""
    spec = load_source(context, source)
    digest = context.dataset(any_config(spec).dataset).digest
    project = project or spec.project or os.environ.get("WANDB_PROJECT") or PROJECT
    return _kept(context, server.register(spec.document, entity or spec.entity, project), spec, digest)


def join(context: Context, server: WandbServer, address: WandbAddress) -> Sweep:
    """Return a sweep of W&B's. Raises RequestError where there is none, or none that can be trained here."""
    spec = remote_spec(server, address)
    return _kept(context, address, spec, context.dataset(any_config(spec).dataset).digest)


def _kept(context: Context, address: WandbAddress, spec: SweepSpec, dataset_digest: str) -> Sweep:
    """Return a sweep of W&B's, whose file is kept in the store."""
    sweep = Sweep(str(address), spec, dataset_digest, CORE_VERSION, 0, 0.0)
    keep_file(context, sweep)
    return sweep


def remote_spec(server: WandbServer, address: WandbAddress) -> SweepSpec:
    """Return the sweep file that W&B has. Raises RequestError where there is none, or none for ffnn."""
    try:
        text = server.config(address)
    except SweepGoneError as error:
        raise RequestError(str(error)) from None
    source = f"sweep {address}"
    known = {key: value for key, value in parse(text, source).items() if key in KEYS}
    return parse_spec(yaml.safe_dump(known, sort_keys=False), source)


def registered_before(context: Context, source: SweepSource) -> WandbAddress | None:
    """Return the latest sweep of this very text that was registered from this store, or None."""
    text = source.text
    stored = (context.runs_dir / SWEEPS).glob(f"*/*/*/{SWEEP_FILE}")
    same = [path for path in stored if text_of(path) == text]
    if not same:
        return None
    latest = max(same, key=lambda path: path.stat().st_mtime_ns)
    return parse_address("/".join(latest.parent.parts[-3:]))


def interrupted(context: Context, sweep_id: str) -> list[str]:
    """Return the ids at W&B of the runs that were cut short here."""
    cut = (record for record in records_of(context, sweep_id) if record.status == "interrupted")
    return [run_id for record in cut if (run_id := record.wandb.id)]


def note_interrupted(context: Context, run_id: str) -> str:
    """Record a run that the machine has ended as interrupted, and return how it is finished.

    W&B does not hand it out again.
    """
    with suppress(FfnnError, OSError):
        record, seen = context.runs.read_seen(run_id)
        rows = context.runs.history(run_id)
        with RunRecorder(context.runs.path(run_id), record, rows, seen=seen) as recorder:
            recorder.end("interrupted", record.error)
    return f"to finish run {run_id}: ffnn train --resume {run_id}"


def trials(context: Context, sweep: Sweep) -> list[Trial]:
    """Return the runs of a sweep that this store holds, as trials."""
    found: list[Trial] = []
    for record in records_of(context, sweep.id):
        trial = _trial(context, sweep, record, len(found) + 1)
        if trial is not None:
            found.append(trial)
    return found


def _trial(context: Context, sweep: Sweep, record: RunRecord, number: int) -> Trial | None:
    state = _STATES.get(record.status)
    if state is None:
        return None
    try:
        config = validate(record.config)
        rows = context.runs.history(record.run_id)
    except (FfnnError, OSError):  # of another version, or damaged
        return None
    value, epoch = (
        best_epoch(sweep.metric, [row.result for row in rows]) if state != "failed" else (None, None)
    )
    return Trial(
        sweep_id=sweep.id,
        number=number,
        state=state,
        values={name: getattr(config, name) for name in sweep.spec.space},
        config=config,
        run_ids=(record.run_id,),
        value=value,
        best_epoch=epoch,
        error=record.error,
    )


def tell_of_failure(address: WandbAddress, order: Train, error: str) -> None:
    """Give a run that W&B has handed out, and that cannot be trained, its end as failed. Raises OSError."""
    tracker = WandbTracker("online")
    tracker.start(
        TrackedRun(
            order.run_id,
            utc_now(),
            name=f"refused-{order.run_id}",
            config=dict(order.values),
            sweep=address.id,
            project=address.project,
            entity=address.entity,
        )
    )
    tracker.finish(1, {"status": "failed", "error": error})
    tracker.close()
