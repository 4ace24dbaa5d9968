"""The options of every command, accepted before its name and after it; the later one wins."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperOption
from typer.main import get_command

from ffcli.util.folders import data_folder, runs_folder

PANEL = "Folders and output"


@dataclass
class Settings:
    """What the shared options come to for one call of the command."""

    data_dir: Path = field(default_factory=data_folder)
    runs_dir: Path = field(default_factory=runs_folder)
    json: bool = False
    quiet: bool = False
    verbose: bool = False
    command_line: tuple[str, ...] = ("ffnn",)

    def command(self, *words: str) -> str:
        """Return a command line for the user to type that looks into the same folder of runs."""
        elsewhere = self.runs_dir != runs_folder()
        return shlex.join(["ffnn", *words, *(["--runs-dir", str(self.runs_dir)] if elsewhere else [])])


def _set(ctx: typer.Context, param: typer.CallbackParam, value: Any) -> None:
    if value is None:
        return
    if param.name.endswith("_dir"):
        if not str(value):
            if ctx.resilient_parsing:
                return
            ctx.fail(f"--{param.name.replace('_', '-')} needs the path of a folder.")
        value = data_folder(value) if param.name == "data_dir" else runs_folder(value)
    setattr(ctx.ensure_object(Settings), param.name, value)


def _show_version(ctx: typer.Context, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from ffcli.version import __version__

        settings = ctx.ensure_object(Settings)
        is_json = settings.json or "--json" in settings.command_line  # which may come after it
        typer.echo(f'{{"version": "{__version__}"}}' if is_json else f"ffnn {__version__}")
        raise typer.Exit


def _option(*names: str, **settings: Any) -> Any:
    return typer.Option(
        *names, callback=_set, expose_value=False, show_default=False, rich_help_panel=PANEL, **settings
    )


def _declare(
    data_dir: Annotated[
        str | None, _option("--data-dir", metavar="DIR", help="Datasets (./data or FFNN_DATA_DIR).")
    ] = None,
    runs_dir: Annotated[
        str | None, _option("--runs-dir", metavar="DIR", help="Stored runs (./runs or FFNN_RUNS_DIR).")
    ] = None,
    json: Annotated[bool | None, _option("--json", help="Print one JSON document instead of text.")] = None,
    quiet: Annotated[bool | None, _option("--quiet", "-q", help="Print no progress and no notices.")] = None,
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            is_eager=True,
            expose_value=False,
            show_default=False,
            callback=_show_version,
            help="Show the version and exit.",
            rich_help_panel=PANEL,
        ),
    ] = False,
    verbose: Annotated[
        bool | None, _option("--verbose", "-v", help="Show the traceback of an unexpected error.")
    ] = None,
) -> None:
    """Only the signature matters: Typer reads the shared options from it."""


@cache
def shared_options() -> tuple[TyperOption, ...]:
    """Return the shared options, for the parameters of a command or a group."""
    app = typer.Typer(add_completion=False)
    app.command()(_declare)
    return tuple(param for param in get_command(app).params if isinstance(param, TyperOption))
