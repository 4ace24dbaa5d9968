"""Options of a run that are not hyper-parameters."""

from __future__ import annotations

from dataclasses import dataclass

from ffcli.runs.record import WandbRun


@dataclass(frozen=True)
class RunOptions:
    """What is recorded with a run without being a hyper-parameter."""

    name: str | None = None
    tags: tuple[str, ...] = ()
    threads: int = 1
    wandb: str = "disabled"
    wandb_project: str | None = None
    wandb_entity: str | None = None
    log_model: bool = False
    command_line: tuple[str, ...] = ()
    recipe: str | None = None


def wandb_wishes(options: RunOptions) -> WandbRun:
    """Return what the record of a new run says of W&B."""
    return WandbRun(
        mode=options.wandb,
        project=options.wandb_project,
        entity=options.wandb_entity,
        model=options.log_model or None,
    )
