"""``ffnn``: the root of the commands. A command's module is imported when it is called."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand
from typer.main import get_command

from ffcli.cli import completion
from ffcli.cli.errors import Interrupted, ReaderGone, report
from ffcli.cli.parsing import Group
from ffcli.cli.shared import PANEL, Settings
from ffcli.cli.streams import make_streams_safe, writing_stdout
from ffcli.errors import FfnnError

# Each is the module of the same name (_ for -) in this package, which holds an ``app``.
COMMANDS = {
    "download": "Fetch a dataset and verify every byte of it.",
    "train": "Train a network and store the run.",
    "sweep": "Run a W&B sweep file, with W&B or without it.",
    "sweeps": "List, show and remove sweeps.",
    "compare-loss": "Train the same configurations with each loss and compare.",
    "rerun": "Train a sweep's best again, on other data, seeds or folds.",
    "evaluate": "Evaluate stored runs on the test images.",
    "ensembles": "List and show ensembles.",
    "predict": "Show the class probabilities of one image.",
    "visualize": "Show images of the data, or a network's mistakes.",
    "confusion": "Show the confusion matrix of a stored network.",
    "report": "Show a sweep as one self-contained HTML page.",
    "export": "Write a stored network as a file for other programs.",
    "sync": "Send stored runs to Weights & Biases.",
    "runs": "List, show, compare and remove stored runs.",
}


class _Root(Group):
    """Knows its commands by name and one line; imports the one that is called."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        for name, line in COMMANDS.items():
            self.add_command(TyperCommand(name, help=line))

    def get_params(self, ctx: Any) -> list[Any]:
        params = super().get_params(ctx)
        for param in params:
            if param.name in ("install_completion", "show_completion"):
                param.rich_help_panel = "Shell completion"
        return sorted(params, key=lambda param: param.rich_help_panel != PANEL)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        name, command, rest = super().resolve_command(ctx, args)
        if name is not None:
            command = get_command(import_module(f"ffcli.cli.commands.{name.replace('-', '_')}").app)
        return name, command, rest

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise ReaderGone from None
        except KeyboardInterrupt:
            raise Interrupted from None


_HELP = """\
Train, tune and evaluate feed-forward neural networks written from scratch in NumPy.

Start with:
  ffnn train             train the default network on Fashion-MNIST
  ffnn evaluate --best   evaluate the best network so far on the test images
  ffnn sweep quick       search for better settings in forty short runs

The options of a command are listed by ffnn COMMAND --help.
"""

app = typer.Typer(
    name="ffnn",
    cls=_Root,
    help=_HELP,
    subcommand_metavar="COMMAND …",
    context_settings={"help_option_names": ["--help", "-h"]},
)


@app.callback()
def _root() -> None:
    """Carry the shared options."""


def _check_folder() -> None:
    """Raise FfnnError where the current folder is gone, in which paths mean nothing."""
    try:
        os.getcwd()  # noqa: PTH109 - whether there is one
    except OSError as error:
        raise FfnnError(
            f"The current folder cannot be found: {error.strerror}.", hint="Change to another one."
        ) from None


def main(args: Sequence[str] | None = None) -> int:
    """Run the command line ``args`` (without them, that of the process) and return the exit code."""
    words = list(sys.argv[1:] if args is None else args)
    settings = Settings(command_line=("ffnn", *words))
    if words[:1] == ["help"]:  # as in git help COMMAND
        words = [*words[1:], "--help"]
    make_streams_safe()
    os.environ["MPLBACKEND"] = "agg"  # a notebook names one here that need not be installed beside ffnn
    try:
        _check_folder()
        code = get_command(app)(words, prog_name="ffnn", obj=settings, standalone_mode=False)
        with writing_stdout():
            sys.stdout.flush()  # what Rich has printed, such as help
    except SystemExit as left:  # by Rich or Typer, where a reader of help or of the version has gone
        if completion.asked() or left.code != 1:
            raise
        return report(ReaderGone(), settings)
    except Exception as error:
        return 1 if completion.asked() else report(error, settings)
    if code == 128 + signal.SIGINT:  # Typer's answer to whatever interrupts it while it reads the words
        return report(Interrupted(), settings)
    return code if isinstance(code, int) else 0
