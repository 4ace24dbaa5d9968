"""Writes docs/cli.md from the help of the commands: ``python -m tools.cli_reference``.

With ``--check`` it writes nothing and ends with exit code 1 where the page is stale.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from rich.text import Text
from typer.core import TyperArgument, TyperGroup, TyperOption
from typer.main import get_command

from ffcli.cli.app import COMMANDS, app
from ffcli.cli.shared import PANEL
from ffcli.config import FIELDS, Choice, Option, metadata

PAGE = Path(__file__).parents[1] / "docs" / "cli.md"

_HEAD = """\
# The commands

This page is generated from the help (`ffnn COMMAND --help`) by `python -m tools.cli_reference`: change the
help, not the page.

Long options work with hyphens and with underscores, and as `--name value` or `--name=value`; choices ignore
case. A boolean takes `--flag`, `--no-flag` and `--flag=true|false`. Results go to stdout, everything else to
stderr. Exit codes: 0 done, 1 failed at run time, 2 wrong request, 130 interrupted (143 by SIGTERM, 129 by
SIGHUP).
"""


def reference() -> str:
    """Return the page."""
    root = get_command(app)
    parts = [_HEAD, *_section("Options of every command", _rows(root, only=PANEL))]
    for name in COMMANDS:
        module = import_module(f"ffcli.cli.commands.{name.replace('-', '_')}")
        parts += _command(get_command(module.app), f"ffnn {name}")
    parts += _other_names()
    return "\n".join(parts)


def _other_names() -> Iterator[str]:
    """Yield the aliases of hyper-parameters and of their values."""
    names = [(f"`{name}`", _listed(metadata(info, Option).aliases)) for name, info in FIELDS.items()]
    yield (
        "## Other names of hyper-parameters\n\n"
        "Understood in sweep files, in `--config`, as long options and by `ffcli.TrainConfig`, and stored\n"
        "under the first name. Case, spaces, hyphens and underscores do not matter. `alpha` is the weight\n"
        "decay beside a learning rate, and the learning rate beside a weight decay.\n"
    )
    yield _table((name, also) for name, also in names if also)
    registries = {
        name: choice.registry for name, info in FIELDS.items() if (choice := metadata(info, Choice))
    }
    yield "## Other names of their values\n"
    yield _table(
        (f"{field} `{name}`", _listed(registry.aliases(name)))
        for field, registry in registries.items()
        for name in registry
        if registry.aliases(name)
    )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _command(command: Any, path: str) -> Iterator[str]:
    if isinstance(command, TyperGroup):
        for name, sub in command.commands.items():
            yield from _command(sub, f"{path} {name}")
        return
    context = command.make_context(path, [], resilient_parsing=True)
    usage = " ".join(command.collect_usage_pieces(context))
    yield f"## {path}\n\n`{path} {usage}`\n\n{command.help}\n"
    groups: dict[str, None] = dict.fromkeys(_group(param) for param in command.params)
    for group in groups:
        yield from _section(group, _rows(command, only=group), level=3)


def _group(param: Any) -> str:
    return "Arguments" if isinstance(param, TyperArgument) else param.rich_help_panel or "Options"


def _rows(command: Any, only: str) -> Iterator[tuple[str, str]]:
    """Yield the names and the help of a group of options; what every command has stands once, at the top."""
    everywhere = {param.name for param in get_command(app).params} if command.name != "ffnn" else set()
    for param in command.params:
        if _group(param) == only and not param.hidden and param.name not in everywhere:
            yield _names(param), Text.from_markup(param.help or "").plain + " (required)" * param.required


def _names(param: Any) -> str:
    if isinstance(param, TyperArgument):
        return f"`{param.metavar}`"
    assert isinstance(param, TyperOption)
    names = ", ".join(f"`{name}`" for name in [*param.opts, *param.secondary_opts])
    return names if param.is_flag else f"{names} `{param.metavar}`"


def _section(title: str, rows: Iterator[tuple[str, str]], level: int = 2) -> Iterator[str]:
    table = _table(rows)
    if table:
        yield f"{'#' * level} {title}\n\n{table}"


def _table(rows: Iterable[tuple[str, str]]) -> str:
    lines = [f"| {_cell(names)} | {_cell(text)} |" for names, text in rows]
    return "\n".join(["| | |", "| --- | --- |", *lines, ""]) if lines else ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="only say whether the page is up to date")
    if not parser.parse_args().check:
        PAGE.write_text(reference(), "utf-8")
        return 0
    if PAGE.read_text("utf-8") == reference():
        return 0
    print("docs/cli.md is stale: python -m tools.cli_reference writes it anew", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
