"""The standard streams of the process, made safe before anything is written to them."""

from __future__ import annotations

import codecs
import io
import os
import select
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ffcli.errors import FfnnError

_ERRORS = "ffnn.plainer"  # the name of what is done with characters that an encoding lacks
_PLAINER = {
    **dict.fromkeys("█▀▄■", "#"),
    **dict.fromkeys("▏▎▍▌▋▊▉", ""),  # less than a block
    **dict.fromkeys("–—−", "-"),
    **dict.fromkeys("━─╸╺", "-"),
    **{"…": "...", "×": "x", "≥": ">=", "≤": "<=", "±": "+-", "→": "->", "◂": "<", "•": "*", "’": "'"},
}


def _plainer(error: UnicodeError) -> tuple[str, int]:
    """Write what an encoding lacks, such as the blocks of a bar in ASCII, as what comes closest."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(_PLAINER.get(letter, "?") for letter in lacking), error.end


codecs.register_error(_ERRORS, _plainer)
_PATIENCE = 1.0  # seconds that a reader of stderr is waited for, until it reads again


def make_streams_safe() -> None:
    """Let a closed stream lead nowhere, stderr never fail or block, and every character be written.

    Without that, a file opened later would take the number of the closed stream, and what a library writes
    there would go into the file.
    """
    if sys.platform != "win32":
        for descriptor in range(3):
            try:
                os.fstat(descriptor)
            except OSError:
                os.open(os.devnull, os.O_RDWR)  # takes the lowest free number
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115 - it stays open to the end
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_ERRORS)
            if stream is sys.__stderr__ and sys.platform != "win32":
                sys.stderr = _Stderr(stream)


class _Stderr(io.TextIOBase):
    """Writes to stderr what can be written at once, and drops the rest.

    Progress must not end or stop the work that it tells of, whether the disk behind it is full, its reader or
    its terminal has gone, or a pipe is full because nobody reads it.
    """

    def __init__(self, stream: io.TextIOWrapper) -> None:
        self._descriptor = stream.fileno()
        self._encoding = stream.encoding
        self._patience = _PATIENCE
        self._lock = threading.Lock()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding

    @property
    def errors(self) -> str:  # type: ignore[override]
        """What becomes of a character that the encoding lacks."""
        return _ERRORS

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        """Write a text as far as that is possible without waiting, and return its length."""
        left = text.encode(self._encoding, self.errors)
        with self._lock:
            try:
                while left and self._takes_more():
                    # So much fits into a pipe that takes more at all.
                    left = left[os.write(self._descriptor, left[: select.PIPE_BUF]) :]
            except OSError:  # full, closed, or another's that does not block
                pass
        return len(text)

    def _takes_more(self) -> bool:
        _, ready, _ = select.select([], [self._descriptor], [], self._patience)
        self._patience = _PATIENCE if ready else 0.0
        return bool(ready)


class StdoutError(FfnnError):
    """What was asked for cannot be written to stdout; what the command has stored is there."""

    def __init__(self, error: OSError) -> None:
        super().__init__(
            f"stdout: {error.strerror or error}. The result could not be written there.",
            hint="What the command has stored is kept: ffnn runs list.",
        )


@contextmanager
def writing_stdout() -> Iterator[None]:
    """Write all that the block prints. Raises StdoutError where stdout does not take it."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise StdoutError(error) from None
