"""The exceptions of the program, each with its exit code.

Every error that a user can cause is one of these; the command line turns each into one message. An error of
the lower layers names parameters and values; what it says of options is added by ``ffcli.cli.errors``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ffcli.util.suggest import closest, unknown


class FfnnError(Exception):
    """Something failed at run time: the message says what, the hint what to do about it.

    ``parameter`` names the parameter at fault, in which case ``reason`` is the message without it: the
    command line shows its flag instead.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None, parameter: str | None = None) -> None:
        super().__init__(message if parameter is None else f"{parameter.strip('_')}: {message}")
        self.hint, self.parameter, self.reason = hint, parameter, message

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by content: an error passes between processes whatever its constructor takes."""
        return _restored, (type(self), self.args, self.__dict__)


def _restored(kind: type[FfnnError], args: tuple[Any, ...], content: Mapping[str, Any]) -> FfnnError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(content)
    return error


class RequestError(FfnnError):
    """The request itself is wrong: an option, a value or a file."""

    exit_code = 2


class InvalidValueError(RequestError):
    """A value that a parameter does not take. Each second of its message's ``parts`` names a parameter."""

    def __init__(self, *parts: str, hint: str | None = None) -> None:
        super().__init__("".join(parts), hint=hint)
        self.parts = parts

    def named(self, label: Callable[[str], str]) -> InvalidValueError:
        """Return the same error with the names of parameters as ``label`` gives them."""
        parts = [label(part) if index % 2 else part for index, part in enumerate(self.parts)]
        return InvalidValueError(*parts, hint=self.hint)


class UnknownNameError(RequestError):
    """A name that is none of the ``choices`` of its ``kind``.

    ``meant`` are those that it may stand for (None: the nearest), and ``place`` comes before the message,
    such as ``FILE: parameters.lr: ``.
    """

    def __init__(
        self,
        kind: str,
        name: str,
        choices: Sequence[str],
        *,
        meant: Sequence[str] | None = None,
        place: str = "",
        also: str = "",
        parameter: str | None = None,
    ) -> None:
        meant = closest(name, dict(zip(choices, choices))) if meant is None else meant
        message = f"{place}{unknown(kind, name, choices, meant)}{also}"
        super().__init__(message, parameter=parameter)
        self.kind, self.name, self.choices, self.meant = kind, name, tuple(choices), tuple(meant)


class UnknownParameterError(UnknownNameError):
    """A parameter of a sweep that is not a hyper-parameter; the sweep can be read without it."""


class SeveralSweepsError(RequestError):
    """A script or notebook holds several sweeps, and none or no known one is chosen."""


class DataError(FfnnError):
    """A dataset cannot be had, or is damaged."""


class UnavailableError(DataError):
    """No source has a known dataset; ``dataset`` is its name."""

    def __init__(self, message: str, *, hint: str | None = None, dataset: str) -> None:
        super().__init__(message, hint=hint)
        self.dataset = dataset
