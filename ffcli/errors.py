"""What can go wrong, as exceptions that know their exit code.

Every error that a user can cause is one of these; the command line turns each into one message.
"""

from __future__ import annotations


class FfnnError(Exception):
    """Something failed at run time: the message says what, the hint what to do about it.

    ``parameter`` names the parameter at fault, in which case ``reason`` is the message without it: the
    command line shows its flag instead.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None, parameter: str | None = None) -> None:
        super().__init__(message if parameter is None else f"{parameter.strip('_')}: {message}")
        self.hint, self.parameter, self.reason = hint, parameter, message


class RequestError(FfnnError):
    """The request itself is wrong: an option, a value or a file."""

    exit_code = 2


class DataError(FfnnError):
    """A dataset cannot be had, or is damaged."""


class UnavailableError(DataError):
    """No source has a known dataset; ``dataset`` is its name."""

    def __init__(self, message: str, *, hint: str | None = None, dataset: str) -> None:
        super().__init__(message, hint=hint)
        self.dataset = dataset
