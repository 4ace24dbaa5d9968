"""What is recorded with a run without being a hyper-parameter."""

from __future__ import annotations

from dataclasses import dataclass


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


def wandb_wishes(options: RunOptions) -> dict[str, str | None]:
    """Return what the record of a new run says of W&B."""
    about = {"mode": options.wandb, "project": options.wandb_project, "entity": options.wandb_entity}
    return {**about, **({"model": "yes"} if options.log_model else {})}
