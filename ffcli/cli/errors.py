"""The map from exceptions to messages and exit codes."""

from __future__ import annotations

import errno
import os
import sys
import traceback
from dataclasses import dataclass

import typer
from typer.core import TyperArgument

from ffcli.cli.shared import Settings
from ffcli.cli.streams import StdoutError
from ffcli.cli.text import plain_lines
from ffcli.errors import (
    FfnnError,
    RequestError,
    SeveralSweepsError,
    UnavailableError,
    UnknownNameError,
    UnknownParameterError,
)
from ffcli.util.processes import can_start_threads
from ffcli.util.redact import without_secrets
from ffcli.util.signals import exit_code, told_to_end_by

FAILED, WRONG_REQUEST = 1, RequestError.exit_code

_FOLDERS = "Other folders can be chosen with --data-dir and --runs-dir."
_FILES = "Let the process open more files: ulimit -n shows how many it may."
_MEMORY = "A smaller --batch-size or --hidden-size needs less."
_UNMAPPED = "failed to map segment"  # the dynamic linker, of a library for which there is no memory
_PROCESSES = "Let the user start more processes and threads: ulimit -u shows how many there may be."
_OS_HINTS = {
    errno.EAGAIN: _PROCESSES,
    errno.ENOSPC: f"Free some space. {_FOLDERS}",
    errno.EDQUOT: f"Free some space. {_FOLDERS}",
    errno.EACCES: _FOLDERS,
    errno.EPERM: _FOLDERS,
    errno.EROFS: _FOLDERS,
    errno.EMFILE: _FILES,
    errno.ENFILE: _FILES,
}
# What helps against an error of the lower layers, which know no options.
_HINTS: dict[type[FfnnError], str] = {
    SeveralSweepsError: "Choose one with --sweep-name: by its name or line.",
    UnknownParameterError: "--ignore NAME reads the sweep without a parameter.",
}
FIRST_LOOK = "For a first look: ffnn sweep quick. Earlier ones: ffnn sweeps list."
# What helps where an argument of this kind is missing.
_KNOWN = {
    "RUN": "ffnn runs list shows them all.",
    "SWEEP": "ffnn sweeps list shows them all.",
    "ENSEMBLE": "ffnn ensembles list shows them all.",
    "RUN|SWEEP": "ffnn runs list and ffnn sweeps list show them all.",
    "FILE|SWEEP": FIRST_LOOK,
}


class Interrupted(Exception):  # noqa: N818 - the user's wish, not an error
    """The user pressed Ctrl-C, or the process was told to end; the message says what is left to do."""


class ReaderGone(Exception):  # noqa: N818 - nothing went wrong
    """Nobody reads stdout any more. (Typer would answer a BrokenPipeError with exit code 1.)"""


@dataclass(frozen=True)
class _Failure:
    code: int
    message: str
    hint: str | None = None
    title: str = "Error: "


def _explain(error: BaseException) -> _Failure | None:
    """Return what to tell the user, or None for an error that nobody expected."""
    if isinstance(error, ImportError) and _UNMAPPED in str(error):
        error = MemoryError()
    if _lacks_threads(error):
        error = OSError(errno.EAGAIN, "no more threads can be started")
    elif isinstance(error, OSError) and _while_interrupted(error):
        error = KeyboardInterrupt()
    if isinstance(error, FfnnError):
        hint = error.hint or next((hint for kind, hint in _HINTS.items() if isinstance(error, kind)), None)
        if isinstance(error, UnknownNameError) and error.parameter == "recipe":
            hint = "--recipe list shows them; a file of your own goes with --config."
        if isinstance(error, UnavailableError):
            hint = f"{hint or ''} Then: ffnn download {error.dataset} --from PATH".lstrip()
        return _Failure(error.exit_code, _worded(error), hint)
    if isinstance(error, typer.TyperException):
        context, param = getattr(error, "ctx", None), getattr(error, "param", None)
        hint = f"Try '{context.command_path} --help'." if context is not None else None
        if isinstance(param, TyperArgument) and (known := _KNOWN.get(str(param.metavar).split(" ")[0])):
            hint = f"{known} {hint or ''}".rstrip()
        code = FAILED if isinstance(error, RuntimeError) else WRONG_REQUEST
        return _Failure(code, error.format_message().replace("\n\t", " "), hint)
    if isinstance(error, (KeyboardInterrupt, typer.Abort, Interrupted)):
        told = told_to_end_by()
        by = f" by {told.name}" if told else ""
        message = str(error) if isinstance(error, Interrupted) else ""
        return _Failure(exit_code(), f"Interrupted{by}. {message}".rstrip(), title="")
    if isinstance(error, MemoryError):
        return _Failure(FAILED, "there is not enough memory.", _MEMORY)
    if isinstance(error, OSError) and error.errno is not None:
        where = f"{error.filename}: " if error.filename is not None else ""
        return _Failure(FAILED, f"{where}{error.strerror or error}", _OS_HINTS.get(error.errno))
    return None


def _while_interrupted(error: BaseException) -> bool:
    """Whether an error came up while an interruption unwound the stack, as where a library locks a file."""
    before = error.__context__
    return before is not None and (isinstance(before, KeyboardInterrupt) or _while_interrupted(before))


def _lacks_threads(error: BaseException) -> bool:
    """Whether a thread could not be started. OpenBLAS then sends SIGINT to its own process."""
    if isinstance(error, (KeyboardInterrupt, typer.Abort, Interrupted)):
        return told_to_end_by() is None and not can_start_threads()
    return isinstance(error, RuntimeError) and str(error) == "can't start new thread"


def _worded(error: FfnnError) -> str:
    """Return the message, with a parameter named by its flag."""
    if error.parameter is not None:
        reason = error.reason if error.reason.endswith((".", "?")) else f"{error.reason}."
        return f"--{error.parameter.strip('_').replace('_', '-')}: {reason}"
    return str(error)


def report(error: BaseException, settings: Settings) -> int:
    """Tell the user on stderr what went wrong and return the exit code."""
    from ffcli.cli.output import Output

    if isinstance(error, (BrokenPipeError, ReaderGone)):
        silence_stdout()
        return 0
    if isinstance(error, StdoutError):
        silence_stdout()
    failure = _explain(error)
    if failure is None:
        if settings.verbose:
            lines = without_secrets("".join(traceback.format_exception(error)))
            print(plain_lines(lines), end="", file=sys.stderr)
        failure = _Failure(
            FAILED,
            f"unexpected {type(error).__name__}: {error}".rstrip(": "),
            "This is a bug in ffnn." + ("" if settings.verbose else " --verbose shows the traceback."),
        )
    Output(settings).error(failure.message, failure.hint, failure.title)
    return failure.code


def silence_stdout() -> None:
    """Let what is still buffered vanish without a word: its reader has gone, or the disk is full."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
