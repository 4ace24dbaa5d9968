"""The grammar of the command line: how words become options, for every command.

Typer's own parser comes after it and sees only canonical words, so what its private parser makes of unusual
spellings does not matter. The grammar:

- long options take underscores for hyphens, and values as ``--name value`` or ``--name=value``;
- short options have one letter or more (``-e``, ``-lr``, ``-w_d``) and also take ``-e10`` and ``-e=10``;
- every boolean takes ``--flag``, ``--no-flag``, ``--flag=true|false`` and ``--flag true|false``;
- a long option with a single dash (``-epochs 3``) is refused, for ``-e pochs`` is never meant;
- an option that takes a list of integers also takes them as several words (``-sz 128 64``);
- a negative number where no value is due is an argument, not an option.
"""

from __future__ import annotations

import inspect
import re
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from ffcli.cli.shared import PANEL, shared_options
from ffcli.cli.streams import writing_stdout
from ffcli.util.suggest import closest, compact, guesses, question

if TYPE_CHECKING:
    _Base = TyperCommand  # or `TyperGroup`, which has these methods too
else:
    _Base = object

_NUMBER = re.compile(r"-\.?\d")
_INTEGERS = re.compile(r"\d+(,\d+)*,?")
_TRUTH = {"true": True, "false": False}
_WORDS, _NO_COMMAND = f"{__name__}.words", f"{__name__}.no_command"  # kept in a context's ``meta``


class _WithGrammar(_Base):
    """What commands and groups of commands share: the shared options and the grammar of this module."""

    def __init__(self, name: str | None = None, **settings: Any) -> None:
        params = [*(settings.pop("params", None) or ()), *shared_options()]
        super().__init__(name=name, params=params, help=_unwrapped(settings.pop("help", None)), **settings)

    def get_help_option(self, ctx: Any) -> TyperOption | None:
        option = super().get_help_option(ctx)
        if option is not None:
            option.rich_help_panel = PANEL
        return option

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the help; Rich does, and not into ``formatter``."""
        with writing_stdout():
            super().format_help(ctx, formatter)

    def get_params(self, ctx: Any) -> list[Any]:
        """Leave types such as "<bool>" and "<list[str]>" out: they are Python's, not the user's."""
        params = super().get_params(ctx)
        for param in params:
            if isinstance(param, TyperOption) and param.is_bool_flag:
                param.metavar = ""
            elif isinstance(param, TyperArgument):
                param.display_type_rich = _no_type  # type: ignore[method-assign]
        return params

    def make_parser(self, ctx: Any) -> Any:
        parser = super().make_parser(ctx)
        for param in self.get_params(ctx):
            if isinstance(param, TyperOption) and (no := _negative(param)):
                parser.add_option(obj=param, opts=[no], dest=param.name, action="store_const", const=False)
        return parser


class Command(_WithGrammar, TyperCommand):
    """A command with the shared options and the grammar of this module.

    ``other_names`` maps further long names, compared without case, hyphens and underscores, to those that
    the help lists, or to one with its value. ``lists`` are the options that take several integers.
    """

    other_names: ClassVar[Mapping[str, str]] = {}
    lists: ClassVar[frozenset[str]] = frozenset()

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        grammar = _Grammar(ctx, self.get_params(ctx), self.other_names, self.lists)
        if ctx.resilient_parsing:
            ctx.meta[_WORDS] = args
            args = grammar.unfinished(args)
        else:
            args = grammar.canonical(args)
        return super().parse_args(ctx, args)

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        """Complete the value of an option in one of its other spellings, which Typer does not know."""
        grammar = _Grammar(ctx, self.get_params(ctx), self.other_names, self.lists)
        option = grammar.awaiting(ctx.meta.get(_WORDS, []))
        completed = (
            option.shell_complete(ctx, incomplete) if option else super().shell_complete(ctx, incomplete)
        )
        return list(completed)


class Group(_WithGrammar, TyperGroup):
    """A group of commands with the same grammar; without any word it shows its help."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        grammar = _Grammar(ctx, self.get_params(ctx))
        if ctx.resilient_parsing:
            args = grammar.unfinished(args, arguments_last=False)
        else:
            args = grammar.canonical(args or ["--help"], arguments_last=False)
        return super().parse_args(ctx, args)

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        """Complete nothing after a word that is no command."""
        return [] if ctx.meta.get(_NO_COMMAND) else list(super().shell_complete(ctx, incomplete))

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        name, command, rest = super().resolve_command(ctx, args)
        ctx.meta[_NO_COMMAND] = command is None
        return name, command, rest


def _unwrapped(text: str | None) -> str:
    """Join the lines of each paragraph but indented ones, so that the terminal's width alone breaks them."""
    paragraphs = inspect.cleandoc(text or "").split("\n\n")
    return "\n\n".join(part if "\n  " in part else " ".join(part.split()) for part in paragraphs)


def _no_type(ctx: Any) -> str:  # noqa: ARG001 - Typer gives it by this name
    return ""


def _negative(option: TyperOption) -> str | None:
    """Return the ``--no-flag`` that a plain boolean gets beside what the help lists."""
    plain = option.is_bool_flag and not option.secondary_opts and not option.is_eager
    return f"--no-{_label(option)[2:]}" if plain else None


def _label(option: TyperOption) -> str:
    return next((name for name in option.opts if name.startswith("--")), option.opts[0])


class _Grammar:
    """Rewrites the words given to one command; mistakes end in a usage error."""

    def __init__(
        self,
        ctx: typer.Context,
        params: Iterable[Any],
        other_names: Mapping[str, str] | None = None,
        lists: frozenset[str] = frozenset(),
    ) -> None:
        self._ctx = ctx
        names = {"--no-wandb": "--wandb=disabled", **(other_names or {})}
        self._other_names = {compact(name): meant for name, meant in names.items()}
        self._lists = lists
        self._spelled: dict[str, str] = {}  # how each long option that is given by another name is spelled
        self._options: dict[str, TyperOption] = {}
        self._negatives: set[str] = set()
        for option in params:
            if isinstance(option, TyperOption):
                negatives = [*option.secondary_opts, *filter(None, [_negative(option)])]
                self._negatives.update(negatives)
                self._options.update(dict.fromkeys([*option.opts, *negatives], option))

    def canonical(self, args: Sequence[str], *, arguments_last: bool = True) -> list[str]:
        """Return ``args`` in the one spelling that the parser gets.

        A command's arguments are moved behind its options. A group leaves everything from its first
        argument on, the name of a command, as it is.
        """
        words, options, arguments = deque(args), list[str](), list[str]()
        while words:
            word = words.popleft()
            if word == "--":
                arguments += words
                break
            if len(word) > 1 and word[0] == "-" and not _NUMBER.match(word):
                options += self._option(word, words)
            elif arguments_last:
                arguments.append(word)
            else:
                return [*options, word, *words]
        return [*options, "--", *arguments] if arguments else options

    def unfinished(self, args: Sequence[str], *, arguments_last: bool = True) -> list[str]:
        """Return ``args`` of a line that is still being typed: its last option may lack a value."""
        for words in (args, args[:-1]):
            with suppress(typer.TyperException):
                return self.canonical(words, arguments_last=arguments_last)
        return list(args)

    def awaiting(self, args: Sequence[str]) -> TyperOption | None:
        """Return the option whose value comes next, if the last word is one (bash sets "=" apart)."""
        name = next((word for word in reversed(args) if word != "="), "")
        option = self._options.get(self._known_name(name))
        return None if option is None or option.is_flag else option

    def _option(self, word: str, words: deque[str]) -> list[str]:
        spelling, equals, value = word.partition("=")
        name = self._known_name(spelling)
        if "=" in name:
            if equals:
                self._ctx.fail(f"{spelling} takes no value: it stands for {name}.")
            name, equals, value = name.partition("=")
        if name not in self._options:
            if name.startswith("--"):
                self._refuse(spelling, *self._guesses(spelling[2:]))
            return self._short_options(word, words)
        self._refuse_two_names(name, spelling)
        return self._with_value(name, value if equals else None, words)

    def _known_name(self, name: str) -> str:
        """Return the long option that a name stands for; short ones as they are."""
        if not name.startswith("--"):
            return name
        hyphenated = "--" + name[2:].replace("_", "-")
        if hyphenated in self._options:
            return hyphenated
        return self._other_names.get(compact(name), hyphenated)

    def _refuse_two_names(self, name: str, spelling: str) -> None:
        """Refuse ``--lr 0.1 --learning-rate 0.2``, of which only one can be meant."""
        before = self._spelled.setdefault(name, spelling) if spelling.startswith("--") else spelling
        if compact(before) != compact(spelling):
            self._ctx.fail(f"{before} and {spelling} are the same option: leave one of them out.")

    def _with_value(self, name: str, value: str | None, words: deque[str]) -> list[str]:
        option = self._options[name]
        if option.is_flag:
            if value is None and words and words[0].lower() in _TRUTH:
                value = words.popleft()
            truth = True if value is None else _TRUTH.get(value.lower())
            if truth is None:
                self._ctx.fail(f"{name} must be true or false, got '{value}'.")
            if truth != (name in self._negatives):
                return [_label(option)]
            return [*option.secondary_opts, f"--no-{_label(option)[2:]}"][:1]
        if value is None:
            if not words or (words[0].startswith("--") and self._known_name(words[0]) in self._options):
                self._ctx.fail(f"{name} needs a value.")
            value = words.popleft()
        if _label(option) in self._lists and _INTEGERS.fullmatch(value):
            while words and _INTEGERS.fullmatch(words[0]):
                value = f"{value.rstrip(',')},{words.popleft()}"
        return [_label(option), value]

    def _short_options(self, word: str, words: deque[str]) -> list[str]:
        """Read ``-e10``, ``-e=10`` or ``-qv``: a short option with what is attached to it."""
        name = word.partition("=")[0]
        if meant := self._long_option_meant(name[1:].lower().replace("_", "-")):
            self._refuse(name, meant)
        for flag, end in ((word[:end], end) for end in range(len(word) - 1, 1, -1)):
            if flag in self._options:
                if self._options[flag].is_flag and word[end] != "=":
                    return [*self._with_value(flag, None, words), *self._option(f"-{word[end:]}", words)]
                return self._with_value(flag, word[end:].removeprefix("="), words)
        self._refuse(name, *self._guesses(name[1:]))
        raise AssertionError("unreachable")

    def _long_option_meant(self, word: str) -> str | None:
        if len(word) < 2:
            return None
        if (name := self._known_name(f"--{word}").partition("=")[0]) in self._options:
            return name[2:]
        if not word.replace("-", "").isalpha():
            return None
        names = self._long_names()
        meant = [name for name in names if name.startswith(word)] or closest(word, dict(zip(names, names)))
        return meant[0] if meant else None

    def _long_names(self) -> list[str]:
        return [name[2:] for name in self._options if name.startswith("--")]

    def _guesses(self, word: str) -> list[str]:
        """Return the long names that an unknown one may mean: --qv is -qv with a dash too many."""
        if (option := self._options.get(f"-{word.replace('-', '_')}")) is not None:
            return [_label(option)[2:]]
        meant = {name: known[2:].partition("=")[0] for name, known in self._other_names.items()}
        names = self._long_names()
        longer = [name for name in names if len(name) > 3 and compact(word).startswith(compact(name))]
        return guesses(word, names, meant) or longer[:1]

    def _refuse(self, name: str, *meant: str) -> None:
        self._ctx.fail(f"No such option '{name}'.{question(*(f'--{each}' for each in meant))}")
