"""The options by which a command's runs are tracked by W&B."""

from __future__ import annotations

from typing import Annotated

from ffcli.cli.completion import names_in
from ffcli.cli.help import WANDB, option
from ffcli.cli.values import one_of

WandbMode = Annotated[
    str | None,
    option(
        "--wandb",
        group=WANDB,
        metavar="MODE",
        help="auto (online where a key is configured), online, offline or disabled.",
        default="auto",
        completes=names_in("ffcli.tracking.modes", "REQUESTS"),
    ),
]
WandbProject = Annotated[
    str | None,
    option(
        "--wandb-project",
        "-wp",
        "-w_p",
        group=WANDB,
        metavar="NAME",
        help="The project there.",
        default="ffnn",
    ),
]
WandbEntity = Annotated[
    str | None,
    option(
        "--wandb-entity",
        "-we",
        "-w_e",
        group=WANDB,
        metavar="NAME",
        help="The team or user there.",
        default="your own",
    ),
]
LogModel = Annotated[
    bool, option("--log-model", group=WANDB, help="Keep the network there too, as an artifact.")
]


def wandb_mode(given: str | None, default: str = "auto") -> str:
    """Return the mode that ``--wandb`` names. Raises RequestError for another."""
    from ffcli.tracking.modes import REQUESTS

    return default if given is None else one_of("--wandb", given, REQUESTS)
