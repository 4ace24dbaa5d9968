"""The definition of a source, and the registry of all sources."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ffcli.core.registry import Registry
from ffcli.datasets.base import BrokenDataError
from ffcli.datasets.catalog import DatasetSpec
from ffcli.datasets.http import Web


@dataclass(frozen=True)
class Candidate:
    """A path, URL or package that may hold the data.

    ``get`` is given an empty folder to work in and returns a folder of IDX files or a Keras-style
    ``.npz``, not yet verified; it raises `BrokenDataError` with the reason where it cannot.
    """

    origin: str
    get: Callable[[Path], Path]


Candidates = Callable[[DatasetSpec, Web], Iterator[Candidate]]


@dataclass(frozen=True)
class Source:
    """A way to get a dataset; ``auto`` tries the lower ranks first."""

    name: str
    rank: int
    candidates: Candidates


SOURCES: Registry[Source] = Registry("source")


def source(name: str, *, rank: int) -> Callable[[Candidates], Candidates]:
    """Return a decorator that registers a function as the source ``name``."""

    def add(candidates: Candidates) -> Candidates:
        SOURCES.register(name)(Source(name, rank, candidates))
        return candidates

    return add


def source_names() -> list[str]:
    """Return the names of all sources, in the order in which ``auto`` tries them."""
    return sorted(SOURCES, key=lambda name: SOURCES[name].rank)


def run(what: str, command: Sequence[str], work: Path, settings: Mapping[str, str], seconds: float) -> None:
    """Run a program in ``work`` with more ``settings`` in its environment.

    Raises:
        BrokenDataError: it cannot be run, fails, or takes longer than ``seconds``; the message
            begins with ``what``.
    """
    try:
        done = subprocess.run(  # noqa: S603 - fixed words, no shell
            command,
            cwd=work,
            env={**os.environ, **settings},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise BrokenDataError(f"{what} took longer than {seconds:g} s") from error
    except OSError as error:
        raise BrokenDataError(f"{what} cannot be run ({error.strerror})") from error
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["no reason given"]
        first_error = next((line[2:].strip() for line in lines if line.startswith("E:")), None)
        raise BrokenDataError(f"{what} failed: {first_error or lines[-1].strip()}")
