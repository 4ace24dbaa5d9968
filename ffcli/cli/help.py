"""Declaration of options and arguments: their group in the help, and the default at the end of the text."""

from __future__ import annotations

from typing import Any

import typer
from rich.markup import escape

from ffcli.cli.completion import Completer
from ffcli.cli.shared import PANEL

OUTPUT = PANEL
CHOICE, EVALUATION, NETWORK, IMAGES = "Which runs", "Evaluation", "Network", "Images"
TRAINING, REPETITION, SAFETY, WANDB = "Training", "Repetition", "Safety", "Weights & Biases"


def option(
    spelled: str, group: str, help: str, *, default: object = None, completes: Completer | None = None
) -> Any:
    """Declare an option of a group of the help, ``spelled`` as the help does: "--dataset -d NAME".

    ``default`` is what it is when it is not given, in words.
    """
    names = [word for word in spelled.split() if word.startswith("-")]
    metavar = " ".join(word for word in spelled.split() if not word.startswith("-")) or None
    text = with_default(help, default)
    return typer.Option(
        *names,
        metavar=metavar,
        rich_help_panel=group,
        help=text,
        show_default=False,
        autocompletion=completes,
    )


def argument(metavar: str, help: str, *, default: object = None, completes: Completer | None = None) -> Any:
    """Declare an argument, as `option` does an option."""
    text = with_default(help, default)
    return typer.Argument(metavar=metavar, help=text, show_default=False, autocompletion=completes)


def with_default(text: str, default: object) -> str:
    """Return the help of an option that is ``default`` unless it is given; None says nothing of it."""
    return escape(text) if default is None else f"{escape(text)} [dim]{escape(f'[default: {default}]')}[/]"
