"""Shell completion of the values of options and arguments.

Each completer is handed to Typer's ``autocompletion``. It reads names of folders and imports nothing heavy
unless the names live there, for it is waited for at every press of Tab. It never fails, and it offers only
words that no shell takes for anything else: the scripts of Typer hand them to ``eval`` and to globbing.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import typer

from ffcli.cli.shared import Settings
from ffcli.runs.layout import ensemble_ids, run_ids, sweep_ids
from ffcli.services.sweeps.shipped import named_files

Completer = Callable[[typer.Context, str], list[str]]

_PLAIN = re.compile(r"[\w./][\w./:,-]*", re.ASCII)


def _completer(find: Callable[[Settings], Iterable[str]]) -> Completer:
    def complete(ctx: typer.Context, incomplete: str) -> list[str]:
        try:
            names = [name for name in find(ctx.ensure_object(Settings)) if _PLAIN.fullmatch(name)]
        except Exception:  # whatever is broken, the user is typing a command
            return []
        given = set(_given(ctx))
        return [name for name in names if name.startswith(incomplete) and name not in given]

    return complete


def _given(ctx: typer.Context) -> Iterator[str]:
    """Yield the arguments that are there already."""
    for value in ctx.params.values():
        if isinstance(value, (list, tuple)):
            yield from map(str, value)


def names_in(module: str, attribute: str, *more: str) -> Completer:
    """Return a completer of ``more`` and the names that a registry, or a function, of a module holds."""

    def find(_settings: Settings) -> Iterable[str]:
        held: Any = getattr(import_module(module), attribute)
        return [*more, *(held() if callable(held) else held)]

    return _completer(find)


def words(*names: str) -> Completer:
    """Return a completer of these names."""
    return _completer(lambda _settings: names)


def _sweep_files() -> Iterator[str]:
    """Yield the files' names, and the YAML files of this folder and of its folder ``sweeps``."""
    yield from named_files()
    for folder in (Path(), Path("sweeps")):
        if folder.is_dir():
            yield from sorted(str(path) for path in folder.iterdir() if path.suffix in (".yaml", ".yml"))


# Ids come the newest first.
complete_run = _completer(lambda settings: reversed(run_ids(settings.runs_dir)))
complete_sweep = _completer(lambda settings: reversed(sweep_ids(settings.runs_dir)))
complete_ensemble = _completer(lambda settings: reversed(ensemble_ids(settings.runs_dir)))
complete_run_or_sweep = _completer(
    lambda settings: reversed(run_ids(settings.runs_dir) + sweep_ids(settings.runs_dir))
)
complete_sweep_file = _completer(lambda settings: [*_sweep_files(), *reversed(sweep_ids(settings.runs_dir))])
complete_dataset = names_in("ffcli.datasets.catalog", "KNOWN")
complete_metric = names_in("ffcli.runs.metric", "METRICS")
complete_status = names_in("ffcli.runs.record", "STATUSES")


def asked() -> bool:
    """Whether a shell has called this process to complete a command line."""
    return "_FFNN_COMPLETE" in os.environ
