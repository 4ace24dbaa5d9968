"""Output of the commands: results on stdout, everything else on stderr."""

from __future__ import annotations

import errno
import sys
from typing import Any, NoReturn

import typer
from rich.console import Console, RenderableType
from rich.text import Text

from ffcli.cli.shared import Settings
from ffcli.cli.streams import writing_stdout
from ffcli.cli.text import plain, plain_lines
from ffcli.errors import RequestError
from ffcli.util.atomic_files import json_text
from ffcli.util.redact import without_secrets

_PIPE_SIZE = 10_000, 25  # where nobody looks, nothing is wrapped


class _Console(Console):
    """Prints text as it is: no markup, no emoji codes, no guessed highlights."""

    def __init__(self, *, stderr: bool) -> None:
        stream = sys.stderr if stderr else sys.stdout
        # Given without the height, the width would not hold where FORCE_COLOR and TERM=dumb are set.
        width, height = (None, None) if stream.isatty() else _PIPE_SIZE
        super().__init__(
            stderr=stderr,
            width=width,
            height=height,
            markup=False,
            highlight=False,
            emoji=False,
        )

    def prose(self, text: Text) -> None:
        """Print lines; a terminal breaks them between words, but for what is to be copied as a whole."""
        for line in text.split("\n", allow_blank=True):
            whole = not self.is_terminal or "ffnn " in line.plain or "/" in line.plain
            self.print(line, soft_wrap=whole)

    def _check_buffer(self) -> None:
        try:
            super()._check_buffer()
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            self.on_broken_pipe()  # the terminal is gone

    def on_broken_pipe(self) -> None:
        """End the command where the reader of stdout has gone; stderr never fails (see `streams`)."""
        if not self.stderr:
            raise BrokenPipeError


class Output:
    """Prints for one call of the command, as its shared options want it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.stderr = _Console(stderr=True)

    @classmethod
    def of(cls, ctx: typer.Context) -> Output:
        """Return the sink for the command that is being run."""
        return cls(ctx.ensure_object(Settings))

    @property
    def live(self) -> bool:
        """Whether progress may be drawn and redrawn."""
        return not self.settings.quiet and sys.stderr.isatty() and not self.stderr.is_dumb_terminal

    @property
    def can_ask(self) -> bool:
        """Whether somebody is there to answer a question."""
        return sys.stdin.isatty() and sys.stdout.isatty() and sys.stderr.isatty()

    def result(self, document: Any, *shown: RenderableType) -> None:
        """Print what was asked for: ``document`` with ``--json``, else what is ``shown``."""
        with writing_stdout():
            if self.settings.json:
                print(json_text(document))
                return
            console = _Console(stderr=False)
            for item in shown:
                if isinstance(item, str):
                    console.prose(_text(item))
                else:
                    console.print(item)

    def notice(self, message: str) -> None:
        """Print a line for the user's information."""
        if not self.settings.quiet:
            self.stderr.prose(_text(message))

    def error(self, message: str, hint: str | None = None, title: str = "Error: ") -> None:
        """Print what went wrong, and what may help in a line of its own."""
        self.stderr.prose(Text.assemble((title, "bold red"), _text(message)))
        if hint:
            self.stderr.prose(_text(hint))

    def ask(self, question: str, *, default: bool = False) -> bool:
        """Ask a yes-or-no question on stderr; Enter alone means the default."""
        return typer.confirm(plain(question), default=default, err=True)


def _text(message: str) -> Text:
    """Return lines as they are shown: nothing in them is obeyed by a terminal, and no password is told."""
    return Text(plain_lines(without_secrets(message)))


def refuse(message: str, hint: str | None = None) -> NoReturn:
    """Say that the request is wrong."""
    raise RequestError(message, hint=hint)
