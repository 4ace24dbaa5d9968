"""How options and arguments look in the help: in groups, each with its default at its end."""

from __future__ import annotations

from typing import Any

import typer
from rich.markup import escape

from ffcli.cli.completion import Completer
from ffcli.cli.shared import PANEL as OUTPUT

CHOICE, EVALUATION, NETWORK, IMAGES = "Which runs", "Evaluation", "Network", "Images"
TRAINING, REPETITION, WANDB = "Training", "Repetition", "Weights & Biases"
__all__ = [
    "CHOICE",
    "EVALUATION",
    "IMAGES",
    "NETWORK",
    "OUTPUT",
    "REPETITION",
    "TRAINING",
    "WANDB",
    "argument",
    "option",
    "with_default",
]


def option(
    *names: str,
    group: str,
    help: str,
    default: object = None,
    completes: Completer | None = None,
    **more: Any,
) -> Any:
    """Declare an option of a group of the help. ``default`` is what it is when it is not given, in words."""
    text = escape(help) if default is None else with_default(help, default)
    return typer.Option(
        *names, rich_help_panel=group, help=text, show_default=False, autocompletion=completes, **more
    )


def argument(*, help: str, default: object = None, completes: Completer | None = None, **more: Any) -> Any:
    """Declare an argument, as `option` does an option."""
    text = escape(help) if default is None else with_default(help, default)
    return typer.Argument(help=text, show_default=False, autocompletion=completes, **more)


def with_default(text: str, default: object) -> str:
    """Return the help of an option that is ``default`` unless it is given."""
    return f"{escape(text)} [dim]{escape(f'[default: {default}]')}[/]"
