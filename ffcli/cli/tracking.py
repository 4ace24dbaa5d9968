"""The options by which a command's runs are tracked by W&B."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ffcli.cli.values import one_of


def _option(*names: str, **settings: Any) -> Any:
    return typer.Option(*names, rich_help_panel="Weights & Biases", show_default=False, **settings)


WandbMode = Annotated[
    str | None,
    _option(
        "--wandb",
        metavar="MODE",
        help="auto (online where a key is configured), online, offline or disabled.",
    ),
]
WandbProject = Annotated[
    str | None, _option("--wandb-project", "-wp", metavar="NAME", help="The project there (ffnn).")
]
WandbEntity = Annotated[
    str | None,
    _option("--wandb-entity", "-we", metavar="NAME", help="The team or user there (your default)."),
]
LogModel = Annotated[bool, _option("--log-model", help="Keep the network there too, as an artifact.")]


def wandb_mode(given: str | None, default: str = "auto") -> str:
    """Return the mode that ``--wandb`` names. Raises RequestError for another."""
    from ffcli.tracking.modes import REQUESTS

    return default if given is None else one_of("--wandb", given, REQUESTS)
