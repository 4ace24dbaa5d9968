"""The options of the fields of TrainConfig, and the configuration that they make."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar

import typer

from ffcli.cli.completion import complete_dataset, words
from ffcli.cli.help import with_default
from ffcli.cli.parsing import Command
from ffcli.config import (
    FIELDS,
    NAMES,
    Choice,
    Option,
    TrainConfig,
    allowed,
    load_recipe,
    merge,
    metadata,
    used_by,
    validate,
)
from ffcli.config.files import read_config
from ffcli.config.names import ALPHA

_COMPLETERS = {"dataset": complete_dataset, "augment": words("none", "flip", "shift:1", "flip,shift:1")}


def flag(name: str) -> str:
    """Return the long option of a field."""
    return "--" + name.replace("_", "-")


class FieldsCommand(Command):
    """A command that takes the fields of TrainConfig as options, by all their names."""

    other_names: ClassVar[Mapping[str, str]] = {
        flag(spelling): flag(name)  # the field's own name, too: agents send --NumLayers
        for spelling, name in [*NAMES.aliases.items(), *zip(FIELDS, FIELDS)]
    }
    lists: ClassVar[frozenset[str]] = frozenset({"--hidden-size"})


def _help(name: str) -> str:
    """Return the description of a field with its choices or bounds, what uses it, and its default."""
    info = FIELDS[name]
    option = metadata(info, Option)
    what, *parts = (info.description or "").split("; ")
    if metadata(info, Choice):
        what = f"{what}: {allowed(name)}"
    elif not option.metavar and info.annotation is not bool:  # a metavar of its own says what is taken
        parts.append(re.sub("^an? [a-z]+ ?", "", allowed(name)))
    users = used_by(name)
    if users and len(users) < len(metadata(FIELDS["optimizer"], Choice).registry):
        parts.append(f"used by {', '.join(users)}")
    default = str(info.default).lower() if info.annotation is bool else info.default
    return with_default("; ".join(filter(None, (what[:1].upper() + what[1:], *parts))), default)


def _parameter(name: str) -> inspect.Parameter:
    option, choice = metadata(FIELDS[name], Option), metadata(FIELDS[name], Choice)
    is_truth = FIELDS[name].annotation is bool
    noun = "NAME" if choice else "INT" if allowed(name).startswith("an int") else "NUMBER"
    declared = typer.Option(
        flag(name),
        *option.flags,
        metavar=None if is_truth else option.metavar or noun,
        help=_help(name),
        rich_help_panel=option.group,
        show_default=False,
        autocompletion=words(*choice.registry) if choice else _COMPLETERS.get(name),
    )
    kind = bool if is_truth else str
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind | None, declared]
    )


def _alpha() -> inspect.Parameter:
    """Return the hidden option whose field depends on the others that are given; see `FieldNames.resolve`."""
    declared = Annotated[
        str | None,
        typer.Option(
            flag(ALPHA),
            hidden=True,
            metavar="NUMBER",
            help="weight_decay beside a learning rate, learning_rate beside a weight decay.",
            rich_help_panel=metadata(FIELDS["learning_rate"], Option).group,
        ),
    ]
    return inspect.Parameter(ALPHA, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=declared)


def with_fields(function: Callable[..., None]) -> Callable[..., None]:
    """Give ``function(ctx, …, **fields)`` an option for each field of TrainConfig, in the fields' order.

    It receives them as text by the fields' names, None where they are not given, and ``alpha`` beside them.
    """

    own = inspect.signature(function, eval_str=True).parameters.values()
    fixed = [
        parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for parameter in own
        if parameter.kind is not inspect.Parameter.VAR_KEYWORD
    ]
    parameters = [*map(_parameter, FIELDS), _alpha(), *fixed]
    function.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return function


def given(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that were given on the command line."""
    return {name: value for name, value in values.items() if value is not None}


def configure(file: Path | None, flags: Mapping[str, str], recipe: str | None = None) -> TrainConfig:
    """Return the configuration: explicit flags over the file over the recipe over the defaults.

    Raises RequestError that names the option, or the file and its key.
    """
    from_recipe = load_recipe(recipe).settings if recipe is not None else {}
    from_file = read_config(file, f"--config {file}: ") if file is not None else {}
    given_flags = merge(flags)

    def label(name: str) -> str:
        if name in given_flags:
            return flag(name)
        if name in from_file:
            return f"{file}: {name}"
        return f"--recipe {recipe}: {name}" if name in from_recipe else flag(name)

    return validate(merge(from_recipe, from_file, flags), label)
