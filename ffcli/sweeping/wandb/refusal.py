"""Runs that W&B has handed out and that cannot be trained."""

from __future__ import annotations

from ffcli.runs.record import utc_now
from ffcli.sweeping.wandb.address import WandbAddress
from ffcli.sweeping.wandb.agents import Train
from ffcli.tracking.base import TrackedRun
from ffcli.tracking.wandb_tracker import WandbTracker


def tell_of_failure(address: WandbAddress, order: Train, error: str) -> None:
    """Give a run at W&B its end as failed. Raises OSError."""
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
